/**
 * A hand-off is a call: its tool is the hand-off's name, its source `handoff:agent`. The SDK cannot pause one, so a review is
 * a refusal; and refusing is to stay with the agent that asked, because a throw would end the run.
 * @module
 */
import { randomUUID } from 'node:crypto';
import type { Agent, Handoff, RunContext } from '@openai/agents';
import { callOf, gateFor, identify, type AgentSite } from './call-site.ts';

/** What a policy gives as the source of a hand-off. */
export const handoffSource = 'handoff:agent';

type AnyAgent = Agent<unknown>;
type AnyHandoff = Handoff<unknown>;

export function guardHandoff(
  site: AgentSite,
  from: AnyAgent,
  original: AnyHandoff,
  guard: (agent: AnyAgent) => AnyAgent,
): AnyHandoff {
  const { toolName, toolDescription, inputJsonSchema } = original;
  const identity = identify(toolName, handoffSource, toolDescription, inputJsonSchema);
  const onInvokeHandoff = async (context: RunContext<unknown>, text: string): Promise<AnyAgent> => {
    // The SDK hides the call's id; nothing refers to a hand-off later, because it cannot pause.
    const callId = randomUUID();
    const gate = await gateFor(site, context, toolName, callId);
    const args = jsonOf(text);
    if (gate === undefined || args === undefined) return from;
    let target: AnyAgent | undefined;
    const call = callOf({ ...site, identity }, context, {
      callId,
      arguments: args,
      ...(text === '' ? {} : { wire: text }),
    });
    const outcome = await gate.execute(call, async (copy) => {
      target = (await original.onInvokeHandoff(context, text === '' ? text : JSON.stringify(copy))) as AnyAgent;
      return { assistant: target.name };
    });
    if (outcome.status === 'failed') throw outcome.error;
    return outcome.status === 'completed' && target !== undefined ? guard(target) : from;
  };
  return original.clone({
    agent: guard(original.agent as AnyAgent),
    agentName: original.agentName,
    onInvokeHandoff,
  }) as AnyHandoff;
}

function jsonOf(text: string): unknown {
  try {
    return text === '' ? {} : (JSON.parse(text) as unknown);
  } catch {
    return undefined;
  }
}
