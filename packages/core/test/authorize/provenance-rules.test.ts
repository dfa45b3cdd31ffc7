import { expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { definePolicy } from '../../src/authorize/policy.ts';
import type { ValueOrigin } from '../../src/authorize/provenance.ts';
import { alice, oneTool, refusalOf } from './support.ts';

const at = (pointer: string, origin: ValueOrigin['origin'], trusted = origin !== 'model'): ValueOrigin => ({
  pointer,
  origin,
  trusted,
});

function decide(rule: object, args: unknown, origins: readonly ValueOrigin[] | undefined) {
  const document = oneTool({ risk: 'low', provenance: [{ at: '/payee', require: 'user', ...rule }] });
  return definePolicy(document).decide(alice, { name: 'act', source: 'local' }, args, () => origins);
}

const crm = { name: 'act', source: 'local' };
const args = { payee: 'Ada' };

verifies('CAP-12', 'a rule takes the sources that it names and no others', () => {
  const verdict = (require: string, origin: ValueOrigin) => decide({ require }, args, [origin]).verdict;
  expect(verdict('user', at('/payee', 'user'))).toBe('allow');
  expect(verdict('user', at('/payee', 'approver'))).toBe('allow');
  expect(verdict('user', at('/payee', 'system'))).toBe('deny');
  expect(verdict('user', at('/payee', 'model'))).toBe('deny');
  expect(verdict('user', { ...at('/payee', 'tool'), tool: crm })).toBe('deny');
  expect(verdict('trusted', at('/payee', 'system'))).toBe('allow');
  expect(verdict('trusted', at('/payee', 'model', true))).toBe('deny');
  expect(verdict('trusted', { ...at('/payee', 'tool'), tool: crm })).toBe('deny');
  expect(verdict('trusted', at('/payee', 'tool'))).toBe('deny');
});

verifies('CAP-12', 'provenance that cannot be computed, or is about other values, denies', () => {
  const document = oneTool({ risk: 'low', provenance: [{ at: '/payee', require: 'user' }] });
  const policy = definePolicy(document);
  const tool = { name: 'act', source: 'local' };
  expect(policy.decide(alice, tool, args).verdict).toBe('deny');
  expect(policy.decide(alice, tool, args, () => undefined).verdict).toBe('deny');
  expect(policy.decide(alice, tool, args, () => [at('/other', 'user')]).verdict).toBe('deny');
  const throwing = policy.decide(alice, tool, args, () => {
    throw new Error('unreadable');
  });
  expect(throwing).toMatchObject({ verdict: 'deny', reasons: [{ code: 'authorizer_failed' }] });
});

verifies(['CAP-12', 'CAP-4'], 'a rule can only raise the risk, to what it says', () => {
  expect(decide({ otherwise: 'medium' }, args, [])).toMatchObject({ verdict: 'review', risk: 'medium' });
  expect(decide({ otherwise: 'high' }, args, [])).toMatchObject({ verdict: 'review', risk: 'high' });
  expect(decide({ otherwise: 'high' }, args, [at('/payee', 'user')])).toMatchObject({ verdict: 'allow', risk: 'low' });
  const both = oneTool({ risk: 'high', provenance: [{ at: '/payee', require: 'user', otherwise: 'medium' }] });
  expect(definePolicy(both).decide(alice, { name: 'act', source: 'local' }, args)).toMatchObject({ risk: 'high' });
});

test('a wildcard means every item, and members are named as in JSON Pointers', () => {
  const items = { items: [{ 'a/b': 'x' }, { 'a/b': 'y' }] };
  const rule = { at: '/items/*/a~1b' };
  const first = at('/items/0/a~1b', 'user');
  expect(decide(rule, items, [first]).verdict).toBe('deny');
  expect(decide(rule, items, [first, at('/items/1/a~1b', 'user')]).verdict).toBe('allow');
  expect(decide(rule, { items: [] }, []).verdict).toBe('allow');
});

verifies('CAP-12', 'a text in place of the list or object that a rule names does not slip past it', () => {
  const one = { items: 'evil@attacker.example' };
  expect(decide({ at: '/items/*' }, one, [at('/items', 'model')]).verdict).toBe('deny');
  expect(decide({ at: '/items/*/iban' }, { items: ['evil'] }, []).verdict).toBe('deny');
  expect(decide({ at: '/items/*' }, one, [at('/items', 'user')]).verdict).toBe('allow');
  expect(decide({ at: '/items/*' }, { items: null }, []).verdict).toBe('allow');
});

verifies('CAP-12', 'changing a rule makes approvals under it stale', () => {
  const digest = (require: 'user' | 'trusted') =>
    definePolicy(oneTool({ risk: 'low', provenance: [{ at: '/payee', require }] })).decide(
      alice,
      { name: 'act', source: 'local' },
      {},
    ).ruleDigest;
  expect(digest('user')).not.toBe(digest('trusted'));
});

test('two rules for one place, and trust in what a model writes, are refused when the policy is loaded', () => {
  const rule = { at: '/payee', require: 'user' } as const;
  expect(refusalOf(oneTool({ provenance: [rule, rule] }))).toEqual([
    { path: '/tools/act/provenance/1/at', message: '/payee has a rule already' },
  ]);
  expect(refusalOf(oneTool({ orchestrates: true, trusted: true }))).toEqual([
    { path: '/tools/act/trusted', message: 'what a tool that orchestrates answers is written by a model' },
  ]);
  expect(refusalOf(oneTool({ provenance: [{ at: 'payee', require: 'anybody' }] } as never))).toHaveLength(2);
});

test('what holds for each tool is there for people to read', () => {
  const document = oneTool({ risk: 'low', trusted: true, provenance: [{ at: '/payee', require: 'user' }] });
  expect(definePolicy(document).rules[0]).toMatchObject({
    ...{ conditional: false, trusted: true },
    provenance: [{ at: '/payee', require: 'user', otherwise: 'deny' }],
  });
});
