/**
 * Writes down requests that were refused before anybody was authenticated. Who sends a flood of them gets counted: the
 * first ones of a kind leave a record each, the others one record that says how many they were.
 * @module
 */
import { requireId } from '../identify/principal.ts';
import type { RecordEvent } from '../record/record.ts';
import type { Recorder } from '../record/recorder.ts';
import type { Store } from '../store/store.ts';
import { within } from '../within-time.ts';
import { isApprovalId } from './approval-id.ts';

export interface RefusedRequest {
  /** Whose ledger it belongs to: as configured, never as the request says. */
  readonly tenant: string;
  /** The name of the channel or front end: letters, digits, `-` and `_`. */
  readonly channel: string;
  /** A fixed word of the channel, e.g. `signature`, `stale`, `replayed`: lower case, digits and `_`. Never text of the request. */
  readonly reason: string;
  /** The approval that the request names. Left out of the record unless it has the form of one. */
  readonly approval?: string;
}

export interface RefusedRequests {
  /** Never rejects: what cannot be written now is counted, and written later. */
  record(refused: RefusedRequest): Promise<void>;
  /** Writes down what was only counted so far. Never rejects. */
  flush(): Promise<void>;
}

/** Of one tenant, channel and reason in one minute. */
const maxSingles = 10;
const windowMs = 60_000;
/** Tenants, channels and reasons that are told apart at a time. Beyond that, reasons of a tenant are counted together. */
const maxKinds = 1_000;
const maxCounted = 2 * maxKinds;
const writeTimeoutMs = 5_000;
const other = 'other';

interface Kind {
  readonly tenant: string;
  readonly channel: string;
  readonly reason: string;
  singles: number;
  counted: number;
  writing: number;
}

export function createRefusedRequests(options: {
  readonly store: Pick<Store, 'append'>;
  readonly recorder: Recorder;
}): RefusedRequests {
  const { store, recorder } = options;
  const kinds = new Map<string, Kind>();
  let timer: ReturnType<typeof setTimeout> | undefined;

  /** What cannot be written in time is counted, so that a later record stands for it. */
  async function write(kind: Kind, more: Pick<RecordEvent, 'approval' | 'count'>): Promise<void> {
    const { tenant, channel, reason } = kind;
    const event = { kind: 'approval', event: 'refused', tenant, channel, code: reason, ...more } as const;
    kind.writing += 1;
    try {
      await within(store.append(tenant, [recorder.draft(event, undefined)]), writeTimeoutMs);
    } catch {
      kind.counted += more.count ?? 1;
    } finally {
      kind.writing -= 1;
    }
  }

  async function summarise(kind: Kind): Promise<void> {
    const { counted: count } = kind;
    if (count === 0) return;
    kind.counted = 0;
    await write(kind, { count });
  }

  async function flush(): Promise<void> {
    await Promise.all(Array.from(kinds.values(), summarise));
  }

  async function endWindow(): Promise<void> {
    for (const kind of kinds.values()) kind.singles = 0;
    await flush();
    for (const [name, kind] of kinds) if (kind.singles + kind.counted + kind.writing === 0) kinds.delete(name);
    timer = undefined;
    if (kinds.size > 0) startWindow();
  }

  function startWindow(): void {
    timer ??= setTimeout(() => void endWindow(), windowMs);
    // No process lives on for this.
    timer.unref?.();
  }

  return {
    flush,
    async record(refused) {
      try {
        const kind = kindOf(kinds, wellFormed(refused));
        if (kind === undefined) return;
        startWindow();
        if (kind.singles >= maxSingles) return void (kind.counted += 1);
        kind.singles += 1;
        const { approval } = refused;
        await write(kind, isApprovalId(approval) ? { approval } : {});
      } catch {
        // Refused it is, recorded or not.
      }
    },
  };
}

/** The kind to count it under, made when there is room; `undefined` when there is none left at all. */
function kindOf(kinds: Map<string, Kind>, { tenant, channel, reason }: RefusedRequest): Kind | undefined {
  const known = kinds.get(nameOf(tenant, channel, reason));
  if (known !== undefined) return known;
  const kind =
    kinds.size < maxKinds
      ? { tenant, channel, reason, singles: 0, counted: 0, writing: 0 }
      : { tenant, channel: other, reason: other, singles: maxSingles, counted: 0, writing: 0 };
  const name = nameOf(tenant, kind.channel, kind.reason);
  const shared = kinds.get(name);
  if (shared !== undefined) return shared;
  if (kinds.size >= maxCounted) return undefined;
  kinds.set(name, kind);
  return kind;
}

function nameOf(tenant: string, channel: string, reason: string): string {
  return JSON.stringify([tenant, channel, reason]);
}

/** @throws IdentifierError for a tenant that is none: it has no ledger */
function wellFormed({ tenant, channel, reason }: RefusedRequest): RefusedRequest {
  return {
    tenant: requireId('tenant', tenant),
    channel: /^[A-Za-z0-9_-]{1,64}$/.test(channel) ? channel : other,
    reason: /^[a-z][a-z0-9_]{0,63}$/.test(reason) ? reason : other,
  };
}
