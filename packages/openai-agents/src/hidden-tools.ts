/**
 * What a principal may not use is not offered to its model. But if the model calls it all the same, the call must be denied
 * and recorded like any other, and the SDK ends a run in which it does not find a tool. It has one list for both: so it gets the
 * whole list, and the request of each turn leaves out what is hidden, just before the model gets it.
 *
 * A runner names its model nowhere that an agent could see. So `Runner.prototype.run` is wrapped, once: for guarded
 * agents the runner's models are read through a proxy. Where that does not reach, hidden tools are left out of the list.
 * @module
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { Runner, type Agent, type ModelRequest } from '@openai/agents';

/** What the agent whose turn it is hides, by name. */
export interface Hidden {
  tools: ReadonlySet<string>;
  handoffs: ReadonlySet<string>;
}

type Run = (this: Runner, agent: object, ...rest: unknown[]) => unknown;
type Method = (...args: unknown[]) => unknown;

const turns = new AsyncLocalStorage<Hidden | undefined>();
const proxies = new WeakMap<object, object>();
const proxied = new WeakSet<object>();
let wrapped = false;

/** Of the run that this is part of; `undefined` where requests would not leave anything out. */
export function hiddenInThisRun(): Hidden | undefined {
  return turns.getStore();
}

/** Makes the models of runners and of `agent` leave out what is hidden. */
export function leaveOutHidden(agent: Agent<unknown>, isGuarded: (agent: object) => boolean): void {
  wrapRunner(isGuarded);
  seeThrough(agent, 'model');
}

function wrapRunner(isGuarded: (agent: object) => boolean): void {
  if (wrapped) return;
  wrapped = true;
  const { run: original } = Runner.prototype as unknown as { run: Run };
  const run: Run = function run(agent, ...rest) {
    const start = (): unknown => Reflect.apply(original, this, [agent, ...rest]);
    // The run of an agent that is not guarded hides nothing, also in the body of a guarded tool.
    if (!isGuarded(agent) || !reaches(this)) return turns.run(undefined, start);
    return turns.run({ tools: new Set(), handoffs: new Set() }, start);
  };
  Runner.prototype.run = run as never;
}

function reaches({ config }: Runner): boolean {
  try {
    seeThrough(config, 'modelProvider');
    seeThrough(config, 'model');
    return true;
  } catch {
    return false;
  }
}

const watched = new WeakMap<object, Set<string>>();

/** Reads `owner[key]` through a proxy while a guarded agent runs; at other times it is what it was. */
function seeThrough<Key extends string>(owner: { [key in Key]?: unknown }, key: Key): void {
  const keys = watched.get(owner) ?? new Set();
  if (keys.has(key)) return;
  let value: unknown = owner[key];
  Object.defineProperty(owner, key, {
    get: () => (turns.getStore() === undefined ? value : through(value)),
    set: (next: unknown) => {
      value = next;
    },
    enumerable: true,
    configurable: true,
  });
  watched.set(owner, keys.add(key));
}

/** A model, or what provides models. Everything else is as it is. */
function through(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || proxied.has(value)) return value;
  const known = proxies.get(value) ?? proxyOf(value);
  proxies.set(value, known);
  proxied.add(known);
  return known;
}

/** Around an empty object, so that a frozen model may be read through it; methods run on the model itself. */
function proxyOf(model: object): object {
  return new Proxy(Object.create(Object.getPrototypeOf(model) as object | null) as object, {
    get(_empty, key) {
      const member: unknown = Reflect.get(model, key, model);
      if (typeof member !== 'function' || key === 'constructor') return member;
      const call: Method = (...args) => Reflect.apply(member as Method, model, args);
      if (key === 'getResponse' || key === 'getStreamedResponse')
        return (request: ModelRequest, ...rest: unknown[]) => call(withoutHidden(request), ...rest);
      if (key === 'getModel') return async (...args: unknown[]) => through(await call(...args));
      return call;
    },
    has: (_empty, key) => Reflect.has(model, key),
    set: (_empty, key, value) => Reflect.set(model, key, value, model),
  });
}

function withoutHidden(request: ModelRequest): ModelRequest {
  const hidden = turns.getStore();
  if (hidden === undefined || hidden.tools.size + hidden.handoffs.size === 0) return request;
  return {
    ...request,
    tools: request.tools.filter((tool) => !hidden.tools.has(nameOfSerialized(tool))),
    handoffs: request.handoffs.filter(({ toolName }) => !hidden.handoffs.has(toolName)),
  };
}

function nameOfSerialized(tool: ModelRequest['tools'][number]): string {
  const { name, namespace } = tool as { name: string; namespace?: string };
  return namespace === undefined || namespace === name ? name : `${namespace}.${name}`;
}
