/**
 * What of a call's arguments may stand in the ledger, in an approval request or in a span: the structure, short
 * values, no secrets, and no more than a few kilobytes.
 * @module
 */
import { namesSecret, secretForms } from './secret-forms.ts';

const maxString = 256;
const maxCharacters = 4096;
const maxDepth = 8;
/** Of brackets and separator, so that empty containers end somewhere too. */
const containerCost = 3;
const redacted = '[redacted]';
const truncated = '[truncated]';

/** Members that name what stands beside them in `value`, as in a list of headers. */
const namingKeys = ['name', 'key', 'header'];

interface Budget {
  characters: number;
}

/** A bounded copy of `args` as plain JSON. Never throws, whatever it is given. */
export function redactArguments(args: unknown): unknown {
  try {
    return redactValue(args, 0, { characters: maxCharacters });
  } catch {
    return '[unreadable]';
  }
}

function redactValue(value: unknown, depth: number, budget: Budget): unknown {
  if (budget.characters <= 0) return truncated;
  if (typeof value === 'string') return spend(redactText(value), budget);
  if (value === null || typeof value === 'boolean') return spend(value, budget);
  if (typeof value === 'number') return spend(Number.isFinite(value) ? value : String(value), budget);
  if (typeof value !== 'object') return spend(`[${typeof value}]`, budget);
  if (depth >= maxDepth) return spend(truncated, budget);
  budget.characters -= containerCost;
  if (Array.isArray(value)) return redactArray(value, depth, budget);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) return spend('[object]', budget);
  return redactObject(value as Record<string, unknown>, depth, budget);
}

function redactArray(values: readonly unknown[], depth: number, budget: Budget): unknown[] {
  const copy: unknown[] = [];
  for (const value of values) {
    if (budget.characters <= 0) {
      copy.push(`[${values.length - copy.length} more]`);
      break;
    }
    copy.push(redactValue(value, depth + 1, budget));
  }
  return copy;
}

function redactObject(value: Record<string, unknown>, depth: number, budget: Budget): unknown {
  const copy: [string, unknown][] = [];
  const keys = Object.keys(value);
  const besideSecret = namingKeys.some((key) => keys.includes(key) && namesSecret(value[key]));
  for (const key of keys) {
    if (budget.characters <= 0) {
      copy.push(['…', `[${keys.length - copy.length} more]`]);
      break;
    }
    const shownKey = spend(redactText(key), budget);
    const hide = namesSecret(key) || (besideSecret && key === 'value');
    copy.push([shownKey, hide ? spend(redacted, budget) : redactValue(value[key], depth + 1, budget)]);
  }
  // Defines members instead of assigning them: a member named __proto__ stays one.
  return Object.fromEntries(copy);
}

function redactText(text: string): string {
  const shown = text.slice(0, maxString * 4).replaceAll(secretForms, redacted);
  if (text.length <= maxString * 4 && shown.length <= maxString) return shown;
  return `${shown.slice(0, maxString)}… (${text.length} characters)`;
}

function spend<Value extends string | number | boolean | null>(value: Value, budget: Budget): Value {
  budget.characters -= typeof value === 'string' ? value.length + 3 : 8;
  return value;
}
