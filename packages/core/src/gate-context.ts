/**
 * What the stages of one call get: the instance's parts, the principal, the run, and the subject's key.
 * @module
 */
import type { HeardSource } from './authorize/heard.ts';
import type { PreparedCall } from './execute/prepare-call.ts';
import type { Principal } from './identify/principal.ts';
import type { RecordDraft, RecordEvent } from './record/record.ts';
import type { SubjectKey } from './record/sealing.ts';
import type { TracedCall } from './record/telemetry.ts';
import type { Runtime } from './runtime.ts';

export interface GateContext {
  readonly runtime: Runtime;
  readonly principal: Principal;
  readonly run: string;
  readonly heard: HeardSource | undefined;
  readonly key: SubjectKey;
  /** A record of this subject, placed in the active trace. */
  draft(event: RecordEvent): RecordDraft;
}

/**
 * Held for one call and no longer, so that an erased key is not used again.
 * @throws Stop while the tenant's records cannot be delivered: nothing more is written then
 */
export async function openContext(
  runtime: Runtime,
  principal: Principal,
  run: string,
  heard?: HeardSource,
): Promise<GateContext> {
  await runtime.ready();
  const admitted = runtime.backlog?.admit(principal.tenant);
  if (admitted !== undefined) await admitted;
  const subject = runtime.sealer.subject(principal.tenant, principal.user);
  const key = subject instanceof Promise ? await subject : subject;
  return {
    runtime,
    principal,
    run,
    heard,
    key,
    draft: (event) => runtime.recorder.draft({ ...event, ...runtime.telemetry.active() }, key),
  };
}

/** The call as spans name it. */
export function traced(context: GateContext, call: PreparedCall): TracedCall {
  const { tenant, agent, delegation, run, tool, key } = call.facts;
  const { user } = context.principal;
  const { callId } = call;
  return { tenant, agent, delegation, run, user, tool, callId, callKey: key, pseudonym: context.key.pseudonym };
}
