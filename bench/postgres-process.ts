/** One process of the PostgreSQL benchmark: waits for a line, works for a while, prints how many calls it did. */
import { once } from 'node:events';
import process from 'node:process';
import { Pool } from 'pg';
import { postgresStore } from '@countersign/postgres';
import { claimInput, newCall, newDraft } from '../packages/core/src/testing/store-fixtures.ts';

export type Mode = 'guarded' | 'inserts' | 'batched inserts';

export interface Work {
  readonly mode: Mode;
  readonly url: string;
  readonly callers: number;
  readonly milliseconds: number;
}

type Call = () => Promise<void>;

const body = JSON.stringify({ padding: 'x'.repeat(480) });
const connections = 10;

/** A claim before the body with two records, a settlement after it with one. */
async function guarded({ url }: Work): Promise<Call> {
  const store = await postgresStore({ connectionString: url, maxConnections: connections });
  let done = 0;
  return async () => {
    done += 1;
    const name = `${process.pid}-${done}`;
    // A run of a few calls, as a conversation has.
    const run = `${process.pid}-${done % 100}`;
    const call = newCall({ run, slot: name, key: name, argumentsDigest: name });
    const draft = () => newDraft({ call: call.key, body });
    const claim = await store.claim(claimInput(call, { claim: name, records: [draft(), draft()] }));
    if (claim.status !== 'claimed') throw new Error(claim.status);
    const outcome = { status: 'completed', sealed: 'x'.repeat(100) } as const;
    await store.settle({ call, claim: name, now: 1, outcome, closedLeases: [], records: [draft()] });
  };
}

/** The least that is durable: two rows, each in a transaction of its own. */
async function inserts({ url }: Work): Promise<Call> {
  const pool = new Pool({ connectionString: url, max: connections });
  const insert = { name: 'insert', text: 'INSERT INTO bare (hash, body) VALUES ($1, $2)', values: ['', body] };
  return async () => {
    await pool.query(insert);
    await pool.query(insert);
  };
}

/** The same rows, all that wait in one statement on one connection. */
async function batchedInserts({ url }: Work): Promise<Call> {
  const pool = new Pool({ connectionString: url, max: 1 });
  let waiting: (() => void)[] = [];
  let running = false;
  const run = async (): Promise<void> => {
    running = true;
    await Promise.resolve();
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      const values = [batch.map(() => ''), batch.map(() => body)];
      await pool.query({
        name: 'batch',
        text: 'INSERT INTO bare (hash, body) SELECT * FROM unnest($1::text[], $2::text[])',
        values,
      });
      for (const resolve of batch) resolve();
    }
    running = false;
  };
  const insert = (): Promise<void> =>
    new Promise((resolve, reject) => {
      waiting.push(resolve);
      if (!running) run().catch(reject);
    });
  return async () => {
    await insert();
    await insert();
  };
}

const modes: Readonly<Record<Mode, (work: Work) => Promise<Call>>> = {
  guarded,
  inserts,
  'batched inserts': batchedInserts,
};

async function main(): Promise<void> {
  const work = JSON.parse(process.argv[2] ?? '{}') as Work;
  const call = await modes[work.mode](work);
  await call();
  process.stdout.write('ready\n');
  await once(process.stdin, 'data');
  const until = performance.now() + work.milliseconds;
  let done = 0;
  const caller = async (): Promise<void> => {
    while (performance.now() < until) {
      await call();
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: work.callers }, caller));
  process.stdout.write(`${done}\n`);
  process.exit();
}

await main();
