import type { Approvals, ApproverSession } from '@countersign/core';
import { afterEach, expect, test } from 'vitest';
import { verifies } from '../../../test/verifies.ts';
import { approverToken, createConsole } from '../src/index.ts';
import { createWatch } from '../src/watch.ts';
import { createOffice, type Office } from './support/office.ts';
import { cookieOf, formRequest } from './support/visitor.ts';

let office: Office;
afterEach(() => office?.close());

const person = { tenant: 'acme', id: 'carol', groups: ['support-leads', 'finance', 'releases'] };
const carol = { approver: person, only: undefined };
/** So long that only being told can end a wait in time. */
const forever = 3_600_000;

verifies('OPS-3', 'who watches is told at once of a vote and an edit, from whatever channel they come', async () => {
  office = await createOffice();
  const { id } = await office.ask('refund', { amount: 1, currency: 'EUR' });
  const deploy = await office.ask('deploy', { version: '1' });
  const watch = createWatch(office.approvals, forever);
  const before = await watch.next(carol, undefined, forever);
  const voted = watch.next(carol, before, forever);
  await office.vote(id, 'dave');
  const after = await voted;
  expect(after).not.toBe(before);
  const edited = watch.next(carol, after, forever);
  const session = office.approvals.as(person);
  const { digest } = await session.show(deploy.id);
  await session.edit({ id: deploy.id, digest, arguments: '{"version":"2"}' });
  expect(await edited).not.toBe(after);
});

verifies('OPS-3', 'what changed in another process wakes too, where the store can tell', async () => {
  office = await createOffice();
  const { id } = await office.ask('refund', { amount: 1, currency: 'EUR' });
  let wake: () => void = () => undefined;
  const asked: string[] = [];
  Object.assign(office.store, {
    approvalChanged: async (tenant: string, approval: string, signal: AbortSignal) => {
      asked.push(`${tenant} ${approval}`);
      await new Promise<void>((resolve) => {
        wake = resolve;
        signal.addEventListener('abort', () => resolve());
      });
    },
  });
  const watch = createWatch(office.approvals, forever);
  const before = await watch.next(carol, undefined, forever);
  const next = watch.next(carol, before, forever);
  await expect.poll(() => asked).toContain(`acme ${id}`);
  const approval = await office.store.approval('acme', id);
  expect(approval?.state).toBe('pending');
  await office.store.transition({ tenant: 'acme', approval: id, to: 'cancelled', now: office.clock.now, records: [] });
  wake();
  expect(await next).not.toBe(before);
});

test('a store that always says so, or fails at it, makes nobody spin and nobody wait', async () => {
  office = await createOffice();
  await office.ask('refund', { amount: 1, currency: 'EUR' });
  const lies: Readonly<Record<string, () => Promise<void>>> = {
    always: async () => undefined,
    rejects: async () => Promise.reject(new Error('no')),
    throws: () => {
      throw new Error('no');
    },
  };
  for (const approvalChanged of Object.values(lies)) {
    let looks = 0;
    const as = office.approvals.as.bind(office.approvals);
    const counted = {
      as: (approver: typeof person) => {
        const session = as(approver);
        return {
          ...session,
          outlines: (...input: Parameters<typeof session.outlines>) => ((looks += 1), session.outlines(...input)),
        };
      },
    };
    Object.assign(office.store, { approvalChanged });
    const watch = createWatch(counted, forever);
    const before = await watch.next(carol, undefined, forever);
    expect(await watch.next(carol, before, 1_000)).toBe(before);
    expect(looks).toBeLessThan(30);
  }
});

/** What a session is asked, with answers of ours for some. */
function asking(answers: Partial<ApproverSession>): Pick<Approvals, 'as'> {
  return { as: (approver) => ({ ...office.approvals.as(approver), ...answers }) };
}

verifies('OPS-3', 'who watches has no arguments opened, and neither has a page for the calls before it', async () => {
  office = await createOffice();
  const gate = office.gate({ agent: 'release-bot' });
  const ids: string[] = [];
  for (let n = 0; n < 12; n += 1) {
    const { id } = await office.ask('deploy', { n }, gate);
    await office.vote(id, 'carol');
    ids.push(id);
  }
  const opened: string[] = [];
  const session = office.approvals.as(person);
  const service = asking({
    list: () => expect.fail('a list was opened'),
    show: (id) => (opened.push(id), session.show(id)),
  });
  const watch = createWatch(service);
  expect(await watch.next(carol, undefined, 0)).toBeDefined();
  expect(await watch.next({ ...carol, only: ids[0] }, undefined, 0)).toBeDefined();
  expect(opened).toEqual([]);
  const url = 'https://ops.example';
  const served = createConsole({ service, signIn: approverToken({ authenticate: () => person }), url });
  const entry = formRequest(`${url}/sign-in`, { code: 'carol-token' });
  const cookie = cookieOf(await served.fetch(entry));
  const page = await served.fetch(new Request(`${url}/approvals/${ids[11]}`, { headers: { cookie } }));
  expect(await page.text()).toContain(`href="/approvals/${ids[10]}">the last approved call`);
  expect(opened).toEqual([ids[11], ids[10]]);
});

verifies('REL-3', 'a store that hangs keeps nobody who watches, and is asked one thing at a time', async () => {
  office = await createOffice();
  let asked = 0;
  const service = asking({ outlines: () => ((asked += 1), new Promise<never>(() => undefined)) });
  const watch = createWatch(service, 1, 500);
  const seen = () => watch.next(carol, 'seen', 10);
  expect(await Promise.all(Array.from({ length: 50 }, seen))).toEqual(Array.from({ length: 50 }, () => 'seen'));
  expect(asked).toBeLessThanOrEqual(2);
});
