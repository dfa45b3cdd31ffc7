/**
 * Which tools of this process stand behind a gate, and what is running behind one. Under one registered symbol, so that
 * ESM and CommonJS copies of this module agree.
 * @module
 */
import { AsyncLocalStorage } from 'node:async_hooks';

/** The body of a guarded tool that is running here: calls that it makes stand below it. */
export interface Frame {
  /** Where the call stands, as the gate knows it. */
  readonly step: string;
  /** The id that the framework's config carries for this call, and hands down to whatever the body invokes with it. */
  readonly configCallId: string | undefined;
  /** The task of a graph that it runs in. */
  readonly attempt: object | undefined;
}

/** Where the middleware keeps a pause that another middleware might swallow. */
export interface PauseSlot {
  signal?: Error | undefined;
}

interface LangchainState {
  readonly tools: WeakSet<object>;
  /** Values under {@link markKey} in the metadata of guarded tools. An object, so that no data can pretend to be it. */
  readonly marks: WeakSet<object>;
  readonly frame: AsyncLocalStorage<Frame>;
  readonly pause: AsyncLocalStorage<PauseSlot | undefined>;
}

const key: unique symbol = Symbol.for('countersign/1/langchain') as never;

/** A symbol: it reaches callback handlers with the metadata, and never a message, a trace or a checkpoint. */
export const markKey: unique symbol = Symbol.for('countersign/1/langchain/mark') as never;

export function langchainState(): LangchainState {
  const holder = globalThis as { [key]?: LangchainState };
  const existing = holder[key];
  if (existing !== undefined) return existing;
  const state: LangchainState = {
    tools: new WeakSet(),
    marks: new WeakSet(),
    frame: new AsyncLocalStorage(),
    pause: new AsyncLocalStorage(),
  };
  Object.defineProperty(globalThis, key, { value: state });
  return state;
}

export function isGuarded(tool: object): boolean {
  return langchainState().tools.has(tool);
}

/** Whether the metadata of a run come from a guarded tool itself. Those of a config or of a parent run cannot. */
export function isMarked(metadata: object | undefined): boolean {
  const mark = (metadata as { readonly [markKey]?: unknown } | undefined)?.[markKey];
  return typeof mark === 'object' && mark !== null && langchainState().marks.has(mark);
}
