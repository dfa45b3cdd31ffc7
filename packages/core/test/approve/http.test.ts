/**
 * The approvals API against clients that mean harm, or just do it differently.
 */
import type { IncomingMessage } from 'node:http';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { describe, expect, test } from 'vitest';
import type { Approvals, RateLimit } from '../../src/index.ts';
import { networkOf } from '../../src/approve/http-limits.ts';
import { createRateLimit } from '../../src/approve/rate-limit.ts';
import { refusedRecords } from '../../../../test/support/refused-records.ts';
import { verifies } from '../../../../test/verifies.ts';
import { callTo, fixture, type Fixture } from '../support/fixture.ts';
import { serve } from '../support/http.ts';

async function filed(count = 1): Promise<{ f: Fixture; ids: string[]; id: string; digest: string }> {
  let time = 1_800_000_000_000;
  const f = fixture({ now: () => (time += 1) });
  const ids: string[] = [];
  for (let n = 0; n < count; n += 1) {
    // Of runs and users there may be only so many at a time.
    const user = n % 2 === 0 ? 'alice' : 'bob';
    const gate = f.countersign.gate({ tenant: 'acme', user, agent: 'support', run: `run-${Math.floor(n / 20)}` });
    const outcome = await gate.execute(callTo('deploy', { n }), () => 1);
    if (outcome.status !== 'pending') throw new Error(`expected pending, got ${outcome.status}`);
    ids.push(outcome.approval);
  }
  const [id = ''] = ids;
  const { digest } = await f.approvals.show(f.carol, id);
  return { f, ids, id, digest };
}

const refused = (f: Fixture, tenant?: string) => refusedRecords(f.countersign.ledger, tenant);

const untouched = async (f: Fixture, id: string): Promise<void> => {
  expect(await f.store.approval('acme', id)).toMatchObject({ state: 'pending', votes: [] });
};

describe('paging', () => {
  interface Page {
    readonly approvals: readonly { readonly id: string }[];
    readonly next?: string;
  }

  verifies('APR-3', 'goes through all of them once, in either order, also when new ones come in between', async () => {
    const { f, ids } = await filed(45);
    const { ask } = await serve(f.approvals);
    for (const [order, cursor] of [
      ['oldest', 'after'],
      ['newest', 'before'],
    ] as const) {
      const seen: string[] = [];
      let next: string | undefined;
      let pages = 0;
      do {
        const from: string = next === undefined ? '' : `&${cursor}=${next}`;
        const page = (await (await ask(`/approvals?order=${order}&limit=20${from}`)).json()) as Page;
        seen.push(...page.approvals.map(({ id }) => id));
        next = page.next;
        pages += 1;
        if (order === 'newest') await f.gate.execute(callTo('note', { pages }), () => 1);
      } while (next !== undefined);
      expect(pages).toBe(3);
      expect(seen).toEqual(order === 'oldest' ? ids : ids.toReversed());
    }
  });

  test('answers a hundred unless told otherwise, says that there are more, and stops at a page of many bytes', async () => {
    const { f, ids } = await filed(101);
    const { ask } = await serve(f.approvals);
    const page = (await (await ask('/approvals')).json()) as Page;
    expect([page.approvals.length, page.next]).toEqual([100, ids[99]]);
    const exact = (await (await ask('/approvals?limit=101')).json()) as Page;
    expect([exact.approvals.length, exact.next]).toEqual([101, undefined]);
    const long = fixture();
    for (const n of [1, 2, 3, 4, 5, 6, 7]) {
      await long.gate.execute(callTo('deploy', { n, text: 'x'.repeat(900_000) }), () => 1);
    }
    const { ask: askLong } = await serve(long.approvals);
    const first = (await (await askLong('/approvals')).json()) as Page;
    expect(first.approvals.length).toBe(5);
    const rest = (await (await askLong(`/approvals?after=${first.next}`)).json()) as Page;
    expect([rest.approvals.length, rest.next]).toEqual([2, undefined]);
  });

  test('narrows by state, run and both bounds', async () => {
    const { f, ids } = await filed(25);
    await f.decide(ids[3] ?? '', 'reject');
    const { ask } = await serve(f.approvals);
    const list = async (query: string): Promise<string[]> =>
      ((await (await ask(`/approvals?${query}`)).json()) as Page).approvals.map(({ id }) => id);
    expect(await list('state=rejected')).toEqual([ids[3]]);
    expect(await list('run=run-1')).toEqual(ids.slice(20));
    expect(await list(`after=${ids[1]}&before=${ids[5]}&state=pending`)).toEqual([ids[2], ids[4]]);
    expect(await list('run=none')).toEqual([]);
  });

  verifies('APR-6', 'a hostile cursor or query answers 400, and shows nothing of another tenant', async () => {
    const { f, id } = await filed();
    const gate = f.countersign.gate({ tenant: 'globex', user: 'alice', agent: 'support', run: 'run-1' });
    const other = await gate.execute(callTo('deploy'), () => 1);
    const theirs = other.status === 'pending' ? other.approval : expect.fail();
    const { ask } = await serve(f.approvals);
    const queries = [
      `after=${theirs}`,
      `before=${theirs}`,
      'after=apr.acme.AAAAAAAAAAAAAAAAAAAAAA',
      ...["after=' OR 1=1 --", 'after=', 'before=__proto__', 'after=%00', `after=${id}%00`, `after=${id}&after=${id}`],
      ...['limit=0', 'limit=-1', 'limit=201', 'limit=1e3', 'limit=NaN', 'limit=', 'limit=99999999999999999999'],
      ...['limit=1&limit=2', 'state=all', 'state=pending&state=approved', 'order=random', 'run=', 'surprise=1'],
      ...['__proto__=1', 'constructor=1', `run=${'x'.repeat(257)}`],
    ];
    for (const query of queries) {
      const answer = await ask(`/approvals?${query}`);
      const body = await answer.text();
      expect([answer.status, query]).toEqual([400, query]);
      expect(answer.headers.get('content-type')).toBe('application/problem+json');
      expect(body).not.toContain('approvals"');
    }
  });
});

describe('a request that is refused', () => {
  verifies(['APR-6', 'AUD-1'], 'before anybody is authenticated leaves one record, and changes nothing', async () => {
    const { f, id, digest } = await filed();
    const { url, ask } = await serve(f.approvals, { tenant: 'globex' });
    const body = JSON.stringify({ verdict: 'approve', digest });
    const send = (headers: Record<string, string>) =>
      fetch(`${url}/approvals/${id}/decision`, { method: 'POST', headers, body });
    const json = { 'content-type': 'application/json' };
    for (const [index, authorization] of ['', 'Bearer guess', 'Basic Y2Fyb2w6eA==', 'carol-token'].entries()) {
      const answer = await send({ ...json, ...(authorization === '' ? {} : { authorization }) });
      expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([
        401,
        authorization === '' ? 'Bearer' : 'Bearer error="invalid_token"',
      ]);
      const records = await refused(f, 'globex');
      expect(records).toHaveLength(index + 1);
      expect(records.at(-1)).toMatchObject({ code: 'unauthenticated', channel: 'http', approval: id });
    }
    expect((await ask('/approvals', { token: 'guess' })).status).toBe(401);
    expect(await refused(f, 'globex')).toHaveLength(5);
    expect(JSON.stringify(await f.store.records('globex', {}))).not.toContain('guess');
    await untouched(f, id);
  });

  const attacks: Readonly<Record<string, readonly [status: number, reason: string, headers: object, body: string]>> = {
    'text that is no JSON': [400, 'malformed', {}, '{'],
    'JSON that is no object': [400, 'malformed', {}, '["approve"]'],
    'a member twice': [400, 'malformed', {}, '{"verdict":"reject","digest":"x","verdict":"approve"}'],
    'a member that nobody knows': [400, 'malformed', {}, '{"verdict":"approve","digest":"x","force":true}'],
    'a verdict that is none': [400, 'malformed', {}, '{"verdict":"yes","digest":"x"}'],
    'a digest that is a number': [400, 'malformed', {}, '{"verdict":"approve","digest":1}'],
    'a reason that is an object': [400, 'malformed', {}, '{"verdict":"approve","digest":"x","reason":{}}'],
    'nothing at all': [400, 'malformed', {}, ''],
    'no content type': [415, 'media_type', { 'content-type': '' }, '{}'],
    'a form': [415, 'media_type', { 'content-type': 'application/x-www-form-urlencoded' }, 'verdict=approve'],
    'another kind of JSON': [415, 'media_type', { 'content-type': 'application/json-patch+json' }, '{}'],
    'another character set': [415, 'media_type', { 'content-type': 'application/json; charset=utf-16' }, '{}'],
    'a compressed body': [415, 'media_type', { 'content-encoding': 'gzip' }, '{}'],
    'more bytes than there may be': [413, 'too_large', {}, ' '.repeat(16_385)],
  };
  for (const [name, [status, reason, headers, body]] of Object.entries(attacks)) {
    verifies(['APR-6', 'AUD-1'], `with ${name} leaves one record, and changes nothing`, async () => {
      const { f, id } = await filed();
      const { post } = await serve(f.approvals);
      const answer = await post(`/approvals/${id}/decision`, body, headers as Record<string, string>);
      expect([answer.status, await answer.json()]).toEqual([status, expect.objectContaining({ status, reason })]);
      expect(await refused(f)).toMatchObject([{ code: reason, channel: 'http', approval: id }]);
      await untouched(f, id);
    });
  }

  verifies('APR-6', 'by the service is in the record of the service, and in no second one', async () => {
    const { f, id, digest } = await filed();
    const { post } = await serve(f.approvals);
    const answer = await post(`/approvals/${id}/decision`, { verdict: 'approve', digest: 'another' });
    expect(await answer.json()).toMatchObject({ code: 'ERR_APPROVAL_CONFLICT', reason: 'digest_mismatch' });
    expect(await refused(f)).toMatchObject([{ code: 'digest_mismatch', approver: 'carol' }]);
    expect((await post(`/approvals/${id}/decision`, { verdict: 'reject', digest })).status).toBe(200);
    expect(await refused(f)).toHaveLength(1);
  });

  test('invalid UTF-8 is no text that anybody has typed', async () => {
    const { f, id, digest } = await filed();
    const { ask } = await serve(f.approvals);
    const body = Buffer.concat([
      Buffer.from(`{"verdict":"approve","digest":"${digest}","reason":"`),
      Buffer.from([0xc3, 0x28]),
      Buffer.from('"}'),
    ]);
    const headers = { 'content-type': 'application/json' };
    expect((await ask(`/approvals/${id}/decision`, { method: 'POST', headers, body })).status).toBe(400);
    await untouched(f, id);
  });
});

describe('a token that is withdrawn while a body is on its way', () => {
  const later: Readonly<
    Record<string, readonly [status: number, (f: Fixture) => ReturnType<Approvals['authenticate']>]>
  > = {
    'decides and edits nothing': [401, (f) => f.approvals.authenticate('nobody')],
    'decides and edits nothing either when the directory is down': [500, () => Promise.reject(new Error('down'))],
    'is that of whoever the directory names by then': [403, (f) => f.approvals.authenticate(f.aliceApproves)],
  };
  for (const [name, [status, ask]] of Object.entries(later)) {
    verifies(['APR-6', 'AUD-1'], name, async () => {
      const { f, id, digest } = await filed();
      const bodies = { decision: { verdict: 'approve', digest }, arguments: { arguments: '{"n":9}', digest } };
      for (const [action, body] of Object.entries(bodies)) {
        const known = Promise.withResolvers<void>();
        let withdrawn = false;
        const { begin } = await serve({
          ...f.approvals,
          async authenticate(token) {
            if (withdrawn) return ask(f);
            known.resolve();
            return f.approvals.authenticate(token);
          },
        });
        const finish = begin(`/approvals/${id}/${action}`, body);
        await known.promise;
        withdrawn = true;
        expect(await finish()).toBe(status);
      }
      expect(await f.store.approval('acme', id)).toMatchObject({ digest, votes: [] });
      const codes = (await refused(f)).map(({ code }) => code);
      const code = { 401: 'unauthenticated', 403: 'own_request', 500: undefined }[status];
      expect(codes).toEqual(code === undefined ? [] : [code, code]);
    });
  }
});

verifies('REL-3', 'who runs the service is told why something failed, and whoever asked is not', async () => {
  const { f } = await filed();
  const cause = new Error('approvers.json can be read by others');
  const told: unknown[] = [];
  const onFailure = (error: unknown): never => {
    told.push(error);
    throw new Error('the log is full');
  };
  const authenticate = (): Promise<never> => Promise.reject(cause);
  const { ask } = await serve({ ...f.approvals, authenticate }, { onFailure });
  const answer = await ask('/approvals');
  expect([answer.status, await answer.text()]).toEqual([500, expect.not.stringContaining('approvers.json')]);
  expect(told).toMatchObject([{ cause }]);
  const { ask: askOther } = await serve(f.approvals, { onFailure });
  expect((await askOther('/approvals/none')).status).toBe(404);
  expect(told).toHaveLength(1);
});

describe('methods', () => {
  verifies('APR-6', 'HEAD is a GET without a body, OPTIONS names what there is, and neither decides', async () => {
    const { f, id } = await filed();
    const { ask, raw } = await serve(f.approvals);
    for (const path of ['/approvals', `/approvals/${id}`, '/openapi.json']) {
      const head = await ask(path, { method: 'HEAD' });
      const get = await ask(path);
      expect(head.status).toBe(200);
      expect(head.headers.get('content-length')).toBe(String((await get.arrayBuffer()).byteLength));
      const options = await ask(path, { method: 'OPTIONS', token: '' });
      expect([options.status, options.headers.get('allow')]).toEqual([204, 'GET, HEAD, OPTIONS']);
      expect(options.headers.get('access-control-allow-origin')).toBeNull();
    }
    const bytes = await raw(
      `HEAD /approvals HTTP/1.1\r\nhost: x\r\nauthorization: Bearer carol-token\r\nconnection: close\r\n\r\n`,
    );
    expect(bytes.endsWith('\r\n\r\n')).toBe(true);
    const action = await ask(`/approvals/${id}/decision`, { method: 'OPTIONS', token: '' });
    expect(action.headers.get('allow')).toBe('POST, OPTIONS');
    await untouched(f, id);
  });

  verifies('APR-6', 'a link scanner decides nothing with any method, and is told which there are', async () => {
    const { f, id } = await filed();
    const { ask } = await serve(f.approvals);
    for (const method of ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'PROPFIND']) {
      for (const token of ['', 'carol-token']) {
        const answer = await ask(`/approvals/${id}/decision`, { method, token });
        expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST, OPTIONS']);
      }
    }
    expect((await ask('/approvals', { method: 'POST' })).status).toBe(405);
    expect((await ask('/openapi.json', { method: 'POST', token: '' })).status).toBe(405);
    await untouched(f, id);
  });
});

describe('paths', () => {
  verifies('APR-6', 'an id may be percent-encoded; what is not one, however it is spelled, is not found', async () => {
    const { f, id } = await filed();
    const { ask, raw } = await serve(f.approvals);
    const encoded = id.replaceAll(/./g, (letter) => `%${letter.charCodeAt(0).toString(16)}`);
    expect(await (await ask(`/approvals/${encoded}`)).json()).toMatchObject({ id });
    const others = [
      `${id}%00`,
      `${id}%2f..`,
      `..%2f${id}`,
      `%2e%2e`,
      `${id}%0d%0a`,
      ` ${id}`,
      encodeURIComponent(encoded),
    ];
    for (const other of others) expect([other, (await ask(`/approvals/${other}`)).status]).toEqual([other, 404]);
    for (const bad of ['%zz', '%', '%c3%28']) expect((await ask(`/approvals/${bad}`)).status).toBe(400);
    const long = [
      `/approvals/${'a'.repeat(201)}`,
      `/approvals/${id}/`,
      `/approvals//decision`,
      '/',
      '/approvals/',
      '//x',
    ];
    for (const path of long) {
      const request = `GET ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer carol-token\r\nconnection: close\r\n\r\n`;
      expect([path, (await raw(request)).split('\r\n')[0]]).toEqual([path, 'HTTP/1.1 404 Not Found']);
    }
  });

  test('an absolute URL is a path, and its host counts for nothing; an authority or a star is none', async () => {
    const { f } = await filed();
    const { raw } = await serve(f.approvals);
    const get = (target: string, method = 'GET'): Promise<string> =>
      raw(`${method} ${target} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer carol-token\r\nconnection: close\r\n\r\n`);
    expect(await get('http://evil.example/approvals')).toMatch(/^HTTP\/1.1 200 /);
    expect(await get('//evil.example/approvals')).toMatch(/^HTTP\/1.1 404 /);
    expect(await get('*', 'OPTIONS')).toMatch(/^HTTP\/1.1 400 /);
    expect(await get('file:///approvals')).toMatch(/^HTTP\/1.1 400 /);
  });
});

describe('bytes on the wire', () => {
  const head = (more: string, token = 'carol-token'): string =>
    `host: x\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\n${more}\r\n`;

  verifies('APR-6', 'of pipelined requests each is judged by its own token, and answered in order', async () => {
    const { f, id, digest } = await filed();
    const { raw } = await serve(f.approvals);
    const body = JSON.stringify({ verdict: 'approve', digest });
    const post = (token: string, more = ''): string =>
      `POST /approvals/${id}/decision HTTP/1.1\r\n${head(`content-length: ${body.length}\r\n${more}`, token)}${body}`;
    const get = (token: string): string => `GET /approvals/${id} HTTP/1.1\r\n${head('', token)}`;
    const statuses = async (bytes: string): Promise<unknown[]> =>
      [...(await raw(bytes)).matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => status);
    // What follows a body that nobody read is not taken: the connection has ended.
    expect(await statuses(`${post('guess')}${post('carol-token')}`)).toEqual(['401']);
    await untouched(f, id);
    const last = post('carol-token', 'connection: close\r\n');
    expect(await statuses(`${get('guess')}${post('alice-token')}${get('carol-token')}${last}`)).toEqual([
      ...['401', '403', '200', '200'],
    ]);
    expect((await f.store.approval('acme', id))?.votes).toMatchObject([{ approver: 'carol' }]);
  });

  verifies(
    ['APR-6', 'REL-3'],
    'requests that a stranger sends ahead without end are not heaped up',
    async () => {
      const { f } = await filed();
      const known = Promise.withResolvers<void>();
      let guesses = 0;
      const { raw, ask } = await serve({
        ...f.approvals,
        async authenticate(token) {
          if (token === 'guess') await known.promise.then(() => (guesses += 1));
          return f.approvals.authenticate(token);
        },
      });
      const get = `GET /approvals HTTP/1.1\r\n${head('', 'guess')}`;
      expect(await raw(get.repeat(10_000)).catch(() => '')).toBe('');
      known.resolve();
      expect((await ask('/approvals')).status).toBe(200);
      // What waited for its turn on a connection that is gone is not asked about.
      expect(guesses).toBeLessThanOrEqual(1);
    },
    { timeout: 10_000 },
  );

  test('a client that sends 32 requests ahead has all of them answered', async () => {
    const { f } = await filed();
    const { raw } = await serve(f.approvals);
    const get = (more = ''): string => `GET /approvals HTTP/1.1\r\n${head(more)}`;
    const answers = await raw(`${get().repeat(31)}${get('connection: close\r\n')}`);
    expect(answers.match(/HTTP\/1\.1 200 /g)).toHaveLength(32);
  });

  verifies('APR-6', 'a header twice, of which a proxy might have read the other, is refused', async () => {
    const { f, id, digest } = await filed();
    const { raw } = await serve(f.approvals);
    const body = JSON.stringify({ verdict: 'approve', digest });
    const length = `content-length: ${body.length}\r\nconnection: close\r\n`;
    for (const twice of [
      'authorization: Bearer guess',
      'content-type: text/plain',
      'content-encoding: a\r\ncontent-encoding: b',
    ]) {
      const answer = await raw(`POST /approvals/${id}/decision HTTP/1.1\r\n${head(`${twice}\r\n${length}`)}${body}`);
      expect(answer).toMatch(/^HTTP\/1.1 400 [^]*a header is given twice/);
    }
    for (const smuggled of [`content-length: 5\r\n${length}`, `transfer-encoding: chunked\r\n${length}`]) {
      const answer = await raw(`POST /approvals/${id}/decision HTTP/1.1\r\n${head(smuggled)}\r\n${body}`);
      expect(answer.split(' ')[1]).toBe('400');
    }
    await untouched(f, id);
  });

  verifies(
    ['APR-6', 'AUD-1'],
    'a body that trickles in for ever is cut off, recorded, and decides nothing',
    async () => {
      const { f, id, digest } = await filed();
      const { url, raw } = await serve(f.approvals, { bodyTimeoutMs: 150 });
      const body = JSON.stringify({ verdict: 'approve', digest });
      let timer: NodeJS.Timeout | undefined;
      const slow = new ReadableStream<Uint8Array>({
        start(controller) {
          const bytes = [...Buffer.from(`${' '.repeat(10_000)}${body}`)];
          timer = setInterval(() => controller.enqueue(Uint8Array.of(bytes.shift() ?? 32)), 20);
        },
      });
      const headers = { authorization: 'Bearer carol-token', 'content-type': 'application/json' };
      const init = { method: 'POST', headers, body: slow, duplex: 'half' } as RequestInit;
      const answer = await fetch(`${url}/approvals/${id}/decision`, init).finally(() => clearInterval(timer));
      expect([answer.status, answer.headers.get('connection')]).toEqual([408, 'close']);
      const silent = await raw(`POST /approvals/${id}/decision HTTP/1.1\r\n${head('content-length: 100\r\n')}{`);
      expect(silent).toMatch(/^HTTP\/1.1 408 /);
      expect(await refused(f)).toMatchObject([{ code: 'too_slow' }, { code: 'too_slow' }]);
      await untouched(f, id);
    },
  );

  test('a body that is announced as too long is not waited for, and the connection ends', async () => {
    const { f, id } = await filed();
    const { raw } = await serve(f.approvals);
    const answer = await raw(`POST /approvals/${id}/decision HTTP/1.1\r\n${head('content-length: 99999999\r\n')}`);
    expect(answer).toMatch(/^HTTP\/1.1 413 /);
    const nobody = await raw(
      `POST /approvals/${id}/decision HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n\r\n${' '.repeat(1000)}`,
    );
    expect(nobody).toMatch(/^HTTP\/1.1 401 /);
  });
});

describe('limits', () => {
  const few = (points: number): RateLimit => createRateLimit({ points, perMs: 60_000 });
  const decide = (digest: string): object => ({ verdict: 'approve', digest });

  verifies(
    ['APR-6', 'AUD-1'],
    'an approver who asks too often is told when to come back, and others are not',
    async () => {
      const { f, id, digest } = await filed();
      const { ask, post } = await serve(f.approvals, { limits: { reads: few(3), decisions: few(2) } });
      const reads = [];
      for (let count = 0; count < 4; count += 1) reads.push(await ask('/approvals'));
      expect(reads.map(({ status }) => status)).toEqual([200, 200, 200, 429]);
      expect(reads.map(({ headers }) => headers.get('ratelimit'))).toEqual([
        '"reads";r=2',
        '"reads";r=1',
        '"reads";r=0',
        expect.stringMatching(/^"reads";r=0;t=(1\d|20)$/),
      ]);
      const [last] = reads.slice(-1);
      expect(last?.headers.get('ratelimit-policy')).toBe('"reads";q=3;w=60');
      expect(Number(last?.headers.get('retry-after'))).toBeGreaterThan(0);
      expect((await ask('/approvals', { token: f.aliceApproves })).status).toBe(200);
      expect((await ask('/approvals', { token: 'gus-token' })).status).toBe(200);
      for (let count = 0; count < 2; count += 1) await post(`/approvals/${id}/decision`, decide('guess'));
      expect((await post(`/approvals/${id}/decision`, decide(digest))).status).toBe(429);
      await untouched(f, id);
      const codes = (await refused(f)).map(({ code }) => code);
      expect(codes).toEqual(['rate_limited', 'digest_mismatch', 'digest_mismatch', 'rate_limited']);
    },
  );

  verifies('APR-6', 'an address that guesses tokens is not listened to any more, also not many at once', async () => {
    const { f, id, digest } = await filed();
    let asked = 0;
    const slow = {
      ...f.approvals,
      async authenticate(credential: string) {
        asked += 1;
        await new Promise((resolve) => setTimeout(resolve, 20));
        return f.approvals.authenticate(credential);
      },
    };
    const { ask, post } = await serve(slow, { limits: { failures: few(5) } });
    const guesses = await Promise.all(Array.from({ length: 40 }, (_, n) => ask('/approvals', { token: `guess-${n}` })));
    expect(guesses.filter(({ status }) => status === 401)).toHaveLength(5);
    expect(guesses.filter(({ status }) => status === 429)).toHaveLength(35);
    expect(asked).toBe(5);
    expect((await post(`/approvals/${id}/decision`, decide(digest))).status).toBe(429);
    await untouched(f, id);
  });

  test('who proves who they are uses up nothing of their address', async () => {
    const { f, id } = await filed();
    const { ask, post } = await serve(f.approvals, { limits: { failures: few(1) } });
    for (let count = 0; count < 5; count += 1) {
      expect((await ask('/approvals')).status).toBe(200);
      expect((await post(`/approvals/${id}/decision`, decide('guess'))).status).toBe(409);
    }
  });

  test('whose token is withdrawn while their body is on its way counts as no guess of their address', async () => {
    const { f, id, digest } = await filed();
    let asked = 0;
    const fickle = {
      ...f.approvals,
      authenticate: (token: string) => f.approvals.authenticate((asked += 1) % 2 === 1 ? token : 'nobody'),
    };
    const { ask, post } = await serve(fickle, { limits: { failures: few(1) } });
    for (let count = 0; count < 3; count += 1) {
      expect((await post(`/approvals/${id}/decision`, decide(digest))).status).toBe(401);
    }
    expect((await ask('/approvals')).status).toBe(200);
    await untouched(f, id);
  });

  verifies('APR-6', 'a limiter that fails or hangs lets nobody through', async () => {
    const { f, id, digest } = await filed();
    for (const take of [
      () => Promise.reject(new Error('at redis://secret')),
      () => new Promise<never>(() => undefined),
    ]) {
      const broken: RateLimit = { points: 1, perMs: 1_000, take, giveBack: () => undefined };
      for (const name of ['failures', 'decisions'] as const) {
        const { post } = await serve(f.approvals, { limits: { [name]: broken } });
        const answer = await post(`/approvals/${id}/decision`, decide(digest));
        expect([answer.status, await answer.text()]).toEqual([500, expect.not.stringContaining('secret')]);
      }
    }
    await untouched(f, id);
  });

  verifies(
    'APR-6',
    'a forged X-Forwarded-For buys no new guesses, unless a proxy is trusted that never wrote it',
    async () => {
      const { f } = await filed();
      const from = (address: string) => ({ token: 'guess', headers: { 'x-forwarded-for': address } });
      const direct = await serve(f.approvals, { limits: { failures: few(2) } });
      const answers = [];
      for (const n of [1, 2, 3]) answers.push((await direct.ask('/approvals', from(`203.0.113.${n}`))).status);
      expect(answers).toEqual([401, 401, 429]);
      const proxied = await serve(f.approvals, { limits: { failures: few(2) }, trustedProxies: 1 });
      const behind = [];
      for (const n of [1, 2, 3])
        behind.push((await proxied.ask('/approvals', from(`10.9.8.${n}, 203.0.113.7`))).status);
      behind.push((await proxied.ask('/approvals', from('203.0.113.8'))).status);
      expect(behind).toEqual([401, 401, 429, 401]);
    },
  );

  test('several processes share their counts through a limiter of their own, here a kept library', async () => {
    const { f } = await filed();
    const library = new RateLimiterMemory({ points: 4, duration: 60 });
    const shared: RateLimit = {
      points: 4,
      perMs: 60_000,
      async take(key) {
        try {
          const { remainingPoints } = await library.consume(key);
          return { allowed: true, retryAfterMs: 0, remaining: remainingPoints };
        } catch (refusal) {
          if (!(refusal instanceof RateLimiterRes)) throw refusal;
          return { allowed: false, retryAfterMs: refusal.msBeforeNext, remaining: 0 };
        }
      },
      giveBack: async (key) => void (await library.reward(key)),
    };
    const processes = [
      await serve(f.approvals, { limits: { reads: shared } }),
      await serve(f.approvals, { limits: { reads: shared } }),
    ];
    const statuses = [];
    for (let count = 0; count < 3; count += 1) {
      for (const { ask } of processes) statuses.push((await ask('/approvals')).status);
    }
    expect(statuses).toEqual([200, 200, 200, 200, 429, 429]);
  });

  test('one client of IPv6 is its /64, and one address has one spelling', () => {
    const from = (remoteAddress: string | undefined): string =>
      networkOf({ socket: { remoteAddress }, headersDistinct: {} } as unknown as IncomingMessage, 0);
    expect(from('::ffff:192.0.2.1')).toBe(from('192.0.2.1'));
    expect(from('192.0.2.1')).toBe('192.0.2.1');
    expect(from('2001:db8:1:2:3:4:5:6')).toBe(from('2001:0db8:0001:0002::1'));
    expect(from('2001:db8:1:2::1')).not.toBe(from('2001:db8:1:3::1'));
    expect(from('2001:db8::1')).toBe('2001:db8:0:0::/64');
    for (const none of [undefined, '', 'evil.example', 'x'.repeat(9_999), '::ffff:1:2:3:4:5:6:7:8:9']) {
      expect(from(none)).toBe('unknown');
    }
  });

  test('how many proxies there are is a small whole number', async () => {
    const { f } = await filed();
    for (const trustedProxies of [-1, 0.5, 17, Number.NaN]) {
      await expect(serve(f.approvals, { trustedProxies })).rejects.toThrow('trustedProxies');
    }
  });
});

test('a directory that cannot be read says nothing of itself, and lets nobody in', async () => {
  const { f } = await filed();
  const broken = { ...f.approvals, authenticate: () => Promise.reject(new Error('ldap://secret does not answer')) };
  const { ask } = await serve(broken, { limits: { failures: createRateLimit({ points: 1, perMs: 60_000 }) } });
  for (let count = 0; count < 3; count += 1) {
    const answer = await ask('/approvals');
    expect([answer.status, await answer.text()]).toEqual([500, expect.not.stringContaining('secret')]);
  }
});

verifies(
  'REL-3',
  'a limiter that hangs or fails when it is given back holds up nobody who proved who they are',
  async () => {
    const { f } = await filed();
    for (const giveBack of [() => new Promise<never>(() => undefined), () => Promise.reject(new Error('no store'))]) {
      const take = () => ({ allowed: true, retryAfterMs: 0, remaining: 1 });
      const { ask } = await serve(f.approvals, { limits: { failures: { points: 1, perMs: 1_000, take, giveBack } } });
      expect((await ask('/approvals', { signal: AbortSignal.timeout(10_000) })).status).toBe(200);
    }
  },
);
