/**
 * Answers to approval requests, from the last message of a chat.
 * @module
 */
import type { ModelMessage, UIMessage } from 'ai';
import { placeOfCall } from './place-of-call.ts';

export interface ChatResponse {
  readonly toolCallId: string;
  /** As the gate will know it: see `placeOfCall`. */
  readonly step: string;
  readonly toolName: string;
  readonly input: unknown;
  readonly approved: boolean;
  readonly reason: string | undefined;
}

/** Members of the parts of both kinds of messages, as far as they matter here. They come from a client. */
interface Part {
  readonly type?: unknown;
  readonly toolCallId?: unknown;
  readonly toolName?: unknown;
  readonly input?: unknown;
  readonly state?: unknown;
  readonly approval?: { readonly approved?: unknown; readonly reason?: unknown };
  readonly approvalId?: unknown;
  readonly approved?: unknown;
  readonly reason?: unknown;
}

/** An answer counts as a yes only when it says `true`. Of several answers for one call, the first counts, as in the SDK. */
export function readResponses(messages: readonly UIMessage[] | readonly ModelMessage[]): readonly ChatResponse[] {
  const history = objectsIn(messages);
  const last = history.at(-1);
  if (last === undefined) return [];
  const found = 'parts' in last ? fromParts(history as UIMessage[]) : fromModelMessages(history as ModelMessage[]);
  const seen = new Set<string>();
  return found.filter(({ toolCallId }) => !seen.has(toolCallId) && seen.add(toolCallId));
}

function fromParts(messages: readonly UIMessage[]): readonly ChatResponse[] {
  const all = messages.flatMap(({ parts }) => partsOf(parts));
  return partsOf(messages.at(-1)?.parts)
    .filter(({ state }) => state === 'approval-responded')
    .flatMap(({ type, toolName, toolCallId, input, approval }) => {
      const name =
        type === 'dynamic-tool' ? toolName : typeof type === 'string' ? type.replace(/^tool-/, '') : undefined;
      const earlier = all.filter((part) => part.toolCallId === toolCallId).length - 1;
      return responseOf(toolCallId, `#${earlier}`, name, input, approval?.approved, approval?.reason);
    });
}

function fromModelMessages(messages: readonly ModelMessage[]): readonly ChatResponse[] {
  const parts = messages.filter(({ role }) => role === 'assistant').flatMap(({ content }) => partsOf(content));
  const calls = new Map(parts.filter(({ type }) => type === 'tool-call').map((part) => [part.toolCallId, part]));
  const requests = new Map(
    parts
      .filter(({ type }) => type === 'tool-approval-request')
      .map(({ approvalId, toolCallId }) => [approvalId, toolCallId]),
  );
  const last = messages.at(-1);
  return (last?.role === 'tool' ? partsOf(last.content) : [])
    .filter(({ type }) => type === 'tool-approval-response')
    .flatMap(({ approvalId, approved, reason }) => {
      const call = calls.get(requests.get(approvalId));
      if (call === undefined) return [];
      const { step } = placeOfCall(String(call.toolCallId), messages);
      return responseOf(call.toolCallId, step, call.toolName, call.input, approved, reason);
    });
}

function responseOf(
  toolCallId: unknown,
  step: string,
  toolName: unknown,
  input: unknown,
  approved: unknown,
  reason: unknown,
): ChatResponse[] {
  if (typeof toolCallId !== 'string' || typeof toolName !== 'string') return [];
  return [
    {
      toolCallId,
      step,
      toolName,
      input,
      approved: approved === true,
      reason: typeof reason === 'string' ? reason : undefined,
    },
  ];
}

function partsOf(value: unknown): readonly Part[] {
  return objectsIn(value);
}

/** A client may send anything for a list of messages or parts. */
function objectsIn(value: unknown): readonly object[] {
  const items: readonly unknown[] = Array.isArray(value) ? value : [];
  return items.filter((item): item is object => typeof item === 'object' && item !== null);
}
