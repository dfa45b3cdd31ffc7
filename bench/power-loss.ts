/** Durability against power loss: one flush for a single caller, group commit for many. */
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { interval, measure, median, nanoseconds, one, printSection, ratio, type Line } from './measure.ts';
import { add, addCall, bareInserts, openBench } from './support.ts';

export async function benchPowerLoss(quick: boolean): Promise<void> {
  const bench = openBench('power');
  const file = openSync(join(bench.folder, 'append'), 'a');
  const body = `${JSON.stringify({ padding: 'x'.repeat(480) })}\n`;
  const insert = bareInserts(bench.folder, 'power');
  const call = async (): Promise<void> => {
    const outcome = await bench.gate.execute(addCall(), add);
    if (outcome.status !== 'completed') throw new Error(outcome.status);
  };
  const many = (callers: number) => async (operations: number) => {
    let left = operations;
    const caller = async (): Promise<void> => {
      while ((left -= 1) >= 0) await call();
    };
    await Promise.all(Array.from({ length: callers }, caller));
  };
  const flush = (operations: number): void => {
    for (let done = 0; done < operations; done += 1) {
      writeSync(file, body);
      fdatasyncSync(file);
    }
  };
  const bare = (operations: number): void => {
    for (let done = 0; done < operations; done += 1) insert(body);
  };
  const rounds = quick ? 5 : 15;
  const single = await measure(
    [
      { name: 'append + fdatasync', run: flush },
      { name: 'bare SQLite insert, FULL', run: bare },
      { name: 'guarded call, 1 caller', run: many(1) },
    ],
    { rounds, operations: 200 },
  );
  const crowd = await measure(
    [
      { name: 'guarded calls, 50 callers', run: many(50) },
      { name: 'guarded calls, 200 callers', run: many(200) },
    ],
    { rounds, operations: 4_000 },
  );
  closeSync(file);
  await bench.close();
  // A call awaits two writes: its claim before the body, its outcome after it.
  const perWrite = ratio(single, 'guarded call, 1 caller', 'append + fdatasync');
  const half = { median: perWrite.median / 2, low: perWrite.low / 2, high: perWrite.high / 2 };
  const perSecond = (name: string): number => 1e9 / median(one(crowd, name).perOperation);
  const lines: Line[] = [
    ...[...single.keys()].map((name) => ({
      what: name,
      measured: nanoseconds(median(one(single, name).perOperation)),
    })),
    {
      what: 'one awaited write / append + fdatasync',
      measured: interval(half),
      goal: '≤ 1.5',
      met: half.median <= 1.5,
    },
    ...[...crowd.keys()].map((name) => ({ what: name, measured: `${perSecond(name).toFixed(0)} /s` })),
    {
      what: '50 callers',
      measured: `${perSecond('guarded calls, 50 callers').toFixed(0)} /s`,
      goal: '≥ 10,000 /s',
      met: perSecond('guarded calls, 50 callers') >= 10_000,
    },
    {
      what: 'bare insert loop, one transaction each',
      measured: `${(1e9 / median(one(single, 'bare SQLite insert, FULL').perOperation)).toFixed(0)} /s`,
    },
  ];
  printSection('Durable against power loss', lines);
}
