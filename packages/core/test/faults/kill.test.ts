import { spawnSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { createApprovals, createCountersign, type Outcome } from '../../src/index.ts';
import { sqliteStore } from '../../src/store/sqlite.ts';
import { executeVictimCall, fileProvider, killPoints, policy, type KillPoint, type VictimInput } from './victim.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const signingKey = generateKeyPairSync('ed25519').privateKey;

function world(): { folder: string; key: string; voteKey: string } {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-kill-'));
  folders.push(folder);
  return { folder, key: randomBytes(32).toString('hex'), voteKey: approvalsOf(folder, randomBytes(32)).publicKey };
}

function approvalsOf(folder: string, key: Uint8Array): ReturnType<typeof createApprovals> {
  return createApprovals({
    store: sqliteStore({ path: `${folder}/store.sqlite` }),
    signingKey,
    approvers: { authenticate: () => ({ tenant: 'acme', id: 'carol' }) },
    audit: { key },
  });
}

/** Runs the call in a process of its own; answers its outcome, or the signal that ended it. */
function victim(input: VictimInput): Outcome | NodeJS.Signals {
  const child = spawnSync(process.execPath, [join(import.meta.dirname, 'victim.ts'), JSON.stringify(input)], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  if (child.signal !== null) return child.signal;
  if (child.status !== 0) throw new Error(child.stderr);
  return JSON.parse(child.stdout) as Outcome;
}

const lines = (path: string): string[] =>
  existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n').filter(Boolean) : [];

/** The invariants that must hold whatever happened, read from the ledger and from the world the tool touched. */
async function checkInvariants(folder: string, key: string): Promise<void> {
  const store = sqliteStore({ path: `${folder}/store.sqlite` });
  const audit = { key: Buffer.from(key, 'hex') };
  const countersign = createCountersign({
    policy,
    store,
    audit,
    credentials: [fileProvider(folder, () => undefined)],
    now: () => Date.now() + 120_000,
  });
  expect(await countersign.ledger.verify('acme')).toMatchObject({ ok: true, problems: [] });
  const records = await store.records('acme', { limit: 1000 });
  const claims = records.filter(({ kind, event }) => kind === 'claim' && event === 'claimed');
  const effects = lines(`${folder}/effects`);
  expect(effects.length).toBeLessThanOrEqual(1);
  expect(claims.length).toBeGreaterThanOrEqual(effects.length);
  for (const outcome of records.filter(({ kind, event }) => kind === 'outcome' && event === 'completed')) {
    expect(claims.map(({ call }) => call)).toContain(outcome.call);
  }
  await countersign.maintain();
  const credentials = lines(`${folder}/credentials`);
  const of = (state: string): string[] =>
    credentials.filter((line) => line.startsWith(state)).map((line) => line.split(' ')[1] ?? '');
  expect(new Set(of('revoked'))).toEqual(new Set([...of('issued'), ...of('revoked')]));
  await countersign.close();
}

/** What a second attempt of the very same call must answer after a kill at each point. */
const second: Readonly<Record<Exclude<KillPoint, 'never'>, Outcome['status']>> = {
  'before-claim': 'completed',
  'after-claim': 'unknown',
  'before-credential': 'unknown',
  'after-credential': 'unknown',
  'after-lease-noted': 'unknown',
  'before-effect': 'unknown',
  'after-effect': 'unknown',
  'before-outcome': 'unknown',
  'after-outcome': 'completed',
};

describe('kill -9 of a low-risk call with a credential', () => {
  for (const killAt of killPoints) {
    verifies(
      ['REL-2', 'AUD-3', 'CRD-2'],
      `${killAt}: nothing runs twice, nothing lacks its intent, no credential stays`,
      async () => {
        const base = { ...world(), tool: 'secret', callId: 'c1', origin: 'model' } as const;
        expect(victim({ ...base, killAt })).toBe('SIGKILL');
        const effects = lines(`${base.folder}/effects`).length;
        const outcome = await executeVictimCall({ ...base, killAt: 'never' });
        expect(outcome.status).toBe(second[killAt]);
        if (outcome.status === 'unknown') expect(lines(`${base.folder}/effects`)).toHaveLength(effects);
        await checkInvariants(base.folder, base.key);
      },
    );
  }
});

describe('the credential of a process that was killed', () => {
  for (const killAt of ['before-credential', 'after-credential', 'after-lease-noted', 'after-effect'] as const) {
    verifies(
      ['CRD-2', 'REL-2'],
      `${killAt}: was in the store before it was issued, ends within the life it was asked for, and is swept after that`,
      async () => {
        const base = { ...world(), tool: 'secret', callId: 'c1', origin: 'model', revokeFails: true } as const;
        expect(victim({ ...base, killAt })).toBe('SIGKILL');
        const store = sqliteStore({ path: `${base.folder}/store.sqlite` });
        const [lease, ...more] = await store.system.openLeases(Number.MAX_SAFE_INTEGER, 10);
        expect(more).toEqual([]);
        const issued = lines(`${base.folder}/credentials`).map((line) => line.split(' '));
        expect(issued.map(([state, id]) => [state, id])).toEqual(
          killAt === 'before-credential' ? [] : [['issued', lease?.id]],
        );
        // Whatever happens to the sweeper and the service, it is over when the store says so, but for the time that the
        // request took to arrive: its life is counted from there, and the gate waits 10 seconds at most.
        for (const [, , endsAt] of issued) expect(Number(endsAt)).toBeLessThanOrEqual((lease?.expiresAt ?? 0) + 10_000);

        const maintain = async (revokeFails: boolean, at: number) => {
          const provider = fileProvider(base.folder, () => undefined, revokeFails);
          const audit = { key: Buffer.from(base.key, 'hex') };
          const options = { policy, store, audit, credentials: [provider], now: () => at };
          return createCountersign(options).maintain();
        };
        const end = lease?.expiresAt ?? 0;
        expect(await maintain(false, end - 1)).toMatchObject({ closedLeases: 0, openLeases: 0 });
        expect(await maintain(true, end + 1)).toMatchObject({ closedLeases: 0, openLeases: 1 });
        expect(await maintain(false, end + 1)).toMatchObject({ closedLeases: 1, openLeases: 0 });
        expect(lines(`${base.folder}/credentials`)).toContain(`revoked ${lease?.id}`);
        expect(await store.system.openLeases(Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
        await store.close();
      },
    );
  }
});

describe('kill -9 of an approved high-risk call', () => {
  for (const killAt of killPoints) {
    verifies(
      ['REL-2', 'APR-4'],
      `${killAt}: its grant is not reusable, and what was in flight is unknown`,
      async () => {
        const base = { ...world(), tool: 'deploy', callId: 'c1' } as const;
        const filed = victim({ ...base, origin: 'model', killAt: 'never' });
        expect(filed).toMatchObject({ status: 'pending' });
        const approvals = approvalsOf(base.folder, Buffer.from(base.key, 'hex'));
        const [request] = await approvals.list('x', { state: 'pending' });
        await approvals.decide('x', { id: request?.id ?? '', verdict: 'approve', digest: request?.digest ?? '' });

        expect(victim({ ...base, origin: 'resume', killAt })).toBe('SIGKILL');
        expect((await executeVictimCall({ ...base, origin: 'resume', killAt: 'never' })).status).toBe(second[killAt]);
        expect((await executeVictimCall({ ...base, origin: 'resume', killAt: 'never' })).status).toBe(second[killAt]);
        await checkInvariants(base.folder, base.key);
      },
    );
  }
});

describe('after an unknown outcome', () => {
  verifies('REL-2', 'the same arguments under another id need a person, who then lets it run once', async () => {
    const base = { ...world(), tool: 'secret', origin: 'model' } as const;
    expect(victim({ ...base, callId: 'c1', killAt: 'before-effect' })).toBe('SIGKILL');
    const filed = await executeVictimCall({ ...base, callId: 'c2', killAt: 'never' });
    expect(filed).toMatchObject({ status: 'pending', mode: 'asynchronous' });
    const approvals = approvalsOf(base.folder, Buffer.from(base.key, 'hex'));
    const [request] = await approvals.list('x', { state: 'pending' });
    await approvals.decide('x', { id: request?.id ?? '', verdict: 'approve', digest: request?.digest ?? '' });
    expect(await executeVictimCall({ ...base, callId: 'c2', killAt: 'never' })).toMatchObject({ status: 'completed' });
    expect(lines(`${base.folder}/effects`)).toEqual(['c2']);
  });
});
