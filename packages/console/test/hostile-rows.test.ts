/**
 * One request that means harm: it must not take the pages, or a session, from everybody else.
 */
import type { ApprovalView } from '@countersign/core';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { verifies } from '../../../test/verifies.ts';
import { approverToken, createConsole } from '../src/index.ts';
import { exactTime, timeOf } from '../src/layout.ts';
import { inboxPage } from '../src/list-pages.ts';
import { createSessions } from '../src/sessions.ts';
import { createOffice, type Office } from './support/office.ts';
import { cookieOf, fieldOn, formRequest, visitorOf } from './support/visitor.ts';

let office: Office | undefined;
afterEach(async () => {
  await office?.close();
  office = undefined;
});

const carol = { tenant: 'acme', id: 'carol', groups: ['support-leads'] };

async function views(): Promise<readonly ApprovalView[]> {
  office = await createOffice();
  await office.ask('send_email', { subject: 'harmless' });
  await office.ask('send_email', { subject: 'hostile' });
  return office.approvals.as(carol).list();
}

async function inboxOf(approvals: readonly ApprovalView[]): Promise<string> {
  const page = { base: '', approver: carol, missed: approvals, now: Date.now(), more: false };
  return String(await inboxPage({ ...page, approvals }));
}

describe('a hostile row', () => {
  verifies('APR-3', 'with a time beyond all dates does not take the inbox from the other requests', async () => {
    const [harmless, hostile] = await views();
    if (harmless === undefined || hostile === undefined) throw new Error('two were filed');
    for (const time of [9e15, -9e15, Number.NaN, Number.POSITIVE_INFINITY]) {
      const source = await inboxOf([harmless, { ...hostile, createdAt: time, expiresAt: time }]);
      expect(source).toContain('harmless');
      expect(source).toContain('at no time');
      expect(String(await exactTime(time))).toContain('at no time');
      expect(String(await timeOf(time, 0))).toContain('at no time');
    }
  });

  verifies('APR-3', 'and a link with such a time is answered with a page of ours', async () => {
    await views();
    const { url } = office as Office;
    const visitor = visitorOf({ url, origin: new URL(url).origin });
    visitor.cookie = cookieOf(await visitor.post('/sign-in', { code: 'carol-token' }));
    for (const from of ['9007199254740991', '8640000000000001']) {
      expect((await visitor.get(`/runs/run-1?from=${from}`)).status).toBe(200);
    }
  });

  verifies('APR-12', 'with long arguments costs the inbox no look at all of them, and is marked', async () => {
    const [, hostile] = await views();
    if (hostile === undefined) throw new Error('two were filed');
    const long = (head: string): ApprovalView => ({
      ...hostile,
      arguments: JSON.stringify({ text: `${head}${'a'.repeat(990_000)}\u202E` }),
    });
    const plain = await inboxOf([long('')]);
    expect(plain).toContain('long arguments');
    // What lies far behind is for the request's own page to mark; it is not looked for here.
    expect(plain).not.toContain('deceptive text');
    expect(await inboxOf([long('\u202E')])).toContain('deceptive text');
    expect(await inboxOf([hostile])).not.toContain('long arguments');
  });
});

describe('sessions', () => {
  test('of one person who signs in over and over are ended, and those of others stay', async () => {
    const sessions = createSessions({ idleMs: 60_000, absoluteMs: 60_000 }, () => 1);
    const others = sessions.open({ approver: { tenant: 'acme', id: 'dave' } });
    const namesake = sessions.open({ approver: { tenant: 'globex', id: 'carol' } });
    const own = Array.from({ length: 1_100 }, () => sessions.open({ approver: carol }));
    for (const id of [others, namesake, ...own.slice(-20)]) expect(await sessions.find(id, false)).toBeDefined();
    expect(await sessions.find(own.at(-21), false)).toBeUndefined();
  });
});

async function entered(): Promise<ReturnType<typeof visitorOf> & { readonly token: string; readonly id: string }> {
  office = await createOffice();
  const { id } = await office.ask('send_email');
  const visitor = visitorOf({ url: office.url, origin: new URL(office.url).origin });
  visitor.cookie = cookieOf(await visitor.post('/sign-in', { code: 'carol-token' }));
  const page = await (await visitor.get(`/approvals/${id}`)).text();
  return { ...visitor, token: fieldOn(page, 'token'), id };
}

describe('one session', () => {
  verifies(
    'APR-6',
    'that decides on a wrong digest over and over fills neither the ledger nor the time of others',
    async () => {
      const visitor = await entered();
      const { token, id } = visitor;
      const statuses: number[] = [];
      for (let tries = 0; tries < 65; tries += 1) {
        statuses.push(
          (await visitor.post(`/approvals/${id}/decision`, { token, digest: 'x', verdict: 'approve' })).status,
        );
      }
      expect(statuses.filter((status) => status === 409).length).toBeGreaterThanOrEqual(60);
      expect(statuses.at(-1)).toBe(429);
      expect(await office?.approvals.as(carol).show(id)).toMatchObject({ state: 'pending', votes: [] });
    },
  );

  test('has a bounded number of streams open, and another one when it has closed them', async () => {
    const visitor = await entered();
    const { cookie } = visitor;
    const over = new AbortController();
    const open = () => fetch(new URL('/events', office?.url), { headers: { cookie }, signal: over.signal });
    const statuses = (await Promise.all(Array.from({ length: 25 }, open))).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(20);
    expect(statuses.filter((status) => status === 429)).toHaveLength(5);
    expect((await visitor.get('/')).status).toBe(200);
    over.abort();
    const again = new AbortController();
    await vi.waitFor(
      async () => {
        const { status } = await fetch(new URL('/events', office?.url), { headers: { cookie }, signal: again.signal });
        expect(status).toBe(200);
      },
      { timeout: 10_000, interval: 100 },
    );
    again.abort();
  });

  verifies('OPS-3', 'that asks for a stream with HEAD leaves none open behind it', async () => {
    const { cookie } = await entered();
    const ask = async (method: string) => {
      const over = new AbortController();
      const { status } = await fetch(new URL('/events', office?.url), {
        ...{ method, headers: { cookie }, signal: over.signal },
      });
      over.abort();
      return status;
    };
    for (let times = 0; times < 25; times += 1) expect(await ask('HEAD')).toBe(200);
    expect(await ask('GET')).toBe(200);
  });

  verifies('OPS-3', 'that reads none of its streams has their places back after five minutes', async () => {
    office = await createOffice();
    const url = 'https://ops.example';
    const signIn = approverToken({ authenticate: () => carol });
    const served = createConsole({ service: office.approvals, signIn, url });
    const cookie = cookieOf(await served.fetch(formRequest(`${url}/sign-in`, { code: 'carol-token' })));
    const open = () => served.fetch(new Request(`${url}/events`, { headers: { cookie } }));
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const unread = await Promise.all(Array.from({ length: 21 }, open));
      expect(unread.map(({ status }) => status)).toEqual([...Array.from({ length: 20 }, () => 200), 429]);
      await vi.advanceTimersByTimeAsync(5 * 60_000);
      expect((await open()).status).toBe(200);
    } finally {
      vi.useRealTimers();
    }
  });

  verifies('REL-3', 'that reads page after page waits after 600 of them, and is told how long', async () => {
    const visitor = await entered();
    const answers = [];
    for (let times = 0; times < 700; times += 1) answers.push(await visitor.get('/policy'));
    const late = answers.filter(({ status }) => status === 429);
    expect(late.length).toBeGreaterThan(0);
    expect(Number(late[0]?.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    const other = visitorOf({ url: office?.url ?? '', origin: new URL(office?.url ?? '').origin });
    other.cookie = cookieOf(await other.post('/sign-in', { code: 'dave-token' }));
    expect((await other.get('/')).status).toBe(200);
  });
});
