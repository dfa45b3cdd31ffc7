/**
 * `createAgent` behind the gate, each agent in a run of its own. `SHAPE` says how: `agent` (default) by `guardAgent`, `tools`
 * by guarded tools alone, `middleware` by the middleware as the first of the list. `VERDICT=deny` denies every call; the
 * default permits every call at low risk.
 * @module
 */
import { randomBytes } from 'node:crypto';
import { createCountersign, memoryStore, runnable, type Authorizer } from '@countersign/core';
import { countersignMiddleware, guardAgent, guardTools, type AgentOptions } from '@countersign/langchain';
import type { AgentMiddleware } from 'langchain';
import { counts } from './counts.ts';

type Create = (options: AgentOptions | undefined) => unknown;

const verdict = process.env['VERDICT'] === 'deny' ? 'deny' : 'allow';

const policy: Authorizer = {
  decide() {
    counts.decisions += 1;
    return {
      verdict,
      capability: 'upstream:tool:run',
      risk: 'low',
      reasons: [{ code: verdict === 'allow' ? 'permitted' : 'capability_missing' }],
      policyVersion: '1',
      ruleDigest: verdict,
      rule: {
        capability: 'upstream:tool:run',
        idempotent: false,
        orchestrates: true,
        retain: 'run',
        approvalTtlMs: 60_000,
        credentials: [],
      },
    };
  },
  version: () => '1',
  tools: () => [],
  permittedTools: () => [...names],
};

/** Names of all tools that any test has offered. */
const names = new Set<string>();

const countersign = createCountersign({ policy, store: memoryStore(), audit: { key: randomBytes(32) } });

export function guardedCreateAgent(original: Create): Create {
  return (options) => original(typeof options === 'object' ? guarded(options) : options);
}

function guarded(options: AgentOptions): AgentOptions {
  for (const tool of options.tools ?? []) note(tool);
  const middleware = options.middleware?.map((each) => noting(each as Hooks));
  const gate = countersign.gate({ tenant: 'upstream', user: 'tester', agent: 'test', run: countersign.newRun() });
  // A test may look at the options that it gave, so only what is there is replaced.
  const plain: AgentOptions = { ...options, ...(middleware === undefined ? {} : { middleware }) };
  switch (process.env['SHAPE']) {
    case 'tools':
      return options.tools === undefined
        ? plain
        : { ...plain, tools: options.tools.map((tool) => (isServer(tool) ? tool : guardOne(tool, gate))) };
    case 'middleware':
      return { ...plain, middleware: [countersignMiddleware(gate, { allowServerTools: all }), ...(middleware ?? [])] };
    default:
      return guardAgent(plain, gate, { allowServerTools: all });
  }
}

/** Answers yes to every name. */
const all: readonly string[] = Object.assign([], { includes: () => true });

function guardOne(tool: unknown, gate: Parameters<typeof guardTools>[1]): unknown {
  return guardTools([tool as never], gate, { allowUnrecordedCalls: true })[0];
}

function isServer(tool: unknown): boolean {
  const { _call: body, invoke } = tool as { readonly _call?: unknown; readonly invoke?: unknown };
  return typeof body !== 'function' && typeof invoke !== 'function';
}

type Hooks = Pick<AgentMiddleware, 'tools' | 'wrapModelCall' | 'wrapToolCall'>;

/** The same middleware, also noting the tools that it offers and those that it has run. */
function noting(middleware: Hooks): Hooks {
  const { tools = [], wrapModelCall, wrapToolCall } = middleware;
  for (const tool of tools) note(tool);
  const hooks: Partial<Hooks> = {
    ...(wrapModelCall && {
      wrapModelCall: (request, handler) =>
        wrapModelCall.call(middleware, request, (given) => {
          for (const tool of (given as typeof request).tools) note(tool);
          return handler(given);
        }),
    }),
    ...(wrapToolCall && {
      wrapToolCall: (request, handler) =>
        wrapToolCall.call(middleware, request, (given) => {
          note(given.tool);
          return handler(given);
        }),
    }),
  };
  return Object.assign(Object.create(Object.getPrototypeOf(middleware) as object) as Hooks, middleware, hooks);
}

const counted = new WeakSet<object>();

/** The tool stays the same object: LangChain and its tests compare them. */
function note(tool: unknown): void {
  if (typeof tool !== 'object' || tool === null || counted.has(tool) || isGuarded(tool)) return;
  counted.add(tool);
  const { name, type } = tool as { readonly name?: unknown; readonly type?: unknown };
  for (const each of [name, type]) if (typeof each === 'string') names.add(each);
  const member = '_call' in tool ? '_call' : 'invoke';
  const body = (tool as Record<string, unknown>)[member];
  if (typeof body !== 'function') return;
  const counting = function (this: unknown, ...args: unknown[]): unknown {
    counts.executions += 1;
    return Reflect.apply(body, this, args);
  };
  Object.defineProperty(tool, member, { value: counting, configurable: true, writable: true });
}

function isGuarded(tool: object): boolean {
  return runnable in tool;
}
