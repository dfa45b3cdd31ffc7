/**
 * Runs a call that was approved asynchronously: once, in any process that holds the tools.
 * @module
 */
import type { Outcome, ToolIdentity } from '../call.ts';
import { ApprovalConflict, ApprovalNotFound } from '../errors.ts';
import { prepareArguments, restoreArguments } from '../execute/arguments.ts';
import type { ResultCodec } from '../execute/codec.ts';
import { digestArguments, digestCall } from '../execute/digest.ts';
import type { PreparedCall } from '../execute/prepare-call.ts';
import { runBody } from '../execute/run-body.ts';
import { admitApproved } from '../gate.ts';
import { delegatePrincipal, type Principal, type PrincipalInput } from '../identify/principal.ts';
import { openContext, type GateContext } from '../gate-context.ts';
import type { Runtime } from '../runtime.ts';
import { denied } from '../stop.ts';
import type { StoredApproval } from '../store/store.ts';
import { tenantOfApproval } from './approval-id.ts';
import { argumentsContext } from './approvals-service.ts';

/** Guarded tools of adapters carry this, so that they can be run without their framework. */
export const runnable: unique symbol = Symbol.for('countersign/1/runnable') as never;

/** A tool as a worker needs it: who it is, and its body. */
export interface RunnableTool {
  readonly identity: ToolIdentity;
  run(args: unknown): unknown;
  readonly codec?: ResultCodec<unknown>;
}

/** By name: tools that an adapter guarded, whose own types do not show that they carry {@link runnable}, or a `RunnableTool`. */
export type RunnableTools = Readonly<Record<string, RunnableTool | object>>;

export interface RunOptions {
  readonly tools: RunnableTools;
  /** The principal of the request, supplied anew. Default: made from the signed approval, and decided on again. */
  readonly principal?: Principal;
}

export interface ApprovalRuns {
  /**
   * Runs the approved call at most once. Asked again, it answers the stored outcome.
   * @throws ApprovalNotFound, or ApprovalConflict when the call waits in its framework and must be resumed there
   */
  run(id: string, options: RunOptions): Promise<Outcome>;
  get(id: string): Promise<StoredApproval | undefined>;
}

type MakePrincipal = (input: PrincipalInput) => Principal;

export function createApprovalRuns(runtime: Runtime, makePrincipal: MakePrincipal): ApprovalRuns {
  return {
    get: async (id) => runtime.store.approval(tenantOfApproval(id), id),
    async run(id, options) {
      const approval = await runtime.store.approval(tenantOfApproval(id), id);
      if (approval === undefined) throw new ApprovalNotFound(`no approval ${id}`);
      if (approval.mode !== 'asynchronous') {
        throw new ApprovalConflict('this call is blocked in its run: resume the run instead of running it apart');
      }
      return runApproved(runtime, approval, options.principal ?? principalOf(approval, makePrincipal), options.tools);
    },
  };
}

/** The principal of an approval. Its fields are under the signed digest, and the policy decides on them again. */
function principalOf(approval: StoredApproval, makePrincipal: MakePrincipal): Principal {
  const { tenant, user, agent, delegation } = approval.call;
  const [outermost, ...inner] = [...delegation, agent];
  return inner.reduce(delegatePrincipal, makePrincipal({ tenant, user, agent: outermost }));
}

async function runApproved(
  runtime: Runtime,
  approval: StoredApproval,
  principal: Principal,
  tools: RunnableTools,
): Promise<Outcome> {
  const { call } = approval;
  const context = await openContext(runtime, principal, call.run);
  const tool = findTool(tools, call.tool);
  if (tool === undefined)
    return denied('tool_unmapped', { callKey: call.key, detail: 'no tool of this name, source and schema' }).outcome;
  const prepared = restoreCall(context, approval);
  if (prepared === undefined) return denied('approval_unverified', { callKey: call.key }).outcome;
  const admitted = await admitApproved(context, prepared, approval, tool.codec);
  if ('stopped' in admitted) return admitted.stopped.outcome;
  return runBody<unknown>(admitted, (args) => tool.run(args), tool.codec === undefined ? {} : { codec: tool.codec });
}

/** Name, source and schema must be those that were approved: a tool that changed since is another tool. */
function findTool(tools: RunnableTools, wanted: ToolIdentity): RunnableTool | undefined {
  const entry = Object.hasOwn(tools, wanted.name) ? tools[wanted.name] : undefined;
  const tool = (entry !== undefined && runnable in entry ? entry[runnable] : entry) as RunnableTool | undefined;
  if (tool?.identity === undefined) return undefined;
  const { name, source, schemaDigest } = tool.identity;
  return name === wanted.name && source === wanted.source && schemaDigest === wanted.schemaDigest ? tool : undefined;
}

/** The call as it was filed, if its stored arguments are those of its key and the principal is the one it was filed for. */
function restoreCall(context: GateContext, approval: StoredApproval): PreparedCall | undefined {
  const { principal, key } = context;
  const { call } = approval;
  const prepared = prepareArguments(
    restoreArguments(key.open(approval.sealedArguments, argumentsContext(approval.id))),
  );
  const argumentsDigest = digestArguments(prepared.canonical);
  const samePrincipal = principal.agent === call.agent && principal.delegation.join('/') === call.delegation.join('/');
  if (!samePrincipal || digestCall(principal, call.slot, call.tool, argumentsDigest) !== call.key) return undefined;
  return { facts: { ...call, argumentsDigest }, callId: approval.id, origin: 'resume', arguments: prepared };
}
