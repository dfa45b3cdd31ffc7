/**
 * A real HTTP server in place of a collector. It reads OTLP requests in JSON and in Protobuf, remembers which records it
 * took, and does whatever a receiver may do to its client.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';

export interface Received {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly ids: readonly string[];
  /** Of a JSON request. */
  readonly body: unknown;
}

/** `undefined` takes everything. `rejects`: the request is taken but for these records (`partial_success`). */
export type Answer =
  | undefined
  | { readonly rejects: readonly string[]; readonly message?: string }
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string }
  | 'hang'
  | 'reset'
  /** Takes everything, and the answer never arrives. */
  | 'lost';

export interface Receiver {
  readonly url: string;
  readonly requests: readonly Received[];
  /** How often each record was taken. */
  readonly taken: ReadonlyMap<string, number>;
  answer: (received: Received, count: number) => Answer;
  /** Stops listening and ends every connection; `start` listens on the same port again. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

export async function createReceiver(): Promise<Receiver> {
  const requests: Received[] = [];
  const taken = new Map<string, number>();
  let server: Server | undefined;
  let port = 0;

  function take(ids: readonly string[]): void {
    for (const id of ids) taken.set(id, (taken.get(id) ?? 0) + 1);
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const received = await read(request);
    requests.push(received);
    const answer = receiver.answer(received, requests.length);
    if (answer === 'hang') return;
    if (answer === 'lost') take(received.ids);
    if (answer === 'lost' || answer === 'reset') return void request.socket.destroy();
    if (answer !== undefined && 'status' in answer) {
      response.writeHead(answer.status, { 'content-type': 'text/html', ...answer.headers }).end(answer.body);
      return;
    }
    const rejected = received.ids.filter((id) => answer?.rejects.includes(id));
    take(received.ids.filter((id) => !rejected.includes(id)));
    const json = request.headers['content-type'] === 'application/json';
    response.writeHead(200, { 'content-type': json ? 'application/json' : 'application/x-protobuf' });
    if (answer === undefined) response.end(json ? '{}' : '');
    else
      response.end(json ? jsonAnswer(received.path, rejected.length, answer.message) : protobufAnswer(rejected.length));
  }

  const receiver: Receiver & { url: string } = {
    url: '',
    requests,
    taken,
    answer: () => undefined,
    async stop() {
      const stopping = server;
      server = undefined;
      stopping?.closeAllConnections();
      await new Promise<void>((resolve) => (stopping === undefined ? resolve() : stopping.close(() => resolve())));
    },
    async start() {
      const starting = createServer((request, response) => {
        handle(request, response).catch(() => request.socket.destroy());
      });
      await new Promise<void>((resolve, reject) => {
        starting.once('error', reject);
        starting.listen(port, '127.0.0.1', resolve);
      });
      server = starting;
      port = (starting.address() as AddressInfo).port;
      receiver.url = `http://127.0.0.1:${port}`;
    },
  };
  await receiver.start();
  return receiver;
}

async function read(request: IncomingMessage): Promise<Received> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const whole = Buffer.concat(chunks);
  const bytes = request.headers['content-encoding'] === 'gzip' ? gunzipSync(whole) : whole;
  const json = request.headers['content-type'] === 'application/json';
  return {
    path: request.url ?? '',
    headers: request.headers,
    ids: json ? idsInJson(bytes.toString('utf8')) : idsInProtobuf(bytes.toString('latin1')),
    body: json ? JSON.parse(bytes.toString('utf8')) : undefined,
  };
}

function idsInJson(body: string): readonly string[] {
  return [...body.matchAll(/"key":"countersign\.record\.id","value":\{"stringValue":"([^"]+)"/g)].map(
    ([, id]) => id ?? '',
  );
}

/** KeyValue: field 1 is the key, field 2 an AnyValue, whose field 1 is a string, here shorter than 128 bytes. */
function idsInProtobuf(body: string): readonly string[] {
  // oxlint-disable-next-line no-control-regex
  return [...body.matchAll(/countersign\.record\.id\u0012[^]\u000a[^](rec_[0-9a-f]{32})/g)].map(([, id]) => id ?? '');
}

function jsonAnswer(path: string, count: number, errorMessage = 'no'): string {
  const field = path.endsWith('traces') ? 'rejectedSpans' : 'rejectedLogRecords';
  return JSON.stringify({ partialSuccess: { [field]: String(count), errorMessage } });
}

function protobufAnswer(count: number): Buffer {
  if (count > 127) throw new Error('a longer varint is not written here');
  return Buffer.from([0x0a, 2, 0x08, count]);
}
