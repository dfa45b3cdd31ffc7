/**
 * What the ledger says of one run, in order: for a person who wants to know what happened around a request.
 *
 * It reads a bounded part of the ledger and says how far it came. Links between the records that it read are checked; that
 * nothing was cut off or rewritten is proven by the verification alone.
 * @module
 */
import { IdentifierError } from '../errors.ts';
import { requireId } from '../identify/principal.ts';
import type { Store } from '../store/store.ts';
import { callStates, type TimelineCall } from './call-states.ts';
import { openChains, type ChainPositions } from './chain-readers.ts';
import { createKeyFinder, openFor } from './key-finder.ts';
import { parseRecordBody, type OpenedRecord } from './open-record.ts';
import type { RecordBody } from './record-body.ts';
import type { StoredRecord } from './record.ts';
import type { Sealer } from './sealing.ts';

export interface TimelineQuery {
  /** From about this time on, in milliseconds since the epoch. Default: an hour before the first approval of the run. */
  readonly from?: number;
  /** `next` of an earlier answer. */
  readonly after?: string;
  /** At most this many records. Default 200, at most 500. */
  readonly limit?: number;
}

export interface TimelineRecord extends OpenedRecord {
  /** Whether its hash follows from the record before it in the chain. */
  readonly linked: boolean;
}

export interface RunTimeline {
  readonly run: string;
  readonly from: number;
  readonly records: readonly TimelineRecord[];
  /** The calls of these records, and what the ledger says of each so far. */
  readonly calls: readonly TimelineCall[];
  /** How many records of the tenant were read for it, and how many of them do not follow from the one before, or cannot be read. */
  readonly looked: number;
  readonly broken: number;
  /** Where to go on: there may be more. */
  readonly next?: string;
}

interface TimelineParts {
  readonly store: Pick<Store, 'records' | 'heads' | 'writers'>;
  readonly sealer: Sealer;
}

const defaultLimit = 200;
const maxLimit = 500;
/** One answer reads at most this many records of the tenant. */
const maxLooked = 20_000;
const maxCursor = 65_536;

/** @throws IdentifierError for a run or a place that is none */
export async function readTimeline(
  { store, sealer }: TimelineParts,
  place: { readonly tenant: string; readonly run: string; readonly from: number },
  query: Pick<TimelineQuery, 'after' | 'limit'> = {},
): Promise<RunTimeline> {
  const { tenant, run } = place;
  requireId('run', run);
  const given = query.after === undefined ? undefined : parseCursor(query.after);
  const from = given?.from ?? place.from;
  const limit = Math.min(maxLimit, Math.max(1, Math.floor(query.limit ?? defaultLimit) || 1));
  await sealer.check(tenant);
  const chains = await openChains(store, tenant, from, given?.positions);
  const keyOf = createKeyFinder(sealer, tenant);
  const records: TimelineRecord[] = [];
  let looked = 0;
  let broken = 0;
  let ended = false;
  while (records.length < limit && looked < maxLooked) {
    const found = await chains.next();
    if (found === undefined) {
      ended = true;
      break;
    }
    looked += 1;
    const body = readable(found.record, tenant);
    const linked = found.linked && body !== undefined;
    if (!linked) broken += 1;
    if (body?.run === run) records.push({ ...(await openFor(found.record, body, keyOf)), linked });
  }
  const answer = { run, from, records, calls: callStates(records), looked, broken };
  return ended ? answer : { ...answer, next: cursorOf(from, chains.positions()) };
}

/** One that somebody damaged must not hide the others. */
function readable(record: StoredRecord, tenant: string): RecordBody | undefined {
  try {
    const body = parseRecordBody(record);
    return body.tenant === tenant ? body : undefined;
  } catch {
    return undefined;
  }
}

function cursorOf(from: number, positions: ChainPositions): string {
  return Buffer.from(JSON.stringify([from, ...positions])).toString('base64url');
}

function parseCursor(text: string): { readonly from: number; readonly positions: ChainPositions } {
  try {
    if (text.length > maxCursor) throw new RangeError('too long');
    const [from, ...places] = JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as readonly unknown[];
    const positions = places.map((place): [string, number] => {
      const [writer, seq] = place as readonly unknown[];
      if (typeof writer !== 'string' || !isCount(seq)) throw new TypeError('no position');
      return [writer, seq];
    });
    if (!isCount(from)) throw new TypeError('no time');
    return { from, positions: new Map(positions) };
  } catch (cause) {
    throw new IdentifierError('the place to go on from is not one that was answered before', { cause });
  }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
