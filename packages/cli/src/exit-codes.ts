/**
 * Exit codes, and which error ends in which. Scripts rely on them: docs/cli.md, and pinned by a test.
 * @module
 */
import { CommanderError } from 'commander';
import { CountersignError, type ErrorCode } from '@countersign/core';

export const exitCodes = {
  ok: 0,
  /** A check found something, or what was ordered did not happen: a policy is refused, a credential stays valid. */
  failed: 1,
  usage: 2,
  /** A service, store or file that is not there or does not answer. */
  unreachable: 3,
  /** By the approvals service, or because a secret file can be read by others. */
  refused: 4,
  /** An error that nobody foresaw. */
  broken: 5,
} as const;

export type ExitName = keyof typeof exitCodes;

/** Ends the command. `message` is shown with control characters made visible. */
export class CommandFailure extends Error {
  readonly exit: ExitName;
  readonly code: string;
  constructor(exit: ExitName, message: string, code: string = exit) {
    super(message);
    this.name = 'CommandFailure';
    this.exit = exit;
    this.code = code;
  }
}

const exitOf: Readonly<Partial<Record<ErrorCode, ExitName>>> = {
  ERR_POLICY: 'failed',
  ERR_LEDGER: 'failed',
  ERR_CONFIGURATION: 'usage',
  ERR_IDENTIFIER: 'usage',
  ERR_STORE: 'unreachable',
  ERR_LEASE: 'failed',
  ERR_KEY: 'refused',
  ERR_APPROVER: 'refused',
  ERR_APPROVAL_NOT_FOUND: 'refused',
  ERR_APPROVAL_CONFLICT: 'refused',
};

export interface Failure {
  readonly exitCode: number;
  readonly code: string;
  /** Empty when everything was said before. */
  readonly message: string;
}

export function failureOf(error: unknown): Failure {
  if (error instanceof CommandFailure) return failure(error.exit, error.code, error.message);
  if (error instanceof CommanderError)
    return { ...usage, exitCode: error.exitCode === 0 ? exitCodes.ok : exitCodes.usage };
  if (error instanceof CountersignError) return failure(exitOf[error.code] ?? 'broken', error.code, error.message);
  return failure('broken', 'broken', error instanceof Error ? `${error.name}: ${error.message}` : String(error));
}

/** The parser has printed its own message. */
const usage: Failure = { exitCode: exitCodes.usage, code: 'usage', message: '' };

function failure(exit: ExitName, code: string, message: string): Failure {
  return { exitCode: exitCodes[exit], code, message };
}
