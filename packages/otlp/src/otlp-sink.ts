/**
 * Delivers records to an OTLP/HTTP endpoint (OTLP specification 1.x, section "OTLP/HTTP").
 *
 * Statuses 429, 502, 503, 504 and what is no HTTP answer are tried again, after `Retry-After` where there is one. 400, 413
 * and a `partial_success` with rejected items are about the data, and the outbox finds out which. Every other status is
 * about the endpoint or the credential: the specification would drop the data, the outbox waits until it is put right.
 * @module
 */
import { gzipSync } from 'node:zlib';
import { ConfigurationError, type Delivery, type OutgoingRecord, type RecordSink } from '@countersign/core';
import { diag } from '@opentelemetry/api';
import { resourceFromAttributes, type Resource } from '@opentelemetry/resources';
import { codecs, type Codec } from './encode.ts';
import { retryAfterMs } from './retry-after.ts';

export type OtlpSignal = 'traces' | 'logs';

export interface OtlpSinkOptions {
  /** Base address as in `OTEL_EXPORTER_OTLP_ENDPOINT`: `/v1/traces` and `/v1/logs` are appended. */
  readonly endpoint: string;
  /** What each record becomes: a span, a log record, or both. Default: both. */
  readonly signals?: readonly OtlpSignal[];
  /** For example the back end's key. Sent to this endpoint only: redirects are not followed. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Default `protobuf`, which every receiver must support. */
  readonly encoding?: 'protobuf' | 'json';
  readonly compression?: 'none' | 'gzip';
  /** `service.name` of the records. Default `countersign`. */
  readonly serviceName?: string;
  /** Names the cursors: another name is another receiver, which gets the ledger from its beginning. Default `otlp`. */
  readonly name?: string;
  /** Default 512. */
  readonly maxRecords?: number;
}

interface Request {
  readonly url: URL;
  readonly codec: Codec;
  readonly signal: OtlpSignal;
}

/** @throws ConfigurationError */
export function otlpSink(options: OtlpSinkOptions): RecordSink {
  const { headers = {}, encoding = 'protobuf', compression = 'none', maxRecords = 512 } = options;
  const signals = [...new Set(options.signals ?? (['traces', 'logs'] as const))];
  if (signals.length === 0 || signals.some((signal) => !Object.hasOwn(codecs, signal)))
    throw new ConfigurationError('`signals` must name traces, logs or both');
  const base = baseOf(options.endpoint);
  const resource = resourceFromAttributes({ 'service.name': options.serviceName ?? 'countersign' });
  const requests: readonly Request[] = signals.map((signal) => ({
    signal,
    url: new URL(`v1/${signal}`, base),
    codec: codecs[signal][encoding],
  }));

  async function send(request: Request, records: readonly OutgoingRecord[], signal: AbortSignal): Promise<Delivery> {
    const response = await fetch(request.url, {
      method: 'POST',
      body: bodyOf(request.codec, records, resource, compression),
      headers: {
        ...headers,
        'content-type': request.codec.contentType,
        ...(compression === 'gzip' ? { 'content-encoding': 'gzip' } : {}),
      },
      redirect: 'manual',
      signal,
    });
    const answer = await readBounded(response);
    if (response.status === 200) return taken(request, response.headers.get('content-type') ?? '', answer);
    return notTaken(request, response);
  }

  return {
    name: options.name ?? 'otlp',
    maxRecords,
    async deliver(records, signal) {
      for (const request of requests) {
        const delivery = await send(request, records, signal);
        if (delivery.status !== 'accepted') return delivery;
      }
      return { status: 'accepted' };
    },
  };
}

function bodyOf(
  codec: Codec,
  records: readonly OutgoingRecord[],
  resource: Resource,
  compression: 'none' | 'gzip',
): Uint8Array<ArrayBuffer> {
  const bytes = codec.encode(records, resource);
  return new Uint8Array(compression === 'gzip' ? gzipSync(bytes) : bytes);
}

/** A 200 whose body is no OTLP answer was not given by a receiver: a login page, a proxy. */
function taken({ signal }: Request, contentType: string, answer: Uint8Array | undefined): Delivery {
  if (answer === undefined) return { status: 'later', reason: `${signal}: the answer is too long to be one` };
  let result: ReturnType<Codec['decode']>;
  try {
    result = answer.length === 0 ? fullSuccess : codecs[signal][encodingOf(contentType)].decode(answer);
  } catch {
    return { status: 'later', reason: `${signal}: the endpoint answered 200 with what is no OTLP response` };
  }
  const said = quoted(result.message);
  if (result.rejected > 0) return { status: 'refused', reason: `${signal}: rejected${said}` };
  if (said !== '') diag.warn(`countersign: the receiver of ${signal} warns${said}`);
  return { status: 'accepted' };
}

const fullSuccess = { rejected: 0, message: '' };

function encodingOf(contentType: string): 'protobuf' | 'json' {
  const [type = ''] = contentType.split(';');
  for (const encoding of ['protobuf', 'json'] as const)
    if (type.trim().toLowerCase() === codecs.traces[encoding].contentType) return encoding;
  throw new TypeError('no OTLP content type');
}

const retryable: ReadonlySet<number> = new Set([429, 502, 503, 504]);
const aboutTheData: ReadonlySet<number> = new Set([400, 413]);

function notTaken({ signal }: Request, { status, headers }: Response): Delivery {
  const reason = `${signal}: the endpoint answered ${status}`;
  if (aboutTheData.has(status)) return { status: 'refused', reason };
  const afterMs = retryable.has(status) ? retryAfterMs(headers.get('retry-after'), Date.now()) : undefined;
  return { status: 'later', reason, ...(afterMs === undefined ? {} : { afterMs }) };
}

const maxMessage = 160;

/** What a receiver says is text from outside. */
function quoted(message: string): string {
  const line = message
    .replaceAll(/\p{Cc}+/gu, ' ')
    .slice(0, maxMessage)
    .toWellFormed();
  return line === '' ? '' : `: ${JSON.stringify(line)}`;
}

const maxAnswerBytes = 64 * 1024;

async function readBounded(response: Response): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > maxAnswerBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function baseOf(endpoint: string): URL {
  const url = URL.parse(endpoint.endsWith('/') ? endpoint : `${endpoint}/`);
  // Not repeated: an address may hold a password.
  if (url === null || !['http:', 'https:'].includes(url.protocol))
    throw new ConfigurationError('`endpoint` must be the http or https address of an OTLP receiver');
  if (url.username !== '' || url.password !== '')
    throw new ConfigurationError('`endpoint` must hold no user name and no password: use `headers`');
  return url;
}
