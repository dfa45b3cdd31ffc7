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
import { encodeResult, failureMessage, sealOutcome } from './outcome.ts';

const settleAttempts = 3;
const settlePauseMs = 50;

export async function settleCompleted<Result>(
  leased: Leased,
  result: Result,
  codec: ResultCodec<Result>,
): Promise<Outcome<Result>> {
  const scrubbed = leased.scrubber.value(result) as Result;
  const text = encodeResult(scrubbed, codec);
  const callKey = leased.call.facts.key;
  const written = await settle(leased, 'completed', text);
  if (!written) return { status: 'unknown', message: unknownMessage, callKey };
  return { status: 'completed', result: scrubbed, replayed: false, callKey };
}

export async function settleFailed<Result>(leased: Leased, error: unknown): Promise<Outcome<Result>> {
  const scrubbed = leased.scrubber.value(error);
  const message = leased.scrubber.text(failureMessage(scrubbed));
  const callKey = leased.call.facts.key;
  const written = await settle(leased, 'failed', message);
  if (!written) return { status: 'unknown', message: unknownMessage, callKey };
  return { status: 'failed', error: scrubbed, message, replayed: false, callKey };
}

/** The body paused by itself and may be entered again: the claim and its approval are given back. */
export async function settleSuspended<Result>(leased: Leased, signal: unknown): Promise<Outcome<Result>> {
  const { leases, records } = await leased.revoke();
  await giveBack(leased, 'suspended', leases, records);
  return { status: 'suspended', signal, callKey: leased.call.facts.key };
}

/** Answers whether the outcome is durable. If it is not, the ledger says `unknown`, and so must everybody else. */
async function settle(leased: Leased, status: 'completed' | 'failed', text: string | undefined): Promise<boolean> {
  const { context, call, rule } = leased;
  const { runtime, key } = context;
  const closed = await leased.revoke();
  const outcome = sealOutcome(key, call.facts, status, rule.retain === 'run' ? text : undefined);
  const records = [...closed.records, outcomeDraft(leased, status, text)];
  const input = { call: call.facts, now: runtime.clock.now(), outcome, closedLeases: closed.leases, records };
  try {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await runtime.store.settle(input);
        return true;
      } catch {
        if (attempt === settleAttempts) return false;
        await sleep(settlePauseMs * attempt);
      }
    }
  } finally {
    runtime.live.delete(call.facts.key);
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
