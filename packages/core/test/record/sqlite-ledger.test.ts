import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect } from 'vitest';
import { createClock } from '../../src/record/clock.ts';
import { createLedger } from '../../src/record/ledger.ts';
import type { Ledger } from '../../src/record/ledger.ts';
import type { ChainHead, RecordEvent } from '../../src/record/record.ts';
import { createRecorder } from '../../src/record/recorder.ts';
import { createSealer } from '../../src/record/sealing.ts';
import type { Verification } from '../../src/record/verify.ts';
import { sqliteStore } from '../../src/store/sqlite.ts';
import type { Store } from '../../src/store/store.ts';
import { verifies } from '../../../../test/verifies.ts';
import { masterKey } from './support.ts';

const event: RecordEvent = { kind: 'decision', event: 'allow', tenant: 'acme', agent: 'x', tool: 'read' };
let folder: string;
let path: string;
let heads: readonly ChainHead[];

async function withLedger<Result>(action: (ledger: Ledger, store: Store) => Promise<Result>): Promise<Result> {
  const store = sqliteStore({ path });
  const sealer = createSealer({ masterKey, keys: store });
  const clock = createClock();
  try {
    return await action(createLedger({ store, sealer, recorder: createRecorder({ clock }), clock }), store);
  } finally {
    await store.close();
  }
}

/** Two processes write one after the other: two chains. */
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-ledger-'));
  path = join(folder, 'ledger.db');
  const recorder = createRecorder({ clock: createClock() });
  for (const count of [6, 4]) {
    await withLedger(async (_ledger, store) => {
      for (let index = 0; index < count; index += 1) await store.append('acme', [recorder.draft(event, undefined)]);
    });
  }
  const untouched = await withLedger((ledger) => ledger.verify('acme'));
  expect(untouched).toMatchObject({ ok: true, records: 10 });
  heads = untouched.heads;
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Whoever can write the file drops its triggers first. */
async function after(...statements: string[]): Promise<{ alone: Verification; outside: Verification }> {
  const database = new DatabaseSync(path);
  database.exec('PRAGMA foreign_keys = OFF');
  for (const { name } of database.prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'").all()) {
    database.exec(`DROP TRIGGER "${String(name)}"`);
  }
  for (const statement of statements) expect(database.prepare(statement).run().changes).toBeGreaterThan(0);
  database.close();
  return withLedger(async (ledger) => ({
    alone: await ledger.verify('acme'),
    outside: await ledger.verify('acme', { expectedHeads: heads }),
  }));
}

const third = '(SELECT id FROM records ORDER BY id LIMIT 1 OFFSET 2)';

describe('whoever can write the database file is found out:', () => {
  verifies('AUD-4', 'by an edited body or column', async () => {
    expect((await after(`UPDATE records SET body = replace(body, 'read', 'drop') WHERE id = ${third}`)).alone.ok).toBe(
      false,
    );
    expect((await after(`UPDATE records SET event = 'deny' WHERE id = (${third}) + 1`)).alone.problems).toHaveLength(2);
  });

  verifies('AUD-4', 'by a record deleted from the middle, or moved to the end', async () => {
    expect((await after(`DELETE FROM records WHERE id = ${third}`)).alone.problems[0]).toMatchObject({
      seq: 3,
      problem: 'missing',
    });
    expect((await after('UPDATE records SET id = id + 100 WHERE id = (SELECT min(id) FROM records)')).alone.ok).toBe(
      false,
    );
  });

  verifies('AUD-4', 'by records whose writer was deleted', async () => {
    const { alone } = await after('DELETE FROM writers WHERE chain = (SELECT max(chain) FROM writers)');
    expect(alone.problems.map(({ problem }) => problem)).toContain('unknown_writer');
  });

  verifies('AUD-4', 'by the last records cut off, once heads are kept outside', async () => {
    const { outside } = await after('DELETE FROM records WHERE id = (SELECT max(id) FROM records)');
    expect(outside.problems).toMatchObject([{ seq: 4, problem: 'truncated' }]);
  });

  verifies('AUD-4', 'by a chain deleted with its writer, once heads are kept outside', async () => {
    const { outside } = await after(
      'DELETE FROM records WHERE id >> 32 = (SELECT max(chain) FROM writers)',
      'DELETE FROM writers WHERE chain = (SELECT max(chain) FROM writers)',
    );
    expect(outside.problems).toMatchObject([{ problem: 'truncated' }]);
  });
});

describe('a query of the file', () => {
  verifies('AUD-6', 'answers what an agent did for a user after a restart, merged over processes', async () => {
    for (const [time, tool] of [
      [1000, 'read'],
      [2000, 'pay'],
    ] as const) {
      await withLedger(async (_ledger, store) => {
        const key = await createSealer({ masterKey, keys: store }).subject('acme', 'ada');
        const draft = createRecorder({ clock: createClock(() => time) }).draft(
          { ...event, tool, detail: `why ${tool}` },
          key,
        );
        await store.append('acme', [draft]);
      });
    }
    const lines = await withLedger(async (ledger) => {
      const found: string[] = [];
      for await (const line of ledger.export({ tenant: 'acme', user: 'ada', agent: 'x', until: 5000 })) {
        found.push(line);
      }
      return found;
    });
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { tool: 'read', user: 'ada', detail: 'why read' },
      { tool: 'pay', user: 'ada', detail: 'why pay' },
    ]);
  });
});
