/**
 * Forms whose body takes its time, is too long, or is framed as no browser does it.
 */
import { afterEach, describe, expect, vi } from 'vitest';
import { verifies } from '../../../test/verifies.ts';
import { approverToken } from '../src/index.ts';
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
