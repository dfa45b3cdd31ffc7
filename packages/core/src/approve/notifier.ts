/**
 * Tells people about requests: at least once on every channel, and again when a request ends or waits for more groups.
 *
 * The requests themselves are the outbox. What a channel is owed stands in an entry of kind `notice`, written before any
 * is told, and what it was told, written after; so a crash in between tells it twice, and never not at all. A channel that
 * fails is asked again, later and later, until the request has ended and been forgotten.
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Authorizer } from '../authorize/authorize.ts';
import { backOff } from '../back-off.ts';
import { ConfigurationError } from '../errors.ts';
import type { Clock } from '../record/clock.ts';
import type { Sealer } from '../record/sealing.ts';
import { takeLock, type Lock } from '../store/lock.ts';
import type { Store, StoredApproval, StoredEntry } from '../store/store.ts';
import { tellListener } from '../tell-listener.ts';
import { within } from '../within-time.ts';
import { escalationLevel, isWithinHours, readableRule } from './approval-rule.ts';
import type { ApprovalChannel } from './approve.ts';
import { noticeOf } from './notice.ts';
import { PartlyTold } from './partly-told.ts';
import { referenceOf, toldIn, toldNow, untold, type Told } from './told.ts';

export interface NotifierOptions {
  readonly channels: readonly ApprovalChannel[];
  /** Whose requests. Default: every tenant of the store. */
  readonly tenants?: readonly string[];
  /** For one message to one channel. Default 10 000 ms. */
  readonly timeoutMs?: number;
  /** Pause between looks when started, in milliseconds. Default 500. */
  readonly pollMs?: number;
  /** Told when a channel failed; not waited for. Default: nobody. */
  readonly onFailure?: (failure: {
    readonly channel: string;
    readonly approval: string;
    readonly error: unknown;
  }) => unknown;
}

export interface Notifier {
  /** Tells what is to be told now; answers how many messages went out. Another process at work means none. */
  tick(): Promise<number>;
  /** Ticks until the signal aborts. */
  start(signal: AbortSignal): Promise<void>;
}

interface NotifierParts {
  readonly store: Store;
  readonly sealer: Sealer;
  readonly clock: Clock;
  /** Says what of a tool's arguments is hidden. */
  readonly policy: Authorizer | undefined;
}

/** A notifier that was killed holds the others up for as long as three messages may take. */
const messagesPerLock = 3;
const shortestLockMs = 1_000;
const defaultTimeoutMs = 10_000;
const page = 100;
const maxPending = 10_000;
const tenantsAtOnce = 8;
const retries = { firstMs: 1_000, longestMs: 10 * 60_000 };
/** Notices of the outbox begin with its name. */
const channelName = /^(?!outbox$)[A-Za-z0-9_-]{1,64}$/;

/** @throws ConfigurationError when two channels share a name, or one has none that can be part of an id, or that of the outbox */
export function createNotifier(parts: NotifierParts, options: NotifierOptions): Notifier {
  const names = options.channels.map(({ name }) => name);
  const strange = names.find((name, index) => !channelName.test(name) || names.indexOf(name) !== index);
  if (strange !== undefined) throw new ConfigurationError(`each channel needs a name of its own, got "${strange}"`);

  const lockMs = Math.max(shortestLockMs, messagesPerLock * (options.timeoutMs ?? defaultTimeoutMs));

  async function tickTenant(tenant: string): Promise<number> {
    const lock = await takeLock(parts.store, { tenant, id: 'notices', ttlMs: lockMs, now: () => parts.clock.now() });
    if (lock === undefined) return 0;
    try {
      return await tellTenant(parts, options, tenant, lock);
    } finally {
      await lock.release();
    }
  }

  async function tick(): Promise<number> {
    const failures: unknown[] = [];
    let told = 0;
    const tenants = (options.tenants ?? (await parts.store.system.tenants())).values();
    const lane = async (): Promise<void> => {
      for (const tenant of tenants) {
        // What is wrong with the rows or the channels of one tenant must not keep the people of another in the dark.
        await tickTenant(tenant).then(
          (count) => (told += count),
          (error: unknown) => failures.push(error),
        );
      }
    };
    await Promise.all(Array.from({ length: tenantsAtOnce }, lane));
    if (failures.length > 0) throw failures[0];
    return told;
  }

  return {
    tick,
    async start(signal) {
      while (!signal.aborted) {
        // The store may be down for this look, and up for the next.
        await tick().catch(() => 0);
        await sleep(options.pollMs ?? 500, undefined, { signal }).catch(() => undefined);
      }
    },
  };
}

async function tellTenant(parts: NotifierParts, options: NotifierOptions, tenant: string, lock: Lock): Promise<number> {
  const pending = await pendingOf(parts.store, tenant);
  const waiting = new Map(pending.map((approval) => [approval.id, approval]));
  await owe(parts, options.channels, tenant, pending);
  // Each channel by itself: one that hangs holds up no other.
  const counts = await Promise.all(
    options.channels.map(async (channel) => {
      const notices = await noticesOf(parts.store, tenant, channel);
      let told = 0;
      for (const id of new Set([...waiting.keys(), ...notices.keys()])) {
        const outcome = await tell(parts, options, channel, { tenant, id, entry: notices.get(id) }, waiting.get(id));
        if (outcome === 'told') told += 1;
        // It is down: what else it has to be told is tried at the next look.
        if (outcome === 'failed' || !(await lock.renew())) break;
      }
      return told;
    }),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Oldest first, page by page. */
async function pendingOf(store: Store, tenant: string): Promise<readonly StoredApproval[]> {
  const found: StoredApproval[] = [];
  while (found.length < maxPending) {
    const after = found.at(-1)?.id;
    const filter = { state: 'pending', limit: page, ...(after === undefined ? {} : { after }) } as const;
    const more = await store.approvals(tenant, filter);
    found.push(...more);
    if (more.length < page) break;
  }
  return found;
}

/**
 * What is due is written down for every channel before any is told: people who heard of a request on one may decide on it
 * before this process, or the next, comes to tell another that is down.
 */
async function owe(
  { store, clock }: NotifierParts,
  channels: readonly ApprovalChannel[],
  tenant: string,
  pending: readonly StoredApproval[],
): Promise<void> {
  const now = clock.now();
  const due = pending.filter(({ rule: text, expiresAt }) => {
    const rule = readableRule(text);
    return rule !== undefined && now < expiresAt && isWithinHours(rule.hours, now);
  });
  for (const channel of channels) {
    const notices = await noticesOf(store, tenant, channel);
    for (const { id } of due.filter((approval) => !notices.has(approval.id))) {
      const place = { tenant, kind: 'notice', id: `${channel.name}/${id}`, expected: undefined } as const;
      await store.putEntry({ ...place, value: JSON.stringify(untold), now, records: [] });
    }
  }
}

/** What this channel was told, by approval. */
async function noticesOf(
  store: Store,
  tenant: string,
  { name }: ApprovalChannel,
): Promise<ReadonlyMap<string, StoredEntry>> {
  const prefix = `${name}/`;
  const found = new Map<string, StoredEntry>();
  for (let after = prefix; ;) {
    const entries = await store.entries(tenant, 'notice', { after, limit: page });
    for (const entry of entries) if (entry.id.startsWith(prefix)) found.set(entry.id.slice(prefix.length), entry);
    const last = entries.at(-1);
    if (entries.length < page || last === undefined || !last.id.startsWith(prefix)) return found;
    after = last.id;
  }
}

/** Where one channel stands with one request. */
interface Place {
  readonly tenant: string;
  readonly id: string;
  readonly entry: StoredEntry | undefined;
}

/** Sends one message if one is due, and writes down what became of it. */
async function tell(
  { store, sealer, clock, policy }: NotifierParts,
  options: NotifierOptions,
  channel: ApprovalChannel,
  { tenant, id, entry }: Place,
  pending: StoredApproval | undefined,
): Promise<'told' | 'failed' | 'nothing'> {
  const known = entry === undefined ? untold : toldIn(entry);
  const keep = (told: Told | undefined): Promise<unknown> => {
    const value = told === undefined ? undefined : JSON.stringify(told);
    const place = { tenant, kind: 'notice', id: `${channel.name}/${id}`, expected: entry?.version } as const;
    return store.putEntry({ ...place, value, now: clock.now(), records: [] });
  };
  const now = clock.now();
  const approval = isTooEarly(now, known) ? undefined : (pending ?? (await store.approval(tenant, id)));
  if (approval === undefined) return 'nothing';
  const rule = readableRule(approval.rule);
  if (rule === undefined) return 'nothing';
  const open = approval.state === 'pending' && now < approval.expiresAt;
  const level = escalationLevel(rule, now - approval.createdAt);
  const shown = channel.live === true ? shownOf(approval) : approval.digest;
  const news = level > known.level || (known.level >= 0 && shown !== known.shown);
  const due = open ? news && isWithinHours(rule.hours, now) : entry !== undefined;
  if (!due) return 'nothing';
  try {
    const notice = await noticeOf({ sealer, policy }, approval, now);
    const message = async (): Promise<string | undefined> => {
      if (open) return channel.opened(notice, known.reference);
      await channel.closed(notice, known.reference);
      return undefined;
    };
    const reference = await within(message(), options.timeoutMs ?? defaultTimeoutMs);
    await keep(open ? toldNow({ level, shown, reference: reference ?? known.reference }) : undefined);
    return 'told';
  } catch (error) {
    const failures = known.failures + 1;
    const partly = error instanceof PartlyTold ? referenceOf(error.reference) : {};
    await keep({ ...known, ...partly, failures, retryAt: now + backOff(failures, retries) });
    tellListener(options.onFailure, { channel: channel.name, approval: id, error });
    return 'failed';
  }
}

/** Changes with each edit and each vote. */
function shownOf({ digest, votes }: StoredApproval): string {
  return `${digest} ${votes.length}`;
}

/** What a clock that was ahead, or somebody else, wrote must not silence a channel for ever. */
function isTooEarly(now: number, { retryAt }: Told): boolean {
  return now < retryAt && retryAt <= now + retries.longestMs;
}
