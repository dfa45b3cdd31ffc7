import process from 'node:process';
import { test } from 'vitest';

declare module 'vitest' {
  interface TaskMeta {
    /** Set on a test that could not run because the machine lacks a part. */
    missingPart?: { name: string; reason: string };
  }
}

/** Registers one test, as vitest's `test(name, body)` does. */
export type Register = (name: string, body: () => unknown, timeout?: number) => void;

/**
 * The `test` to use for tests that need a real part (a database, a browser). Where the part is missing the tests are
 * skipped and the summary names it; with `CI=true` they fail instead, so that no run passes by leaving parts out.
 */
export function part(name: string, available: boolean, reason: string, environment = process.env): Register {
  if (available)
    return (title, body, timeout) =>
      test(title, timeout === undefined ? {} : { timeout }, async () => {
        await body();
      });
  const meta = { missingPart: { name, reason } };
  if (environment['CI'] === 'true') {
    return (title) =>
      test(title, { meta }, () => {
        throw new Error(`part "${name}" is missing, and CI=true allows no skips: ${reason}`);
      });
  }
  return (title, body) =>
    test.skip(title, { meta }, async () => {
      await body();
    });
}
