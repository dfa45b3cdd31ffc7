/**
 * What a request asks: its path, query and body, read strictly. Whatever is not understood is refused.
 * @module
 */
import type { IncomingMessage } from 'node:http';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { refuseDuplicateMembers } from '../execute/json-text.ts';
import { within } from '../within-time.ts';
import { routes, type Asked, type Route } from './http-routes.ts';
import { schemas, type SchemaNode } from './http-schemas.ts';
import { RequestRefused } from './signed-request.ts';

interface Checks {
  readonly query: ValidateFunction;
  readonly body: ValidateFunction | undefined;
}

export interface FoundRoutes {
  /** By method. */
  readonly routes: ReadonlyMap<string, Route>;
  /** From the path, decoded. */
  readonly id: string;
}

export interface InputReader {
  /** @throws RequestRefused 404 */
  find(path: string): FoundRoutes;
  /** @throws RequestRefused 400 */
  query(route: Route, parameters: URLSearchParams): Asked['query'];
  /** @throws RequestRefused 400, 408, 413, 415 */
  body(route: Route, request: IncomingMessage): Promise<unknown>;
}

export function createInputReader(bodyTimeoutMs: number): InputReader {
  const engine = new Ajv2020({ strict: true, ownProperties: true, logger: false });
  const checks = new Map(routes.map((route) => [route, checksOf(engine, route)]));
  const places = [...new Set(routes.map(({ path }) => path))].map((path) => ({
    form: new RegExp(`^${path.replace('{id}', '([^/]{1,200})')}$`),
    routes: new Map(routes.filter((route) => route.path === path).map((route) => [route.method as string, route])),
  }));

  return {
    find(path) {
      for (const place of places) {
        const match = place.form.exec(path);
        if (match !== null) return { routes: place.routes, id: decoded(match[1] ?? '') };
      }
      throw new RequestRefused(404, 'no such resource', 'not_found');
    },
    query(route, parameters) {
      const values: Record<string, unknown> = {};
      for (const [name, value] of parameters) {
        if (Object.hasOwn(values, name)) throw new RequestRefused(400, 'a parameter is given twice');
        // A name of a built-in member is a member as any other here, and an unknown one.
        Object.defineProperty(values, name, { value: valueOf(route.query[name], value), enumerable: true });
      }
      const check = checks.get(route)?.query;
      if (check?.(values) !== true) throw new RequestRefused(400, `the query is not understood: ${explain(check)}`);
      return values;
    },
    async body(route, request) {
      const check = checks.get(route)?.body;
      if (check === undefined || route.body === undefined) return undefined;
      requireJson(request);
      const value = parse(await readBytes(request, route.body.maxBytes, bodyTimeoutMs));
      if (!check(value)) throw new RequestRefused(400, `the body is not understood: ${explain(check)}`);
      return value;
    },
  };
}

function checksOf(engine: Ajv2020, { query, body }: Route): Checks {
  return {
    query: engine.compile({ type: 'object', properties: query, additionalProperties: false }),
    body: body && engine.compile(schemas[body.schema]),
  };
}

/** Of the text of a parameter: a number where the schema says so and it is one. */
function valueOf(schema: SchemaNode | undefined, value: string): unknown {
  return schema?.['type'] === 'integer' && /^\d{1,9}$/.test(value) ? Number(value) : value;
}

/** In the words of the schema: nothing of the request stands in it. */
function explain(check: ValidateFunction | undefined): string {
  const [error] = check?.errors ?? [];
  return `${error?.instancePath ?? ''} ${error?.message ?? 'something is wrong'}`.trim();
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new RequestRefused(400, 'the path is not valid');
  }
}

/** RFC 8259: JSON between systems is UTF-8. */
function requireJson(request: IncomingMessage): void {
  const type = /^application\/json[ \t]*(?:;[ \t]*charset="?utf-8"?[ \t]*)?$/i;
  if (!type.test(singleHeader(request, 'content-type') ?? '')) {
    throw new RequestRefused(415, 'send application/json in UTF-8', 'media_type');
  }
  if (!/^(?:identity)?$/i.test(singleHeader(request, 'content-encoding') ?? '')) {
    throw new RequestRefused(415, 'send it without a content-encoding', 'media_type');
  }
}

/**
 * A header that counts once: what stands behind may read another one of several than this does.
 * @throws RequestRefused 400
 */
export function singleHeader(request: IncomingMessage, name: string): string | undefined {
  const values = request.headersDistinct[name] ?? [];
  if (values.length > 1) throw new RequestRefused(400, 'a header is given twice');
  return values[0];
}

async function readBytes(request: IncomingMessage, maxBytes: number, timeoutMs: number): Promise<Buffer> {
  const tooLarge = (): RequestRefused => new RequestRefused(413, `send at most ${maxBytes} bytes`, 'too_large');
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
  const read = async (): Promise<Buffer> => {
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > maxBytes) throw tooLarge();
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  };
  return within(read(), timeoutMs, () => new RequestRefused(408, 'the body took too long', 'too_slow'));
}

function parse(bytes: Buffer): unknown {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    const value: unknown = JSON.parse(text);
    refuseDuplicateMembers(text);
    return value;
  } catch {
    throw new RequestRefused(400, 'send a JSON object in UTF-8 that names each member once');
  }
}
