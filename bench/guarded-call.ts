/** A whole low-risk call through the gate, against the composite floor, one caller at a time, with and without spans. */
import { interval, measure, median, nanoseconds, one, printSection, ratio, type Line } from './measure.ts';
import { add, addCall, bareInserts, compositeFloor, openBench } from './support.ts';

export async function benchGuardedCall(quick: boolean): Promise<void> {
  const bench = openBench('process');
  const floor = compositeFloor(bench.folder, 'process');
  const again = compositeFloor(bench.folder, 'process');
  const insert = bareInserts(bench.folder, 'process');
  const body = JSON.stringify({ padding: 'x'.repeat(480) });
  const repeat = (once: () => Promise<unknown> | void) => async (operations: number) => {
    for (let done = 0; done < operations; done += 1) await once();
  };
  const measured = await measure(
    [
      {
        name: 'guarded',
        run: repeat(async () => {
          const outcome = await bench.gate.execute(addCall(), add);
          if (outcome.status !== 'completed') throw new Error(outcome.status);
        }),
      },
      { name: 'composite floor', run: repeat(() => floor(addCall())) },
      { name: 'composite floor again', run: repeat(() => again(addCall())) },
      { name: 'one bare insert', run: repeat(() => insert(body)) },
    ],
    { rounds: quick ? 10 : 30, operations: 1_000 },
  );
  await bench.close();
  const times = ratio(measured, 'guarded', 'composite floor');
  const lines: Line[] = [...measured.keys()].map((name) => ({
    what: name,
    measured: nanoseconds(median(one(measured, name).perOperation)),
  }));
  lines.push(
    {
      what: 'noise: floor again / floor',
      measured: interval(ratio(measured, 'composite floor again', 'composite floor')),
    },
    { what: 'guarded / composite floor', measured: interval(times), goal: '≤ 1.5', met: times.median <= 1.5 },
  );
  printSection('Whole low-risk call, SQLite, survives a crash of the process', lines);
}
