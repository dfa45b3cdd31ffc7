/**
 * What comes out of SQLite, as the values of the store. A column of another type than the schema's is damage.
 * @module
 */
import type { SQLOutputValue } from 'node:sqlite';
import { StoreError } from '../errors.ts';
import type { CallFacts, StoredApproval, StoredCall, StoredEntry, StoredLease, Vote } from './store.ts';

export type Row = Readonly<Record<string, SQLOutputValue>>;

export function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value === 'string') return value;
  throw new StoreError(`column ${column} should be text, got ${typeof value}: the store is damaged`);
}

export function integer(row: Row, column: string): number {
  const value = row[column];
  if (typeof value === 'number') return value;
  throw new StoreError(`column ${column} should be a number, got ${typeof value}: the store is damaged`);
}

export function optionalText(row: Row, column: string): string | undefined {
  return row[column] === null ? undefined : text(row, column);
}

function optionalInteger(row: Row, column: string): number | undefined {
  return row[column] === null ? undefined : integer(row, column);
}

/** A text that the schema's CHECK bounds to a union. */
function oneOf<Union extends string>(row: Row, column: string): Union {
  return text(row, column) as Union;
}

export function texts(row: Row, column: string): readonly string[] {
  const value: unknown = JSON.parse(text(row, column));
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
  throw new StoreError(`column ${column} should be a list of texts: the store is damaged`);
}

function factsFrom(row: Row): CallFacts {
  const schemaDigest = optionalText(row, 'schema_digest');
  return {
    tenant: text(row, 'tenant'),
    run: text(row, 'run'),
    subject: text(row, 'subject'),
    agent: text(row, 'agent'),
    delegation: texts(row, 'delegation'),
    tool: {
      name: text(row, 'tool'),
      source: text(row, 'source'),
      ...(schemaDigest === undefined ? {} : { schemaDigest }),
    },
    slot: text(row, 'slot'),
    key: text(row, 'key'),
    argumentsDigest: text(row, 'arguments_digest'),
  };
}

export function callFrom(row: Row): StoredCall {
  const approval = optionalText(row, 'approval');
  const sealed = optionalText(row, 'sealed');
  const claimedAt = optionalInteger(row, 'claimed_at');
  const claim = optionalText(row, 'claim');
  const settledAt = optionalInteger(row, 'settled_at');
  return {
    ...factsFrom(row),
    state: oneOf(row, 'state'),
    ...(approval === undefined ? {} : { approval }),
    ...(row['status'] === null
      ? {}
      : { outcome: { status: oneOf(row, 'status'), ...(sealed === undefined ? {} : { sealed }) } }),
    ...(claimedAt === undefined ? {} : { claimedAt }),
    ...(claim === undefined ? {} : { claim }),
    ...(settledAt === undefined ? {} : { settledAt }),
  };
}

/** `row`: an approval with its call's facts; its own columns that share a name with them have the prefix `approval_`. */
export function approvalFrom(row: Row, votes: readonly Vote[]): StoredApproval {
  const consumedAt = optionalInteger(row, 'consumed_at');
  const argumentsDigest = optionalText(row, 'edited_digest');
  const sealedProvenance = optionalText(row, 'sealed_provenance');
  return {
    id: text(row, 'id'),
    digest: text(row, 'digest'),
    ruleDigest: text(row, 'rule_digest'),
    policyVersion: text(row, 'policy_version'),
    capability: text(row, 'capability'),
    risk: oneOf(row, 'risk'),
    mode: oneOf(row, 'mode'),
    createdAt: integer(row, 'created_at'),
    expiresAt: integer(row, 'expires_at'),
    rule: text(row, 'rule'),
    sealedArguments: text(row, 'sealed_arguments'),
    ...(sealedProvenance === undefined ? {} : { sealedProvenance }),
    call: factsFrom(row),
    state: oneOf(row, 'approval_state'),
    epoch: integer(row, 'epoch'),
    ...(consumedAt === undefined ? {} : { consumedAt }),
    ...(argumentsDigest === undefined
      ? {}
      : { edit: { argumentsDigest, sealedArguments: text(row, 'edited_arguments') } }),
    votes,
  };
}

export function voteFrom(row: Row): Vote {
  const sealedReason = optionalText(row, 'sealed_reason');
  return {
    tenant: text(row, 'tenant'),
    approval: text(row, 'approval'),
    approver: text(row, 'approver'),
    verdict: oneOf(row, 'verdict'),
    time: integer(row, 'time'),
    signature: text(row, 'signature'),
    keyId: text(row, 'key_id'),
    ...(sealedReason === undefined ? {} : { sealedReason }),
  };
}

export function leaseFrom(row: Row): StoredLease {
  const sealedHandle = optionalText(row, 'sealed_handle');
  return {
    tenant: text(row, 'tenant'),
    callKey: text(row, 'call_key'),
    id: text(row, 'id'),
    service: text(row, 'service'),
    provider: text(row, 'provider'),
    expiresAt: integer(row, 'expires_at'),
    state: oneOf(row, 'state'),
    ...(sealedHandle === undefined ? {} : { sealedHandle }),
  };
}

export function entryFrom(row: Row): StoredEntry {
  return {
    tenant: text(row, 'tenant'),
    kind: oneOf(row, 'kind'),
    id: text(row, 'id'),
    version: text(row, 'version'),
    value: text(row, 'value'),
    updatedAt: integer(row, 'updated_at'),
  };
}
