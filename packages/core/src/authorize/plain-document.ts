/**
 * A private copy of a document as plain JSON, members sorted, so that its text is canonical and nobody can change it
 * after it was checked.
 * @module
 */
import type { PolicyIssue } from '../errors.ts';

const maxDepth = 64;
const maxNodes = 10_000_000;

/** Appends to a JSON pointer (RFC 6901). */
export function pointer(base: string, segment: string | number): string {
  return `${base}/${String(segment).replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

export interface PlainCopy {
  readonly value: unknown;
  readonly issues: PolicyIssue[];
}

/** Copies plain JSON and lists what is not: functions, dates, `undefined`, non-finite numbers, `__proto__`, cycles. */
export function copyPlain(value: unknown): PlainCopy {
  const issues: PolicyIssue[] = [];
  let nodes = 0;

  function refuse(path: string, message: string): null {
    issues.push({ path, message });
    return null;
  }

  function copy(node: unknown, path: string, depth: number): unknown {
    nodes += 1;
    if (nodes > maxNodes) throw new RangeError(`the document has more than ${maxNodes} values`);
    if (node === null || typeof node === 'boolean') return node;
    if (typeof node === 'string') return node.isWellFormed() ? node : refuse(path, 'text holds a lone surrogate');
    if (typeof node === 'number') return Number.isFinite(node) ? node : refuse(path, `${node} is not a JSON number`);
    if (typeof node !== 'object') return refuse(path, `${typeof node} is not JSON`);
    if (depth >= maxDepth) return refuse(path, `nested deeper than ${maxDepth} levels, or a cycle`);
    if (Array.isArray(node)) return Array.from(node, (item, index) => copy(item, pointer(path, index), depth + 1));
    const prototype: unknown = Object.getPrototypeOf(node);
    if (prototype !== Object.prototype && prototype !== null) return refuse(path, 'only plain objects are JSON');
    return copyMembers(node as Record<string, unknown>, path, depth);
  }

  function copyMembers(node: Record<string, unknown>, path: string, depth: number): Record<string, unknown> {
    const members: Record<string, unknown> = {};
    for (const key of Object.keys(node).toSorted()) {
      const at = pointer(path, key);
      if (key === '__proto__') refuse(at, 'the key __proto__ is refused');
      else if (!key.isWellFormed()) refuse(at, 'a key holds a lone surrogate');
      else members[key] = copy(node[key], at, depth + 1);
    }
    return members;
  }

  try {
    return { value: copy(value, '', 0), issues };
  } catch (error) {
    return { value: null, issues: [...issues, { path: '', message: `the document cannot be read: ${String(error)}` }] };
  }
}

export function deepFreeze<Value extends object>(value: Value): Value {
  for (const member of Object.values(value)) if (typeof member === 'object' && member !== null) deepFreeze(member);
  return Object.freeze(value);
}
