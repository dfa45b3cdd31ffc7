/**
 * Calls that a model garbled. LangChain completes the JSON of a streamed call that was cut off and runs it, drops a call
 * whose arguments are no JSON without a word to anybody, and runs every one of the calls that share an id. Here each of
 * them becomes an answer to the model.
 * @module
 */
import { AIMessage, ToolMessage, type BaseMessage } from '@langchain/core/messages';

interface Identified {
  readonly id?: string | undefined;
  readonly name?: string | undefined;
}

/** `args` is the text that the model sent. */
interface GarbledCall {
  readonly id?: string;
  readonly name?: string;
  readonly args?: string;
  readonly error?: string;
}

/**
 * A response in which all garbled calls are among the invalid ones, and among the calls as well, so that the tool node has
 * them answered: without arguments, in case anything runs them all the same.
 */
export function withGarbledCalls<Response>(response: Response): Response {
  if (!AIMessage.isInstance(response)) return response;
  const { tool_calls: calls = [], invalid_tool_calls: invalid = [] } = response;
  const garbled = [...invalid, ...cutOffCalls(response)].filter(({ id, name }) => Boolean(id) && Boolean(name));
  if (garbled.length === 0) return response;
  const ids = new Set(garbled.map(({ id }) => id));
  const answerable = garbled.map(({ id, name = '' }) => ({
    type: 'tool_call' as const,
    id: String(id),
    name,
    args: {},
  }));
  const { content, additional_kwargs, response_metadata, usage_metadata, id, name } = response;
  return new AIMessage({
    content: content as string,
    additional_kwargs,
    response_metadata,
    tool_calls: [...calls.filter((call) => !ids.has(call.id)), ...answerable],
    invalid_tool_calls: garbled.map((call) => ({ ...call, type: 'invalid_tool_call' as const })),
    ...(usage_metadata === undefined ? {} : { usage_metadata }),
    ...(id === undefined ? {} : { id }),
    ...(name === undefined ? {} : { name }),
  }) as Response;
}

/** Only a streamed response holds the text of its arguments; LangChain has closed what was left open in it. */
function cutOffCalls(response: AIMessage): readonly GarbledCall[] {
  const { tool_call_chunks: chunks = [] } = response as { readonly tool_call_chunks?: readonly GarbledCall[] };
  return chunks.filter(({ args }) => !isJson(args)).map((chunk) => ({ ...chunk, error: 'not valid JSON' }));
}

/** The answer to a call that must not run, because nobody can say which call it is. */
export function refuseGarbled(
  messages: readonly BaseMessage[],
  { id = '', name = '' }: Identified,
): ToolMessage | undefined {
  const message = messages.findLast((each) => AIMessage.isInstance(each) && timesIn(each.tool_calls, id) > 0);
  const why = message === undefined ? undefined : whyGarbled(message as AIMessage, id);
  return why === undefined ? undefined : new ToolMessage({ content: why, tool_call_id: id, name, status: 'error' });
}

function whyGarbled({ tool_calls: calls, invalid_tool_calls: invalid }: AIMessage, id: string): string | undefined {
  if (timesIn(calls, id) > 1) return 'Several calls have this id, so none of them was run.';
  return timesIn(invalid, id) > 0 ? 'The arguments of this call are not valid JSON, so it was not run.' : undefined;
}

function timesIn(calls: readonly Identified[] = [], id: string): number {
  return calls.filter((call) => call.id === id).length;
}

/** No text at all stands for no arguments. */
function isJson(text: string | undefined): boolean {
  try {
    JSON.parse(text === undefined || text === '' ? '{}' : text);
    return true;
  } catch {
    return false;
  }
}
