/**
 * After the body: revoke the leases, scrub what came out, and write the outcome.
 * @module
 */
import { hash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Outcome } from '../call.ts';
import { giveBack, type Leased } from '../lease/lease-for-call.ts';
import { unknownMessage } from '../messages.ts';
import { callEvent } from '../record/call-events.ts';
import type { RecordDraft } from '../record/record.ts';
import type { ResultCodec } from './codec.ts';
import { maxErrorText, messageOf } from '../describe-error.ts';
import { noteResult } from '../authorize/note-result.ts';
import { encodeResult, sealOutcome } from './outcome.ts';

const settleAttempts = 3;
const settlePauseMs = 50;
const noMessage = 'The tool failed without a message.';

/** Never rejects. A result that cannot be checked for secrets is not given away. */
export async function settleCompleted<Result>(
  leased: Leased,
  result: Result,
  codec: ResultCodec<Result>,
): Promise<Outcome<Result>> {
  let scrubbed: Result;
  try {
    scrubbed = leased.scrubber.value(result) as Result;
  } catch {
    return settleFailed(leased, new Error('the result could not be read'));
  }
  const text = encodeResult(scrubbed, codec);
  const written = await settle(leased, 'completed', text);
  if (!written) return unknownOutcome(leased);
  noteResult(leased.context, leased.call, leased.rule, text);
  return { status: 'completed', result: scrubbed, replayed: false, callKey: leased.call.facts.key };
}

/** Never rejects. What was thrown may be anything, and hostile to being read. */
export async function settleFailed<Result>(leased: Leased, error: unknown): Promise<Outcome<Result>> {
  const { message, scrubbed } = scrubError(leased, error);
  const written = await settle(leased, 'failed', message);
  if (!written) return unknownOutcome(leased);
  return { status: 'failed', error: scrubbed, message, replayed: false, callKey: leased.call.facts.key };
}

/** The body paused by itself and may be entered again: the claim and its approval are given back. Never rejects. */
export async function settleSuspended<Result>(leased: Leased, signal: unknown): Promise<Outcome<Result>> {
  try {
    const { leases, records } = await leased.revoke();
    await giveBack(leased, 'suspended', leases, records);
    return { status: 'suspended', signal, callKey: leased.call.facts.key };
  } catch {
    return unknownOutcome(leased);
  }
}

function unknownOutcome(leased: Leased): Outcome<never> {
  return { status: 'unknown', message: unknownMessage, callKey: leased.call.facts.key };
}

function scrubError(leased: Leased, error: unknown): { readonly message: string; readonly scrubbed: unknown } {
  try {
    const message = leased.scrubber.text(messageOf(error) ?? noMessage).slice(0, maxErrorText);
    const readable = !(error instanceof Error) || messageOf(error) !== undefined || error.message === '';
    return { message, scrubbed: readable ? leased.scrubber.value(error) : new Error(message) };
  } catch {
    return { message: noMessage, scrubbed: new Error(noMessage) };
  }
}

/** Answers whether the outcome is durable. If it is not, the ledger says `unknown`, and so must everybody else. */
async function settle(leased: Leased, status: 'completed' | 'failed', text: string | undefined): Promise<boolean> {
  const { context, call, rule, intent } = leased;
  const { store, clock, live } = context.runtime;
  try {
    const closed = await leased.revoke();
    const outcome = sealOutcome(context.key, call.facts, status, rule.retain === 'run' ? text : undefined);
    const records = [...closed.records, outcomeDraft(leased, status, text)];
    const input = { call: call.facts, claim: intent, now: clock.now(), outcome, closedLeases: closed.leases, records };
    for (let attempt = 1; attempt < settleAttempts; attempt += 1) {
      try {
        await store.settle(input);
        return true;
      } catch {
        await sleep(settlePauseMs * attempt);
      }
    }
    await store.settle(input);
    return true;
  } catch {
    return false;
  } finally {
    live.delete(call.facts.key);
  }
}

function outcomeDraft(leased: Leased, status: 'completed' | 'failed', text: string | undefined): RecordDraft {
  const event = {
    ...callEvent(leased.call.facts, 'outcome', status),
    parent: leased.intent,
    durationMs: Math.round((performance.now() - leased.startedAt) * 1000) / 1000,
    ...(text === undefined ? {} : { resultDigest: hash('sha256', `countersign/result/1\n${text}`, 'base64url') }),
  };
  return leased.context.draft(event);
}
