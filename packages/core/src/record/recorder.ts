/**
 * Turns events into record drafts: fixed field order, personal parts sealed, ready to be chained.
 *
 * Synchronous, because drafts are made on the way of every call: about one encryption each.
 * @module
 */
import { hash } from 'node:crypto';
import { LedgerError } from '../errors.ts';
import { requireId } from '../identify/principal.ts';
import type { Clock } from './clock.ts';
import { createRandomPool } from './random-pool.ts';
import { commitment, recordVersion, sealedContext } from './record-body.ts';
import type { RecordBody, SealedPart } from './record-body.ts';
import type { RecordDraft, RecordEvent, RecordKind } from './record.ts';
import { redactArguments } from './redact.ts';

/** A `SubjectKey`, or the key of a tenant for records of administration. */
export interface RecordKey {
  readonly pseudonym?: string;
  readonly user?: string;
  /** Keyed: for what a rule wants digested. */
  readonly digest?: (text: string) => string;
  seal(plaintext: string, context: string): string;
}

export interface Recorder {
  /**
   * Throws `LedgerError` on an event that cannot be written down: then nothing may happen that needed the record.
   * Arguments are redacted, and long texts cut. Without a key an event may hold nothing that has to be sealed (`approver`, `detail`, digests, arguments).
   */
  draft(event: RecordEvent, key: RecordKey | undefined): RecordDraft;
}

const kinds: ReadonlySet<string> = new Set<RecordKind>([
  'identity',
  'decision',
  'approval',
  'claim',
  'credential',
  'outcome',
  'administration',
]);
/** Elsewhere the pseudonym says enough, and a seal is saved. */
const namesUser: ReadonlySet<RecordKind> = new Set<RecordKind>(['identity', 'approval']);

const maxField = 1024;
const maxDetail = 2048;

export function createRecorder({ clock }: { clock: Clock }): Recorder {
  const nextIdBytes = createRandomPool(10);
  const nextSalt = createRandomPool(16);

  return {
    draft(event, key) {
      const { kind } = event;
      if (!kinds.has(kind)) throw new LedgerError(`unknown kind of record: ${String(kind)}`);
      const time = clock.now();
      const id = `rec_${time.toString(16).padStart(12, '0')}${nextIdBytes().toString('hex')}`;
      const part = sealedPart(event, key, nextSalt);
      const body = recordBody(event, id, time, key?.pseudonym, part, sealPart(event, id, part, key));
      const draft = {
        id,
        tenant: body.tenant,
        time,
        kind,
        event: body.event,
        call: body.call,
        body: JSON.stringify(body),
      };
      if (kind !== 'decision') return draft;
      return { ...draft, decision: `${body.policyVersion ?? ''}:${body.verdict ?? ''}` };
    },
  };
}

function recordBody(
  event: RecordEvent,
  id: string,
  time: number,
  subject: string | undefined,
  part: SealedPart,
  sealed: string | undefined,
): RecordBody {
  const { salt = '', argumentsDigest, resultDigest } = part;
  return {
    v: recordVersion,
    id,
    tenant: requireId('tenant', event.tenant),
    time,
    kind: event.kind,
    event: text('event', event.event) ?? missing('event'),
    subject: text('subject', subject),
    agent: text('agent', event.agent),
    delegation: list('delegation', event.delegation),
    run: text('run', event.run),
    call: text('call', event.call),
    parent: text('parent', event.parent),
    tool: text('tool', event.tool),
    source: text('source', event.source),
    capability: text('capability', event.capability),
    risk: text('risk', event.risk),
    verdict: text('verdict', event.verdict),
    code: text('code', event.code),
    policyVersion: text('policyVersion', event.policyVersion),
    ruleDigest: text('ruleDigest', event.ruleDigest),
    approval: text('approval', event.approval),
    channel: text('channel', event.channel),
    lease: text('lease', event.lease),
    service: text('service', event.service),
    durationMs: duration(event.durationMs),
    count: counted(event.count),
    trace: text('trace', event.trace),
    span: text('span', event.span),
    argumentsCommitment: argumentsDigest === undefined ? undefined : commitment(salt, 'arguments', argumentsDigest),
    resultCommitment: resultDigest === undefined ? undefined : commitment(salt, 'result', resultDigest),
    sealed,
  };
}

function sealedPart(event: RecordEvent, key: RecordKey | undefined, nextSalt: () => Buffer): SealedPart {
  const argumentsDigest = text('argumentsDigest', event.argumentsDigest);
  const resultDigest = text('resultDigest', event.resultDigest);
  const hasDigest = argumentsDigest !== undefined || resultDigest !== undefined;
  return {
    user: namesUser.has(event.kind) ? text('user', key?.user) : undefined,
    approver: text('approver', event.approver),
    detail: text('detail', event.detail, maxDetail),
    argumentsDigest,
    resultDigest,
    salt: hasDigest ? nextSalt().toString('base64url') : undefined,
    arguments: redactedArguments(event, key),
  };
}

function redactedArguments(event: RecordEvent, key: RecordKey | undefined): unknown {
  if (event.arguments === undefined) return undefined;
  return redactArguments(event.arguments, { rules: event.redact, digest: key?.digest });
}

function sealPart(event: RecordEvent, id: string, part: SealedPart, key: RecordKey | undefined): string | undefined {
  const plaintext = JSON.stringify(part);
  if (plaintext === '{}') return undefined;
  if (key === undefined)
    throw new LedgerError(`a record of kind ${event.kind} has parts to seal, and no key was given`);
  return key.seal(plaintext, sealedContext(event.tenant, event.kind, id));
}

function missing(field: string): never {
  throw new LedgerError(`a record needs the field ${field}`);
}

/** What is too long, such as a tool name that a model made up, stands as its beginning and its digest. */
function text<Value extends string>(field: string, value: Value | undefined, limit = maxField): Value | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string') throw new LedgerError(`record field ${field} must be a string, got ${typeof value}`);
  const long: string = value;
  return long.length <= limit
    ? value
    : (`${long.slice(0, limit)}… sha256:${hash('sha256', long, 'base64url')}` as Value);
}

function list(field: string, values: readonly string[] | undefined): readonly string[] | undefined {
  if (values === undefined) return undefined;
  if (!Array.isArray(values)) throw new LedgerError(`record field ${field} must be a list of strings`);
  return Array.from(values, (value) => text(field, value) ?? missing(field));
}

function duration(value: number | undefined): number | undefined {
  if (value === undefined || (Number.isFinite(value) && value >= 0)) return value;
  throw new LedgerError(`record field durationMs must be a number of milliseconds, got ${String(value)}`);
}

function counted(value: number | undefined): number | undefined {
  if (value === undefined || (Number.isSafeInteger(value) && value >= 1)) return value;
  throw new LedgerError(`record field count must be a whole number from 1 on, got ${String(value)}`);
}
