/**
 * Names of span attributes, kept in one place and pinned by a test. What they mean: docs/telemetry.md.
 * @module
 */

/**
 * Copied from the GenAI semantic conventions (github.com/open-telemetry/semantic-conventions-genai, all of them in
 * development), the general conventions (`enduser.*`, `user.*`, `session.*`, `error.*`) and OpenInference. No package
 * publishes the current GenAI names; those of `@opentelemetry/semantic-conventions/incubating` are deprecated.
 */
export const conventional = {
  operation: 'gen_ai.operation.name',
  toolName: 'gen_ai.tool.name',
  toolCallId: 'gen_ai.tool.call.id',
  toolType: 'gen_ai.tool.type',
  toolArguments: 'gen_ai.tool.call.arguments',
  toolResult: 'gen_ai.tool.call.result',
  agentId: 'gen_ai.agent.id',
  conversation: 'gen_ai.conversation.id',
  errorType: 'error.type',
  pseudonym: 'enduser.pseudo.id',
  user: 'user.id',
  session: 'session.id',
  spanKind: 'openinference.span.kind',
} as const;

/** Countersign's own namespace. */
export const own = {
  tenant: 'countersign.tenant',
  agent: 'countersign.agent',
  delegation: 'countersign.delegation',
  toolName: 'countersign.tool.name',
  toolSource: 'countersign.tool.source',
  callKey: 'countersign.call.key',
  verdict: 'countersign.decision',
  code: 'countersign.decision.code',
  capability: 'countersign.capability',
  risk: 'countersign.risk',
  policyVersion: 'countersign.policy.version',
  ruleDigest: 'countersign.rule.digest',
  approval: 'countersign.approval.id',
  approvalState: 'countersign.approval.state',
  approvalMode: 'countersign.approval.mode',
  voteVerdict: 'countersign.approval.verdict',
  approvalChannel: 'countersign.approval.channel',
  lease: 'countersign.lease.id',
  service: 'countersign.lease.service',
  leaseStage: 'countersign.lease.stage',
  outcome: 'countersign.outcome',
  records: 'countersign.record.ids',
  recordId: 'countersign.record.id',
  recordKind: 'countersign.record.kind',
  recordEvent: 'countersign.record.event',
  recordWriter: 'countersign.record.writer',
  recordSeq: 'countersign.record.seq',
  recordHash: 'countersign.record.hash',
  recordParent: 'countersign.record.parent',
  recordDamaged: 'countersign.record.damaged',
  recordCount: 'countersign.record.count',
  durationMs: 'countersign.duration_ms',
  approver: 'countersign.approver',
  detail: 'countersign.detail',
  argumentsDigest: 'countersign.arguments.digest',
  argumentsCommitment: 'countersign.arguments.commitment',
  resultDigest: 'countersign.result.digest',
  resultCommitment: 'countersign.result.commitment',
  sink: 'countersign.outbox.sink',
} as const;

export const spanNames = {
  decide: 'countersign.decide',
  approval: 'countersign.approval',
  lease: 'countersign.lease',
} as const;

export const executeTool = 'execute_tool';
