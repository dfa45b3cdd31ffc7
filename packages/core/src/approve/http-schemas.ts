/**
 * What goes over HTTP, as JSON Schemas (2020-12). Requests are checked with them, and `openapi.json` shows them.
 * @module
 */
import type { ApprovalView } from './approve.ts';
import type { ApprovalRule } from './approval-rule.ts';

export type SchemaNode = Readonly<Record<string, unknown>>;

export const text: SchemaNode = { type: 'string' };
const texts: SchemaNode = { type: 'array', items: text };
const time: SchemaNode = { type: 'integer', description: 'Milliseconds since the epoch.' };
const flag: SchemaNode = { type: 'boolean' };
const described = (schema: SchemaNode, description: string): SchemaNode => ({ ...schema, description });

export const approvalState: SchemaNode = {
  type: 'string',
  enum: ['pending', 'approved', 'rejected', 'expired', 'cancelled'],
};
const verdict: SchemaNode = { type: 'string', enum: ['approve', 'reject'] };
/** As `approval-id.ts` makes them. */
export const approvalId: SchemaNode = {
  type: 'string',
  pattern: '^apr\\.[A-Za-z0-9][A-Za-z0-9_-]{0,63}\\.[A-Za-z0-9_-]{22}$',
};
const digest = described(
  { type: 'string', maxLength: 200 },
  'The digest that was shown: whatever else is decided on is refused.',
);

/** A member that is added to the type does not compile before it is described here. */
const ruleProperties: Readonly<Record<keyof ApprovalRule, SchemaNode>> = {
  ttlMs: described({ type: 'integer' }, 'From request to expiry, in milliseconds.'),
  groups: described(texts, 'Empty: every approver of the tenant. The requester never may.'),
  quorum: described({ type: 'integer', minimum: 1 }, 'How many must agree. One rejection rejects.'),
  reasonRequired: flag,
  edit: described(flag, 'Whether an approver may change the arguments.'),
  hours: {
    type: 'object',
    properties: { zone: text, days: texts, from: text, to: text },
    required: ['zone', 'days', 'from', 'to'],
  },
  escalation: {
    type: 'array',
    items: {
      type: 'object',
      properties: { afterMs: { type: 'integer' }, groups: texts },
      required: ['afterMs', 'groups'],
    },
  },
};

const approvalProperties: Readonly<Record<keyof ApprovalView, SchemaNode>> = {
  id: text,
  tenant: text,
  state: approvalState,
  mode: { type: 'string', enum: ['asynchronous', 'blocking'] },
  requester: described(text, 'The user for whom the agent acts.'),
  agent: text,
  delegation: described(texts, 'Agents above this one, outermost first.'),
  run: text,
  slot: described(text, 'Where in the run the call stands: tells two equal requests apart.'),
  tool: text,
  source: text,
  capability: text,
  risk: { type: 'string', enum: ['low', 'medium', 'high'] },
  policyVersion: text,
  arguments: described(
    text,
    'Canonical JSON (RFC 8785): exactly what would run. `[unreadable]` when it cannot be shown.',
  ),
  originalArguments: described(text, 'What the model had sent, when an approver changed it.'),
  provenance: {
    type: 'array',
    description: 'Where values of `arguments` came from. One that is not listed is of unknown origin.',
    items: {
      type: 'object',
      properties: {
        pointer: described(text, 'JSON Pointer (RFC 6901) into `arguments`.'),
        origin: { type: 'string', enum: ['user', 'tool', 'system', 'model', 'approver'] },
        tool: text,
        trusted: flag,
      },
      required: ['pointer', 'origin', 'trusted'],
    },
  },
  rule: {
    type: 'object',
    properties: ruleProperties,
    required: Object.keys(ruleProperties).filter((name) => name !== 'hours'),
  },
  digest: described(text, 'What a vote is signed over. Empty when the request cannot be shown, and so not be decided.'),
  createdAt: time,
  expiresAt: time,
  consumed: described(flag, 'Whether the call was run.'),
  votes: {
    type: 'array',
    items: {
      type: 'object',
      properties: { approver: text, verdict, time, reason: text },
      required: ['approver', 'verdict', 'time'],
    },
  },
};

export interface DecisionBody {
  readonly verdict: 'approve' | 'reject';
  readonly digest: string;
  readonly reason?: string;
}

export interface EditBody {
  readonly arguments: string;
  readonly digest: string;
}

export type SchemaName = 'Approval' | 'ApprovalPage' | 'Decision' | 'Edit' | 'Problem' | 'OpenApi';

export const schemas: Readonly<Record<SchemaName, SchemaNode>> = {
  Approval: {
    type: 'object',
    properties: approvalProperties,
    required: Object.keys(approvalProperties).filter((name) => name !== 'originalArguments' && name !== 'provenance'),
  },
  ApprovalPage: {
    type: 'object',
    properties: {
      approvals: { type: 'array', items: { $ref: '#/components/schemas/Approval' } },
      next: described(
        approvalId,
        'There are more. The next page is the same request with this id as `after`, or as `before` when the newest come first.',
      ),
    },
    required: ['approvals'],
  },
  Decision: {
    type: 'object',
    properties: {
      verdict,
      digest,
      reason: described(text, 'Kept with the vote, up to 1,000 characters. Some rules require one.'),
    },
    required: ['verdict', 'digest'],
    additionalProperties: false,
  },
  Edit: {
    type: 'object',
    properties: { arguments: described(text, 'The arguments as they shall run: JSON text of an object.'), digest },
    required: ['arguments', 'digest'],
    additionalProperties: false,
  },
  Problem: {
    description: 'Problem details (RFC 9457); the type is `about:blank`.',
    type: 'object',
    properties: {
      title: text,
      status: { type: 'integer', minimum: 400, maximum: 599 },
      detail: described(text, 'For people. From 500 on it says only that something failed.'),
      code: described(text, 'The kind of error, e.g. `ERR_APPROVAL_CONFLICT`.'),
      reason: described(
        text,
        'A fixed word for why it was refused, e.g. `digest_mismatch`; the same as in the ledger.',
      ),
    },
    required: ['title', 'status', 'detail'],
  },
  OpenApi: described({ type: 'object' }, 'This document.'),
};
