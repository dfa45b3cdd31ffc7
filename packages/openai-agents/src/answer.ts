/**
 * What became of a call, in the form that the SDK expects of a tool: a text explains everything that did not run.
 * @module
 */
import type { CheckResult, Outcome } from '@countersign/core';
import { getCurrentSpan } from '@openai/agents';
import type { ToolSite } from './call-site.ts';

/** Thrown by the body of an orchestrating tool whose inner run paused; carries what the tool returned. */
export class InnerPause extends Error {
  readonly result: unknown;

  constructor(result: unknown) {
    super('an inner run waits for a person');
    this.result = result;
  }
}

/** The result, or a sentence for the model. Throws only what the tool itself threw, as it would without a gate. */
export function answerOf<Result>(outcome: Outcome<Result>): unknown {
  annotate(outcome);
  switch (outcome.status) {
    case 'completed':
      return outcome.result;
    case 'failed':
      if (outcome.error instanceof InnerPause) return outcome.error.result;
      throw outcome.error;
    case 'suspended':
      return outcome.signal instanceof InnerPause ? outcome.signal.result : undefined;
    default:
      return sentenceFor(outcome);
  }
}

/** For an outcome that carries no result of the body. */
export function sentenceFor(outcome: Outcome): string {
  if (outcome.status === 'consent_required') return `${outcome.message} ${outcome.url}`;
  return 'message' in outcome ? outcome.message : 'This call did not complete.';
}

/** The SDK's own span of the call says what the gate did; it says nothing about why. */
function annotate(outcome: Outcome): void {
  const data = getCurrentSpan()?.spanData as Record<string, unknown> | undefined;
  if (data === undefined) return;
  data['countersign.outcome'] = outcome.status;
  if (outcome.callKey !== undefined) data['countersign.call.key'] = outcome.callKey;
}

/** Whether the SDK should pause: for a blocking review that is pending, or approved and about to be resumed. */
export function pausesFor(site: ToolSite, callId: string, { approval }: CheckResult): boolean {
  if (approval?.state === 'pending') tell(site, callId, approval.id);
  return approval?.mode === 'blocking' && (approval.state === 'pending' || approval.state === 'approved');
}

function tell({ options, agentName, identity }: ToolSite, callId: string, approval: string): void {
  try {
    options.onPending?.({ approval, agentName, toolName: identity.name, callId });
  } catch {
    // A listener decides nothing.
  }
}
