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
import { createHmac, timingSafeEqual, type KeyObject } from 'node:crypto';
import { ConfigurationError, KeyError, type ApprovalNotice, type Approvals, type Approver } from '@countersign/core';
import { codeOf, groupedCode, memoryReplayGuard, typedCode, type ReplayGuard } from '@countersign/core/channel';
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
  issue(input: { readonly notice: Pick<ApprovalNotice, 'tenant' | 'id' | 'digest' | 'expiresAt'>; readonly approver: string }): MailCode;
}

const defaultLifeMs = 8 * 3_600_000;
const shortestLifeMs = 60_000;
const longestLifeMs = 7 * 24 * 3_600_000;
/** A code is good in the window it was made in, and the three after. */
const windows = 4;
const placeLength = 4;
const personLength = 12;
const checkLength = 4;
const form = /^[0-9A-HJKMNP-TV-Z]{20}$/;
const page = 100;
const maxPages = 20;
const maxWrong = 10;

type Waiting = Pick<ApprovalNotice, 'tenant' | 'id' | 'digest'>;

/** @throws KeyError, ConfigurationError */
export function mailCodes(options: MailCodesOptions): MailCodes {
  const { approvals, tenant, lifeMs = defaultLifeMs, now = Date.now } = options;
  if (!(lifeMs >= shortestLifeMs && lifeMs <= longestLifeMs)) {
    throw new ConfigurationError('a code is good for a minute at least and for 7 days at most');
  }
  const windowMs = Math.floor(lifeMs / windows);
  const replays = options.replays ?? memoryReplayGuard(now, windowMs * windows);
  const code = createCoder(options.key);
  const tries = createTries(windowMs * windows, now);
  const windowAt = (time: number): number => Math.floor(time / windowMs);

  async function current(id: string): Promise<Approver | undefined> {
    return (await options.approvers()).find((approver) => approver.tenant === tenant && approver.id === id);
  }

  /** Whom a code was made for. Every code of the request is computed, whichever fits: its time tells nothing. */
  async function find(presented: string): Promise<Found | undefined> {
    const approvers = (await options.approvers()).filter((approver) => approver.tenant === tenant);
    const window = windowAt(now());
    let found: Found | undefined;
    for await (const request of waitingAt(approvals, tenant, code.place(tenant, presented))) {
      for (const approver of approvers) {
        for (let age = 0; age < windows; age += 1) {
          const known = code.of(request, approver.id, window - age);
          if (isSame(presented, known)) found = { approver, ...request };
        }
      }
    }
    return found;
  }

  async function refuse(reason: string, approval?: string): Promise<undefined> {
    await approvals.recordRefused({ tenant, channel: 'email', reason, ...(approval === undefined ? {} : { approval }) });
    return undefined;
  }

  async function verify(presented: string): Promise<MailSignedIn | undefined> {
    const typed = typedCode(presented.slice(0, 200));
    if (!form.test(typed)) return refuse('code');
    if (!tries.left(typed.slice(0, placeLength))) return refuse('too_many');
    const found = code.isOurs(typed) ? await find(typed) : undefined;
    if (found === undefined) {
      tries.wrong(typed.slice(0, placeLength));
      return refuse('code');
    }
    const { approver, id, expiresAt, voters } = found;
    if (voters.some((voter) => voter.toLowerCase() === approver.id.toLowerCase())) return refuse('voted', id);
    if (!(await replays.take(`mail-code/${code.nameOf(typed)}`))) return refuse('replayed', id);
    return { approver, only: id, until: expiresAt, refresh: () => current(approver.id) };
  }

  return {
    kind: 'typed',
    label: 'Code from an e-mail',
    hint: 'It signs you in for the one request of that mail, once.',
    loopbackOnly: false,
    verify,
    issue({ notice, approver }) {
      if (notice.tenant !== tenant) throw new ConfigurationError(`these codes are for tenant ${tenant} alone`);
      const window = windowAt(now());
      const until = Math.min(notice.expiresAt, (window + windows) * windowMs);
      return { code: groupedCode(code.of(notice, approver, window)), until };
    },
  };
}
