/**
 * One temporary folder for a whole run of tests, removed with everything in it when the run ends: also what a test that
 * failed, or a process that was killed, could not remove itself. `os.tmpdir()` answers it in tests and in their processes.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';

export const folderPrefix = 'countersign-tests-';

/** Called by the test runner before it starts processes, which inherit the environment. Answers what ends it. */
export function setup(): () => void {
  const before = process.env['TMPDIR'];
  const folder = mkdtempSync(join(tmpdir(), folderPrefix));
  // Servers of other users have their folders in it, and only pass through.
  chmodSync(folder, 0o711);
  process.env['TMPDIR'] = folder;
  return () => {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  };
}
