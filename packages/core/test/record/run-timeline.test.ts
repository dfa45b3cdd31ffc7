/**
 * What an approver may see of a run: all of it, in order, of their own tenant, and only with the right to it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, describe, expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { createApprovals, memoryStore, type ApproverSession, type RunTimeline, type Store } from '../../src/index.ts';
import { callStates } from '../../src/record/call-states.ts';
import { openChains } from '../../src/record/chain-readers.ts';
import { sqliteStore } from '../../src/store/sqlite.ts';
import { callTo, counted, fixture, type Fixture } from '../support/fixture.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'countersign-timeline-'));
  folders.push(made);
  return made;
}

const carol = { tenant: 'acme', id: 'carol' };
const session = ({ approvals }: Fixture): ApproverSession => approvals.as(carol);
const eventsOf = ({ records }: RunTimeline): string[] => records.map(({ kind, event }) => `${kind}:${event}`);

async function filed(f: Fixture, tool = 'deploy', args: unknown = { version: '1' }) {
  const call = callTo(tool, args);
  const { body } = counted('done');
  const outcome = await f.gate.execute(call, body);
  if (outcome.status !== 'pending') throw new Error(`expected pending, got ${outcome.status}`);
  return { id: outcome.approval, run: () => f.gate.execute({ ...call, origin: 'resume' }, body) };
}

describe('the timeline of a run', () => {
  verifies(
    ['OPS-3', 'AUD-6'],
    'shows every record of it in order, with people by name and what they said',
    async () => {
      const f = fixture();
      await f.gate.execute(callTo('read', { ticket: 7, password: 'hunter2' }), () => 'done');
      await f.gate.execute(callTo('vault'), () => 'never');
      const { id, run } = await filed(f);
      const { digest } = await session(f).show(id);
      await session(f).decide({ id, verdict: 'approve', digest, reason: 'release day' });
      await run();
      const other = f.countersign.gate({ tenant: 'acme', user: 'bob', agent: 'support', run: 'run-2' });
      await other.execute(callTo('read'), () => 'done');

      const timeline = await session(f).timeline('run-1');
      expect(eventsOf(timeline)).toEqual([
        'decision:allow',
        'claim:claimed',
        'outcome:completed',
        'decision:deny',
        'decision:review',
        'approval:opened',
        'approval:approved',
        'claim:claimed',
        'outcome:completed',
      ]);
      expect(timeline).toMatchObject({ run: 'run-1', broken: 0, looked: 12 });
      expect(timeline).not.toHaveProperty('next');
      expect(timeline.records.every(({ linked, tenant }) => linked && tenant === 'acme')).toBe(true);
      expect(timeline.records[6]).toMatchObject({
        approver: 'carol',
        detail: 'release day',
        user: 'alice',
        approval: id,
      });
      expect(timeline.records[3]).toMatchObject({ tool: 'vault', verdict: 'deny', code: 'capability_missing' });
      expect(timeline.records[0]?.arguments).toMatchObject({ ticket: 7 });
      expect(JSON.stringify(timeline)).not.toContain('hunter2');
      expect(timeline.calls.map(({ tool, state }) => [tool, state])).toEqual([
        ['read', 'completed'],
        ['vault', 'denied'],
        ['deploy', 'completed'],
      ]);
    },
  );

  verifies('OPS-3', 'says of each call whether it completed, failed, waits, was denied, or is unknown', async () => {
    const f = fixture();
    await f.gate.execute(callTo('read'), () => {
      throw new Error('no');
    });
    let entered: () => void = () => undefined;
    const inside = new Promise<void>((resolve) => (entered = resolve));
    let end: () => void = () => undefined;
    const hanging = f.gate.execute(callTo('read', { hangs: true }), async () => {
      entered();
      await new Promise<void>((resolve) => (end = resolve));
    });
    await inside;
    await filed(f);
    const rejected = await filed(f, 'deploy', { version: '2' });
    await f.decide(rejected.id, 'reject');
    await rejected.run();
    const states = async () => (await session(f).timeline('run-1')).calls.map(({ state }) => state);
    expect(await states()).toEqual(['failed', 'unknown', 'waiting', 'rejected']);
    end();
    await hanging;
    expect(await states()).toEqual(['failed', 'completed', 'waiting', 'rejected']);
  });

  test('a body that ran stays one that ran, whatever is decided about its replays', () => {
    const told = (kind: 'decision' | 'claim' | 'outcome' | 'approval', event: string) =>
      ({ kind, event, call: 'c' }) as const;
    const stateAfter = (...records: ReturnType<typeof told>[]) => callStates(records)[0]?.state;
    const claim = told('claim', 'claimed');
    expect(stateAfter(claim, told('outcome', 'completed'), told('decision', 'deny'))).toBe('completed');
    expect(stateAfter(claim, told('decision', 'deny'))).toBe('unknown');
    expect(stateAfter(claim, told('outcome', 'released'), told('decision', 'deny'))).toBe('denied');
    expect(stateAfter(told('approval', 'approved'), told('decision', 'review'))).toBe('approved');
    expect(stateAfter(told('approval', 'approved'), told('decision', 'deny'))).toBe('denied');
    expect(stateAfter(told('approval', 'expired'), told('decision', 'deny'))).toBe('expired');
    expect(stateAfter(told('outcome', 'something new'))).toBe('permitted');
  });

  verifies(['OPS-3', 'CAP-8'], "another tenant's run, and one that never was, are not found", async () => {
    const f = fixture();
    await filed(f);
    await f.gate.execute(callTo('read'), () => 'done');
    const gus = f.approvals.as({ tenant: 'globex', id: 'gus' });
    for (const run of ['run-1', 'run-404']) {
      await expect(gus.timeline(run)).rejects.toMatchObject({ code: 'ERR_APPROVAL_NOT_FOUND' });
    }
    const { next = '' } = await session(f).timeline('run-1', { limit: 1 });
    await expect(gus.timeline('run-1', { after: next })).rejects.toMatchObject({ code: 'ERR_APPROVAL_NOT_FOUND' });
    await expect(session(f).timeline("run-1' OR 1=1")).rejects.toMatchObject({ code: 'ERR_IDENTIFIER' });
  });

  verifies('OPS-3', 'an approver outside the groups that may read the ledger sees neither runs nor load', async () => {
    const f = fixture();
    await filed(f);
    const approvals = createApprovals({
      ...{ store: f.store, signingKey: new Uint8Array(32).fill(9), audit: { key: f.key } },
      approvers: { authenticate: () => carol },
      ledger: { groups: ['auditors'] },
    });
    for (const groups of [undefined, [], ['releases'], ['Auditors']]) {
      const plain = approvals.as({ ...carol, ...(groups === undefined ? {} : { groups }) });
      expect(plain.readsLedger).toBe(false);
      await expect(plain.timeline('run-1')).rejects.toMatchObject({ code: 'ERR_APPROVER' });
      await expect(plain.load({ windowMs: 3_600_000 })).rejects.toMatchObject({ code: 'ERR_APPROVER' });
      expect(await plain.list()).toHaveLength(1);
    }
    const auditor = approvals.as({ ...carol, groups: ['auditors'] });
    expect(auditor.readsLedger).toBe(true);
    expect((await auditor.timeline('run-1')).records).not.toEqual([]);
    expect((await auditor.load({ windowMs: 3_600_000 })).requests).toBe(1);
    const make = () =>
      createApprovals({
        ...{ store: f.store, signingKey: new Uint8Array(32).fill(9), audit: { key: f.key } },
        approvers: { authenticate: () => carol },
        ledger: { groups: [] },
      });
    expect(make).toThrow(/name one/);
  });

  verifies('OPS-3', 'comes in pages that miss nothing and repeat nothing, also with several processes', async () => {
    const path = join(folder(), 'store.sqlite');
    const key = new Uint8Array(32).fill(3);
    const writers = [1, 2, 3].map(() => fixture({ store: sqliteStore({ path }), key }));
    for (let index = 0; index < 12; index += 1) {
      for (const f of writers) await f.gate.execute(callTo('read', { index }), () => 'done');
      const noise = writers[index % 3]?.countersign.gate({
        tenant: 'acme',
        user: 'bob',
        agent: 'support',
        run: 'noise',
      });
      await noise?.execute(callTo('read'), () => 'done');
    }
    const [f] = writers;
    if (f === undefined) throw new Error('no writer');
    const whole = await session(f).timeline('run-1');
    expect(whole.records).toHaveLength(12 * 3 * 3);
    const seen: string[] = [];
    let after: string | undefined;
    do {
      const page = await session(f).timeline('run-1', { limit: 10, ...(after === undefined ? {} : { after }) });
      seen.push(...page.records.map(({ id }) => id));
      expect([page.records.length <= 10, page.broken]).toEqual([true, 0]);
      after = page.next;
    } while (after !== undefined);
    expect(seen).toEqual(whole.records.map(({ id }) => id));
    for (const place of ['', 'x', 'e30', Buffer.from('[1,["w",-1]]').toString('base64url'), 'A'.repeat(100_000)]) {
      await expect(session(f).timeline('run-1', { after: place })).rejects.toMatchObject({ code: 'ERR_IDENTIFIER' });
    }
    for (const each of writers) await each.countersign.close();
  });

  verifies(
    ['OPS-3', 'AUD-4'],
    'a record that somebody changed in the store is shown as such, and hides no other',
    async () => {
      const path = join(folder(), 'store.sqlite');
      const f = fixture({ store: sqliteStore({ path }) });
      for (let index = 0; index < 3; index += 1) await f.gate.execute(callTo('read', { index }), () => 'done');
      const tamper = (sql: string): void => {
        const database = new DatabaseSync(path);
        database.exec(`DROP TRIGGER IF EXISTS records_update; DROP TRIGGER IF EXISTS records_delete; ${sql}`);
        database.close();
      };
      tamper(`UPDATE records SET body = replace(body, '"completed"', '"failed"') WHERE (id & 0xffffffff) = 3`);
      const changed = await session(f).timeline('run-1');
      expect(changed.records.map(({ linked }) => linked)).toEqual([
        true,
        true,
        false,
        true,
        true,
        true,
        true,
        true,
        true,
      ]);
      expect(changed.broken).toBe(1);
      tamper(
        `UPDATE records SET body = '{' WHERE (id & 0xffffffff) = 4; DELETE FROM records WHERE (id & 0xffffffff) = 6`,
      );
      const cut = await session(f).timeline('run-1');
      expect([cut.records.length, cut.broken]).toEqual([7, 3]);
      expect(cut.records.map(({ seq, linked }) => [seq, linked])).toEqual([
        [1, true],
        [2, true],
        [3, false],
        [5, true],
        [7, false],
        [8, true],
        [9, true],
      ]);
      await f.countersign.close();
    },
  );

  verifies('OPS-3', 'whose user was erased keeps its records and loses their names', async () => {
    const f = fixture();
    await filed(f);
    await f.countersign.ledger.eraseSubject({ tenant: 'acme', user: 'alice', by: 'dpo' });
    const { records } = await session(f).timeline('run-1');
    expect(records.map(({ sealedState, user }) => [sealedState, user])).toEqual([
      ['erased', undefined],
      ['erased', undefined],
    ]);
  });

  verifies('OPS-3', 'of a run late in a long ledger costs a few looks, not a scan', async () => {
    let now = 1_800_000_000_000;
    const memory = memoryStore();
    let looked = 0;
    const store: Store = {
      ...memory,
      async records(tenant, filter) {
        const found = await memory.records(tenant, filter);
        looked += found.length;
        return found;
      },
    };
    const f = fixture({ store, now: () => now });
    for (let index = 0; index < 2_000; index += 1) {
      now += 60_000;
      await f.gate.execute(callTo('read', { index }), () => 'done');
    }
    now += 2 * 3_600_000;
    const late = f.countersign.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: 'late' });
    await late.execute(callTo('deploy'), () => 'never');
    looked = 0;
    const timeline = await session(f).timeline('late');
    expect(timeline.records).toHaveLength(2);
    expect(looked).toBeLessThan(100);
    const early = await session(f).timeline('run-1', { from: now - 3 * 3_600_000 });
    expect(early.records.length).toBeGreaterThan(100);
    expect(early.records.length).toBeLessThan(1_000);
  });

  test('chains are read on from any time, and nothing is read twice', async () => {
    let now = 1_800_000_000_000;
    const f = fixture({ now: () => now });
    const times: number[] = [];
    for (let index = 0; index < 40; index += 1) {
      now += 10 * 60_000;
      times.push(now);
      await f.gate.execute(callTo('read', { index }), () => 'done');
    }
    for (const [index, time] of times.entries()) {
      const chains = await openChains(f.store, 'acme', time);
      let count = 0;
      for (let found = await chains.next(); found !== undefined; found = await chains.next()) {
        expect([found.linked, found.record.time >= time]).toEqual([true, true]);
        count += 1;
      }
      expect(count).toBe(3 * (times.length - index));
    }
  });
});
