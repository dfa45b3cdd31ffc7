/**
 * What the parts of a compilation share.
 * @module
 */
import type { PolicyIssue } from '../errors.ts';
import type { SchemaCompiler } from './argument-schema.ts';
import type { PolicyDocument } from './policy-document.ts';

const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** What the compilation of one document shares. */
export interface Compilation {
  readonly document: PolicyDocument;
  readonly schemas: SchemaCompiler;
  readonly issues: PolicyIssue[];
}

/** Milliseconds of a well-formed duration. */
export function duration({ issues }: Compilation, text: string, maxMs: number, path: string): number {
  const [, digits, unit] = /^([0-9]+)([a-z]+)$/.exec(text) ?? [];
  const milliseconds = Number(digits) * (unitsMs[unit ?? ''] ?? Number.NaN);
  if (milliseconds <= maxMs) return milliseconds;
  issues.push({ path, message: `at most ${maxMs / 60_000} minutes, got ${text}` });
  return 0;
}
