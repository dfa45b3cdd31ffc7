/**
 * Webhooks against a real HTTP server, and decisions that come back signed.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { channelContract } from '@countersign/core/testing';
import { verifies } from '../../../test/verifies.ts';
import { approvalSetting } from '../../../test/support/approval-setting.ts';
import { dangerouslyPostToLoopback, webhookCallback, webhookChannel } from '../src/index.ts';

const secret = `whsec_${randomBytes(32).toString('base64')}`;
const otherSecret = `whsec_${randomBytes(32).toString('base64')}`;

/** Computed here from the specification, not with the library that the package signs with. */
function signature(id: string, timestamp: string, body: string, key = secret): string {
  const bytes = Buffer.from(key.slice(6), 'base64');
  return `v1,${createHmac('sha256', bytes).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
}

async function receiver() {
  const received: { readonly headers: IncomingHttpHeaders; readonly body: string; readonly path: string }[] = [];
  let state: 'well' | 'down' | 'hanging' | 'redirecting' = 'well';
  const server = createServer();
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (state === 'hanging') return;
    let body = '';
    for await (const chunk of request) body += String(chunk);
    if (state === 'well') received.push({ headers: request.headers, body, path: request.url ?? '' });
    const moved = { location: '/elsewhere' };
    if (state === 'redirecting')
      return void (request.url === '/elsewhere' ? response : response.writeHead(307, moved)).end();
    response.writeHead(state === 'well' ? 204 : 503).end();
  };
  server.on('request', (request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  const { port } = server.address() as AddressInfo;
  return {
    received,
    close,
    url: `http://127.0.0.1:${port}/hook`,
    port,
    become: (next: typeof state) => void (state = next),
  };
}

async function listening() {
  const server = await receiver();
  onTestFinished(server.close);
  return server;
}

const local = { secret, [dangerouslyPostToLoopback]: true } as const;

describe('the contract of a channel', () => {
  const cases = channelContract(async () => {
    const server = await receiver();
    return {
      channel: webhookChannel({ ...local, url: server.url, timeoutMs: 1_000 }),
      // JSON has no active parts; its headers must come from us alone.
      shown: async () =>
        server.received.map(({ headers, body }) => ({
          id: String(headers['webhook-id']),
          text: JSON.stringify(JSON.parse(body)).replaceAll('\\"', '"').replaceAll('\\', ''),
          // The id and the signature are digests: by chance they may spell anything.
          active: Object.entries(headers).flatMap(([name, value]) =>
            name === 'webhook-id' || name === 'webhook-signature' ? [name] : [name, String(value)],
          ),
        })),
      become: async (state) => server.become(state),
      close: server.close,
    };
  });
  for (const { name, run } of cases) verifies(['APR-3', 'APR-12'], name, run);
});

verifies('APR-3', 'what goes out is signed, and the same news carries the same id', async () => {
  const server = await listening();
  const { approvals, file } = approvalSetting();
  const { id, digest } = await file({ password: 'hunter2' });
  const channel = webhookChannel({ ...local, url: server.url });
  expect(await approvals.notifier({ channels: [channel] }).tick()).toBe(1);
  const [{ headers, body } = expect.fail()] = server.received;
  const [messageId, timestamp] = [String(headers['webhook-id']), String(headers['webhook-timestamp'])];
  expect(headers['webhook-signature']).toBe(signature(messageId, timestamp, body));
  expect(JSON.parse(body)).toMatchObject({ type: 'approval.opened', data: { id, digest, state: 'pending' } });
  expect(body).not.toContain('hunter2');
});

verifies(
  'APR-3',
  'a receiver that was down hears later of what waits and of what has expired, and nothing is decided meanwhile',
  async () => {
    const server = await listening();
    const { approvals, file, pass, state } = approvalSetting();
    const { id: early } = await file();
    const notifier = approvals.notifier({ channels: [webhookChannel({ ...local, url: server.url })] });
    server.become('down');
    for (let minute = 0; minute < 12; minute += 1) {
      expect(await notifier.tick()).toBe(0);
      pass(60_000);
    }
    const { id: late } = await file();
    expect(await notifier.tick()).toBe(0);
    server.become('well');
    pass(10 * 60_000);
    expect(await notifier.tick()).toBe(2);
    const news = server.received.map(({ body }) => JSON.parse(body) as { data: { id: string } });
    expect(news.find(({ data }) => data.id === early)).toMatchObject({
      type: 'approval.closed',
      data: { state: 'expired' },
    });
    expect(news.find(({ data }) => data.id === late)).toMatchObject({
      type: 'approval.opened',
      data: { state: 'pending' },
    });
    expect([await state(early), await state(late)]).toEqual(['pending', 'pending']);
  },
);

verifies(
  ['APR-3', 'APR-7'],
  'who was told of a request hears of its edit, with the digest that now decides',
  async () => {
    const server = await listening();
    const { approvals, file } = approvalSetting({ edit: true });
    const { id, digest } = await file({ region: 'eu' });
    const notifier = approvals.notifier({ channels: [webhookChannel({ ...local, url: server.url })] });
    await notifier.tick();
    const carol = approvals.as({ tenant: 'acme', id: 'carol' });
    const edited = await carol.edit({ id, digest, arguments: '{"region":"us"}' });
    expect([await notifier.tick(), await notifier.tick()]).toEqual([1, 0]);
    const ids = server.received.map(({ headers }) => headers['webhook-id']);
    expect(new Set(ids).size).toBe(2);
    const [, news] = server.received.map(({ body }) => JSON.parse(body) as unknown);
    expect(news).toMatchObject({ type: 'approval.opened', data: { id, digest: edited.digest } });
    expect(edited.digest).not.toBe(digest);
  },
);

describe('server-side request forgery', () => {
  const notice = async () => {
    const { approvals, file } = approvalSetting();
    await file();
    return (channel: ReturnType<typeof webhookChannel>) => {
      const failures: string[] = [];
      const onFailure = ({ error }: { error: unknown }) => void failures.push(String(error));
      return approvals
        .notifier({ channels: [channel], onFailure })
        .tick()
        .then(() => failures.join());
    };
  };
  const addresses = [
    ...['127.0.0.1', '10.1.2.3', '172.20.0.1', '192.168.1.1', '169.254.169.254', '100.64.0.1', '0.0.0.0', '224.0.0.1'],
    ...['::1', '::', 'fc00::1', 'fd12::1', 'fe80::1', '::ffff:127.0.0.1', '::ffff:10.0.0.1', '64:ff9b::a00:1'],
    ...['2002:7f00:1::', '2001::1', 'ff02::1', '255.255.255.255', 'not an address'],
  ];
  verifies('APR-3', 'a name that resolves to an internal address, alone or among others, is refused', async () => {
    for (const address of addresses) {
      const tell = await notice();
      const resolve = async (): Promise<string[]> => ['93.184.215.14', address];
      expect(await tell(webhookChannel({ secret, url: 'https://hook.example/', resolve }))).toContain(
        'public addresses only',
      );
    }
  });
  verifies('APR-3', 'an internal address in the URL itself, in any notation, is refused', async () => {
    for (const host of [
      '127.0.0.1',
      '2130706433',
      '0x7f.1',
      '[::1]',
      '[::ffff:7f00:1]',
      'localhost',
      '169.254.169.254',
    ]) {
      const tell = await notice();
      expect(await tell(webhookChannel({ secret, url: `https://${host}/` }))).toContain('public addresses only');
    }
  });
  verifies('APR-3', 'DNS that answers something else the second time is not asked a second time', async () => {
    const server = await listening();
    let asked = 0;
    const resolve = async (): Promise<string[]> => [['127.0.0.1'], ['10.0.0.1']][asked++] ?? [];
    const tell = await notice();
    expect(await tell(webhookChannel({ ...local, url: `http://rebinding.invalid:${server.port}/hook`, resolve }))).toBe(
      '',
    );
    expect(asked).toBe(1);
    expect(server.received[0]?.headers.host).toBe(`rebinding.invalid:${server.port}`);
  });
  verifies('APR-3', 'a redirect is a failure, and is not followed', async () => {
    const server = await listening();
    server.become('redirecting');
    expect(await (await notice())(webhookChannel({ ...local, url: server.url }))).toContain('answered 307');
  });
  verifies('APR-3', 'clear text is refused, also where loopback is allowed', async () => {
    const resolve = async (): Promise<string[]> => ['93.184.215.14'];
    for (const options of [{ secret }, local]) {
      const tell = await notice();
      expect(await tell(webhookChannel({ ...options, url: 'http://hook.example/', resolve }))).toContain('https only');
    }
  });
  test('a resolver that hangs is bounded', async () => {
    const resolve = (): Promise<string[]> => new Promise(() => undefined);
    const tell = await notice();
    expect(await tell(webhookChannel({ secret, url: 'https://hook.example/', resolve, timeoutMs: 50 }))).toContain(
      'no answer',
    );
  });
});

describe('a decision that comes back', () => {
  const people = { carol: { tenant: 'acme', id: 'carol' }, alice: { tenant: 'acme', id: 'alice' } };
  const setting = async (quorum = 1) => {
    const all = approvalSetting({ quorum });
    const request = await all.file();
    const approverFor = (person: string) => (Object.hasOwn(people, person) ? people[person as 'carol'] : undefined);
    const handle = webhookCallback({ approvals: all.approvals, tenant: 'acme', secret, approverFor });
    return { ...all, handle, ...request };
  };
  let messages = 0;
  const signed = (data: object, more: { id?: string; time?: number; key?: string; method?: string } = {}): Request => {
    const body = JSON.stringify({ type: 'approval.decision', data });
    const id = more.id ?? `msg_${(messages += 1)}`;
    const timestamp = String(Math.floor((more.time ?? Date.now()) / 1000));
    const headers = {
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      'webhook-signature': signature(id, timestamp, body, more.key),
    };
    const method = more.method ?? 'POST';
    return new Request('https://app.example/', { method, headers, ...(method === 'POST' ? { body } : {}) });
  };
  const decision = (of: { id: string; digest: string }, person = 'carol', verdict = 'approve') => ({
    ...{ approval: of.id, digest: of.digest, person, verdict },
  });

  verifies('APR-6', 'a signed decision of a known person decides', async () => {
    const s = await setting();
    const answer = await s.handle(signed(decision(s)));
    expect([answer.status, await answer.json()]).toEqual([200, { approval: s.id, state: 'approved' }]);
    expect(await s.state(s.id)).toBe('approved');
  });

  verifies(['APR-6', 'AUD-1'], 'forged, stale, early, oversized or malformed payloads decide nothing', async () => {
    const s = await setting();
    const good = decision(s);
    const stripped = signed(good);
    stripped.headers.delete('webhook-signature');
    const tampered = new Request('https://app.example/', {
      ...{ method: 'POST', headers: signed(good).headers },
      body: JSON.stringify({ type: 'approval.decision', data: decision(s, 'alice') }),
    });
    const attacks: [number, Request, code: string][] = [
      [401, signed(good, { key: otherSecret }), 'signature'],
      [401, stripped, 'signature'],
      [401, tampered, 'signature'],
      [401, signed(good, { id: 'a.b' }), 'malformed'],
      [401, signed(good, { time: Date.now() - 6 * 60_000 }), 'stale'],
      [401, signed(good, { time: Date.now() + 6 * 60_000 }), 'stale'],
      [413, signed({ ...good, reason: 'x'.repeat(20_000) }), 'too_large'],
      [422, signed({ ...good, verdict: 'yes' }), 'malformed'],
      [422, signed({ ...good, digest: 1 }), 'malformed'],
      [405, signed(good, { method: 'GET' }), 'method'],
      [405, signed(good, { method: 'HEAD' }), 'method'],
      [409, signed({ ...good, digest: 'another' }), 'digest_mismatch'],
      [404, signed({ ...good, approval: 'apr.globex.aaaaaaaaaaaaaaaaaaaaaa' }), 'not_found'],
      [403, signed(decision(s, 'mallory')), 'unknown_person'],
      [403, signed(decision(s, '__proto__')), 'unknown_person'],
      [403, signed(decision(s, 'alice')), 'own_request'],
    ];
    for (const [index, [status, request, code]] of attacks.entries()) {
      const answer = await s.handle(request);
      expect([answer.status, answer.headers.get('content-type')]).toEqual([status, 'application/problem+json']);
      expect((await s.store.approval('acme', s.id))?.votes).toEqual([]);
      const refused = await s.refused();
      expect(refused).toHaveLength(index + 1);
      expect(refused.at(-1)).toMatchObject({ code });
    }
    expect(await s.state(s.id)).toBe('pending');
    expect(JSON.stringify(await s.refused())).not.toContain('mallory');
  });

  verifies(['APR-6', 'AUD-1'], 'a replayed webhook-id is refused before anybody votes with it', async () => {
    const s = await setting(2);
    expect((await s.handle(signed(decision(s), { id: 'msg_once' }))).status).toBe(200);
    const again = await s.handle(signed(decision(await s.file()), { id: 'msg_once' }));
    expect([again.status, await again.text()]).toEqual([409, expect.stringContaining('taken before')]);
    expect(await s.refused()).toMatchObject([{ code: 'replayed', channel: 'webhook' }]);
  });

  verifies(['APR-6', 'REL-3'], 'a replay guard that is down or hangs lets nothing through', async () => {
    for (const take of [() => Promise.reject(new Error('down')), () => new Promise<boolean>(() => undefined)]) {
      const s = await setting();
      const replays = { take, giveBack: () => undefined };
      const approverFor = () => people.carol;
      const handle = webhookCallback({ approvals: s.approvals, tenant: 'acme', secret, approverFor, replays });
      expect((await handle(signed(decision(s)))).status).toBe(500);
      expect(await s.state(s.id)).toBe('pending');
    }
  });

  verifies(
    'APR-6',
    'a second vote of the same person, and one on what is decided or expired, count for nothing',
    async () => {
      const s = await setting(2);
      await s.handle(signed(decision(s)));
      expect((await s.handle(signed(decision(s)))).status).toBe(409);
      expect(await s.state(s.id)).toBe('pending');
      const decided = await setting();
      await decided.handle(signed(decision(decided, 'carol', 'reject')));
      expect((await decided.handle(signed(decision(decided)))).status).toBe(409);
      expect(await decided.state(decided.id)).toBe('rejected');
      const late = await setting();
      late.pass(16 * 60_000);
      expect((await late.handle(signed(decision(late)))).status).toBe(409);
      expect((await late.store.approval('acme', late.id))?.votes).toEqual([]);
    },
  );

  verifies('APR-6', 'what failed for a reason of ours can be sent again under its id', async () => {
    const s = await setting();
    let down = true;
    const approverFor = () => {
      if (down) throw new Error('directory down at ldap://internal');
      return people.carol;
    };
    const handle = webhookCallback({ approvals: s.approvals, tenant: 'acme', secret, approverFor });
    const failed = await handle(signed(decision(s), { id: 'msg_retry' }));
    expect([failed.status, await failed.text()]).toEqual([500, expect.not.stringContaining('ldap')]);
    down = false;
    expect((await handle(signed(decision(s), { id: 'msg_retry' }))).status).toBe(200);
  });

  verifies(
    ['APR-6', 'CAP-8'],
    'a directory that answers somebody of another tenant decides nothing there',
    async () => {
      const s = await setting();
      const approverFor = () => ({ tenant: 'acme', id: 'carol' });
      const handle = webhookCallback({ approvals: s.approvals, tenant: 'globex', secret, approverFor });
      expect((await handle(signed(decision(s)))).status).toBe(403);
      expect(await s.state(s.id)).toBe('pending');
    },
  );

  verifies(
    ['APR-6', 'REL-3'],
    'a guard of replays that hangs decides nothing, and holds no request for ever',
    async () => {
      const s = await setting();
      const never = () => new Promise<never>(() => undefined);
      const parts = { approvals: s.approvals, tenant: 'acme', secret };
      const hanging = webhookCallback({
        ...parts,
        approverFor: () => people.carol,
        replays: { take: never, giveBack: never },
      });
      expect((await hanging(signed(decision(s)))).status).toBe(500);
      const down = webhookCallback({
        ...parts,
        approverFor: () => Promise.reject(new Error('directory down')),
        replays: { take: () => true, giveBack: never },
      });
      expect((await down(signed(decision(s)))).status).toBe(500);
      expect(await s.state(s.id)).toBe('pending');
    },
  );

  verifies('APR-6', 'what a guard of replays took too late can be sent again under its id', async () => {
    const s = await setting();
    const slow = Promise.withResolvers<void>();
    const given = Promise.withResolvers<string>();
    const taken = new Set<string>();
    const replays = {
      async take(id: string) {
        await slow.promise;
        return taken.size < taken.add(id).size;
      },
      giveBack(id: string) {
        taken.delete(id);
        given.resolve(id);
      },
    };
    const approverFor = () => people.carol;
    const handle = webhookCallback({ approvals: s.approvals, tenant: 'acme', secret, approverFor, replays });
    expect((await handle(signed(decision(s), { id: 'msg_late' }))).status).toBe(500);
    slow.resolve();
    expect(await given.promise).toBe('msg_late');
    expect((await handle(signed(decision(s), { id: 'msg_late' }))).status).toBe(200);
    expect((await handle(signed(decision(s), { id: 'msg_late' }))).status).toBe(409);
  });

  verifies('APR-6', 'a person who is taken out while the body is on its way decides nothing', async () => {
    const s = await setting();
    let known = true;
    const approverFor = () => (known ? people.carol : undefined);
    const handle = webhookCallback({ approvals: s.approvals, tenant: 'acme', secret, approverFor });
    const { headers, body } = signed(decision(s));
    const text = await new Response(body).text();
    const slow = new ReadableStream(
      {
        // Asked for when the head was looked at.
        pull(controller) {
          known = false;
          controller.enqueue(Buffer.from(text));
          controller.close();
        },
      },
      { highWaterMark: 0 },
    );
    const init = { method: 'POST', headers, body: slow, duplex: 'half' } as RequestInit;
    expect((await handle(new Request('https://app.example/', init))).status).toBe(403);
    expect(await s.state(s.id)).toBe('pending');
  });

  verifies(['APR-2', 'REL-3'], 'a directory that hangs decides nothing, and holds no request for ever', async () => {
    const s = await setting();
    const approverFor = () => new Promise<undefined>(() => undefined);
    const told: unknown[] = [];
    const onFailure = (error: unknown): void => void told.push(error);
    const handle = webhookCallback({ approvals: s.approvals, tenant: 'acme', secret, approverFor, onFailure });
    expect((await handle(signed(decision(s)))).status).toBe(500);
    expect(await s.state(s.id)).toBe('pending');
    expect(String(told)).toContain('did not answer');
    expect((await handle(signed(decision(s), { key: otherSecret }))).status).toBe(401);
    expect(told).toHaveLength(1);
  });

  verifies('APR-3', 'each of several secrets is accepted while they are rotated, and no other one', async () => {
    const s = await setting();
    const approverFor = (person: string) => ({ tenant: 'acme', id: person });
    const rotated = { approvals: s.approvals, tenant: 'acme', approverFor };
    const handle = webhookCallback({ ...rotated, secret: [otherSecret, secret] });
    const stranger = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
    expect((await handle(signed(decision(s), { key: stranger }))).status).toBe(401);
    expect(await s.state(s.id)).toBe('pending');
    expect((await handle(signed(decision(s), { key: secret }))).status).toBe(200);
    expect(() => webhookCallback({ ...rotated, secret: [] })).toThrow('secret');
  });
});

test('weak secrets and odd URLs are refused', () => {
  for (const bad of ['', 'whsec_', 'whsec_c2hvcnQ=', 'plain-text', `whsec_${'!'.repeat(40)}`]) {
    expect(() => webhookChannel({ url: 'https://hook.example/', secret: bad })).toThrow('whsec_');
  }
  for (const url of ['', 'ftp://hook.example', 'https://user:pass@hook.example/']) {
    expect(() => webhookChannel({ url, secret })).toThrow('absolute');
  }
  expect(() => webhookChannel({ url: 'https://hook.example/', secret: [] })).toThrow('secret');
  // An environment variable that is not set.
  const unset = process.env['COUNTERSIGN_UNSET'] as unknown as string;
  expect(() => webhookChannel({ url: 'https://hook.example/', secret: unset })).toThrow('whsec_');
});
