/**
 * An outcome as LangChain's tools answer: a message where a model waits for one, else a value or an error.
 * @module
 */
import { notPermitted, resultOf, UnauthorizedToolCall, type Outcome } from '@countersign/core';
import { ToolMessage } from '@langchain/core/messages';
import { isGraphInterrupt } from '@langchain/langgraph';

export interface Asker {
  readonly toolName: string;
  /** The id that the message must answer; `undefined` when nobody waits for a message. */
  readonly toolCallId: string | undefined;
  readonly artifact: boolean;
}

const withoutId = 'The call has no id, so it was not run.';
const pausedInside =
  'The tool paused after it had begun, and may not be entered again, so it was stopped. Only a tool that its policy ' +
  'entry declares as `orchestrates` may pause by itself.';

/** Nobody is behind the call. */
export function refuseUnidentified(asker: Asker): unknown {
  return refuse(asker, notPermitted, () => new UnauthorizedToolCall(notPermitted));
}

export function refuseWithoutId(asker: Asker): unknown {
  return refuse(asker, withoutId, () => new UnauthorizedToolCall(withoutId));
}

/** @throws what the body threw, and where no model waits for a message also the error of a call that was not run. */
export function answerOf(outcome: Outcome, asker: Asker, agent: string): unknown {
  switch (outcome.status) {
    case 'completed':
      return outcome.result;
    case 'failed':
      if (isGraphInterrupt(outcome.error))
        return refuse(asker, pausedInside, () => new UnauthorizedToolCall(pausedInside, { agent }));
      return resultOf(outcome, agent);
    case 'suspended':
      return resultOf(outcome, agent);
    default:
      return refuse(asker, outcome.message, () => resultOf(outcome, agent));
  }
}

/** `error` is also the status of a pending call: it has not run. */
function refuse({ toolName, toolCallId, artifact }: Asker, content: string, error: () => unknown): unknown {
  if (toolCallId === undefined) {
    const thrown: unknown = error();
    throw thrown;
  }
  const message = new ToolMessage({ content, tool_call_id: toolCallId, name: toolName, status: 'error' });
  return artifact ? [message, undefined] : message;
}
