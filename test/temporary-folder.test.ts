/** Tests leave nothing behind in the system's temporary folder. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import process from 'node:process';
import { expect, test } from 'vitest';
import { filesOfRepository, repositoryRoot } from './support/repository.ts';
import { folderPrefix, setup } from './support/temporary-folder.ts';

test('what a test makes is in the folder of its run, and so is what its processes make', () => {
  expect(basename(tmpdir())).toMatch(new RegExp(`^${folderPrefix}`));
  const asked = spawnSync(process.execPath, ['-p', 'os.tmpdir()'], { encoding: 'utf8' });
  expect(asked.stdout.trim()).toBe(tmpdir());
});

test('the folder of a run goes with everything in it', () => {
  const outer = tmpdir();
  const end = setup();
  const [folder, left] = [tmpdir(), mkdtempSync(join(tmpdir(), 'left-'))];
  writeFileSync(join(left, 'behind'), '');
  expect(dirname(folder)).toBe(outer);
  end();
  expect(existsSync(folder)).toBe(false);
  expect(tmpdir()).toBe(outer);
});

test('no test makes a folder anywhere else', () => {
  const tests = filesOfRepository().filter((file) => /^(?:packages\/[^/]+\/test|test)\/.*\.ts$/.test(file));
  const strange = tests.filter((file) => {
    const text = readFileSync(`${repositoryRoot}/${file}`, 'utf8');
    const made = [...text.matchAll(/\bmkdtemp(?:Sync)?\(\s*(?:path\.)?(?:join\()?(?<first>[^,)]*)/g)];
    return made.some(
      ({ groups }) => !/^(?:os\.)?tmpdir\($|^realpathSync\(tmpdir\($|^temporary$/.test(groups?.['first'] ?? ''),
    );
  });
  expect(tests.length).toBeGreaterThan(100);
  expect(strange).toEqual([]);
});
