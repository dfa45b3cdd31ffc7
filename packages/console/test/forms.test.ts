/**
 * Forms whose body takes its time, is too long, or is framed as no browser does it.
 */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { verifies } from '../../../test/verifies.ts';
import { approverToken, createConsole } from '../src/index.ts';
import { heldBytes } from './support/memory.ts';
import { beginForm, cookieOf, fieldOn, visitorOf, type Visitor } from './support/visitor.ts';
import { createWorld, people, type World } from './support/world.ts';

let world: World;
afterEach(() => world?.close());

async function signedIn(token = 'carol-token'): Promise<Visitor> {
  const visitor = visitorOf(world);
  visitor.cookie = cookieOf(await visitor.post('/sign-in', { code: token }));
  return visitor;
}

describe('a vote whose body is still on its way', () => {
  /** Carol's approval, of which the server has read the head. */
  async function begun() {
    let asked = 0;
    const authenticate = (token: string) => {
      asked += 1;
      return world.removed.has(token) ? undefined : people[token];
    };
    world = await createWorld(approverToken({ authenticate }));
    const id = await world.request();
    const carol = await signedIn();
    const page = await (await carol.get(`/approvals/${id}`)).text();
    const token = fieldOn(page, 'token');
    const body = new URLSearchParams({ token, digest: fieldOn(page, 'digest'), verdict: 'approve' }).toString();
    const before = asked;
    const length = { 'content-length': String(Buffer.byteLength(body)) };
    const form = beginForm(world, `/approvals/${id}/decision`, length, carol.cookie);
    await vi.waitFor(() => expect(asked).toBeGreaterThan(before));
    return {
      ...{ carol, token, status: form.status },
      end: async (): Promise<readonly unknown[]> => {
        form.sent.end(body);
        return [await form.status, (await world.approvals.as({ tenant: 'acme', id: 'dave' }).show(id)).state];
      },
    };
  }

  verifies('APR-6', 'counts, when nothing happens in between', async () => {
    expect(await (await begun()).end()).toEqual([303, 'approved']);
  });

  verifies('APR-6', 'of somebody who is removed meanwhile decides nothing', async () => {
    const { end } = await begun();
    world.removed.add('carol-token');
    expect(await end()).toEqual([401, 'pending']);
  });

  verifies('APR-6', 'of somebody who signs out meanwhile decides nothing', async () => {
    const { carol, token, end } = await begun();
    expect((await carol.post('/sign-out', { token })).status).toBe(303);
    expect(await end()).toEqual([401, 'pending']);
  });

  verifies('REL-3', 'and never arrives is refused after 10 seconds', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const { status } = await begun();
      await vi.advanceTimersByTimeAsync(10_000);
      expect(await status).toBe(408);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('a body of somebody whom nobody knows', () => {
  verifies('REL-3', 'is not read, however it is framed', async () => {
    world = await createWorld();
    const framings: readonly (readonly [status: number, framing: Readonly<Record<string, string>>])[] = [
      [401, { 'content-length': '12000000' }],
      [411, {}],
      [411, { 'content-length': '12000000', 'transfer-encoding': 'chunked' }],
      [411, { 'content-length': 'many' }],
    ];
    for (const [expected, framing] of framings) {
      let read = 0;
      const pull = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
        read += 1;
        controller.enqueue(new Uint8Array(65_536).fill(97));
      };
      const body = new ReadableStream<Uint8Array>({ pull }, { highWaterMark: 0 });
      const url = 'https://ops.example';
      const signIn = approverToken({ authenticate: (token) => people[token] });
      const served = createConsole({ service: world.approvals, signIn, url });
      const type = { 'content-type': 'application/x-www-form-urlencoded' };
      const headers = { host: 'ops.example', origin: url, ...type, ...framing };
      const init = { method: 'POST', headers, body, duplex: 'half' } as RequestInit;
      const { status } = await served.fetch(new Request(`${url}/approvals/x/arguments`, init));
      expect([status, read]).toEqual([expected, 0]);
    }
  });

  verifies('REL-3', 'is not kept: ten connections that send twelve megabytes each', async () => {
    world = await createWorld();
    const before = heldBytes();
    const chunk = Buffer.alloc(1_000_000, 97);
    const forms = Array.from({ length: 10 }, () => {
      const { sent, status } = beginForm(world, '/x/arguments', { 'transfer-encoding': 'chunked' });
      for (let times = 0; times < 12; times += 1) sent.write(chunk);
      return { sent, status };
    });
    expect(new Set(await Promise.all(forms.map(({ status }) => status)))).toEqual(new Set([411]));
    // What is collected is given back a little later.
    const isLittle = () => expect(heldBytes() - before).toBeLessThan(20_000_000);
    await vi.waitFor(isLittle, { timeout: 20_000, interval: 100 });
    for (const { sent } of forms) sent.destroy();
  });
});

describe('a form in chunks', () => {
  verifies('OPS-3', 'is answered as one, and not with an error of the server', async () => {
    world = await createWorld();
    const { sent, status } = beginForm(world, '/sign-in', { 'transfer-encoding': 'chunked' });
    sent.end('code=carol-token');
    expect(await status).toBe(411);
  });

  verifies('APR-6', 'tries no token', async () => {
    let tries = 0;
    world = await createWorld(approverToken({ authenticate: () => void (tries += 1) }));
    for (let times = 0; times < 30; times += 1) {
      const { sent, status } = beginForm(world, '/sign-in', { 'transfer-encoding': 'chunked' });
      sent.end(`code=guess-${times}`);
      await status;
    }
    expect(tries).toBe(0);
  });
});

test('another method is told which ones there are', async () => {
  world = await createWorld();
  const answer = await fetch(world.url, { method: 'PUT', headers: { origin: world.origin } });
  expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD, POST']);
});
