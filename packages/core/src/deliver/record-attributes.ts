/**
 * A record as attributes of OpenTelemetry: the names of spans where they say the same, and `countersign.record.*`.
 * @module
 */
import type { Attributes } from '@opentelemetry/api';
import { conventional, own } from '../record/attributes.ts';
import type { OutgoingRecord } from './sink.ts';

type Field = Exclude<keyof OutgoingRecord, 'time' | 'trace' | 'span' | 'arguments'>;

/** Which attributes each field of a record becomes. */
const names: Readonly<Record<Field, readonly string[]>> = {
  id: [own.recordId],
  kind: [own.recordKind],
  event: [own.recordEvent],
  writer: [own.recordWriter],
  seq: [own.recordSeq],
  hash: [own.recordHash],
  parent: [own.recordParent],
  damaged: [own.recordDamaged],
  tenant: [own.tenant],
  subject: [conventional.pseudonym],
  agent: [own.agent, conventional.agentId],
  delegation: [own.delegation],
  run: [conventional.conversation, conventional.session],
  call: [own.callKey],
  tool: [own.toolName],
  source: [own.toolSource],
  capability: [own.capability],
  risk: [own.risk],
  verdict: [own.verdict],
  code: [own.code],
  policyVersion: [own.policyVersion],
  ruleDigest: [own.ruleDigest],
  approval: [own.approval],
  channel: [own.approvalChannel],
  lease: [own.lease],
  service: [own.service],
  durationMs: [own.durationMs],
  count: [own.recordCount],
  argumentsCommitment: [own.argumentsCommitment],
  resultCommitment: [own.resultCommitment],
  user: [conventional.user],
  approver: [own.approver],
  detail: [own.detail],
  argumentsDigest: [own.argumentsDigest],
  resultDigest: [own.resultDigest],
};

/** Decisions and approvals are shown as guardrails by tools that know OpenInference. */
const guardrails: ReadonlySet<string> = new Set(['decision', 'approval']);

export function recordAttributes(record: OutgoingRecord): Attributes {
  const attributes: Attributes = {};
  for (const [field, targets] of Object.entries(names)) {
    const value = record[field as Field];
    if (value === undefined || (Array.isArray(value) && value.length === 0)) continue;
    for (const target of targets) attributes[target] = typeof value === 'object' ? [...value] : value;
  }
  if (record.arguments !== undefined) attributes[conventional.toolArguments] = JSON.stringify(record.arguments);
  if (guardrails.has(record.kind)) attributes[conventional.spanKind] = 'GUARDRAIL';
  return attributes;
}
