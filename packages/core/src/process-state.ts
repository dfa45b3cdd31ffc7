/**
 * State shared by every copy of this module in the process (ESM and CommonJS, hot reload), under one registered symbol.
 * @module
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { createTopics, type Topics } from './store/topics.ts';

/** The instance that made a principal, as other copies of this module see it. */
export interface PrincipalOwner {
  gateFor(principal: object): object;
  /** Of its user, as it stands in the store. */
  pseudonymOf(principal: { readonly tenant: string; readonly user: string }): string;
}

interface ProcessState {
  /** Principals and the instance that made each: a brand that cannot be cloned or forged from data. */
  readonly principals: WeakMap<object, PrincipalOwner>;
  /** The guarded call whose body is running here. */
  readonly call: AsyncLocalStorage<unknown>;
  /** The ambient gate opened by `countersign.within`. */
  readonly scope: AsyncLocalStorage<unknown>;
  /** Every gate that was made in this process. */
  readonly gates: WeakSet<object>;
  /** Changes of approvals in files of this machine, made through any handle of this process. */
  readonly approvalChanges: Topics;
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
    approvalChanges: createTopics(),
  };
  Object.defineProperty(globalThis, key, { value: state });
  return state;
}
