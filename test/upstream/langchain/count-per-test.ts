/** Writes a line of JSON per test to the file that `COUNTS` names. */
import { appendFileSync } from 'node:fs';
import { afterEach, beforeEach } from 'vitest';
import { counts } from './counts.ts';

beforeEach(() => {
  Object.assign(counts, { decisions: 0, executions: 0 });
});

afterEach(({ task }) => {
  const file = process.env['COUNTS'];
  if (file === undefined) return;
  appendFileSync(file, `${JSON.stringify({ test: task.id, name: task.name, state: task.result?.state, ...counts })}\n`);
});
