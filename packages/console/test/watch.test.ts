import { afterEach, expect, test } from 'vitest';
import { verifies } from '../../../test/verifies.ts';
import { createWatch } from '../src/watch.ts';
import { createOffice, type Office } from './support/office.ts';

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
    let lists = 0;
    const as = office.approvals.as.bind(office.approvals);
    const counted = {
      as: (approver: typeof person) => {
        const session = as(approver);
        return {
          ...session,
          list: (...input: Parameters<typeof session.list>) => ((lists += 1), session.list(...input)),
        };
      },
    };
    Object.assign(office.store, { approvalChanged });
    const watch = createWatch(counted, forever);
    const before = await watch.next(carol, undefined, forever);
    expect(await watch.next(carol, before, 1_000)).toBe(before);
    expect(lists).toBeLessThan(30);
  }
});
