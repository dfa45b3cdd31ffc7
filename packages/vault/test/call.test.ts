import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect } from 'vitest';
import { hasBao } from '../../../test/support/bao.ts';
import { hasPostgres } from '../../../test/support/postgres.ts';
import { withSpans } from '../../../test/adapters/spans.ts';
import { verifies } from '../../../test/verifies.ts';
import { countersignOf, queryOrders, type GuardedQuery } from './guarded-query.ts';
import {
  startOrders,
  startVault,
  withBaoAndPostgres as using,
  type OrdersDatabase,
  type VaultFixture,
} from './vault-fixture.ts';

let vault: VaultFixture;
let orders: OrdersDatabase;
const folders: string[] = [];
beforeAll(async () => {
  if (!hasBao || !hasPostgres) return;
  vault = await startVault();
  orders = await startOrders(vault.bao);
});
afterAll(async () => {
  await orders?.stop();
  await vault?.stop();
});
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

async function input(more: Partial<GuardedQuery> = {}): Promise<GuardedQuery & { readonly folder: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-vault-'));
  folders.push(folder);
  return {
    folder,
    store: join(folder, 'store.sqlite'),
    key: randomBytes(32).toString('hex'),
    address: vault.bao.address,
    roleId: vault.roleId,
    secretId: (await vault.secretId()).reveal(),
    database: orders.postgres.url,
    sql: 'SELECT id FROM orders ORDER BY id',
    ttl: '1m',
    killAt: 'never',
    ...more,
  };
}

async function ledgerOf(of: GuardedQuery): Promise<string[]> {
  const countersign = countersignOf(of);
  try {
    expect(await countersign.ledger.verify('acme')).toMatchObject({ ok: true });
    const found: string[] = [];
    for await (const { kind, event } of countersign.ledger.query({ tenant: 'acme' })) found.push(`${kind}:${event}`);
    return found;
  } finally {
    await countersign.close();
  }
}

function killed(of: GuardedQuery): void {
  const program = join(import.meta.dirname, 'guarded-query.ts');
  const child = spawnSync(process.execPath, [program, JSON.stringify(of)], { encoding: 'utf8', timeout: 60_000 });
  expect([child.signal, child.stderr]).toEqual(['SIGKILL', '']);
}

async function sweep(of: GuardedQuery, ahead: number): Promise<unknown> {
  const countersign = countersignOf({ ...of, killAt: 'never', ahead });
  try {
    return await countersign.maintain();
  } finally {
    await countersign.close();
  }
}

describe('a call with a database login from OpenBao', () => {
  verifies(
    ['CRD-2', 'CRD-3', 'CRD-8'],
    'has a role of its own while its body runs, and the role is gone when the call has ended',
    async () => {
      const of = await input();
      let meanwhile: string[] = [];
      let own = '';
      const outcome = await queryOrders(of, async (role) => {
        own = role;
        meanwhile = await orders.roles();
      });
      expect(outcome).toMatchObject({ status: 'completed', result: [{ id: 1 }] });
      expect(meanwhile).toEqual([own]);
      expect(await orders.roles()).toEqual([]);
      expect(await ledgerOf(of)).toEqual([
        'decision:allow',
        'claim:claimed',
        'credential:issued',
        'credential:revoked',
        'outcome:completed',
      ]);
    },
    { using },
  );

  verifies(
    'CRD-2',
    'that fails, and one that asks for more than it was leased, leave no role either',
    async () => {
      const outcome = await queryOrders(await input({ sql: 'DELETE FROM orders' }));
      expect(outcome).toMatchObject({ status: 'failed' });
      expect(String(outcome.status === 'failed' && outcome.error)).toMatch(/permission denied/);
      expect(await orders.roles()).toEqual([]);
    },
    { using },
  );

  verifies(
    'CRD-7',
    'shows neither password nor role name in result, error, span, record or any file',
    async () => {
      // Two bodies that give everything away: one in its result, one in its error.
      const leak = `SELECT current_user::text AS name, json_build_object('user', current_user) AS nested`;
      const fail = `DO $$ BEGIN RAISE EXCEPTION 'I am %', current_user; END $$`;
      for (const sql of [leak, fail]) {
        const of = await input({ sql });
        let role = '';
        const { result, spans } = await withSpans(() =>
          queryOrders(of, async (name) => void (role = name)).then((outcome) => outcome),
        );
        if (sql === leak) expect(result).toMatchObject({ status: 'completed', result: [{ name: '[secret:orders]' }] });
        else expect(inspect(result, { depth: 20 })).toContain('I am [secret:orders]');
        expect(spans).toContain('countersign');
        const files = readdirSync(of.folder).map((name) => readFileSync(join(of.folder, name), 'latin1'));
        const everything = [inspect(result, { depth: 20, showHidden: true }), spans, ...files].join('\n');
        if (role !== '') expect(everything).not.toContain(role);
        expect(everything).not.toMatch(/v-approle-orders/);
      }
    },
    { using },
  );
});

describe('kill -9 of the process with such a call', () => {
  verifies(
    ['CRD-2', 'REL-2'],
    'in its body: the role stays until the sweeper revokes its lease',
    async () => {
      const of = await input({ killAt: 'body' });
      killed(of);
      expect(await orders.roles()).toHaveLength(1);
      expect(await sweep(of, 0)).toMatchObject({ closedLeases: 0, openLeases: 0 });
      expect(await orders.roles()).toHaveLength(1);
      expect(await sweep(of, 120_000)).toMatchObject({ closedLeases: 1, openLeases: 0 });
      expect(await orders.roles()).toEqual([]);
      expect((await ledgerOf(of)).at(-1)).toBe('credential:revoked');
    },
    { using, timeout: 90_000 },
  );

  verifies(
    ['CRD-2', 'REL-2'],
    'before the lease was noted: Vault ends it by itself, and it is accounted for until the longest life is over',
    async () => {
      const of = await input({ killAt: 'issued', ttl: '5s' });
      killed(of);
      expect(await orders.roles()).toHaveLength(1);
      expect(await sweep(of, 120_000)).toMatchObject({ closedLeases: 0, openLeases: 1 });
      for (let attempt = 0; (await orders.roles()).length > 0; attempt += 1) {
        expect(attempt).toBeLessThan(150);
        await sleep(200);
      }
      expect(await sweep(of, 906_000)).toMatchObject({ closedLeases: 1, openLeases: 0 });
      expect((await ledgerOf(of)).at(-1)).toBe('credential:lapsed');
    },
    { using, timeout: 90_000 },
  );
});
