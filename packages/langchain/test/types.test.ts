/** Types that must not change behind the gate: checked by the compiler, run for nothing. */
import type { ToolMessage } from '@langchain/core/messages';
import { RunnableLambda } from '@langchain/core/runnables';
import { tool, type DynamicStructuredTool, type DynamicTool } from '@langchain/core/tools';
import { createAgent, createMiddleware, type ToolCall } from 'langchain';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { countersignMiddleware, guardAgent, guardTool, guardTools } from '../src/index.ts';
import { ScriptedChat } from './support/tools.ts';

type Equal<Left, Right> =
  (<Value>() => Value extends Left ? 1 : 2) extends <Value>() => Value extends Right ? 1 : 2 ? true : false;
const holds = <_Claim extends true>(): void => undefined;

const add = tool(async ({ a, b }: { a: number; b: number }) => a + b, {
  name: 'add',
  description: 'd',
  schema: z.object({ a: z.number(), b: z.number() }),
});
const echo = tool(async (text: string) => text, { name: 'echo', description: 'd' });
const source = (): undefined => undefined;

test('guarded tools keep names, inputs and outputs', () => {
  const [guardedAdd, guardedEcho] = guardTools([add, echo], source);
  holds<Equal<(typeof guardedAdd)['name'], (typeof add)['name']>>();
  holds<Equal<(typeof guardedAdd)['schema'], (typeof add)['schema']>>();
  holds<Equal<Awaited<ReturnType<typeof inputOnly>>, Awaited<ReturnType<typeof nativeInputOnly>>>>();
  holds<typeof guardedAdd extends typeof add ? true : false>();
  holds<typeof guardedEcho extends DynamicTool ? true : false>();
  // @ts-expect-error: the input is checked as before
  const wrong = (): unknown => guardedAdd.invoke({ a: 'one', b: 2 });
  // @ts-expect-error: a source is required
  const without = (): unknown => guardTools([add]);
  // @ts-expect-error: an arbitrary object is no source
  const odd = (): unknown => guardTool(add, { user: 'alice' });
  expect([wrong, without, odd]).toHaveLength(3);
});

const guardedAdd = guardTool(add, source);
const inputOnly = async () => guardedAdd.invoke({ a: 1, b: 2 });
const nativeInputOnly = async () => add.invoke({ a: 1, b: 2 });

test('runnable.asTool() becomes a structured tool', () => {
  const made = guardTool(
    RunnableLambda.from(async (input: { x: number }) => input.x).asTool({
      name: 'x',
      description: 'd',
      schema: z.object({ x: z.number() }),
    }),
    source,
  );
  holds<typeof made extends DynamicStructuredTool ? true : false>();
  expect(made.name).toBe('x');
});

test('an agent keeps the types of its state with the middleware in front, and at both ends', () => {
  const counts = createMiddleware({ name: 'Counts', stateSchema: z.object({ count: z.number().default(0) }) });
  const make = () =>
    createAgent({
      model: new ScriptedChat([]),
      tools: guardTools([add], source),
      middleware: [countersignMiddleware(source), counts],
    });
  const ends = () =>
    createAgent(guardAgent({ model: new ScriptedChat([]), tools: [add], middleware: [counts] }, source));
  type Ends = Awaited<ReturnType<ReturnType<typeof ends>['invoke']>>;
  holds<Equal<Ends['count'], number>>();
  holds<Equal<keyof Ends, keyof Native>>();
  const native = () => createAgent({ model: new ScriptedChat([]), tools: [add], middleware: [counts] });
  type State = Awaited<ReturnType<ReturnType<typeof make>['invoke']>>;
  type Native = Awaited<ReturnType<ReturnType<typeof native>['invoke']>>;
  holds<Equal<State['count'], number>>();
  holds<Equal<State['count'], Native['count']>>();
  holds<Equal<keyof State, keyof Native>>();
  holds<
    Equal<
      State['messages'] extends readonly (infer Message)[] ? (0 extends 1 & Message ? 'any' : 'typed') : never,
      'typed'
    >
  >();
  expect([make, ends, native] satisfies unknown as unknown[]).toHaveLength(3);
});

export type Unused = ToolMessage | ToolCall;
