import { describe, expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { definePolicy } from '../../src/authorize/policy.ts';
import type { GrantEntry, PolicyDocument } from '../../src/authorize/policy-document.ts';
import { ask, oneTool, policyDocument } from './support.ts';

const delegated = { delegation: ['lead'] };

function base(): PolicyDocument {
  const capabilities = ['svc:thing:act'];
  const agents = { support: { capabilities }, lead: { capabilities }, other: { capabilities: ['a:b'] } };
  const users = { alice: { capabilities }, bob: { capabilities } };
  return oneTool({ risk: 'low' }, { agents, users, capabilities: { 'svc:thing:act': {}, 'a:b': {} } });
}

function ruleDigestOf(document: PolicyDocument): string {
  return ask(document, { tool: 'act', subject: delegated }).ruleDigest;
}

describe('the version', () => {
  verifies(['CAP-9'], 'in every decision is the label and the digest of the document', () => {
    const document = policyDocument();
    const policy = definePolicy(document);
    const version = `2026-11-22+${policy.digest.slice(0, 12)}`;
    expect(policy.version('acme')).toBe(version);
    expect(ask(document).policyVersion).toBe(version);
    expect(ask(document, { subject: { tenant: 'x' } }).policyVersion).toBe(version);
    expect(ask(document, { tool: 'x' }).policyVersion).toBe(version);
    expect(policy.version('x')).toBeUndefined();
  });

  test('changes with every change of the document', () => {
    const digests = [{}, { tenants: ['acme', 'b'] }, { users: {} }, { version: '2' }].map(
      (change) => definePolicy(policyDocument(change)).digest,
    );
    expect(new Set(digests).size).toBe(4);
  });
});

describe('the rule digest', () => {
  const same: readonly [string, Partial<PolicyDocument>][] = [
    ['another label', { version: '9', name: 'x' }],
    ['another tool', { tools: { ...base().tools, more: { capability: 'a:b' } } }],
    ['another agent', { agents: { ...base().agents, other: { capabilities: ['c:d'] } } }],
    ['another user', { users: { ...base().users, bob: {} } }],
    ['another capability', { capabilities: { ...base().capabilities, 'a:b': { risk: 'high' } } }],
    [
      'another grant of the same agent',
      { agents: { ...base().agents, support: { capabilities: ['svc:thing:act', 'x:y'] } } },
    ],
    [
      'the same grant by include',
      { grants: { list: ['svc:thing:act'] }, agents: { ...base().agents, support: { include: ['list'] } } },
    ],
  ];
  for (const [name, change] of same) {
    verifies(['CAP-9'], `is left alone by ${name}`, () => {
      expect(ruleDigestOf({ ...base(), ...change })).toBe(ruleDigestOf(base()));
    });
  }

  const constrained = [{ capability: 'svc:thing:act', arguments: {} }];
  const conditional = [{ capability: 'svc:thing:act', when: [{ arguments: {}, risk: 'medium' as const }] }];
  const different: readonly [string, Partial<PolicyDocument>][] = [
    ["the tool's entry", { tools: { act: { capability: 'svc:thing:act', risk: 'low', retain: 'none' } } }],
    ["the capability's entry", { capabilities: { ...base().capabilities, 'svc:thing:act': { risk: 'low' } } }],
    ["the agent's grant", { agents: { ...base().agents, support: { capabilities: constrained } } }],
    ["a delegating agent's grant", { agents: { ...base().agents, lead: { capabilities: constrained } } }],
    ["the user's grant", { users: { ...base().users, alice: { capabilities: constrained } } }],
    ["a condition of the user's grant", { users: { ...base().users, alice: { capabilities: conditional } } }],
    [
      'a second grant of the user',
      { users: { ...base().users, alice: { capabilities: ['svc:thing:act', ...constrained] } } },
    ],
  ];
  for (const [name, change] of different) {
    verifies(['CAP-9'], `changes with ${name}`, () => {
      expect(ruleDigestOf({ ...base(), ...change })).not.toBe(ruleDigestOf(base()));
    });
  }

  test('covers every grant of the capability, in any order', () => {
    const digest = (...capabilities: GrantEntry[]) => ruleDigestOf({ ...base(), users: { alice: { capabilities } } });
    const third = { capability: 'svc:thing:act', arguments: { maxProperties: 1 } };
    const all = ['svc:thing:act', ...constrained, third] as const;
    expect(digest(...all)).toBe(digest(...all.toReversed()));
    const shorter = [0, 1, 2].map((index) => digest(...all.toSpliced(index, 1)));
    expect(new Set([digest(...all), ...shorter]).size).toBe(4);
  });

  test('differs between a grant of the agent and one of the user', () => {
    const strict = { capabilities: constrained };
    const ofAgent = { ...base(), agents: { ...base().agents, support: strict } };
    const ofUser = { ...base(), users: { ...base().users, alice: strict } };
    expect(ruleDigestOf(ofAgent)).not.toBe(ruleDigestOf(ofUser));
  });

  test('differs with and without a delegating agent', () => {
    expect(ask(base(), { tool: 'act' }).ruleDigest).not.toBe(ruleDigestOf(base()));
  });

  test('is empty before any rule took part', () => {
    expect(ask(base(), { tool: 'nothing' }).ruleDigest).toBe('');
  });
});
