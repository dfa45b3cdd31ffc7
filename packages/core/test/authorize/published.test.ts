import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import { describe, expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { parsePolicy } from '../../src/authorize/parse-policy.ts';
import { policySchema } from '../../src/authorize/policy-schema.ts';
import { policyDocument } from './support.ts';

const published: object = JSON.parse(readFileSync(new URL('../../policy.schema.json', import.meta.url), 'utf8'));
const reference = readFileSync(new URL('../../../../docs/policy.md', import.meta.url), 'utf8');
const example = /```yaml\n([\s\S]*?)```/.exec(reference)?.[1] ?? '';

describe('the published JSON Schema', () => {
  verifies(['CAP-9'], 'is the one that documents are checked with', () => {
    expect(published).toEqual(policySchema);
  });

  test('takes a good document and refuses a wildcard with any validator', () => {
    const validate = new Ajv2020({ strict: false }).compile(published);
    expect(validate(policyDocument())).toBe(true);
    expect(validate(parse(example))).toBe(true);
    expect(validate(policyDocument({ grants: { basics: ['tickets:*'] } }))).toBe(false);
  });
});

describe('the reference', () => {
  const policy = parsePolicy(example);
  const refund = { name: 'refund', source: 'local' };
  const decide = (user: string, amount: number) =>
    policy.decide({ tenant: 'acme', user, agent: 'support-agent', delegation: [] }, refund, { amount, order: 'ord_1' });

  test('has a complete example that does what its text says', () => {
    const alice = { tenant: 'acme', user: 'alice', agent: 'support-agent', delegation: [] };
    expect(policy.decide(alice, { name: 'read_ticket', source: 'local' }, {}).verdict).toBe('allow');
    expect(decide('alice', 500)).toMatchObject({ verdict: 'review', risk: 'medium' });
    expect(decide('alice', 501)).toMatchObject({ verdict: 'review', risk: 'high' });
    expect(decide('alice', 1001)).toMatchObject({ verdict: 'deny', reasons: [{ code: 'constraint_failed' }] });
    expect(decide('bob', 1)).toMatchObject({ verdict: 'deny', reasons: [{ code: 'capability_missing_user' }] });
  });

  test('names every key of the format', () => {
    const definitions = policySchema['$defs'] as Record<string, { properties?: object }>;
    const keys = [
      policySchema,
      definitions['tool'],
      definitions['credential'],
      definitions['approval'],
      definitions['agent'],
      definitions['user'],
    ].flatMap((schema) => Object.keys((schema?.['properties'] as object | undefined) ?? {}));
    expect(keys.filter((key) => !reference.includes(`\`${key}\``) && !reference.includes(`\`${key}.`))).toEqual([]);
  });
});
