import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import tls from 'node:tls';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { createCountersign, definePolicy, LeaseError, memoryStore, Secret } from '../../src/index.ts';
import { currentLease, leaseFetch, openCallContext, runInCall } from '../../src/lease/ambient.ts';
import { createLeaseFetch, originProblem, type FetchRule, type LeaseFetch } from '../../src/lease/lease-fetch.ts';
import { callTo, document } from '../support/fixture.ts';
import { selfSigned } from '../support/self-signed.ts';
import { fakeProvider } from './fake-provider.ts';

const canary = 'CANARY+fetch/7f3a9c51=do-not-leak';

interface Seen {
  readonly host: string | undefined;
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly authorization: string | undefined;
  readonly cookie: string | undefined;
  readonly body: string;
}

/** A real service that notes what reached it. */
interface Service {
  readonly origin: string;
  readonly port: number;
  readonly seen: Seen[];
  answer: (request: IncomingMessage, response: ServerResponse) => void;
  readonly server: Server;
}

const services: Service[] = [];
const certificate = selfSigned();
tls.setDefaultCACertificates([certificate.cert]);

async function serve(scheme: 'http' | 'https' = 'http'): Promise<Service> {
  const seen: Seen[] = [];
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      const { authorization, cookie, host: named } = request.headers;
      seen.push({ host: named, method: request.method, url: request.url, authorization, cookie, body });
      service.answer(request, response);
    });
  };
  const server = scheme === 'http' ? createServer(listener) : createSecureServer(certificate, listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const service: Service = {
    origin: `${scheme}://127.0.0.1:${port}`,
    port,
    seen,
    server,
    answer: (_request, response) => void response.end('ok'),
  };
  services.push(service);
  return service;
}

let api: Service;
let evil: Service;
beforeEach(async () => {
  api = await serve();
  evil = await serve();
});
afterEach(async () => {
  for (const { server } of services.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

function fetcher(rule: Partial<FetchRule> = {}, secret = canary): LeaseFetch {
  const whole = { origins: [api.origin], header: 'authorization', prefix: 'Bearer ', ...rule };
  const lease = { id: 'lease-1', service: 'api', secret: new Secret(secret), expiresAt: Date.now() + 60_000 };
  return createLeaseFetch(whole, () => lease);
}

const redirectTo =
  (location: string, status = 302) =>
  (_: IncomingMessage, response: ServerResponse) =>
    void response.writeHead(status, { location }).end();

/** The refusal of a request. It never quotes the secret, and neither server has seen it where it should not. */
async function refused(run: Promise<Response>): Promise<string> {
  const error = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(Error);
  expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('CANARY');
  expect(JSON.stringify(evil.seen)).not.toContain('CANARY');
  return String(error);
}

describe('the fetch of a lease', () => {
  verifies(
    'CRD-8',
    'adds the credential for an allowed origin, whatever the method and the form of the request',
    async () => {
      const call = fetcher();
      expect(await (await call(`${api.origin}/a?b=1`)).text()).toBe('ok');
      await call(new URL(`${api.origin}/b`), {
        method: 'POST',
        body: JSON.stringify({ x: 1 }),
        headers: { accept: '*/*' },
      });
      await call(new Request(`${api.origin}/c`, { method: 'PUT', body: 'text' }));
      await call(`${api.origin}/d`, { method: 'POST', body: new URLSearchParams({ y: '2' }) });
      expect(api.seen.map(({ method, url, body, authorization }) => [method, url, body, authorization])).toEqual([
        ['GET', '/a?b=1', '', `Bearer ${canary}`],
        ['POST', '/b', '{"x":1}', `Bearer ${canary}`],
        ['PUT', '/c', 'text', `Bearer ${canary}`],
        ['POST', '/d', 'y=2', `Bearer ${canary}`],
      ]);
    },
  );

  test('uses the header and the prefix of the rule', async () => {
    let got: string | undefined;
    api.answer = (request, response) => {
      got = request.headers['x-api-key'] as string;
      response.end();
    };
    await fetcher({ header: 'x-api-key', prefix: '' })(api.origin);
    expect(got).toBe(canary);
  });

  verifies('CRD-8', 'attack: a request to another host is refused before it is sent', async () => {
    expect(await refused(fetcher()(`${evil.origin}/x`))).toContain('not for');
    expect(evil.seen).toEqual([]);
  });

  verifies('CRD-8', 'attack: another port of the same host', async () => {
    expect(evil.port).not.toBe(api.port);
    await refused(fetcher()(`http://127.0.0.1:${evil.port}/`));
    expect(evil.seen).toEqual([]);
  });

  const disguises: readonly [string, (allowed: string, host: string) => string][] = [
    ['the allowed host as the user of another', (_, host) => `https://${host}@evil.example/`],
    ['a user and a password', (_, host) => `https://u:p@${host}/`],
    ['the allowed host as a part of another', (_, host) => `https://${host}.evil.example/`],
    ['the allowed host as a path', (allowed) => `https://evil.example/${allowed}/`],
    ['a backslash for a slash', (_, host) => `https://evil.example\\@${host}/`],
    ['a fragment', (_, host) => `https://evil.example#@${host}/`],
    ['a trailing dot', (_, host) => `https://${host}./`],
    ['another scheme', (_, host) => `ftp://${host}/`],
    ['no scheme', (_, host) => `//${host}/`],
    ['http instead of https', (_, host) => `http://${host}/`],
    ['another port', (_, host) => `https://${host}:8443/`],
    ['a data address', () => 'data:text/plain,hello'],
    ['a blob address', (allowed) => `blob:${allowed}/1`],
    ['control characters', () => 'https://evil.example/\r\nHost: api.example.com'],
  ];
  for (const [name, disguise] of disguises) {
    verifies('CRD-8', `attack: ${name}`, async () => {
      const call = fetcher({ origins: ['https://api.example.com'] });
      await refused(call(disguise('https://api.example.com', 'api.example.com')));
    });
  }

  verifies('CRD-8', 'attack: punycode look-alikes of the allowed host, and of an origin in the policy', async () => {
    const call = fetcher({ origins: ['https://api.example.com'] });
    for (const host of [
      '\u0430pi.example.com',
      'api.ex\u0430mple.com',
      'xn--pi-6kc.example.com',
      'api。example.com.evil.example',
    ]) {
      await refused(call(`https://${host}/`));
    }
    // Full-width letters are the same host to every parser: the check is on what is parsed.
    expect(originProblem('https://\u0430pi.example.com')).toContain('ASCII');
    expect(originProblem('https://api.example.com')).toBeUndefined();
    for (const origin of [
      'https://api.example.com/',
      'https://API.example.com',
      'https://api.example.com:443',
      'https://a@b.c',
    ]) {
      expect(originProblem(origin)).toBeDefined();
    }
    for (const origin of ['http://api.example.com', 'http://127.0.0.1.example.com', 'http://10.0.0.1', 'file://x']) {
      expect(originProblem(origin)).toBeDefined();
    }
  });

  verifies('CRD-8', 'attack: a header of the tool that changes who is asked, or as whom', async () => {
    for (const name of ['authorization', 'Authorization', 'Host', 'Proxy-Authorization', 'X-Forwarded-Host']) {
      expect(await refused(fetcher()(api.origin, { headers: { [name]: 'x' } }))).toContain(name.toLowerCase());
      expect(await refused(fetcher()(new Request(api.origin, { headers: [[name, 'x']] })))).toContain(
        name.toLowerCase(),
      );
    }
    await refused(fetcher({ header: 'x-api-key', prefix: '' })(api.origin, { headers: { 'X-API-Key': 'mine' } }));
    expect(api.seen).toEqual([]);
  });

  verifies(
    'CRD-8',
    'attack: a dispatcher of the tool, or a fetch put in the place of the global one, sees nothing',
    async () => {
      const caught: unknown[] = [];
      const dispatcher = {
        dispatch(options: unknown) {
          caught.push(options);
          throw new Error('caught');
        },
      };
      const kept = globalThis.fetch;
      globalThis.fetch = (...args) => {
        caught.push(args);
        return kept(...args);
      };
      try {
        await fetcher()(api.origin, { dispatcher } as object);
      } finally {
        globalThis.fetch = kept;
      }
      expect(caught).toEqual([]);
      expect(api.seen).toHaveLength(1);
    },
  );

  verifies('CRD-8', 'attack: an address that reads as another one the second time', async () => {
    let reads = 0;
    const url = { toString: () => ((reads += 1) === 1 ? `${api.origin}/first` : `${evil.origin}/second`) };
    await fetcher()(url as unknown as URL);
    expect([api.seen.length, evil.seen.length, reads]).toEqual([1, 0, 1]);
    const request = new Request(`${api.origin}/real`);
    Object.defineProperty(request, 'url', { value: `${evil.origin}/spoofed` });
    await fetcher()(request);
    expect(api.seen.at(-1)?.url).toBe('/real');
  });
});

describe('a redirect', () => {
  verifies('CRD-8', 'within the origin keeps the credential', async () => {
    api.answer = (request, response) =>
      request.url === '/a' ? redirectTo('/b')(request, response) : void response.end('there');
    const response = await fetcher()(`${api.origin}/a`);
    expect(await response.text()).toBe('there');
    expect([response.redirected, response.url]).toEqual([true, `${api.origin}/b`]);
    expect(api.seen.map(({ authorization }) => authorization)).toEqual([`Bearer ${canary}`, `Bearer ${canary}`]);
  });

  for (const status of [301, 302, 303, 307, 308]) {
    verifies('CRD-8', `attack: ${status} to another host gets neither credential nor cookies`, async () => {
      api.answer = redirectTo(`${evil.origin}/take`, status);
      await fetcher()(`${api.origin}/a`, { headers: { cookie: 'session=CANARY-cookie', accept: 'text/plain' } });
      expect(evil.seen).toMatchObject([{ url: '/take', authorization: undefined, cookie: undefined }]);
    });
  }

  verifies(
    'CRD-8',
    'attack: there and back again does not bring the credential back, not even between allowed origins',
    async () => {
      api.answer = (request, response) =>
        request.url === '/a' ? redirectTo(`${evil.origin}/bounce`)(request, response) : void response.end();
      evil.answer = redirectTo(`${api.origin}/b?token=wanted`);
      await fetcher({ origins: [api.origin, evil.origin] })(`${api.origin}/a`);
      expect(api.seen.map(({ authorization }) => authorization)).toEqual([`Bearer ${canary}`, undefined]);
      expect(evil.seen[0]?.authorization).toBeUndefined();
    },
  );

  verifies('CRD-8', 'attack: an open redirect with a user in the address', async () => {
    for (const location of [`http://127.0.0.1:${api.port}@127.0.0.1:${evil.port}/`, `//x:y@127.0.0.1:${evil.port}/`]) {
      api.answer = redirectTo(location);
      expect(await refused(fetcher()(`${api.origin}/a`))).toContain('no user');
    }
    expect(evil.seen).toEqual([]);
  });

  verifies('CRD-8', 'attack: one whose address carries the credential to another host', async () => {
    for (const carried of [canary, encodeURIComponent(canary), Buffer.from(canary).toString('base64url')]) {
      api.answer = redirectTo(`${evil.origin}/take?token=${carried}`);
      expect(await refused(fetcher()(`${api.origin}/a`))).toContain('carries the credential');
    }
    expect(evil.seen).toEqual([]);
  });

  verifies('CRD-8', 'attack: one that hands the body of a POST to another host', async () => {
    for (const status of [307, 308]) {
      api.answer = redirectTo(`${evil.origin}/take`, status);
      await refused(fetcher()(`${api.origin}/a`, { method: 'POST', body: 'personal' }));
    }
    expect(evil.seen).toEqual([]);
    api.answer = redirectTo(`${evil.origin}/see`, 303);
    await fetcher()(`${api.origin}/a`, { method: 'POST', body: 'personal' });
    expect(evil.seen).toMatchObject([{ method: 'GET', body: '', authorization: undefined }]);
  });

  verifies('CRD-8', 'attack: https to http, on this machine too', async () => {
    const secure = await serve('https');
    const call = fetcher({ origins: [secure.origin] });
    expect((await call(`${secure.origin}/fine`)).status).toBe(200);
    for (const location of [`${evil.origin}/take`, `http://127.0.0.1:${secure.port}/`, 'http://api.example.com/']) {
      secure.answer = redirectTo(location);
      expect(await refused(call(`${secure.origin}/a`))).toContain('leaves https');
    }
    expect(evil.seen).toEqual([]);
    await refused(call(`http://127.0.0.1:${secure.port}/`));
    const other = await serve('https');
    secure.answer = redirectTo(`${other.origin}/download`);
    expect((await call(`${secure.origin}/a`)).status).toBe(200);
    expect(other.seen).toMatchObject([{ url: '/download', authorization: undefined }]);
  });

  verifies('CRD-8', 'attack: to a file, to a script, to the metadata service of a cloud', async () => {
    for (const location of ['file:///etc/passwd', 'javascript:alert(1)', 'data:text/plain,x', 'ftp://127.0.0.1/']) {
      api.answer = redirectTo(location);
      await refused(fetcher()(`${api.origin}/a`));
    }
    api.answer = redirectTo('http://169.254.169.254/latest/meta-data/');
    expect(await refused(fetcher()(`${api.origin}/a`))).toContain('leaves https');
  });

  test('that never ends is given up', async () => {
    api.answer = redirectTo('/again');
    expect(await refused(fetcher()(`${api.origin}/a`))).toContain('at most 5');
    expect(api.seen).toHaveLength(6);
  });

  test('is answered as it is, or refused, where the tool says so', async () => {
    api.answer = redirectTo(`${evil.origin}/x`);
    expect((await fetcher()(`${api.origin}/a`, { redirect: 'manual' })).status).toBe(302);
    expect(await refused(fetcher()(`${api.origin}/a`, { redirect: 'error' }))).toContain('no redirect');
    expect(evil.seen).toEqual([]);
  });
});

describe('what comes back', () => {
  const forms = [
    canary,
    Buffer.from(canary).toString('base64'),
    Buffer.from(`x${canary}`).toString('base64url'),
    Buffer.from(canary).toString('hex'),
    encodeURIComponent(canary),
    JSON.stringify(canary),
  ];

  verifies(
    ['CRD-7', 'CRD-8'],
    'attack: a service that echoes the credential in headers, status, cookies and body',
    async () => {
      api.answer = (request, response) => {
        response.statusMessage = `hello ${canary}`;
        response.setHeader('x-echo', request.headers.authorization ?? '');
        response.setHeader('set-cookie', [`a=${canary}`, 'b=2']);
        response.setHeader('location', `/?t=${encodeURIComponent(canary)}`);
        response.end(JSON.stringify({ forms }));
      };
      const response = await fetcher()(api.origin);
      const seen = inspect([[...response.headers], response.statusText, response.url, await response.text()]);
      for (const form of forms) expect(seen).not.toContain(form.slice(0, 20));
      expect(seen).toContain('[secret:api]');
      expect(response.headers.getSetCookie()).toHaveLength(2);
    },
  );

  verifies(['CRD-7', 'CRD-8'], 'attack: the credential across any two chunks of a stream', async () => {
    const text = `${'.'.repeat(50)}${canary}${'.'.repeat(50)}${Buffer.from(canary).toString('base64')}${'.'.repeat(900)}`;
    for (let at = 40; at < 200; at += 3) {
      api.answer = (_request, response) => {
        response.write(text.slice(0, at));
        setTimeout(() => response.end(text.slice(at)), 2);
      };
      const body = await (await fetcher()(api.origin)).text();
      expect(body).toBe(`${'.'.repeat(50)}[secret:api]${'.'.repeat(50)}[secret:api]${'.'.repeat(900)}`);
    }
  });

  test('is otherwise the same, byte for byte', async () => {
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * 7919) % 256));
    api.answer = (_request, response) => void response.writeHead(201, { 'x-kept': 'yes' }).end(bytes);
    const response = await fetcher()(api.origin);
    expect([response.status, response.ok, response.headers.get('x-kept')]).toEqual([201, true, 'yes']);
    expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true);
    api.answer = (_request, response) => void response.writeHead(204).end();
    expect((await fetcher()(api.origin)).body).toBeNull();
  });

  verifies('CRD-7', 'a credential that no header can carry is not quoted by the error', async () => {
    expect(await refused(fetcher({}, 'CANARY\nwith-a-line-feed')(api.origin))).toContain('[secret:api]');
    api.server.closeAllConnections();
    await new Promise((resolve) => api.server.close(resolve));
    await refused(fetcher()(api.origin));
  });
});

function rawSecret(): string {
  try {
    return currentLease('tickets').secret.reveal();
  } catch {
    return 'hidden';
  }
}

describe('in a guarded call', () => {
  const rule = () => new Map([['github', { origins: [api.origin], header: 'authorization', prefix: 'Bearer ' }]]);
  const lease = { id: 'l', service: 'github', secret: new Secret(canary), expiresAt: 2_000 };
  const call = { callKey: 'k', idempotencyKey: 'k', tenant: 'acme', user: 'ada', agent: 'bot', run: 'r', tool: 'push' };

  verifies(
    'CRD-8',
    'the body gets the function and no secret, and nothing after the call or the lease has ended',
    async () => {
      let now = 1_000;
      const context = openCallContext({ call, leases: [lease], fetchRules: rule(), clock: () => now });
      let kept: LeaseFetch | undefined;
      await runInCall(context, async () => {
        expect(() => currentLease('github')).toThrow('leaseFetch');
        expect(() => leaseFetch('aws')).toThrow(LeaseError);
        kept = leaseFetch('github');
        expect((await kept(api.origin)).status).toBe(200);
        expect(inspect(kept, { depth: 10, showHidden: true })).not.toContain('CANARY');
      });
      now = 2_000;
      expect(await refused(kept?.(api.origin) ?? Promise.reject(new Error('none')))).toContain('expired');
      now = 1_000;
      context.close();
      expect(await refused(kept?.(api.origin) ?? Promise.reject(new Error('none')))).toContain('has ended');
      expect(api.seen).toHaveLength(1);
    },
  );

  test('a service without the rule has no fetch', () => {
    const context = openCallContext({ call, leases: [lease], clock: () => 1_000 });
    runInCall(context, () => expect(() => leaseFetch('github')).toThrow('no origins'));
    expect(() => leaseFetch('github')).toThrow('no guarded call');
  });

  verifies(['CRD-8', 'CRD-7'], 'the policy decides: the whole way from its entry to the service', async () => {
    const fetchEntry = { origins: [api.origin] };
    const tools = {
      ...document.tools,
      secret: { ...document.tools['secret'], credentials: [{ service: 'tickets', fetch: fetchEntry }] },
    };
    const provider = fakeProvider({ now: Date.now, services: ['tickets'], maxLifetimeMs: 300_000 });
    const policy = definePolicy({ ...document, tools } as typeof document);
    const countersign = createCountersign({
      policy,
      store: memoryStore(),
      audit: { key: new Uint8Array(32).fill(7) },
      credentials: [provider],
    });
    const gate = countersign.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: 'run-1' });
    const outcome = await gate.execute(callTo('secret'), async () => {
      const denied = await leaseFetch('tickets')(evil.origin).catch((error: unknown) => error);
      const response = await leaseFetch('tickets')(`${api.origin}/tickets`);
      return { status: response.status, denied: denied instanceof LeaseError, raw: rawSecret() };
    });
    expect(outcome).toMatchObject({ status: 'completed', result: { status: 200, denied: true, raw: 'hidden' } });
    expect(api.seen).toMatchObject([{ authorization: 'Bearer canary-credential-1-tickets' }]);
    expect(evil.seen).toEqual([]);
    for (const origins of [
      ['http://api.example.com'],
      ['https://api.example.com/x'],
      ['https://API.example.com'],
      [],
    ]) {
      const wrong = { ...tools.secret, credentials: [{ service: 'tickets', fetch: { origins } }] };
      expect(() => definePolicy({ ...document, tools: { secret: wrong } } as never)).toThrow(/origin|at least/);
    }
  });
});
