/**
 * Calls of medium risk from end to end, on every framework: the agent goes on, a person decides, another process runs the
 * call at most once, and the inbox of the run says what became of it.
 */
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { verifies } from '../verifies.ts';
import type { Case, Step } from './cases.ts';
import { frameworks } from './harness.ts';
import { openBench, type Bench } from './measure.ts';
import { approve, call, calls, reject } from './script.ts';

interface Fate {
  readonly title: string;
  readonly steps: readonly Step[];
  readonly inbox: readonly string[];
  readonly runs: number;
}

const work: Step = { do: 'work', elsewhere: true };
const fates: readonly Fate[] = [
  {
    title: 'approved, it runs once in another process',
    steps: [approve, work, work],
    inbox: ['note completed'],
    runs: 1,
  },
  { title: 'rejected, it never runs', steps: [reject, work], inbox: ['note approval_rejected'], runs: 0 },
  {
    title: 'unanswered until it expires, it never runs, however late somebody approves',
    steps: [{ do: 'wait', hours: 48 }, approve, work],
    inbox: ['note approval_expired'],
    runs: 0,
  },
  {
    title: 'when its worker is killed in the middle, it is reported unknown and not run again',
    steps: [approve, { do: 'work', killed: true }, { do: 'wait', hours: 1 }, work, work],
    inbox: ['note unknown'],
    runs: 1,
  },
];

let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench.close());

describe.each(frameworks)('a call of medium risk, %s', (framework) => {
  for (const { title, steps, inbox, runs } of fates) {
    verifies(
      ['APR-1', 'REL-2'],
      title,
      async () => {
        const theCase: Case = {
          ...{ id: 'asynchronous', title, turns: [calls(call('note'))], tools: ['note'] },
          steps: [{ do: 'start', elsewhere: true }, ...steps],
          expect: { executed: {} },
        };
        const heard = await bench.heard(theCase, framework);
        // The agent was told and finished before anybody decided.
        expect(heard).toEqual({
          inbox,
          executed: runs === 0 ? {} : { 'note 1': runs },
          answered: ['c1'],
          text: 'done',
        });
      },
      { timeout: 120_000 },
    );
  }
});
