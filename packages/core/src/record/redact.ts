/**
 * What of a call's arguments may stand in the ledger, in an approval request or in a span: the structure, short
 * values, no secrets, and no more than a few kilobytes.
 * @module
 */
import canonicalize from 'canonicalize';
import { rulesOf, treatmentOf, type RedactionRules } from './redaction-rules.ts';
import { namesSecret, secretForms } from './secret-forms.ts';

const maxString = 256;
const maxCharacters = 4096;
const maxDepth = 8;
/** Of brackets and separator, so that empty containers end somewhere too. */
const containerCost = 3;
const redacted = '[redacted]';
const truncated = '[truncated]';
/** Characters of a digest that are shown: 132 bits. */
const digestLength = 22;

/** Members that name what stands beside them in `value`, as in a list of headers. */
const namingKeys = ['name', 'key', 'header'];

interface Budget {
  characters: number;
  readonly digest: RedactOptions['digest'];
}

export interface RedactOptions {
  /** The tool's own rules. */
  readonly rules?: RedactionRules | undefined;
  /** Keyed, so that a short value cannot be guessed. Without it what should be digested is hidden. */
  readonly digest?: ((text: string) => string) | undefined;
}

/** A bounded copy of `args` as plain JSON. Never throws, whatever it is given. */
export function redactArguments(args: unknown, { rules, digest }: RedactOptions = {}): unknown {
  try {
    const budget = { characters: maxCharacters, digest };
    return redactValue(args, 0, budget, rules === undefined ? [] : [rules]);
  } catch {
    return '[unreadable]';
  }
}

/** What a rule says of a value in whole; `undefined`: look into it. */
function treat(value: unknown, rules: readonly RedactionRules[], budget: Budget): string | undefined {
  const treatment = treatmentOf(rules);
  if (treatment !== 'hide' && treatment !== 'digest') return undefined;
  const text = treatment === 'digest' ? canonicalize(value) : undefined;
  const digest = text === undefined ? undefined : budget.digest?.(text);
  return spend(digest === undefined ? redacted : `[digest ${digest.slice(0, digestLength)}]`, budget);
}

function redactValue(value: unknown, depth: number, budget: Budget, rules: readonly RedactionRules[]): unknown {
  if (budget.characters <= 0) return truncated;
  const treated = rules.length === 0 ? undefined : treat(value, rules, budget);
  if (treated !== undefined) return treated;
  if (typeof value === 'string') return spend(redactText(value), budget);
  if (value === null || typeof value === 'boolean') return spend(value, budget);
  if (typeof value === 'number') return spend(Number.isFinite(value) ? value : String(value), budget);
  if (typeof value !== 'object') return spend(`[${typeof value}]`, budget);
  if (depth >= maxDepth) return spend(truncated, budget);
  budget.characters -= containerCost;
  if (Array.isArray(value)) return redactArray(value, depth, budget, rules);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) return spend('[object]', budget);
  return redactObject(value as Record<string, unknown>, depth, budget, rules);
}

function redactArray(
  values: readonly unknown[],
  depth: number,
  budget: Budget,
  rules: readonly RedactionRules[],
): unknown[] {
  const copy: unknown[] = [];
  for (const [index, value] of values.entries()) {
    if (budget.characters <= 0) {
      copy.push(`[${values.length - copy.length} more]`);
      break;
    }
    copy.push(redactValue(value, depth + 1, budget, rulesOf(rules, String(index))));
  }
  return copy;
}

function redactObject(
  value: Record<string, unknown>,
  depth: number,
  budget: Budget,
  rules: readonly RedactionRules[],
): unknown {
  const copy: [string, unknown][] = [];
  const keys = Object.keys(value);
  const besideSecret = namingKeys.some((key) => keys.includes(key) && namesSecret(value[key]));
  for (const key of keys) {
    if (budget.characters <= 0) {
      copy.push(['…', `[${keys.length - copy.length} more]`]);
      break;
    }
    const shownKey = spend(redactText(key), budget);
    const own = rulesOf(rules, key);
    const hide = treatmentOf(own) === undefined && (namesSecret(key) || (besideSecret && key === 'value'));
    copy.push([shownKey, hide ? spend(redacted, budget) : redactValue(value[key], depth + 1, budget, own)]);
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
