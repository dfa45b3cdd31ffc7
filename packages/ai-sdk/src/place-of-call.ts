/**
 * Where in a run a call stands, read from the messages that the SDK hands to a tool. Messages come from the client, so
 * what is read here can only make a call stricter: a resumed call needs a record on the server, and a step that was
 * tampered with names a call that was never made.
 * @module
 */
import type { ModelMessage } from 'ai';

export interface Place {
  /**
   * `#<n>`: how many earlier calls of these messages have the same id. Providers reuse ids, so the id alone is not
   * enough; and parts with other ids do not count, so pruning the history does not move a call.
   */
  readonly step: string;
  readonly origin: 'model' | 'resume';
}

type Part = Exclude<Extract<ModelMessage, { role: 'assistant' | 'tool' }>['content'], string>[number];

export function placeOfCall(callId: string, messages: readonly ModelMessage[] | undefined): Place {
  const history = objectsIn<ModelMessage>(messages);
  const nested = countCalls(history, callId) === 0;
  const id = nested ? outerCallId(callId) : callId;
  const calls = countCalls(history, id);
  const results = history
    .flatMap(partsOf)
    .filter((part) => part.type === 'tool-result' && part.toolCallId === id).length;
  const answered = answersApproval(history, id);
  // A resumed call finds itself in the messages, and so does a call of WorkflowAgent: in the last message, when it is new.
  const own = answered || calls > results ? 1 : 0;
  const waited = answered || countCalls(history.slice(0, -1), id) > results;
  return { step: `#${calls - own}`, origin: waited && !nested ? 'resume' : 'model' };
}

/** Code mode names the n-th call of a program `<id of the program's call>:tool-<n>`, and no message holds such a part. */
function outerCallId(callId: string): string {
  return String(callId).replace(/:tool-\d+$/, '');
}

function countCalls(history: readonly ModelMessage[], id: string): number {
  const parts = history.filter(({ role }) => role === 'assistant').flatMap(partsOf);
  return parts.filter((part) => part.type === 'tool-call' && part.toolCallId === id).length;
}

function partsOf(message: ModelMessage): readonly Part[] {
  const { role, content } = message;
  return role === 'assistant' || role === 'tool' ? objectsIn<Part>(content) : [];
}

/** The SDK checks messages before it calls a tool; other callers may not. */
function objectsIn<Item>(value: unknown): readonly Item[] {
  const items: readonly unknown[] = Array.isArray(value) ? value : [];
  return items.filter((item): item is Item => typeof item === 'object' && item !== null);
}

/**
 * Whether the SDK replays this call because the client answered a request to approve it: the rule of
 * `collectToolApprovals` in `ai`. Only the last message counts, a later request replaces an earlier one of the same id,
 * and a call that has its result there is left alone.
 */
function answersApproval(history: readonly ModelMessage[], callId: string): boolean {
  const last = history.at(-1);
  if (last?.role !== 'tool') return false;
  const requested = new Map<string, string>();
  for (const message of history) {
    if (message.role !== 'assistant') continue;
    for (const part of partsOf(message))
      if (part.type === 'tool-approval-request') requested.set(part.approvalId, part.toolCallId);
  }
  const parts = partsOf(last);
  const result = parts.findLast((part) => part.type === 'tool-result' && part.toolCallId === callId);
  const denied = result?.type === 'tool-result' && result.output.type === 'execution-denied';
  return parts.some(
    (part) =>
      part.type === 'tool-approval-response' &&
      requested.get(part.approvalId) === callId &&
      (result === undefined || (denied && !part.approved)),
  );
}
