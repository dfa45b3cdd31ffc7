/**
 * For chat endpoints: what a person answered in the chat becomes a vote on the server, in the name of whoever is signed
 * in there. The message itself proves nothing, neither to the gate nor here: it says which request is meant.
 * @module
 */
import { argumentsDigest, callSlot, type ApprovalsService, type ApprovalView, type Gate } from '@countersign/core';
import type { ModelMessage, UIMessage } from 'ai';
import { readResponses, type ChatResponse } from './read-responses.ts';

export interface RecordApprovalResponsesInput {
  /** The incoming messages, as the chat sent them or converted for the model. Only answers in the last one count. */
  readonly messages: readonly UIMessage[] | readonly ModelMessage[];
  readonly approvals: ApprovalsService;
  /** What proves to the approvals service who is answering. From your session, never from the messages. */
  readonly credential: string;
  /** The gate of this chat: its user and its run. Somebody else's requests are not answered here. */
  readonly gate: Gate;
}

/** What became of one answer. `not_found`: this very call does not wait for an answer. */
export interface RecordedResponse {
  readonly toolCallId: string;
  readonly status: 'approved' | 'rejected' | 'refused' | 'not_found';
  /** The approval that was meant. */
  readonly approval?: string;
  /** Why it was refused: the requester answered, or somebody decided before. */
  readonly error?: unknown;
}

/**
 * Votes for each answer in the last message. The SDK's approval ids are unknown to the server, so a request is found by
 * where its call stands in this user's run; its tool and its arguments must be those that the chat shows. An answer that
 * arrives again finds nothing: it cannot pass for the answer to another call that looks the same.
 *
 * @throws ApproverError when the credential proves nobody
 */
export async function recordApprovalResponses(
  input: RecordApprovalResponsesInput,
): Promise<readonly RecordedResponse[]> {
  const { approvals, credential, gate } = input;
  const responses = readResponses(input.messages);
  if (responses.length === 0) return [];
  const waiting = await approvals.list(credential, { state: 'pending', run: gate.run });
  const recorded: RecordedResponse[] = [];
  for (const response of responses) {
    const { toolCallId, step, toolName } = response;
    const slot = callSlot(gate, { callId: toolCallId, step });
    const meant = waiting.find(
      (view) => view.slot === slot && view.tool === toolName && sameArguments(view, response.input),
    );
    recorded.push(meant === undefined ? { toolCallId, status: 'not_found' } : await vote(input, meant, response));
  }
  return recorded;
}

async function vote(
  { approvals, credential }: RecordApprovalResponsesInput,
  { id, digest }: ApprovalView,
  { toolCallId, approved, reason }: ChatResponse,
): Promise<RecordedResponse> {
  try {
    const verdict = approved ? 'approve' : 'reject';
    await approvals.decide(credential, { id, digest, verdict, ...(reason === undefined ? {} : { reason }) });
    return { toolCallId, approval: id, status: approved ? 'approved' : 'rejected' };
  } catch (error) {
    return { toolCallId, approval: id, status: 'refused', error };
  }
}

function sameArguments(view: ApprovalView, input: unknown): boolean {
  try {
    return argumentsDigest(JSON.parse(view.arguments)) === argumentsDigest(input);
  } catch {
    return false;
  }
}
