import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { expect, test } from 'vitest';
import { repositoryRoot } from './support/repository.ts';

function runFixture(ci: 'true' | '') {
  const { VITEST: _, CI: __, ...environment } = process.env;
  const vitest = [
    `${repositoryRoot}/node_modules/vitest/vitest.mjs`,
    'run',
    '--config',
    'test/support/fixture.config.ts',
  ];
  const run = spawnSync(process.execPath, vitest, {
    cwd: repositoryRoot,
    encoding: 'utf8',
    env: { ...environment, CI: ci, NO_COLOR: '1' },
  });
  return { status: run.status, lastLines: run.stdout.trimEnd().split('\n').slice(-2), output: run.stdout + run.stderr };
}

test('a missing part is skipped, named, and counted in the last line', () => {
  const { status, lastLines } = runFixture('');
  expect(lastLines).toEqual(['Missing part: database (no server answers)', 'Tests: 2 passed, 0 failed, 2 skipped']);
  expect(status).toBe(0);
});

test('with CI=true a missing part is a failure', () => {
  const { status, lastLines, output } = runFixture('true');
  expect(lastLines.at(-1)).toBe('Tests: 2 passed, 1 failed, 1 skipped');
  expect(output).toContain('part "database" is missing, and CI=true allows no skips: no server answers');
  expect(status).toBe(1);
});
