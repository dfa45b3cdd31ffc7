/**
 * Codes that stand in mails, are typed at the console, and sign in for one request alone.
 *
 * Nothing is stored: a code is a keyed digest of whom it is for, what it is about and when it was sent. It is found again
 * by computing the codes of what waits now, so one for a request that was edited, decided or has expired is simply no
 * longer among them, and neither is one for a person who is gone.
 *
 *     LLLL-MMMM-MMMM-MMMM-CCCC   L: which request · M: for whom, at which digest, when · C: that it is one of ours
 *
 * 100 bits; 80 for whoever has another person's code of the same request and so knows the first four letters.
 * @module
 */
import type { KeyObject } from 'node:crypto';
import { ConfigurationError, type ApprovalNotice, type Approvals, type Approver } from '@countersign/core';
import {
  askDirectory,
  boundedReplayGuard,
  groupedCode,
  memoryReplayGuard,
  samePerson,
  typedCode,
  type ReplayGuard,
} from '@countersign/core/channel';
import { createCodeMaker, createTries, isSame, placeLength, type CodeMaker, type CodeSubject } from './code-maker.ts';
import type { MailCode } from './message.ts';

export interface MailCodesOptions {
  /** 32 bytes, e.g. from `readKeyFile`, for this alone. Whoever has it can sign in as any approver. */
  readonly key: KeyObject | Uint8Array;
  /** Whose requests. */
  readonly tenant: string;
  readonly approvals: Pick<Approvals, 'as' | 'recordRefused'>;
  /** Who may sign in by a code, as of now: asked when one is typed, and at every request of its session. */
  readonly approvers: () => readonly Approver[] | Promise<readonly Approver[]>;
  /** How long a code is good for at most, and three quarters of it at least, in milliseconds. Default 8 hours. */
  readonly lifeMs?: number;
  /** Which codes were used. Default: in the memory of this process. */
  readonly replays?: ReplayGuard;
  /**
   * Whether a refused code is recorded here, with its request and why. Default `true`. A console that has a `tenant` records
   * every refused sign-in, one without a code too: with it say `false`, or there are two records.
   */
  readonly recordRefusals?: boolean;
  /** Milliseconds since the epoch. Default: the system's clock. */
  readonly now?: () => number;
}

/** Who typed a code: what the console takes as a sign-in. */
export interface MailSignedIn {
  readonly approver: Approver;
  /** The one approval that the session may see and decide on. */
  readonly only: string;
  /** When the session ends at the latest, in milliseconds since the epoch. */
  readonly until: number;
  /** The approver as of now; `undefined` ends the session. */
  refresh(): Promise<Approver | undefined>;
}

/** A sign-in for the console, and what makes its codes for the channel. */
export interface MailCodes {
  readonly kind: 'typed';
  readonly label: string;
  readonly hint: string;
  readonly loopbackOnly: boolean;
  /** @param presented what was typed */
  verify(presented: string): Promise<MailSignedIn | undefined>;
  /** The same code again within a quarter of its life. */
  issue(input: {
    readonly notice: CodeSubject & Pick<ApprovalNotice, 'expiresAt'>;
    readonly approver: string;
  }): MailCode;
}

const defaultLifeMs = 8 * 3_600_000;
const shortestLifeMs = 60_000;
const longestLifeMs = 7 * 24 * 3_600_000;
/** A code is good in the window it was made in, and the three after. */
const windows = 4;
const maxTyped = 200;
const page = 100;
const maxPages = 20;
/** Reads what waits, and is nobody: it cannot be in the list of approvers under this name by accident. */
const reader = 'countersign-mail-codes';

/** What a code was found to be. */
interface Found {
  readonly id: string;
  readonly approver: Approver;
  /** Of the request. */
  readonly expiresAt: number;
  /** In which it was made. */
  readonly window: number;
  readonly voted: boolean;
}

/** @throws KeyError, ConfigurationError */
export function mailCodes(options: MailCodesOptions): MailCodes {
  const { approvals, tenant, lifeMs = defaultLifeMs, now = Date.now } = options;
  if (!(lifeMs >= shortestLifeMs && lifeMs <= longestLifeMs)) {
    throw new ConfigurationError('a code is good for a minute at least and for 7 days at most');
  }
  const windowMs = Math.floor(lifeMs / windows);
  const currentWindow = (): number => Math.floor(now() / windowMs);
  /** When a code is void: it, and the session that it gave. */
  const endOf = (expiresAt: number, window: number): number => Math.min(expiresAt, (window + windows) * windowMs);
  const replays = boundedReplayGuard(options.replays ?? memoryReplayGuard(now, windowMs * windows));
  const maker = createCodeMaker(options.key);
  const tries = createTries(windowMs * windows, now);

  async function refuse(reason: string, approval?: string): Promise<undefined> {
    const known = approval === undefined ? {} : { approval };
    if (options.recordRefusals === false) return;
    await approvals.recordRefused({ tenant, channel: 'email', reason, ...known });
  }

  async function verify(presented: string): Promise<MailSignedIn | undefined> {
    const code = typedCode(presented.slice(0, maxTyped));
    const place = code.slice(0, placeLength);
    if (!tries.isLeft(place)) return refuse('too_many');
    const found = maker.isOurs(code) ? await find(options, maker, code, currentWindow()) : undefined;
    if (found === undefined) {
      tries.wrong(place);
      return refuse('code');
    }
    const { approver, id } = found;
    if (found.voted) return refuse('voted', id);
    if (!(await replays.take(`mail-code/${code}`))) return refuse('replayed', id);
    const until = endOf(found.expiresAt, found.window);
    return { approver, only: id, until, refresh: () => current(options, approver.id) };
  }

  return {
    kind: 'typed',
    label: 'Code from an e-mail',
    hint: 'It signs you in for the one request of that mail, once.',
    loopbackOnly: false,
    verify,
    issue({ notice, approver }) {
      if (notice.tenant !== tenant) throw new ConfigurationError(`these codes are for tenant ${tenant} alone`);
      const window = currentWindow();
      return { code: groupedCode(maker.make(notice, approver, window)), until: endOf(notice.expiresAt, window) };
    },
  };
}

async function current(options: MailCodesOptions, id: string): Promise<Approver | undefined> {
  return (await approversOf(options)).find((approver) => approver.id === id);
}

async function approversOf({ approvers, tenant }: MailCodesOptions): Promise<readonly Approver[]> {
  return (await askDirectory(approvers)).filter((approver) => approver.tenant === tenant);
}

/** Every code of the request is computed, whichever fits: how long it takes tells nothing. */
async function find(
  options: MailCodesOptions,
  maker: CodeMaker,
  code: string,
  newest: number,
): Promise<Found | undefined> {
  const approvers = await approversOf(options);
  const place = code.slice(0, placeLength);
  let found: Found | undefined;
  for await (const { id, digest, expiresAt, voters } of waiting(options)) {
    if (digest === '' || !isSame(maker.place(options.tenant, id), place)) continue;
    for (const approver of approvers) {
      for (let window = newest; window > newest - windows; window -= 1) {
        if (!isSame(maker.make({ tenant: options.tenant, id, digest }, approver.id, window), code)) continue;
        const voted = voters.some((voter) => samePerson(voter, approver.id));
        found = { id, approver, expiresAt, window, voted };
      }
    }
  }
  return found;
}

type Waiting = Omit<CodeSubject, 'tenant'> & Pick<Found, 'expiresAt'> & { readonly voters: readonly string[] };

/** What waits for a decision, newest first. */
async function* waiting({ approvals, tenant }: MailCodesOptions): AsyncGenerator<Waiting> {
  const session = approvals.as({ tenant, id: reader });
  let before: string | undefined;
  for (let pages = 0; pages < maxPages; pages += 1) {
    const from = before === undefined ? {} : { before };
    const views = await session.list({ state: 'pending', newestFirst: true, limit: page, ...from });
    for (const { id, digest, expiresAt, state, votes } of views) {
      if (state === 'pending') yield { id, digest, expiresAt, voters: votes.map(({ approver }) => approver) };
    }
    before = views.at(-1)?.id;
    if (views.length < page) return;
  }
}
