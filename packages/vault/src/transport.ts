/**
 * How node-vault's requests travel, in the place of its own client: that one follows a redirect to another host with
 * `X-Vault-Token` still on it, puts the request into its errors, and has no bound on time or size.
 * @module
 */

interface VaultRequest {
  readonly uri: string;
  readonly method: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
}

interface VaultResponse {
  readonly statusCode: number;
  readonly body: unknown;
  readonly request: { readonly path: string };
}

export interface TransportOptions {
  readonly fetch: typeof fetch;
  /** For the whole request, body included. */
  readonly timeoutMs: number;
}

const maxAnswerBytes = 1_048_576;

/** In the form that node-vault takes as `request-promise`. */
export function createTransport(options: TransportOptions): { defaults: () => Send } {
  return { defaults: () => (request) => send(options, request) };
}

type Send = (request: VaultRequest) => Promise<VaultResponse>;

async function send(options: TransportOptions, { uri, method, headers, json }: VaultRequest): Promise<VaultResponse> {
  const response = await options.fetch(uri, {
    method,
    headers: {
      ...headers,
      'X-Vault-Request': 'true',
      ...(json === undefined ? {} : { 'Content-Type': 'application/json' }),
    },
    redirect: 'manual',
    signal: AbortSignal.timeout(options.timeoutMs),
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  });
  const text = await readBounded(response);
  return { statusCode: response.status, body: parse(text), request: { path: new URL(uri).pathname } };
}

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > maxAnswerBytes) throw new RangeError(`an answer of more than ${maxAnswerBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** A page of a proxy instead of JSON is an answer without a body: its status says enough. */
function parse(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
