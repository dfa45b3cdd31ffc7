/**
 * State shared by every copy of this module in the process (ESM and CommonJS, hot reload), under one registered symbol.
 * @module
 */
import { AsyncLocalStorage } from 'node:async_hooks';

interface ProcessState {
  /** Principals and the instance that made each: a brand that cannot be cloned or forged from data. */
  readonly principals: WeakMap<object, object>;
  /** The guarded call whose body is running here. */
  readonly call: AsyncLocalStorage<unknown>;
  /** The ambient principal and run opened by `countersign.within`. */
  readonly scope: AsyncLocalStorage<unknown>;
  /** Gates and the copies of tools that they guard. */
  readonly gates: WeakSet<object>;
}

const key: unique symbol = Symbol.for('countersign/1') as never;

export function processState(): ProcessState {
  const holder = globalThis as { [key]?: ProcessState };
  const existing = holder[key];
  if (existing !== undefined) return existing;
  const state: ProcessState = {
    principals: new WeakMap(),
    call: new AsyncLocalStorage(),
    scope: new AsyncLocalStorage(),
    gates: new WeakSet(),
  };
  Object.defineProperty(globalThis, key, { value: state });
  return state;
}
