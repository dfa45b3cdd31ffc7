/**
 * `Agent` and `tool` of the SDK, behind the gate. Agents are guarded where they are made. Tests of files that call tools
 * past any agent get each function tool guarded by itself. `VERDICT=deny` denies every call; `allow` permits every call
 * at low risk.
 * @module
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import { createCountersign, memoryStore, type Authorizer, type Gate } from '@countersign/core';
import { Runner, RunState, type Agent, type FunctionTool, type Handoff, type Tool } from '@openai/agents';
import { expect } from 'vitest';
import { identify } from '../../../packages/openai-agents/src/call-site.ts';
import { guardAgent } from '../../../packages/openai-agents/src/guard-agent.ts';
import { guardFunctionTool } from '../../../packages/openai-agents/src/guard-function-tool.ts';
import { nameOf } from '../../../packages/openai-agents/src/tool-name.ts';
import { counts } from '../ai/counts.ts';

type AnyAgent = Agent<unknown>;
type MakeTool = (options: { readonly execute?: unknown }) => FunctionTool<unknown>;

const verdict = process.env['VERDICT'] === 'deny' ? 'deny' : 'allow';
/** Files that call `invoke`, or the SDK's functions that do, with a tool that no agent was asked for. */
const direct = /\/(tool|toolExecution|toolInvocationReplay)\.test\.ts$/;

const names = new Set<string>();
const orchestrating = new Set<string>();

const policy: Authorizer = {
  decide(_subject, { name }) {
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
        orchestrates: orchestrating.has(name),
        retain: 'run',
        approvalTtlMs: 60_000,
        credentials: [],
      },
    };
  },
  version: () => '1',
  tools: () => [],
  permittedTools: () => (process.env['HIDE'] === 'yes' ? [] : [...names]),
};

const countersign = createCountersign({ policy, store: memoryStore(), audit: { key: randomBytes(32) } });
const newGate = (run: string): Gate => countersign.gate({ tenant: 'upstream', user: 'tester', agent: 'test', run });

/** A conversation is one run, also when it is continued from a stored state; an agent run by a tool belongs to its caller's. */
const conversation = new AsyncLocalStorage<Gate>();
let latest: Gate | undefined;
const { run } = Runner.prototype as unknown as { run: (this: Runner, ...args: unknown[]) => unknown };
Runner.prototype.run = function runOnce(this: Runner, ...args: unknown[]): unknown {
  const resumed = args[1] instanceof RunState ? latest : undefined;
  const gate = conversation.getStore() ?? resumed ?? newGate(countersign.newRun());
  latest = gate;
  return conversation.run(gate, () => run.apply(this, args));
} as never;

function isDirect(): boolean {
  return direct.test(expect.getState().testPath ?? '');
}

export const replacements = {
  Agent(original: typeof Agent): typeof Agent {
    if (isDirect()) return original;
    return new Proxy(original, {
      construct(target, args, caller): object {
        return guarded(Reflect.construct(target, args, caller) as AnyAgent);
      },
      get(target, key, receiver): unknown {
        const value: unknown = Reflect.get(target, key, receiver);
        return key === 'create' ? (config: never) => guarded(original.create(config) as never) : value;
      },
    });
  },

  tool(original: unknown): MakeTool {
    const make = original as MakeTool;
    return (options) => {
      const made = make(counted(options));
      names.add(nameOf(made));
      if (!isDirect()) return made;
      const identity = identify(nameOf(made), 'local', made.description, made.parameters);
      const turns = { place: () => ({ step: 'test#0', origin: 'model' as const }) };
      const site = { agentName: 'test', source: () => newGate(countersign.newRun()), options: {}, turns, identity };
      return guardFunctionTool(site as never, made);
    };
  },
};

function guarded(agent: AnyAgent): AnyAgent {
  const getAllTools = agent.getAllTools.bind(agent);
  const getEnabledHandoffs = agent.getEnabledHandoffs.bind(agent);
  const asTool = agent.asTool.bind(agent);
  agent.getAllTools = async (...args) => {
    const tools = await getAllTools(...args);
    for (const each of tools) names.add(each.type === 'hosted_tool' ? hostedName(each) : nameOf(each));
    return tools;
  };
  agent.getEnabledHandoffs = async (context) => {
    const handoffs = await getEnabledHandoffs(context);
    for (const { toolName } of handoffs as Handoff<unknown>[]) names.add(toolName);
    return handoffs;
  };
  agent.asTool = ((config: Parameters<typeof asTool>[0]) => {
    const made = asTool(config);
    orchestrating.add(nameOf(made));
    return made;
  }) as never;
  const allowHosted = agent.tools.filter(({ type }) => type === 'hosted_tool').map(hostedName);
  return guardAgent(agent, () => conversation.getStore() ?? newGate(countersign.newRun()), { allowHosted });
}

function hostedName(tool: Tool<unknown>): string {
  const data = (tool as { providerData?: { server_label?: string } }).providerData;
  return data?.server_label ?? tool.name;
}

/** Counts how often a tool's own code is entered. A proxy keeps what the SDK may look at. */
function counted<Options extends { readonly execute?: unknown }>(options: Options): Options {
  if (typeof options?.execute !== 'function') return options;
  const execute = new Proxy(options.execute, {
    apply(target, self, args) {
      counts.executions += 1;
      return Reflect.apply(target, self, args) as unknown;
    },
  });
  return { ...options, execute };
}
