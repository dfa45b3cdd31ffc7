/**
 * Every error that Countersign throws: one union of codes, one class per code.
 *
 * A message says what was expected and what was got, never a secret. Errors are recognised by a brand on
 * `Symbol.for`, so that `instanceof` also works across two copies of this module.
 * @module
 */

import type { RefusalCode } from './call.ts';

export type ErrorCode =
  | 'ERR_CONFIGURATION'
  | 'ERR_POLICY'
  | 'ERR_PRINCIPAL'
  | 'ERR_IDENTIFIER'
  | 'ERR_ARGUMENTS'
  | 'ERR_UNAUTHORIZED_TOOL_CALL'
  | 'ERR_CALL_PENDING'
  | 'ERR_CALL_UNKNOWN'
  | 'ERR_CONSENT_REQUIRED'
  | 'ERR_TOOL_NOT_GOVERNABLE'
  | 'ERR_APPROVAL_NOT_FOUND'
  | 'ERR_APPROVAL_CONFLICT'
  | 'ERR_APPROVER'
  | 'ERR_STORE'
  | 'ERR_KEY'
  | 'ERR_LEASE'
  | 'ERR_LEDGER';

const brand: unique symbol = Symbol.for('countersign/1/error') as never;

interface ErrorDetails {
  readonly cause?: unknown;
}

interface RefusalDetails extends ErrorDetails {
  readonly reason?: RefusalCode;
}

/** Base of all errors thrown by Countersign. Switch on {@link CountersignError.code}. */
export class CountersignError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.name = new.target.name;
    Object.defineProperty(this, brand, { value: code });
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, brand)) return false;
    const code: unknown = (value as Record<symbol, unknown>)[brand];
    return this === CountersignError || (this as unknown as { code?: ErrorCode }).code === code;
  }
}

/** An option given to Countersign is missing or contradicts another. Remedy: the message names the option. */
export class ConfigurationError extends CountersignError {
  static readonly code = 'ERR_CONFIGURATION';
  constructor(message: string, details?: ErrorDetails) {
    super('ERR_CONFIGURATION', message, details);
  }
}

/** One thing wrong with a policy document. `line` and `column` count from 1 where the source was text. */
export interface PolicyIssue {
  readonly path: string;
  readonly message: string;
  readonly line?: number;
  readonly column?: number;
}

/** A policy document was refused. Nothing of it is in force. */
export class PolicyError extends CountersignError {
  static readonly code = 'ERR_POLICY';
  readonly issues: readonly PolicyIssue[];
  constructor(issues: readonly PolicyIssue[], details?: ErrorDetails) {
    super('ERR_POLICY', describeIssues(issues), details);
    this.issues = issues;
  }
}

function describeIssues(issues: readonly PolicyIssue[]): string {
  const lines = issues.map(({ path, message, line, column }) => {
    const where = line === undefined ? '' : ` (line ${line}, column ${column ?? 1})`;
    return `${path === '' ? '/' : path}${where}: ${message}`;
  });
  return `policy refused: ${lines.join('; ')}`;
}

/** A principal is missing, was not made by `countersign.principal()`, or names somebody unknown. */
export class PrincipalError extends CountersignError {
  static readonly code = 'ERR_PRINCIPAL';
  constructor(message: string, details?: ErrorDetails) {
    super('ERR_PRINCIPAL', message, details);
  }
}

/** A tenant, user, agent, run, tool or approval id does not have the form its kind requires. */
export class IdentifierError extends CountersignError {
  static readonly code = 'ERR_IDENTIFIER';
  constructor(message: string, details?: ErrorDetails) {
    super('ERR_IDENTIFIER', message, details);
  }
}

/** Arguments that cannot be digested: not plain JSON, too large, too deep, prototype keys, lone surrogates. */
export class ArgumentsError extends CountersignError {
  static readonly code = 'ERR_ARGUMENTS';
  constructor(message: string, details?: ErrorDetails) {
    super('ERR_ARGUMENTS', message, details);
  }
}

/** The call was denied. The message is safe for a model: it names the tool and no permission. */
export class UnauthorizedToolCall extends CountersignError {
  static readonly code = 'ERR_UNAUTHORIZED_TOOL_CALL';
  readonly agent: string | undefined;
  readonly capability: string | undefined;
  constructor(
    message: string,
    details: ErrorDetails & { agent?: string | undefined; capability?: string | undefined } = {},
  ) {
    super('ERR_UNAUTHORIZED_TOOL_CALL', message, details);
    this.agent = details.agent;
    this.capability = details.capability;
  }
}

/** The call waits for a human; it has not run. `approval` is the id to decide on. */
export class CallPending extends CountersignError {
  static readonly code = 'ERR_CALL_PENDING';
  readonly approval: string;
  constructor(message: string, approval: string) {
    super('ERR_CALL_PENDING', message);
    this.approval = approval;
  }
}

/** An earlier attempt of this very call began and its outcome is not known; it was not run again. */
export class CallUnknown extends CountersignError {
  static readonly code = 'ERR_CALL_UNKNOWN';
  constructor(message: string, details?: ErrorDetails) {
    super('ERR_CALL_UNKNOWN', message, details);
  }
}

/**
 * The call needs a credential that its user has not consented to; it has not run. Send this very user to `url`; after
 * that, ask again. The address does nothing for anybody else.
 */
export class ConsentRequired extends CountersignError {
  static readonly code = 'ERR_CONSENT_REQUIRED';
  readonly service: string;
  readonly url: string;
  constructor(message: string, details: { readonly service: string; readonly url: string }) {
    super('ERR_CONSENT_REQUIRED', message);
    this.service = details.service;
    this.url = details.url;
  }
}

/** A tool that runs where Countersign cannot stand in front of it (for example at the model provider). */
export class ToolNotGovernable extends CountersignError {
  static readonly code = 'ERR_TOOL_NOT_GOVERNABLE';
  constructor(message: string, details?: ErrorDetails) {
    super('ERR_TOOL_NOT_GOVERNABLE', message, details);
  }
}

/** No approval with this id in this tenant. */
export class ApprovalNotFound extends CountersignError {
  static readonly code = 'ERR_APPROVAL_NOT_FOUND';
  readonly reason: RefusalCode = 'not_found';
  constructor(message: string, details?: ErrorDetails) {
    super('ERR_APPROVAL_NOT_FOUND', message, details);
  }
}

/**
 * Not on this approval as it is now: it was decided, edited, voted on or has expired, its rule wants more (a reason, the hour,
 * no edit), or its row was changed. `reason` says which.
 */
export class ApprovalConflict extends CountersignError {
  static readonly code = 'ERR_APPROVAL_CONFLICT';
  readonly reason: RefusalCode;
  constructor(message: string, details: RefusalDetails = {}) {
    super('ERR_APPROVAL_CONFLICT', message, details);
    this.reason = details.reason ?? 'failed';
  }
}

/** The approver could not be authenticated, or may not decide on this approval (for example: their own). */
export class ApproverError extends CountersignError {
  static readonly code = 'ERR_APPROVER';
  readonly reason: RefusalCode;
  constructor(message: string, details: RefusalDetails = {}) {
    super('ERR_APPROVER', message, details);
    this.reason = details.reason ?? 'failed';
  }
}

/** The store cannot do what was asked: full, read-only, locked, corrupt, or from a newer version. */
export class StoreError extends CountersignError {
  static readonly code = 'ERR_STORE';
  constructor(message: string, details?: ErrorDetails) {
    super('ERR_STORE', message, details);
  }
}

/** A key is missing, malformed, not the right one, erased, or its file can be read by others. */
export class KeyError extends CountersignError {
  static readonly code = 'ERR_KEY';
  /** Whether the key was destroyed on purpose, so that what it sealed is gone for good. */
  readonly erased: boolean;
  constructor(message: string, details: ErrorDetails & { erased?: boolean } = {}) {
    super('ERR_KEY', message, details);
    this.erased = details.erased ?? false;
  }
}

/** A credential was asked for where there is none, or its provider refused it. */
export class LeaseError extends CountersignError {
  static readonly code = 'ERR_LEASE';
  constructor(message: string, details?: ErrorDetails) {
    super('ERR_LEASE', message, details);
  }
}

/** The ledger failed verification, or a record cannot be read. */
export class LedgerError extends CountersignError {
  static readonly code = 'ERR_LEDGER';
  constructor(message: string, details?: ErrorDetails) {
    super('ERR_LEDGER', message, details);
  }
}
