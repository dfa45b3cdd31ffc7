import { PolicyError } from '../../src/errors.ts';
import type { PolicyIssue } from '../../src/errors.ts';
import type { Decision } from '../../src/call.ts';
import type { Subject } from '../../src/authorize/authorize.ts';
import { definePolicy } from '../../src/authorize/policy.ts';
import type { PolicyDocument } from '../../src/authorize/policy-document.ts';

/** A small policy in force for `acme`: alice and her agent read tickets and refund up to an amount. */
export function policyDocument(change: Partial<PolicyDocument> = {}): PolicyDocument {
  return {
    countersign: 1,
    name: 'acme-support',
    version: '2026-11-22',
    tenants: ['acme'],
    tools: {
      read_ticket: { capability: 'tickets:ticket:read', risk: 'low' },
      close_ticket: { capability: 'tickets:ticket:close', risk: 'medium' },
      refund: {
        capability: 'billing:refund:create',
        risk: 'low',
        arguments: { properties: { amount: { type: 'number', minimum: 0, maximum: 900 } }, required: ['amount'] },
        when: [
          { arguments: { properties: { amount: { exclusiveMinimum: 500 } }, required: ['amount'] }, risk: 'high' },
        ],
      },
    },
    grants: { basics: ['tickets:ticket:read'] },
    agents: {
      support: { owner: 'user:alice', include: ['basics'], capabilities: ['billing:refund:create'] },
      planner: { include: ['basics'] },
    },
    users: {
      alice: { include: ['basics'], capabilities: ['billing:refund:create'] },
      bob: { include: ['basics'] },
      gone: { include: ['basics'], active: false },
    },
    ...change,
  };
}

export const alice: Subject = { tenant: 'acme', user: 'alice', agent: 'support', delegation: [] };

interface Question {
  readonly subject?: Partial<Subject>;
  readonly tool?: string;
  readonly source?: string;
  readonly args?: unknown;
}

/** Decides on `read_ticket` for alice, unless the question says otherwise. */
export function ask(document: PolicyDocument, { subject, tool, source, args }: Question = {}): Decision {
  const identity = { name: tool ?? 'read_ticket', source: source ?? 'local' };
  return definePolicy(document).decide({ ...alice, ...subject }, identity, args ?? {});
}

export function codeOf(decision: Decision): string | undefined {
  return decision.reasons[0]?.code;
}

/** The issues with which something was refused; fails when it was not. */
export function issuesOf(load: () => unknown): readonly PolicyIssue[] {
  try {
    load();
  } catch (error) {
    if (error instanceof PolicyError) return error.issues;
    throw error;
  }
  throw new Error('the policy was accepted');
}

/** The issues of a document that no type allows. */
export function refusalOf(document: unknown): readonly PolicyIssue[] {
  return issuesOf(() => definePolicy(document as PolicyDocument));
}

/** The one tool `act` with capability `svc:thing:act`, held by everybody. */
export function oneTool(
  tool: Partial<PolicyDocument['tools'][string]>,
  change: Partial<PolicyDocument> = {},
): PolicyDocument {
  const capabilities = [tool.capability ?? 'svc:thing:act'];
  return policyDocument({
    tools: { act: { capability: 'svc:thing:act', ...tool } },
    agents: { support: { capabilities } },
    users: { alice: { capabilities } },
    ...change,
  });
}
