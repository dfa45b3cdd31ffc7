/**
 * The gate: the checkpoint bound to one principal and one run. Adapters talk to nothing else.
 *
 *     call → identify → authorize → approve → claim → lease → execute → record
 * @module
 */
import { editedCall } from './approve/edited-call.ts';
import { approve, approved, fileApproval } from './approve/approve-call.ts';
import { recordAsked, requireAsked, type AskedResult } from './authorize/asked-calls.ts';
import type { HeardSource } from './authorize/heard.ts';
import { authorize, noteSeen, raised, redecide } from './authorize/authorize-call.ts';
import type { AskedCall, CheckResult, Outcome, ToolCall } from './call.ts';
import { claim } from './execute/claim.ts';
import type { Decoder } from './execute/codec.ts';
import { confirmClaim } from './execute/confirm-claim.ts';
import { prepareCall, type PreparedCall } from './execute/prepare-call.ts';
import { runBody, streamBody, type Body, type ExecuteOptions, type StreamBody } from './execute/run-body.ts';
import { delegatePrincipal, type Principal } from './identify/principal.ts';
import { leaseForCall, type Leased } from './lease/lease-for-call.ts';
import { messageFor, pendingMessage } from './messages.ts';
import { processState } from './process-state.ts';
import { own } from './record/attributes.ts';
import { countDenial } from './record/metrics.ts';
import { recordDenial } from './record/record-denial.ts';
import { openContext, type GateContext } from './gate-context.ts';
import type { Runtime } from './runtime.ts';
import { asStop, denied, refusedDecision, type Stop } from './stop.ts';
import type { StoredApproval } from './store/store.ts';

export interface CheckOptions {
  /** The framework pauses this call for a reason of its own, and will resume it also when the decision is `allow`. */
  readonly pauses?: boolean;
}

export interface Gate {
  readonly principal: Principal;
  readonly run: string;
  /**
   * Decides and, under review, opens or finds the approval. Runs nothing and never rejects. Idempotent per call key:
   * evaluating the same call again under the same policy adds no record.
   */
  check(call: ToolCall, options?: CheckOptions): Promise<CheckResult>;
  /**
   * Writes down that a model asked for these calls; decides nothing. Names each answer of the model by a `step` of its own.
   * @throws StoreError when it is not durable, ArgumentsError for a call without id, name or plain arguments
   */
  recordAsked(calls: readonly AskedCall[]): Promise<AskedResult>;
  /** Runs `body` once, if the call is authorized, approved, claimed and leased. Never rejects: a throw of the body is `failed`. */
  execute<Result>(call: ToolCall, body: Body<Result>, options?: ExecuteOptions<Result>): Promise<Outcome<Result>>;
  /** As `execute`, for a body that yields. Yields nothing unless the body runs; returns the outcome, whose result is the last value. */
  stream<Value>(
    call: ToolCall,
    body: StreamBody<Value>,
    options?: ExecuteOptions<Value>,
  ): AsyncGenerator<Value, Outcome<Value>, void>;
  /** The gate of a sub-agent in the same run, for the same user. It can only permit less. */
  delegate(agent: string): Gate;
  /** Names of the tools that this principal may use at all; none when that cannot be found out. */
  permittedTools(): readonly string[];
}

export function createGate(runtime: Runtime, principal: Principal, run: string, heard?: HeardSource): Gate {
  const identify = (): Promise<GateContext> => openContext(runtime, principal, run, heard);
  const gate: Gate = {
    principal,
    run,
    check: (call, options) => check(runtime, identify, call, options),
    recordAsked: async (calls) => recordAsked(await identify(), calls),
    async execute(call, body, options = {}) {
      const admitted = await measured(runtime, () => admit(identify, call, options as AdmitOptions));
      return 'stopped' in admitted ? (admitted.stopped.outcome as Outcome<never>) : runBody(admitted, body, options);
    },
    async *stream(call, body, options = {}) {
      const admitted = await measured(runtime, () => admit(identify, call, options as AdmitOptions));
      return 'stopped' in admitted
        ? (admitted.stopped.outcome as Outcome<never>)
        : yield* streamBody(admitted, body, options);
    },
    delegate: (agent) => createGate(runtime, delegatePrincipal(principal, agent), run, heard),
    permittedTools() {
      try {
        return runtime.asked.authorizer.permittedTools(principal);
      } catch {
        return [];
      }
    },
  };
  processState().gates.add(gate);
  return Object.freeze(gate);
}

type AdmitOptions = Pick<ExecuteOptions<unknown>, 'wait' | 'signal' | 'validate' | 'asked'> & {
  readonly codec?: Decoder;
};
type Identify = () => Promise<GateContext>;

/** From a framework's call to one that may run now. Whatever goes wrong on the way ends in a recorded stop. */
async function admit(
  identify: Identify,
  call: ToolCall,
  options: AdmitOptions,
): Promise<Leased | { readonly stopped: Stop }> {
  let context: GateContext | undefined;
  let prepared: PreparedCall | undefined;
  try {
    context = await identify();
    prepared = prepareCall(context, call);
    if (options.signal?.aborted === true) throw denied('call_aborted', { callKey: prepared.facts.key });
    if (options.asked !== undefined) await requireAsked(context, options.asked, prepared.facts.key);
    return await admitPrepared(context, prepared, options);
  } catch (error) {
    const stopped = asStop(error, prepared?.facts.key);
    if (context !== undefined) await recordDenial(context, prepared ?? call, stopped);
    return { stopped };
  }
}

/**
 * The rest of the pipeline for a call that was filed earlier and is approved now. It never files another approval.
 * @throws Stop
 */
export async function admitApproved(
  context: GateContext,
  call: PreparedCall,
  approval: StoredApproval,
  options: AdmitOptions,
): Promise<Leased> {
  return admitGranted(context, call, approved(context, call, approval), options);
}

/** From a person's yes to a call that may run: with the arguments that the person saw, decided on once more. */
async function admitGranted(
  context: GateContext,
  call: PreparedCall,
  approval: StoredApproval,
  options: AdmitOptions,
): Promise<Leased> {
  const seen = await editedCall(context, call, approval, options.validate);
  const claimed = await claim(context, seen, await redecide(context, seen, approval), approval, options.codec);
  if (claimed === 'needs_review') throw denied('earlier_outcome_unknown', { callKey: call.facts.key });
  return leaseForCall(await confirmClaim(claimed), options.signal);
}

/** The pipeline. Each stage throws a `Stop` to end the call. */
async function admitPrepared(context: GateContext, call: PreparedCall, options: AdmitOptions): Promise<Leased> {
  const decision = await authorize(context, call);
  if (decision.verdict === 'review') {
    return admitGranted(context, call, await approve(context, call, decision, options), options);
  }
  const claimed = await claim(context, call, decision, undefined, options.codec);
  if (claimed !== 'needs_review') return leaseForCall(await confirmClaim(claimed), options.signal);
  return admitGranted(context, call, await approve(context, call, raised(decision), options), options);
}

/** What the gate itself took, and what it answered. */
async function measured(
  { metrics }: Runtime,
  task: () => Promise<Leased | { readonly stopped: Stop }>,
): Promise<Leased | { readonly stopped: Stop }> {
  const began = performance.now();
  const admitted = await task();
  const outcome = 'stopped' in admitted ? admitted.stopped.outcome : undefined;
  const seconds = (performance.now() - began) / 1000;
  metrics.record('gateDuration', seconds, { [own.outcome]: outcome?.status ?? 'admitted' });
  if (outcome?.status === 'unknown') metrics.record('unknown', 1);
  countDenial(metrics, outcome);
  return admitted;
}

async function check(
  runtime: Runtime,
  identify: Identify,
  call: ToolCall,
  options: CheckOptions = {},
): Promise<CheckResult> {
  let context: GateContext | undefined;
  let prepared: PreparedCall | undefined;
  try {
    context = await identify();
    prepared = prepareCall(context, call);
    const decision = await authorize(context, prepared);
    if (decision.verdict !== 'review') {
      await noteSeen(context, prepared, decision, options.pauses === true);
      return { decision, message: messageFor('permitted') };
    }
    const approval = await fileApproval(context, prepared, decision);
    if (approval.state !== 'pending') approved(context, prepared, approval);
    const { id, state, mode } = approval;
    const message = state === 'pending' ? pendingMessage(mode, id) : messageFor('permitted');
    return { decision, approval: { id, state, mode }, message };
  } catch (error) {
    const stopped = asStop(error, prepared?.facts.key);
    if (context !== undefined) await recordDenial(context, prepared ?? call, stopped);
    countDenial(runtime.metrics, stopped.outcome);
    const decision = refusedDecision(stopped);
    return { decision, message: messageFor(decision.reasons[0]?.code ?? 'authorizer_failed') };
  }
}
