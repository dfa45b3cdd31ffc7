/**
 * The reading side of a record: its body, checked, and its sealed part, opened where the key still exists.
 * @module
 */
import { KeyError, LedgerError } from '../errors.ts';
import { commitment, recordVersion, sealedContext } from './record-body.ts';
import type { RecordBody, SealedPart } from './record-body.ts';
import type { RecordSecrets, StoredRecord } from './record.ts';
import type { SealingKey } from './sealing-key.ts';

/**
 * `none`: nothing was sealed · `open` · `erased`: the key was destroyed on purpose · `damaged`: it cannot be opened, or
 * does not match its commitments: run the verification.
 */
export type SealedState = 'none' | 'open' | 'erased' | 'damaged';

/** A record as a person reads it. */
export interface OpenedRecord extends Omit<RecordBody, 'sealed' | 'v'>, RecordSecrets {
  readonly sealedState: SealedState;
  readonly writer: string;
  readonly seq: number;
  readonly hash: string;
}

/** Parses a body. Throws `LedgerError` when it is not one. */
export function parseRecordBody(record: StoredRecord): RecordBody {
  let body: unknown;
  try {
    body = JSON.parse(record.body);
  } catch {
    body = undefined;
  }
  if (!isRecordBody(body)) {
    throw new LedgerError(`record ${record.seq} of writer ${record.writer} has no readable body: run the verification`);
  }
  return body;
}

/** `key`: that of the record's subject (of its tenant, for kind `administration`), or `undefined` when it was erased. */
export function openRecord(record: StoredRecord, key: Pick<SealingKey, 'open'> | undefined): OpenedRecord {
  const { v: _version, sealed, ...body } = parseRecordBody(record);
  const { state, part } = sealed === undefined ? nothingSealed : openSealed(body, sealed, key);
  const { salt: _salt, ...secrets } = part;
  const place = { writer: record.writer, seq: record.seq, hash: record.hash };
  return { ...body, ...(secrets as RecordSecrets), sealedState: state, ...place };
}

interface Opened {
  readonly state: SealedState;
  readonly part: SealedPart;
}

const nothingSealed: Opened = { state: 'none', part: {} };
const damaged: Opened = { state: 'damaged', part: {} };
const erased: Opened = { state: 'erased', part: {} };

function openSealed(body: RecordIdentity, sealed: string, key: Pick<SealingKey, 'open'> | undefined): Opened {
  if (key === undefined) return erased;
  try {
    const part = JSON.parse(key.open(sealed, sealedContext(body.tenant, body.kind, body.id))) as SealedPart;
    return commitmentsHold(body, part) ? { state: 'open', part } : damaged;
  } catch (error) {
    return error instanceof KeyError && error.erased ? erased : damaged;
  }
}

type RecordIdentity = Omit<RecordBody, 'v' | 'sealed'>;

function commitmentsHold(body: RecordIdentity, { salt = '', argumentsDigest, resultDigest }: SealedPart): boolean {
  const ofArguments = argumentsDigest === undefined ? undefined : commitment(salt, 'arguments', argumentsDigest);
  const ofResult = resultDigest === undefined ? undefined : commitment(salt, 'result', resultDigest);
  return body.argumentsCommitment === ofArguments && body.resultCommitment === ofResult;
}

function isRecordBody(value: unknown): value is RecordBody {
  if (typeof value !== 'object' || value === null) return false;
  const body = value as Record<string, unknown>;
  return (
    body['v'] === recordVersion &&
    ['id', 'tenant', 'kind', 'event'].every((field) => typeof body[field] === 'string') &&
    typeof body['time'] === 'number' &&
    (body['sealed'] === undefined || typeof body['sealed'] === 'string')
  );
}
