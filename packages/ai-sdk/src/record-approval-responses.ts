/**
 * For chat endpoints: what a person answered in the chat becomes a vote on the server, in the name of whoever is signed
 * in there. The message itself proves nothing, neither to the gate nor here: it says which request is meant.
 * @module
 */
import type { ApprovalsService, ApprovalView } from '@countersign/core';
import type { ModelMessage, UIMessage } from 'ai';
import { readResponses, type ChatResponse } from './read-responses.ts';

export interface RecordApprovalResponsesInput {
  /** The incoming messages, as the chat sent them or converted for the model. Only the last one is read. */
  readonly messages: readonly UIMessage[] | readonly ModelMessage[];
  readonly approvals: ApprovalsService;
  /** What proves to the approvals service who is answering. From your session, never from the messages. */
  readonly credential: string;
  /** The run of this chat. */
  readonly run: string;
}

/** What became of one answer. `not_found`: nothing that waits in this run has this tool and these arguments. */
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
 * run, tool and arguments: what the chat showed is then what would run. Equal calls are taken oldest first.
 *
 * @throws ApproverError when the credential proves nobody
 */
export async function recordApprovalResponses(
  input: RecordApprovalResponsesInput,
): Promise<readonly RecordedResponse[]> {
  const { approvals, credential, run } = input;
  const responses = readResponses(input.messages);
  if (responses.length === 0) return [];
  const waiting = [...(await approvals.list(credential, { state: 'pending', run }))];
  const recorded: RecordedResponse[] = [];
  for (const response of responses) {
    const index = waiting.findIndex((view) => view.tool === response.toolName && sameArguments(view, response.input));
    const [view] = index < 0 ? [] : waiting.splice(index, 1);
    recorded.push(
      view === undefined ? { toolCallId: response.toolCallId, status: 'not_found' } : await vote(input, view, response),
    );
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
    return sorted(JSON.parse(view.arguments)) === sorted(input);
  } catch {
    return false;
  }
}

function sorted(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) => {
    if (typeof member !== 'object' || member === null || Array.isArray(member)) return member;
    return Object.fromEntries(Object.entries(member).sort(([left], [right]) => (left < right ? -1 : 1)));
  });
}
