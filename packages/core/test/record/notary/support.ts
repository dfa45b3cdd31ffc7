/** A store in a file with a notary and a witness, and somebody who can write to all of the file. */
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { genesisHash, hashRecord } from '../../../src/record/chain.ts';
import { createClock } from '../../../src/record/clock.ts';
import { fileWitness } from '../../../src/record/notary/file-witness.ts';
import { createNotary, type Notary, type NotaryOptions } from '../../../src/record/notary/notary.ts';
import { createNoteSigner } from '../../../src/record/notary/note-signer.ts';
import type { NoteSigner } from '../../../src/record/notary/signed-note.ts';
import type { Witness } from '../../../src/record/notary/witness.ts';
import { createRecorder } from '../../../src/record/recorder.ts';
import { verifyLedger, type Verification } from '../../../src/record/verify.ts';
import { sqliteStore } from '../../../src/store/sqlite.ts';
import type { Store } from '../../../src/store/store.ts';

export const signer: NoteSigner = createNoteSigner('audit.example.com/test', Buffer.alloc(32, 3));
export const tenant = 'acme';
const recorder = createRecorder({ clock: createClock() });

export interface SealedStore {
  readonly path: string;
  readonly witness: Witness;
  /** Opens the file, as a process of its own would: one more writer. */
  open<Result>(task: (store: Store) => Promise<Result>): Promise<Result>;
  append(count: number): Promise<void>;
  seal(options?: Partial<NotaryOptions>): ReturnType<Notary['seal']>;
  /** With the witness unless `kept` says otherwise. */
  verify(kept?: readonly string[]): Promise<Verification>;
  /** Changes the file as its owner can: without triggers. */
  attack(...statements: string[]): Promise<void>;
  /** Hashes a chain anew from a record on, as somebody who knows how does. */
  rehash(from: number): Promise<void>;
  copyTo(name: string): Promise<string>;
  restore(copy: string): Promise<void>;
  close(): Promise<void>;
}

export async function createSealedStore(segmentRecords = 4): Promise<SealedStore> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-notary-'));
  const path = join(folder, 'ledger.db');
  const witness = fileWitness({ directory: join(folder, 'witness'), verifier: signer });

  async function open<Result>(task: (store: Store) => Promise<Result>): Promise<Result> {
    const store = sqliteStore({ path });
    try {
      return await task(store);
    } finally {
      await store.close();
    }
  }
  function raw<Result>(task: (database: DatabaseSync) => Result): Result {
    const database = new DatabaseSync(path);
    try {
      database.exec('PRAGMA foreign_keys = OFF');
      for (const { name } of database.prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'").all()) {
        database.exec(`DROP TRIGGER "${String(name)}"`);
      }
      return task(database);
    } finally {
      database.close();
    }
  }

  return {
    path,
    witness,
    open,
    append: (count) =>
      open(async (store) => {
        for (let index = 0; index < count; index += 1) {
          const event = { kind: 'decision', event: 'allow', tenant, agent: 'x', tool: 'read' } as const;
          await store.append(tenant, [recorder.draft(event, undefined)]);
        }
      }),
    seal: (options = {}) =>
      open((store) => createNotary({ store, signer, witness, segmentRecords, ...options }).seal(tenant)),
    verify: (kept) =>
      open(async (store) => {
        const newest = await witness.newest(`${signer.name}/${tenant}`);
        const seals = { verifier: signer, kept: kept ?? (newest === undefined ? [] : [newest]) };
        return verifyLedger(store, tenant, { seals, pageSize: 3 });
      }),
    attack: async (...statements) =>
      raw((database) => {
        for (const statement of statements) {
          if (database.prepare(statement).run().changes === 0) throw new Error(`nothing changed: ${statement}`);
        }
      }),
    rehash: async (from) =>
      raw((database) => {
        const writer = String(database.prepare('SELECT writer FROM writers ORDER BY chain LIMIT 1').get()?.['writer']);
        const rows = database.prepare('SELECT id, body, hash FROM records WHERE id >> 32 = 1 ORDER BY id').all();
        const update = database.prepare('UPDATE records SET hash = ? WHERE id = ?');
        let previous = from === 1 ? genesisHash(tenant, writer) : String(rows[from - 2]?.['hash']);
        for (const [index, { id, body }] of rows.entries()) {
          if (index + 1 < from) continue;
          previous = hashRecord({ tenant, writer, seq: index + 1, previous, body: String(body) });
          update.run(previous, id ?? null);
        }
      }),
    async copyTo(name) {
      raw((database) => database.exec('PRAGMA wal_checkpoint(TRUNCATE)'));
      await copyFile(path, join(folder, name));
      return join(folder, name);
    },
    async restore(copy) {
      for (const suffix of ['-wal', '-shm']) await rm(`${path}${suffix}`, { force: true });
      await copyFile(copy, path);
    },
    close: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Record `seq` of the first chain. */
export function recordAt(seq: number): string {
  return `(SELECT (1 << 32) + ${seq})`;
}
