/**
 * What an approver is told of requests without any of them being opened.
 */
import { expect, test } from 'vitest';
import type { ApprovalOutline, ApprovalView, StoredApproval } from '../../src/index.ts';
import { verifies } from '../../../../test/verifies.ts';
import { callTo, fixture, type Fixture } from '../support/fixture.ts';

const carol = { tenant: 'acme', id: 'carol' };

async function asked(f: Fixture, tool: string, args: unknown): Promise<string> {
  const { approval } = await f.gate.check(callTo(tool, args));
  if (approval === undefined) throw new Error('no approval was opened');
  return approval.id;
}

const outlineOf = ({ id, state, tool, source, agent, digest, consumed, votes }: ApprovalView): ApprovalOutline => ({
  ...{ id, state, tool, source, agent, digest, consumed },
  votes: votes.length,
});

/** From here on whoever looks at the arguments of a row fails. */
function sealUp({ store }: Fixture): void {
  const shut = (row: StoredApproval): StoredApproval =>
    Object.defineProperty({ ...row }, 'sealedArguments', { get: () => expect.fail('arguments were read') });
  const [approval, approvals] = [store.approval.bind(store), store.approvals.bind(store)];
  Object.assign(store, {
    approval: async (...input: Parameters<typeof approval>) => {
      const row = await approval(...input);
      return row && shut(row);
    },
    approvals: async (...input: Parameters<typeof approvals>) => (await approvals(...input)).map(shut),
  });
}

verifies('OPS-3', 'an outline says what the view says, and opens no arguments however many there are', async () => {
  let now = 1_800_000_000_000;
  const f = fixture({ now: () => now });
  const ids = [await asked(f, 'deploy', { n: 1 }), await asked(f, 'note', { n: 2 }), await asked(f, 'note', { n: 3 })];
  await f.decide(ids[1] ?? '', 'approve');
  const session = f.approvals.as(carol);
  for (const later of [0, 24 * 3_600_000]) {
    now += later;
    const views = await session.list();
    expect(views.map(({ state }) => state)).toEqual(
      later === 0 ? ['pending', 'approved', 'pending'] : ['expired', 'approved', 'expired'],
    );
    expect(await session.outlines()).toEqual(views.map(outlineOf));
  }
  sealUp(f);
  await expect(session.show(ids[1] ?? '')).rejects.toThrow(/arguments were read/);
  expect((await session.outlines({ state: 'approved' })).map(({ id }) => id)).toEqual([ids[1]]);
  expect(await session.outline(ids[1] ?? '')).toMatchObject({ state: 'approved', votes: 1 });
});

verifies('APR-6', 'an outline of another tenant is shown to nobody', async () => {
  const f = fixture();
  const id = await asked(f, 'deploy', { n: 1 });
  const stranger = f.approvals.as({ tenant: 'globex', id: 'gus' });
  expect(await stranger.outlines()).toEqual([]);
  await expect(stranger.outline(id)).rejects.toMatchObject({ code: 'ERR_APPROVAL_NOT_FOUND' });
});

test('a long list lets others have their turn between one request and the next', async () => {
  const f = fixture();
  for (let n = 0; n < 5; n += 1) await asked(f, 'note', { n, text: 'x'.repeat(600_000) });
  let turns = 0;
  const tick = (): void => void ((turns += 1), (timer = setImmediate(tick)));
  let timer = setImmediate(tick);
  const before = turns;
  await f.approvals.as(carol).list();
  clearImmediate(timer);
  expect(turns - before).toBeGreaterThanOrEqual(4);
});
