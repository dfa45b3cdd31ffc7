import { genesisHash, hashRecord } from '../../src/record/chain.ts';
import { createClock } from '../../src/record/clock.ts';
import type { Clock } from '../../src/record/clock.ts';
import type { ChainHead, RecordDraft, StoredRecord } from '../../src/record/record.ts';
import { createRecorder } from '../../src/record/recorder.ts';
import type { Recorder } from '../../src/record/recorder.ts';
import { createSealer } from '../../src/record/sealing.ts';
import type { Sealer } from '../../src/record/sealing.ts';
import { memoryStore } from '../../src/store/memory.ts';
import type { Store } from '../../src/store/store.ts';

/** The tables of a store, open to whoever attacks them. */
export interface OpenTables {
  readonly keys: Map<string, string>;
  records: StoredRecord[];
  heads: ChainHead[];
}

export interface TestStore extends Pick<
  Store,
  | 'records'
  | 'heads'
  | 'writers'
  | 'subjectKey'
  | 'eraseSubject'
  | 'append'
  | 'entry'
  | 'entries'
  | 'putEntry'
  | 'system'
> {
  readonly tables: OpenTables;
  /** Appends as this writer. */
  as(writer: string): Pick<Store, 'append'>;
}

/** The least that the reading side needs, with tables that a test can tamper with. */
export function createTestStore(): TestStore {
  const tables: OpenTables = { keys: new Map(), records: [], heads: [] };

  function append(writer: string, tenant: string, drafts: readonly RecordDraft[]): void {
    for (const { kind, event, call, body, time } of drafts) {
      const head = tables.heads.find((candidate) => candidate.tenant === tenant && candidate.writer === writer);
      const seq = (head?.seq ?? 0) + 1;
      const hash = hashRecord({ tenant, writer, seq, previous: head?.hash ?? genesisHash(tenant, writer), body });
      tables.records.push({ tenant, writer, seq, time, kind, event, call, body, hash });
      tables.heads = [...tables.heads.filter((other) => other !== head), { tenant, writer, seq, hash }];
    }
  }

  return {
    ...memoryStore(),
    tables,
    as: (writer) => ({ append: async (tenant, drafts) => append(writer, tenant, drafts) }),
    append: async (tenant, drafts) => append('one', tenant, drafts),
    async records(tenant, { writer, afterSeq, kind, call, since, until, limit = 100 }) {
      return tables.records
        .filter((record) => record.tenant === tenant)
        .filter((record) => writer === undefined || record.writer === writer)
        .filter((record) => afterSeq === undefined || record.seq > afterSeq)
        .filter((record) => kind === undefined || record.kind === kind)
        .filter((record) => call === undefined || record.call === call)
        .filter((record) => since === undefined || record.time >= since)
        .filter((record) => until === undefined || record.time <= until)
        .sort((left, right) =>
          left.writer === right.writer ? left.seq - right.seq : left.writer < right.writer ? -1 : 1,
        )
        .slice(0, limit);
    },
    heads: async (tenant) => tables.heads.filter((head) => head.tenant === tenant),
    writers: async (tenant) => [
      ...new Set(tables.records.filter((record) => record.tenant === tenant).map((record) => record.writer)),
    ],
    async subjectKey(tenant, subject, candidate) {
      const place = `${tenant}/${subject}`;
      const kept = tables.keys.get(place) ?? candidate;
      if (kept !== undefined) tables.keys.set(place, kept);
      return kept;
    },
    async eraseSubject(tenant, subject, drafts) {
      append('one', tenant, drafts);
      tables.keys.delete(`${tenant}/${subject}`);
    },
  };
}

export const masterKey: Uint8Array = new Uint8Array(32).fill(7);

export interface Bench {
  readonly store: TestStore;
  readonly sealer: Sealer;
  readonly recorder: Recorder;
  readonly clock: Clock;
  /** Sets the machine's clock. */
  setTime(time: number): void;
}

export function createBench(): Bench {
  let time = 1_800_000_000_000;
  const store = createTestStore();
  const clock = createClock(
    () => time,
    () => 0,
  );
  return {
    store,
    clock,
    sealer: createSealer({ masterKey, keys: store }),
    recorder: createRecorder({ clock }),
    setTime(value) {
      time = value;
    },
  };
}
