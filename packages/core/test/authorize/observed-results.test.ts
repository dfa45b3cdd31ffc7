/** What guarded calls were given and answered, as this process remembers it. */
import { expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { createObservedResults } from '../../src/authorize/observed-results.ts';
import { newCall } from '../../src/testing/store-fixtures.ts';

const limits = {
  ...{ maxRuns: 2, maxRunAge: 5_000, maxLength: 1_000, lostRunBits: 1_024 },
  run: {
    ...{ maxResultAge: 1_000, maxResults: 2, maxResultLength: 100, maxResultsLength: 150 },
    ...{ maxCalls: 3, maxGivenLength: 100 },
  },
};
const texts = (of: { results: readonly { text: string }[] }): readonly string[] => of.results.map(({ text }) => text);

verifies(['CAP-12', 'CAP-8'], 'the results of another run, user or tenant are not seen', () => {
  const results = createObservedResults();
  const call = newCall();
  results.ended(call, '1');
  expect(texts(results.of(call))).toEqual(['1']);
  for (const other of [{ run: 'run-2' }, { subject: 'bob-subject' }, { tenant: 'globex' }])
    expect(results.of({ ...call, ...other }).results).toEqual([]);
});

test('results are kept for a while, by number and by size', () => {
  let now = 0;
  const results = createObservedResults(limits, () => now);
  const call = newCall();
  for (const text of ['a', 'b', 'c', 'x'.repeat(101)]) results.ended(call, text);
  expect(texts(results.of(call))).toEqual(['b', 'c']);
  for (const text of ['y', 'z']) results.ended(call, text.repeat(90));
  expect(texts(results.of(call))).toEqual(['z'.repeat(90)]);
  now = 600;
  results.ended(call, 'later');
  now = 1_001;
  expect(texts(results.of(call))).toEqual(['later']);
});

verifies('CAP-12', 'what a call was given outlives its result, so that a pause does not hide what was stored', () => {
  let now = 0;
  const results = createObservedResults(limits, () => now);
  const call = newCall();
  results.began(call, 'given');
  results.ended(call, 'answered');
  now = 1_001;
  expect(results.of(call)).toMatchObject({ complete: true, results: [{ given: 'given' }] });
});

verifies(
  'CAP-12',
  'a run in which anything that was given is lost is not complete any more, whatever comes then',
  () => {
    const losing: readonly ((call: (given: string) => void) => void)[] = [
      (call) => call('x'.repeat(101)),
      (call) => ['a', 'b', 'c', 'd'].forEach(call),
      (call) => ['x'.repeat(60), 'y'.repeat(60)].forEach(call),
    ];
    for (const lose of losing) {
      const results = createObservedResults(limits);
      const call = newCall();
      results.began(call, 'kept');
      expect(results.of(call)).toMatchObject({ complete: true, results: [{ given: 'kept' }] });
      lose((given) => results.began(call, given));
      results.began(call, 'later');
      results.ended(call, 'an answer');
      expect(results.of(call)).toEqual({
        complete: false,
        results: [expect.objectContaining({ text: 'an answer' })],
      });
    }
  },
);

verifies(
  'CAP-12',
  'a run that many others, large ones, its age or an erasure pushed out does not come back as a new one',
  () => {
    const fill = (size: number) => (results: ReturnType<typeof createObservedResults>) => {
      for (const run of ['2', '3']) results.began(newCall({ run }), 'x'.repeat(size));
    };
    let now = 0;
    const pushing: readonly ((results: ReturnType<typeof createObservedResults>) => void)[] = [
      fill(1),
      (results) => results.began(newCall({ run: '2' }), 'x'.repeat(100)),
      (results) => {
        now += 5_001;
        results.began(newCall({ run: '2' }), '');
      },
      (results) => results.forget('acme', newCall().subject),
    ];
    for (const push of pushing) {
      const results = createObservedResults({ ...limits, maxLength: 503 }, () => now);
      const call = newCall({ run: '1' });
      results.began(call, 'kept');
      push(results);
      expect(results.of(call)).toEqual({ complete: false, results: [] });
      results.began(call, 'later');
      results.ended(call, 'an answer');
      expect(results.of(call)).toMatchObject({ complete: false, results: [{ text: 'an answer' }] });
    }
  },
);

verifies('CAP-12', 'results that an agent reads to flood the memory do not push out what its run was given', () => {
  const results = createObservedResults();
  const call = newCall();
  results.began(call, 'stored by the model');
  for (let read = 0; read < 200; read += 1) results.ended(call, 'x'.repeat(262_144));
  expect(results.of(call)).toMatchObject({ complete: true, results: [{ given: 'stored by the model' }, {}, {}] });
});

verifies('CAP-12', 'a run that lost what its calls were given stays so, however many others come', () => {
  const results = createObservedResults();
  results.began(newCall({ run: 'mine' }), 'stored by the model');
  for (let other = 0; other < 61_000; other += 1) results.began(newCall({ run: `other-${other}` }), '{}');
  expect(results.of(newCall({ run: 'mine' }))).toEqual({ complete: false, results: [] });
});

test('a new run is not taken for one of many that lost something', () => {
  const results = createObservedResults({ ...limits, lostRunBits: 2 ** 25 });
  for (let other = 0; other < 50_000; other += 1) results.began(newCall({ run: `other-${other}` }), '{}');
  const fresh = Array.from({ length: 5_000 }, (_, run) => results.of(newCall({ run: `new-${run}` })).complete);
  expect(fresh).not.toContain(false);
});

verifies(
  'CAP-12',
  'when there are more of them than the memory is for, new runs are doubted, not old ones believed',
  () => {
    const results = createObservedResults(limits);
    for (let other = 0; other < 2_000; other += 1) results.began(newCall({ run: `other-${other}` }), '{}');
    const lost = Array.from({ length: 1_900 }, (_, run) => results.of(newCall({ run: `other-${run}` })).complete);
    expect(lost).not.toContain(true);
    expect(results.of(newCall({ run: 'new' })).complete).toBe(false);
  },
);

verifies('CAP-12', 'calls with next to no arguments fill the memory too, and not without bound', () => {
  const results = createObservedResults();
  const count = (run: number): number => results.of(newCall({ run: `run-${run}` })).results.length;
  const runs = Array.from({ length: 200 }, (_, run) => run);
  for (const run of runs)
    for (let call = 0; call < 1_000; call += 1) results.began(newCall({ run: `run-${run}` }), `${call}`);
  expect(runs.map(count).reduce((sum, each) => sum + each, 0)).toBeLessThan(100_000);
  expect(count(199)).toBe(1_000);
  expect(results.of(newCall({ run: 'run-0' })).complete).toBe(false);
});
