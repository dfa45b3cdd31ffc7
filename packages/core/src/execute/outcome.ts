/**
 * Outcomes at rest: sealed under the subject's key, and back.
 * @module
 */
import type { Outcome } from '../call.ts';
import { unknownMessage } from '../messages.ts';
import type { SubjectKey } from '../record/sealing.ts';
import type { CallFacts, StoredOutcome } from '../store/store.ts';
import { maxRetainedResult, type Decoder, type ResultCodec } from './codec.ts';

function outcomeContext(call: CallFacts): string {
  return `call|${call.key}|outcome`;
}

/** What is kept of a result, and the text whose digest is recorded. A result that cannot be encoded is not kept. */
export function encodeResult<Result>(result: Result, codec: ResultCodec<Result>): string | undefined {
  try {
    const text = codec.encode(result);
    return text.length <= maxRetainedResult ? text : undefined;
  } catch {
    return undefined;
  }
}

export function sealOutcome(
  key: SubjectKey,
  call: CallFacts,
  status: StoredOutcome['status'],
  text: string | undefined,
): StoredOutcome {
  return text === undefined ? { status } : { status, sealed: key.seal(text, outcomeContext(call)) };
}

/** The outcome of an earlier execution of this very call; `unknown` when it was not kept or cannot be read any more. */
export function replayOutcome(key: SubjectKey, call: CallFacts, stored: StoredOutcome, codec: Decoder): Outcome {
  const unknown: Outcome = { status: 'unknown', message: unknownMessage, callKey: call.key };
  if (stored.sealed === undefined) return unknown;
  try {
    const text = key.open(stored.sealed, outcomeContext(call));
    if (stored.status === 'completed') {
      return { status: 'completed', result: codec.decode(text), replayed: true, callKey: call.key };
    }
    return { status: 'failed', error: new Error(text), message: text, replayed: true, callKey: call.key };
  } catch {
    return unknown;
  }
}
