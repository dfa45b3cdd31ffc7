/**
 * `generateText` and `streamText` with guarded tools, each call in a run of its own. `VERDICT=deny` denies every call;
 * the default permits every call at low risk.
 * @module
 */
import { randomBytes } from 'node:crypto';
import { guardToolApproval, guardTools } from '@countersign/ai-sdk';
import { createCountersign, memoryStore, type Authorizer, type GateSource } from '@countersign/core';
import type { GenericToolApprovalFunction, ModelMessage, ToolApprovalConfiguration, ToolSet } from 'ai';
import { counts } from './counts.ts';

type Call = (options: unknown, ...rest: unknown[]) => unknown;

type Rules = ToolApprovalConfiguration<ToolSet, never>;

interface CallOptions {
  readonly tools?: ToolSet;
  readonly toolApproval?: Rules;
  readonly messages?: readonly ModelMessage[];
}

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
        orchestrates: false,
        retain: 'run',
        credentials: [],
      },
    };
  },
  version: () => '1',
  tools: () => [],
  permittedTools: () => [],
};

const countersign = createCountersign({ policy, store: memoryStore(), audit: { key: randomBytes(32) } });

export function guardedCall(original: Call): Call {
  return (options, ...rest) => original(withGuardedTools(options as CallOptions | undefined), ...rest);
}

function withGuardedTools(options: CallOptions | undefined): CallOptions | undefined {
  if (options?.tools === undefined) return options;
  const { toolApproval, messages = [] } = options;
  const names = Object.keys(options.tools);
  const gate = countersign.gate({ tenant: 'upstream', user: 'tester', agent: 'test', run: countersign.newRun() });
  const guard = (source: GateSource<unknown>): ToolSet =>
    guardTools(counted(options.tools ?? {}), source, { allowProviderExecuted: names, allowClientSide: names });
  const earlier = process.env['EARLIER'] === 'no' ? Promise.resolve() : askEarlier(guard(gate), messages);
  // `streamText` answers at once, so it is the first call of a tool that waits for the earlier request.
  const tools = guard(() => earlier.then(() => gate));
  return { ...options, tools, ...(toolApproval && { toolApproval: guardToolApproval(tools, toolApproval) }) };
}

/**
 * Tests of approvals begin with a history that no request has made, and the gate takes such calls for invented ones. So
 * what the SDK would have asked in that request is asked before the test begins.
 */
async function askEarlier(tools: ToolSet, messages: readonly ModelMessage[]): Promise<void> {
  const ask = guardToolApproval(tools, () => 'user-approval') as GenericToolApprovalFunction<ToolSet, never, never>;
  for (const [index, { role, content }] of messages.entries()) {
    if (role !== 'assistant' || typeof content === 'string') continue;
    const waiting = new Set(
      content.flatMap((part) => (part.type === 'tool-approval-request' ? [part.toolCallId] : [])),
    );
    for (const toolCall of content) {
      if (toolCall.type !== 'tool-call' || !waiting.has(toolCall.toolCallId)) continue;
      await ask({ toolCall, tools, messages: messages.slice(0, index) } as never);
    }
  }
}

/** The same tools, counting how often their own code is entered. It is behind the gate, and still gets the tool itself. */
function counted(tools: ToolSet): ToolSet {
  return Object.fromEntries(Object.entries(tools).map(([name, tool]) => [name, countedTool(tool)])) as ToolSet;
}

interface CallableTool {
  readonly execute?: ((...args: never[]) => unknown) | undefined;
  readonly experimental_toolCaller?: { readonly bind?: (tools: ToolSet) => CallableTool } | undefined;
}

function countedTool(tool: CallableTool): CallableTool {
  const { execute, experimental_toolCaller: caller } = tool;
  if (typeof execute !== 'function') return tool;
  // A proxy of the function keeps its kind: an async generator function is still seen as one.
  const counting = new Proxy(execute, {
    apply(target, _self, args) {
      counts.executions += 1;
      return Reflect.apply(target, tool, args);
    },
  });
  const bind = caller?.bind;
  const members: PropertyDescriptorMap = {
    ...Object.getOwnPropertyDescriptors(tool),
    execute: { value: counting, enumerable: true },
    ...(bind && {
      experimental_toolCaller: { value: { ...caller, bind: (tools: ToolSet) => countedTool(bind(tools)) } },
    }),
  };
  return Object.create(Object.getPrototypeOf(tool) as object | null, members) as CallableTool;
}
