import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { requirements } from './requirements.ts';
import type { Requirement } from './requirements.ts';
import { checkRequirements, citationsIn } from './support/check-requirements.ts';
import { verifies } from './verifies.ts';
import { filesOfRepository, repositoryRoot } from './support/repository.ts';

/** Dropping or adding a requirement is a decision: change this number in the same commit. */
const pinnedCount = 67;

test('the tests and the list of requirements agree', () => {
  const testFiles = filesOfRepository().filter(
    (file) =>
      /^(packages\/[^/]+\/test|test|examples)\/.*\.test\.ts$/.test(file) && file !== 'test/requirements.test.ts',
  );
  const scanned = testFiles.map((file) => citationsIn(file, readFileSync(`${repositoryRoot}/${file}`, 'utf8')));
  const citations = scanned.flatMap((found) => found.citations);
  const problems = scanned.flatMap((found) => found.problems);
  expect([...problems, ...checkRequirements(requirements, citations, pinnedCount)]).toEqual([]);
});

describe('the check of requirements names', () => {
  const entry = (status: Requirement['status'], missing?: string): Requirement => ({
    must: 'x',
    kind: 'asked',
    status,
    ...(missing === undefined ? {} : { missing }),
  });
  const citation = { id: 'CAP-1', file: 'a.test.ts' };

  test('nothing when all is well', () => {
    const good = { 'CAP-1': entry('built'), 'CAP-2': entry('partial', 'YAML'), 'CAP-3': entry('planned') };
    expect(checkRequirements(good, [citation, { id: 'CAP-2', file: 'b.test.ts' }], 3)).toEqual([]);
  });

  test.each([
    ['an unknown id', {}, [citation], 0, 'CAP-1: cited in a.test.ts, but not a requirement'],
    [
      'an id from the prototype',
      {},
      [{ ...citation, id: 'constructor' }],
      0,
      'constructor: cited in a.test.ts, but not a requirement',
    ],
    ['a built requirement without a test', { 'CAP-1': entry('built') }, [], 1, 'CAP-1: built, but no test verifies it'],
    [
      'a partial requirement without a test',
      { 'CAP-1': entry('partial', 'y') },
      [],
      1,
      'CAP-1: partial, but no test verifies it',
    ],
    [
      'a planned requirement with a test',
      { 'CAP-1': entry('planned') },
      [citation],
      1,
      'CAP-1: planned, but a.test.ts verifies it',
    ],
    [
      'a partial one that hides its gap',
      { 'CAP-1': entry('partial', ' ') },
      [citation],
      1,
      'CAP-1: partial, but does not say what is missing',
    ],
    [
      'a built one with a gap',
      { 'CAP-1': entry('built', 'y') },
      [citation],
      1,
      'CAP-1: built, but says that something is missing',
    ],
    ['a dropped id', { 'CAP-1': entry('planned') }, [], 2, '1 requirements are listed, 2 are pinned'],
  ])('%s', (_, listed, citations, count, problem) => {
    expect(checkRequirements(listed, citations, count)).toEqual([problem]);
  });

  test('every problem, not only the first', () => {
    expect(checkRequirements({ 'CAP-2': entry('built') }, [citation], 2)).toHaveLength(3);
  });
});

describe('citations', () => {
  const found = (source: string) => citationsIn('a.test.ts', source).citations.map(({ id }) => id);

  test('are read from both forms', () => {
    expect(found(`verifies('CAP-1', 'x', f); verifies([\n  'CAP-2',\n  'CAP-3',\n], 'y', g)`)).toEqual([
      'CAP-1',
      'CAP-2',
      'CAP-3',
    ]);
  });

  test('are not read from comments or test names', () => {
    expect(found(`// verifies('CAP-1', 'x', f)\n/* verifies('CAP-2', 'x', f) */\ntest('CAP-3', f)`)).toEqual([]);
  });

  test('must be literals', () => {
    expect(citationsIn('a.test.ts', 'verifies(ids, name, body)').problems).toHaveLength(1);
  });
});

describe('verifies', () => {
  test('puts the ids into the title', () => {
    const titles: string[] = [];
    verifies(['CAP-1', 'CRD-2'], 'denies', () => {}, { using: (title) => titles.push(title) });
    verifies('CAP-1', 'denies', () => {}, { using: (title) => titles.push(title) });
    expect(titles).toEqual(['[CAP-1] [CRD-2] denies', '[CAP-1] denies']);
  });

  test('refuses an unknown id', () => {
    expect(() => verifies('CAP-99' as 'CAP-1', 'denies', () => {})).toThrow('unknown requirement CAP-99');
  });
});
