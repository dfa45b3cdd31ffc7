/**
 * A model server that answers from a script over HTTP, in the wire formats of OpenAI: the frameworks' real providers
 * talk to it. Everything it was sent is kept as it came, for searches after secrets.
 */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { LLMock, type ChatCompletionRequest, type ChatMessage, type FixtureResponse } from '@copilotkit/aimock';

export interface ScriptedCall {
  readonly name: string;
  /** A text is sent as it is, also when it is not JSON. */
  readonly args?: unknown;
  /** Default: `call_<turn>_<index>`. Ids may repeat, and may be empty where nothing is streamed. */
  readonly id?: string;
}

export type ScriptedReply =
  | string
  | { readonly text?: string; readonly calls?: readonly ScriptedCall[] }
  | { readonly error: string; readonly status?: number };

/** A model request, in the form of Chat Completions whichever API it came by. */
export interface ScriptedRequest {
  /** How many requests were answered before this one. */
  readonly turn: number;
  readonly messages: readonly ChatMessage[];
  /** Names of the function tools that were offered. */
  readonly tools: readonly string[];
  /** The last result of the call with this id. */
  readonly toolResult: (id: string) => string | undefined;
}

export type ScriptedTurn = ScriptedReply | ((request: ScriptedRequest) => ScriptedReply);

export interface WireRequest {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface ScriptedModel {
  /** For clients that add `/v1` themselves. */
  readonly url: string;
  /** For OpenAI clients. */
  readonly baseURL: string;
  /** What the clients sent, byte for byte. */
  requests(): readonly WireRequest[];
  /** The bodies and headers of all requests as one text. */
  seen(): string;
  turns(): number;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * The n-th turn answers the n-th request. Past the end the server answers 400, which no client retries. A function
 * instead of a list answers every request.
 */
export async function scriptedModel(
  script: readonly ScriptedTurn[] | ((request: ScriptedRequest) => ScriptedReply),
): Promise<ScriptedModel> {
  const mock = new LLMock({ port: 0, host: '127.0.0.1', strict: true, journalMaxEntries: 0, chunkSize: 7 });
  let answered = 0;
  mock.addFixture({
    match: { predicate: () => true },
    response(request): FixtureResponse {
      const turn = answered;
      answered += 1;
      const scripted = typeof script === 'function' ? script : script[turn];
      if (scripted === undefined) return failure(`the script ends before turn ${turn}`, 400);
      return responseOf(typeof scripted === 'function' ? scripted(readRequest(request, turn)) : scripted, turn);
    },
  });
  await mock.start();
  // The mock's own journal is normalised and redacted, so the requests are recorded in front of it.
  const requests: WireRequest[] = [];
  const front = createServer((incoming, outgoing) => void forward(mock.url, requests, incoming, outgoing));
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(front.address() as AddressInfo).port}`;
  const close = async (): Promise<void> => {
    front.closeAllConnections();
    front.close();
    await mock.stop();
  };
  return {
    url,
    baseURL: `${url}/v1`,
    requests: () => requests,
    seen: () => requests.map(({ headers, body }) => `${JSON.stringify(headers)}\n${body}`).join('\n'),
    turns: () => answered,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** What stands for an empty id on the way through the mock, which would make one up. */
const noId = 'call-without-id';

async function forward(
  target: string,
  requests: WireRequest[],
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  try {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString('utf8');
    const path = incoming.url ?? '/';
    requests.push({ path, headers: incoming.headers, body });
    const response = await fetch(`${target}${path}`, {
      method: incoming.method ?? 'POST',
      headers: { 'content-type': 'application/json' },
      ...(body === '' ? {} : { body }),
    });
    const type = response.headers.get('content-type') ?? 'application/json';
    outgoing.writeHead(response.status, { 'content-type': type });
    if (type.startsWith('application/json')) outgoing.write((await response.text()).replaceAll(noId, ''));
    else if (response.body !== null) for await (const chunk of response.body) outgoing.write(chunk);
    outgoing.end();
  } catch {
    outgoing.destroy();
  }
}

function readRequest(request: ChatCompletionRequest, turn: number): ScriptedRequest {
  const { messages } = request;
  return {
    turn,
    messages,
    tools: (request.tools ?? []).map((tool) => tool.function.name),
    toolResult(id) {
      const found = messages.findLast((message) => message.role === 'tool' && message.tool_call_id === id);
      return found === undefined ? undefined : textOf(found.content);
    },
  };
}

function textOf(content: ChatMessage['content']): string {
  return typeof content === 'string' ? content : (content ?? []).map((part) => part.text ?? '').join('');
}

function responseOf(reply: ScriptedReply, turn: number): FixtureResponse {
  if (typeof reply === 'string') return { content: reply };
  if ('error' in reply) return failure(reply.error, reply.status ?? 500);
  const toolCalls = (reply.calls ?? []).map(({ name, args, id }, index) => ({
    name,
    id: id === '' ? noId : (id ?? `call_${turn}_${index}`),
    arguments: typeof args === 'string' ? args : JSON.stringify(args ?? {}),
  }));
  if (toolCalls.length === 0) return { content: reply.text ?? '' };
  return reply.text === undefined ? { toolCalls } : { content: reply.text, toolCalls };
}

function failure(message: string, status: number): FixtureResponse {
  return { error: { message, type: status < 500 ? 'invalid_request_error' : 'server_error' }, status };
}
