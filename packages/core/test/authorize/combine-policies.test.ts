import { describe, expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { ConfigurationError } from '../../src/errors.ts';
import { combinePolicies } from '../../src/authorize/combine-policies.ts';
import { definePolicy } from '../../src/authorize/policy.ts';
import { alice, policyDocument } from './support.ts';

const acme = definePolicy(policyDocument());
const globex = definePolicy(
  policyDocument({ name: 'globex', tenants: ['globex'], users: { carol: { include: ['basics'] } } }),
);
const both = combinePolicies([acme, globex]);
const read = { name: 'read_ticket', source: 'local' };

describe('several policies', () => {
  verifies(['CAP-1'], 'a tenant has the users of its own policy and no others', () => {
    const verdict = (tenant: string, user: string) => both.decide({ ...alice, tenant, user }, read, {});
    expect(verdict('acme', 'alice')).toMatchObject({ verdict: 'allow', policyVersion: acme.version('acme') });
    expect(verdict('globex', 'carol')).toMatchObject({ verdict: 'allow', policyVersion: globex.version('globex') });
    expect(verdict('globex', 'alice')).toMatchObject({ verdict: 'deny', reasons: [{ code: 'user_unknown' }] });
    expect(verdict('acme', 'carol')).toMatchObject({ verdict: 'deny', reasons: [{ code: 'user_unknown' }] });
  });

  test.each(['other', '__proto__', 'constructor', ''])('an unknown tenant is denied: %j', (tenant) => {
    expect(both.decide({ ...alice, tenant }, read, {})).toMatchObject({
      verdict: 'deny',
      risk: 'high',
      reasons: [{ code: 'tenant_unknown' }],
    });
    expect(both.version(tenant)).toBeUndefined();
    expect(both.tools(tenant)).toEqual([]);
    expect(both.permittedTools({ ...alice, tenant })).toEqual([]);
  });

  test('answer for their own tenants', () => {
    expect(both.version('globex')).toBe(globex.version('globex'));
    expect(both.tools('acme')).toEqual(acme.tools('acme'));
    expect(both.permittedTools(alice)).toEqual(acme.permittedTools(alice));
  });

  test('that name the same tenant are refused', () => {
    expect(() => combinePolicies([acme, globex, acme])).toThrow(ConfigurationError);
  });
});
