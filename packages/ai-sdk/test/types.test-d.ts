/** What the compiler must see of guarded tools: exactly what it saw of the tools. Compiled with everything, never run. */
import { experimental_codeModeTool as codeModeTool } from '@ai-sdk/code-mode';
import { ambientGate, type Countersign, type Gate } from '@countersign/core';
import {
  dynamicTool,
  generateText,
  streamText,
  tool,
  ToolLoopAgent,
  wrapLanguageModel,
  type InferAgentUIMessage,
  type InferToolInput,
  type InferToolOutput,
  type InferUITools,
  type ToolSet,
} from 'ai';
import { MockLanguageModelV4 } from 'ai/test';
import { z } from 'zod';
import { detectUnguarded, guardModel, guardToolApproval, guardTools, inventoryOf } from '../src/index.ts';

declare const gate: Gate;
declare const countersign: Countersign;
const model = new MockLanguageModelV4();

type Equal<Left, Right> = (<T>() => T extends Left ? 1 : 2) extends <T>() => T extends Right ? 1 : 2 ? true : false;
function holds<_Condition extends true>(): void {}

const raw = {
  add: tool({ inputSchema: z.object({ a: z.number() }), execute: async ({ a }) => ({ sum: a }) }),
  stream: tool({
    inputSchema: z.object({ query: z.string() }),
    async *execute({ query }) {
      yield query.length;
    },
  }),
  contextual: tool({
    inputSchema: z.object({}),
    contextSchema: z.object({ tenant: z.string() }),
    execute: async (_input, { context }) => context.tenant,
  }),
  dynamic: dynamicTool({ inputSchema: z.object({}), execute: async () => 1 }),
  client: tool({ inputSchema: z.object({ x: z.string() }), outputSchema: z.string() }),
  code: codeModeTool({}),
};
const guarded = guardTools(raw, gate, { allowClientSide: ['client'], streaming: ['stream'] });

holds<Equal<typeof guarded, typeof raw>>();
holds<Equal<InferToolInput<typeof guarded.add>, { a: number }>>();
holds<Equal<InferToolOutput<typeof guarded.add>, { sum: number }>>();
holds<Equal<InferToolOutput<typeof guarded.stream>, number>>();
holds<Equal<InferUITools<typeof guarded>['add'], { input: { a: number }; output: { sum: number } }>>();
holds<Equal<InferUITools<typeof guarded>, InferUITools<typeof raw>>>();

const toolsContext = { contextual: { tenant: 'acme' } };
const result = await generateText({
  model,
  tools: guarded,
  toolsContext,
  prompt: '',
  experimental_toolCallers: { add: ['code'] },
});
const [call] = result.toolCalls;
if (call !== undefined && call.dynamic !== true && call.toolName === 'add')
  holds<Equal<typeof call.input, { a: number }>>();

// @ts-expect-error a tool context of another type
await generateText({ model, tools: guarded, toolsContext: { contextual: { tenant: 1 } }, prompt: '' });
// @ts-expect-error no tool context
await generateText({ model, tools: guarded, prompt: '' });
// @ts-expect-error a tool caller that is not one
await generateText({ model, tools: guarded, toolsContext, prompt: '', experimental_toolCallers: { add: ['stream'] } });
// @ts-expect-error an active tool that is not there
streamText({ model, tools: guarded, toolsContext, prompt: '', activeTools: ['nope'] });
// @ts-expect-error not a set of tools
guardTools({ add: 1 }, gate);
// @ts-expect-error no gate
guardTools(raw);
// @ts-expect-error the name of a tool that is not there
guardTools(raw, gate, { allowClientSide: ['nope'] });

const rawAgent = new ToolLoopAgent({ model, tools: raw, toolsContext });
const agent = new ToolLoopAgent({ model, tools: guarded, toolsContext });
holds<Equal<InferAgentUIMessage<typeof agent>, InferAgentUIMessage<typeof rawAgent>>>();

guardTools(raw, ambientGate);
guardTools(raw, ({ toolName, toolContext }) =>
  toolName === 'add' && toolContext === undefined ? undefined : Promise.resolve(gate),
);
holds<Equal<ReturnType<typeof guardTools<ToolSet>>, ToolSet>>();

// Guarded tools go where the rest of Countersign takes tools, by their own types.
await countersign.approvals.run('id', { tools: guarded });
countersign.worker({ tools: guarded });
countersign.inventory('acme', inventoryOf(guarded));
await generateText({
  model: wrapLanguageModel({ model, middleware: guardModel(ambientGate) }),
  telemetry: { integrations: [detectUnguarded()] },
  prompt: '',
});

const toolApproval = guardToolApproval(guarded, {
  add: 'user-approval',
  contextual: (_input, { toolContext }) => (toolContext.tenant === 'acme' ? 'approved' : undefined),
});
await generateText({ model, tools: guarded, toolsContext, toolApproval, prompt: '' });
new ToolLoopAgent({ model, tools: guarded, toolsContext, toolApproval });
const general = guardToolApproval(guarded, ({ toolCall }) => (toolCall.toolName === 'add' ? 'denied' : undefined));
streamText({ model, tools: guarded, toolsContext, toolApproval: general, prompt: '' });
// @ts-expect-error a rule for a tool that is not there
guardToolApproval(guarded, { nope: 'denied' });
// @ts-expect-error a status that does not exist
guardToolApproval(guarded, { add: 'deny' });
