/**
 * The description of the approvals API is true: of every route and every status, as a real server answers.
 */
import { readFileSync } from 'node:fs';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { definePolicy, memoryStore, StoreError, type ApprovalsHttpOptions, type Store } from '../../src/index.ts';
import { openApiDocument } from '../../src/approve/http-openapi.ts';
import { createRateLimit } from '../../src/approve/rate-limit.ts';
import { callTo, document as policyDocument, fixture, type Fixture } from '../support/fixture.ts';
import { serve, type Served } from '../support/http.ts';

interface Operation {
  readonly operationId: string;
  readonly responses: Readonly<Record<string, { readonly headers?: object; readonly content: object }>>;
}

const document = openApiDocument();
const paths = document['paths'] as Readonly<Record<string, Readonly<Record<string, Operation>>>>;
const operations = Object.entries(paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
);

describe('the document', () => {
  test('that ships is the one that the routes give; else: npm run openapi', () => {
    const written: unknown = JSON.parse(readFileSync(new URL('../../openapi.json', import.meta.url), 'utf8'));
    expect(written).toEqual(document);
  });

  test('is OpenAPI 3.1, and every reference in it leads somewhere', async () => {
    const validator = new Validator();
    expect(await validator.validate(structuredClone(document))).toEqual({ valid: true });
    expect(validator.version).toBe('3.1');
    const references = JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g);
    for (const [, pointer = ''] of references) {
      const found = pointer.split('/').reduce<unknown>((node, name) => (node as never)?.[name], document);
      expect([pointer, typeof found]).toEqual([pointer, 'object']);
    }
  });

  test('a broken document does not pass for one', async () => {
    const broken = { ...structuredClone(document), paths: { approvals: { get: {} } } };
    expect((await new Validator().validate(broken)).valid).toBe(false);
  });

  test('is served as it ships, to anybody', async () => {
    const { ask } = await serve(fixture().approvals);
    const answer = await ask('/openapi.json', { token: '' });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/json']);
    expect(await answer.json()).toEqual(document);
  });
});

/** Members that nobody described are not taken. */
function strict(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(strict);
  if (typeof node !== 'object' || node === null) return node;
  const members = Object.fromEntries(Object.entries(node).map(([name, value]) => [name, strict(value)]));
  return Object.hasOwn(members, 'properties') ? { ...members, additionalProperties: false } : members;
}

const engine = new Ajv2020({ strict: false, allErrors: true });
engine.addSchema({ $id: 'document', components: strict(document['components']) });

function schemaOf(response: Operation['responses'][string]): readonly [type: string, check: ValidateFunction] {
  const [[type, { schema }] = expect.fail()] = Object.entries(
    response.content as Readonly<Record<string, { schema: { $ref: string } }>>,
  );
  return [type, engine.compile({ $ref: `document${schema.$ref}` })];
}

const mornings = { zone: 'UTC', days: ['mon'], from: '08:00', to: '11:00' } as const;

interface World extends Served {
  readonly f: Fixture;
  readonly id: string;
  readonly digest: string;
  /** What the store does from now on. */
  readonly become: (state: 'well' | 'down' | 'broken') => void;
}

async function world(options: Partial<ApprovalsHttpOptions> = {}): Promise<World> {
  let state: 'well' | 'down' | 'broken' = 'well';
  const fail = (): Promise<never> =>
    Promise.reject(state === 'down' ? new StoreError('the disk at /secret is gone') : new TypeError('at /secret'));
  const store = new Proxy(memoryStore(), {
    get: (target, name) =>
      state !== 'well' && ['approval', 'approvals'].includes(String(name)) ? fail : Reflect.get(target, name),
  }) as Store;
  const tool = { capability: 'deploy:staging:create', risk: 'high' } as const;
  const tools = {
    ...policyDocument.tools,
    pay: { ...tool, approval: { edit: true } },
    // A rule with every member.
    late: { ...tool, approval: { groups: ['a'], escalate: [{ after: '1m', groups: ['b'] }], hours: mornings } },
  };
  const policy = definePolicy({ ...policyDocument, tools });
  const f = fixture({ store, policy });
  const outcome = await f.gate.execute(callTo('pay', { amount: 1 }), () => 1);
  if (outcome.status !== 'pending') throw new Error(`expected pending, got ${outcome.status}`);
  await f.gate.execute(callTo('late'), () => 1);
  const { approval: id } = outcome;
  const { digest } = await f.approvals.show(f.carol, id);
  return { ...(await serve(f.approvals, options)), f, id, digest, become: (next) => void (state = next) };
}

const one = { points: 1, perMs: 60_000 };
const tight = () => ({ reads: createRateLimit(one), decisions: createRateLimit(one) });
const unknownId = 'apr.acme.AAAAAAAAAAAAAAAAAAAAAA';

/** A request of the operation, in a world of its own, by the status that it is to get. */
type Case = (w: World, ask: (w: World, init?: Parameters<Served['ask']>[1]) => Promise<Response>) => Promise<Response>;

const everywhere: Readonly<Record<string, Case>> = {
  '200': (w, ask) => ask(w),
  '401': (w, ask) => ask(w, { token: 'guess' }),
  '429': async (w, ask) => (await ask(w), ask(w)),
  '500': async (w, ask) => (w.become('broken'), ask(w)),
  '503': async (w, ask) => (w.become('down'), ask(w)),
};

const post = (w: World, path: string, body: unknown, init: Parameters<Served['ask']>[1] = {}): Promise<Response> =>
  w.ask(`/approvals/${path}`, {
    method: 'POST',
    ...init,
    headers: { 'content-type': 'application/json', ...(init.headers as object) },
    body: init.body ?? JSON.stringify(body),
  });
const decision = (w: World, more: object = {}) => ({ verdict: 'approve', digest: w.digest, ...more });
const edit = (w: World, more: object = {}) => ({ arguments: '{"amount":2}', digest: w.digest, ...more });

function ofBody(action: 'decision' | 'arguments', body: (w: World, more?: object) => object): Record<string, Case> {
  const path = (w: World): string => `${w.id}/${action}`;
  return {
    ...everywhere,
    '400': (w) => post(w, path(w), body(w, { surprise: 1 })),
    '403': (w) => post(w, path(w), body(w), { token: w.f.aliceApproves }),
    '404': (w) => post(w, `${unknownId}/${action}`, body(w)),
    '408': (w) => {
      const stalled = new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from('{')) });
      return post(w, path(w), {}, { body: stalled, duplex: 'half' } as RequestInit);
    },
    '409': (w) => post(w, path(w), body(w, { digest: 'another' })),
    '413': (w) => post(w, path(w), {}, { body: ' '.repeat(4_194_305) }),
    '415': (w) => post(w, path(w), body(w), { headers: { 'content-type': 'text/plain' } }),
  };
}

const asks: Readonly<Record<string, (w: World, init?: Parameters<Served['ask']>[1]) => Promise<Response>>> = {
  listApprovals: (w, init) => w.ask('/approvals', init),
  showApproval: (w, init) => w.ask(`/approvals/${w.id}`, init),
  decideApproval: (w, init) => post(w, `${w.id}/decision`, decision(w), init),
  editApproval: (w, init) => post(w, `${w.id}/arguments`, edit(w), init),
  showDocument: (w, init) => w.ask('/openapi.json', init),
};

const cases: Readonly<Record<string, Readonly<Record<string, Case>>>> = {
  listApprovals: { ...everywhere, '400': (w) => w.ask('/approvals?limit=0') },
  showApproval: {
    ...everywhere,
    '400': (w) => w.ask('/approvals/%zz'),
    '404': (w) => w.ask(`/approvals/${unknownId}`),
    '409': async (w) => {
      await w.f.countersign.ledger.eraseSubject({ tenant: 'acme', user: 'alice', by: 'dpo' });
      return w.ask(`/approvals/${w.id}`);
    },
  },
  decideApproval: ofBody('decision', decision),
  editApproval: {
    ...ofBody('arguments', edit),
    '422': (w) => post(w, `${w.id}/arguments`, edit(w, { arguments: '{"amount":' })),
  },
  showDocument: { '200': everywhere['200'] ?? expect.fail() },
};

describe.each(operations)('$method $path', ({ operation }) => {
  const { operationId, responses } = operation;
  test('every status that is documented is tried here, and no other', () => {
    expect(Object.keys(cases[operationId] ?? {}).toSorted()).toEqual(Object.keys(responses).toSorted());
  });

  test.each(Object.entries(responses))('answers %s as it is described', async (status, described) => {
    const w = await world({ bodyTimeoutMs: 200, ...(status === '429' ? { limits: tight() } : {}) });
    const asked = asks[operationId];
    if (asked === undefined) throw new Error(`nothing is asked of ${operationId}`);
    const answer = await cases[operationId]?.[status]?.(w, asked);
    expect(answer?.status).toBe(Number(status));
    const [type, check] = schemaOf(described);
    const body: unknown = await answer?.json();
    check(body);
    expect(check.errors).toBeNull();
    expect(answer?.headers.get('content-type')).toBe(type);
    const promised = Object.keys(described.headers ?? {});
    expect(promised.filter((name) => answer?.headers.get(name) === null)).toEqual([]);
    expect(answer?.headers.get('cache-control')).toBe('no-store');
    expect(JSON.stringify(body)).not.toContain('secret');
    expect(body).toMatchObject(Number(status) >= 400 ? { status: Number(status) } : {});
  });
});
