/**
 * Runs a call that was approved asynchronously: once, in any process that holds the tools.
 * @module
 */
import type { Outcome, ToolIdentity } from '../call.ts';
import { ApprovalConflict, ApprovalNotFound, KeyError, PrincipalError } from '../errors.ts';
import { prepareArguments, restoreArguments } from '../execute/arguments.ts';
import type { ResultCodec } from '../execute/codec.ts';
import { digestArguments, digestCall } from '../execute/digest.ts';
import type { PreparedCall } from '../execute/prepare-call.ts';
import { runBody, type Validate } from '../execute/run-body.ts';
import { admitApproved } from '../gate.ts';
import { createPrincipal, delegatePrincipal, ownerOf, type Principal } from '../identify/principal.ts';
import type { PrincipalOwner } from '../process-state.ts';
import { openContext, type GateContext } from '../gate-context.ts';
import type { Runtime } from '../runtime.ts';
import { countDenial } from '../record/metrics.ts';
import { recordDenial } from '../record/record-denial.ts';
import { asStop, denied, Stop } from '../stop.ts';
import type { CallFacts, StoredApproval } from '../store/store.ts';
import { tenantOfApproval } from './approval-id.ts';
import { argumentsContext } from './filed-arguments.ts';

/** Guarded tools of adapters carry this, so that they can be run without their framework. */
export const runnable: unique symbol = Symbol.for('countersign/1/runnable') as never;

/** A tool as a worker needs it: who it is, and its body. */
export interface RunnableTool {
  readonly identity: ToolIdentity;
  run(args: unknown): unknown;
  readonly codec?: ResultCodec<unknown>;
  /** Checks arguments that an approver edited. Without it an edited call is denied. */
  readonly validate?: Validate;
}

/** By name: tools that an adapter guarded, whose own types do not show that they carry {@link runnable}, or a `RunnableTool`. */
export type RunnableTools = Readonly<Record<string, RunnableTool | object>>;

/** What was approved, and for whom. */
export interface ApprovedRequest extends StoredApproval {
  readonly user: string;
}

export interface RunOptions {
  readonly tools: RunnableTools;
  /** The principal of the request, supplied anew. Default: made from the signed approval, and decided on again. */
  readonly principal?: Principal;
  /** Called right before the body is: not when the call was denied, could get no credential, or ran elsewhere. */
  readonly onEnter?: () => void;
}

export interface ApprovalRuns {
  /**
   * Runs the approved call at most once. Asked again, it answers the stored outcome.
   * @throws ApprovalNotFound, or ApprovalConflict when the call waits in its framework and must be resumed there
   */
  run(id: string, options: RunOptions): Promise<Outcome>;
  /** @throws KeyError when the user was erased */
  get(id: string): Promise<ApprovedRequest | undefined>;
}

export function createApprovalRuns(runtime: Runtime, owner: PrincipalOwner): ApprovalRuns {
  return {
    get: (id) => findRequest(runtime, id),
    async run(id, options) {
      const approval = await findRequest(runtime, id);
      if (approval === undefined) throw new ApprovalNotFound(`no approval ${id}`);
      if (options.principal !== undefined && ownerOf(options.principal) !== owner) {
        throw new PrincipalError('running an approved call needs a principal made by countersign.principal()');
      }
      if (approval.mode !== 'asynchronous') {
        throw new ApprovalConflict('this call is blocked in its run: resume the run instead of running it apart');
      }
      return runApproved(runtime, approval, options.principal ?? principalOf(approval, owner), options);
    },
  };
}

async function findRequest({ store, sealer }: Runtime, id: string): Promise<ApprovedRequest | undefined> {
  const approval = await store.approval(tenantOfApproval(id), id);
  if (approval === undefined) return undefined;
  const key = await sealer.bySubject(approval.call.tenant, approval.call.subject);
  if (key === undefined) throw new KeyError('the key of the requester was erased', { erased: true });
  return { ...approval, user: key.user };
}

/** The principal of an approval. Its fields are under the signed digest, and the policy decides on them again. */
function principalOf({ call, user }: ApprovedRequest, owner: PrincipalOwner): Principal {
  const { tenant, agent, delegation } = call;
  const [outermost, ...inner] = [...delegation, agent];
  return inner.reduce(delegatePrincipal, createPrincipal({ tenant, user, agent: outermost }, owner));
}

async function runApproved(
  runtime: Runtime,
  approval: StoredApproval,
  principal: Principal,
  { tools, onEnter }: RunOptions,
): Promise<Outcome> {
  const { call } = approval;
  const context = await openContext(runtime, principal, call.run).catch(onlyStop);
  if (context instanceof Stop) return context.outcome;
  try {
    const tool = findTool(tools, call.tool);
    if (tool === undefined)
      throw denied('tool_unmapped', { callKey: call.key, detail: 'no tool of this name, source and schema' });
    const leased = await admitApproved(context, restoreCall(context, approval), approval, tool);
    return await runBody<unknown>(
      leased,
      (args) => {
        onEnter?.();
        return tool.run(args);
      },
      tool.codec === undefined ? {} : { codec: tool.codec },
    );
  } catch (error) {
    const stopped = asStop(error, call.key);
    await recordDenial(context, { facts: call }, stopped);
    countDenial(runtime.metrics, stopped.outcome);
    return stopped.outcome;
  }
}

function onlyStop(error: unknown): Stop {
  if (error instanceof Stop) return error;
  throw error;
}

/** Name, source and schema must be those that were approved: a tool that changed since is another tool. */
export function findTool(tools: RunnableTools, wanted: ToolIdentity): RunnableTool | undefined {
  const entry = Object.hasOwn(tools, wanted.name) ? tools[wanted.name] : undefined;
  const tool = (entry !== undefined && runnable in entry ? entry[runnable] : entry) as RunnableTool | undefined;
  if (tool?.identity === undefined) return undefined;
  const { name, source, schemaDigest } = tool.identity;
  return name === wanted.name && source === wanted.source && schemaDigest === wanted.schemaDigest ? tool : undefined;
}

/**
 * The call as it was filed.
 * @throws Stop unless the principal is the one it was filed for and the stored arguments are those of its key
 */
function restoreCall(context: GateContext, approval: StoredApproval): PreparedCall {
  const { principal, key } = context;
  const { call } = approval;
  const refuse = (detail: string): Stop => denied('approval_unverified', { callKey: call.key, detail });
  if (!samePrincipal(principal, call) || key.pseudonym !== call.subject)
    throw refuse('the principal is not the one the call was filed for');
  const text = key.open(approval.sealedArguments, argumentsContext(approval.id));
  const prepared = prepareArguments(restoreArguments(text));
  const argumentsDigest = digestArguments(prepared.canonical);
  const keyedDigest = key.digest(argumentsDigest);
  if (digestCall(call, call.slot, call.tool, keyedDigest) !== call.key)
    throw refuse('the stored call does not match its key');
  const facts = { ...call, argumentsDigest: keyedDigest };
  return { facts, callId: approval.id, origin: 'resume', arguments: prepared, argumentsDigest };
}

function samePrincipal(principal: Principal, call: CallFacts): boolean {
  const { tenant, agent, delegation } = principal;
  const chain = [...delegation, agent].join('/');
  return tenant === call.tenant && chain === [...call.delegation, call.agent].join('/');
}
