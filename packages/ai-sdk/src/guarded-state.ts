/**
 * Which execute functions of this process stand behind a gate. Under one registered symbol, so that every copy of this
 * module agrees; by function, so that a copy of a guarded tool (`{ ...tool }`) is known too.
 * @module
 */
const key: unique symbol = Symbol.for('countersign/1/ai-sdk') as never;

function guardedFunctions(): WeakSet<object> {
  const holder = globalThis as { [key]?: WeakSet<object> };
  const existing = holder[key];
  if (existing !== undefined) return existing;
  const created = new WeakSet<object>();
  Object.defineProperty(globalThis, key, { value: created });
  return created;
}

export function markGuarded(execute: object): void {
  guardedFunctions().add(execute);
}

export function isGuarded(tool: { readonly execute?: unknown }): boolean {
  return typeof tool.execute === 'function' && guardedFunctions().has(tool.execute);
}
