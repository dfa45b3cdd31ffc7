/**
 * The body of a record: which fields it has, in which order, and which of them are sealed.
 * @module
 */
import { hash } from 'node:crypto';
import type { Risk, Verdict } from '../call.ts';
import type { RecordKind } from './record.ts';

/** Version of the body's fields. A reader refuses a version it does not know. */
export const recordVersion = 1;

/** A record's body, in the order of its fields. */
export interface RecordBody {
  readonly v: number;
  readonly id: string;
  readonly tenant: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly kind: RecordKind;
  readonly event: string;
  /** Pseudonym of the user. */
  readonly subject?: string | undefined;
  readonly agent?: string | undefined;
  readonly delegation?: readonly string[] | undefined;
  readonly run?: string | undefined;
  readonly call?: string | undefined;
  readonly parent?: string | undefined;
  readonly tool?: string | undefined;
  readonly source?: string | undefined;
  readonly capability?: string | undefined;
  readonly risk?: Risk | undefined;
  readonly verdict?: Verdict | undefined;
  readonly code?: string | undefined;
  readonly policyVersion?: string | undefined;
  readonly ruleDigest?: string | undefined;
  readonly approval?: string | undefined;
  readonly channel?: string | undefined;
  readonly lease?: string | undefined;
  readonly service?: string | undefined;
  readonly durationMs?: number | undefined;
  readonly count?: number | undefined;
  readonly trace?: string | undefined;
  readonly span?: string | undefined;
  /** SHA-256 over salt and digest, base64url: proves a digest once the sealed part is opened, and tells nothing before. */
  readonly argumentsCommitment?: string | undefined;
  readonly resultCommitment?: string | undefined;
  /** The sealed part: JSON of {@link SealedPart}, under the subject's key; under the tenant's for administration. */
  readonly sealed?: string | undefined;
}

/** What a record's `sealed` field holds, in the order of its fields. */
export interface SealedPart {
  readonly user?: string | undefined;
  readonly approver?: string | undefined;
  readonly detail?: string | undefined;
  readonly argumentsDigest?: string | undefined;
  readonly resultDigest?: string | undefined;
  readonly salt?: string | undefined;
  readonly arguments?: unknown;
}

export function sealedContext(tenant: string, kind: RecordKind, id: string): string {
  return `${tenant}|${kind}|${id}`;
}

/** Digests of short arguments can be guessed; a salt that is erased with the subject's key prevents that. */
export function commitment(salt: string, of: 'arguments' | 'result', digest: string): string {
  return hash('sha256', `countersign/1/commitment\0${of}\0${salt}\0${digest}`, 'base64url');
}
