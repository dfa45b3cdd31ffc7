/** A model in process, for tests in which only the SDK's loop matters. */
import { MockLanguageModelV4, simulateReadableStream } from 'ai/test';

type Generate = Extract<
  NonNullable<NonNullable<ConstructorParameters<typeof MockLanguageModelV4>[0]>['doGenerate']>,
  (...args: never[]) => unknown
>;
type Generated = Awaited<ReturnType<Generate>>;
type Content = Generated['content'][number];

export interface MockCall {
  readonly name: string;
  readonly id?: string;
  /** A text is sent as it is. */
  readonly input?: unknown;
  readonly providerExecuted?: boolean;
  readonly dynamic?: boolean;
}

/** A text, or the calls of one step, or content parts as a provider gives them. */
export type MockTurn = string | readonly MockCall[] | { readonly content: readonly Content[] };

const usage: Generated['usage'] = {
  inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 1, text: 1, reasoning: 0 },
};

/** The n-th turn answers the n-th request, generated or streamed. */
export function mockModel(turns: readonly MockTurn[]): MockLanguageModelV4 {
  let answered = 0;
  const next = (): Pick<Generated, 'content' | 'finishReason'> => {
    const turn = turns[answered];
    answered += 1;
    if (turn === undefined) throw new Error(`the script ends before turn ${answered - 1}`);
    const content = contentOf(turn, answered - 1);
    const calls = content.some((part) => part.type === 'tool-call');
    return { content, finishReason: { unified: calls ? 'tool-calls' : 'stop', raw: undefined } };
  };
  return new MockLanguageModelV4({
    doGenerate: async () => ({ ...next(), usage, warnings: [] }),
    doStream: async () => {
      const { content, finishReason } = next();
      const chunks = [
        { type: 'stream-start' as const, warnings: [] },
        ...content.flatMap(streamed),
        { type: 'finish' as const, finishReason, usage },
      ];
      return { stream: simulateReadableStream({ initialDelayInMs: null, chunkDelayInMs: null, chunks }) };
    },
  });
}

function contentOf(turn: MockTurn, index: number): Content[] {
  if (typeof turn === 'string') return [{ type: 'text', text: turn }];
  if ('content' in turn) return [...turn.content];
  return turn.map(({ name, id, input, ...flags }, position) => ({
    type: 'tool-call',
    toolCallId: id ?? `call_${index}_${position}`,
    toolName: name,
    input: typeof input === 'string' ? input : JSON.stringify(input ?? {}),
    ...flags,
  }));
}

type Chunk = Extract<
  Awaited<ReturnType<MockLanguageModelV4['doStream']>>['stream'] extends ReadableStream<infer Part> ? Part : never,
  { type: string }
>;

function streamed(part: Content, index: number): Chunk[] {
  const id = `text-${index}`;
  if (part.type !== 'text') return [part as Chunk];
  return [
    { type: 'text-start', id },
    { type: 'text-delta', id, delta: part.text },
    { type: 'text-end', id },
  ];
}
