import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LeaseError } from '@countersign/core';
import { verifies } from '../../../test/verifies.ts';
import { sessionName } from '../src/session-name.ts';
import { covers, sessionPolicy, type TemplateStatement } from '../src/session-policy.ts';

const template: readonly TemplateStatement[] = [
  { actions: ['s3:GetObject', 's3:List*'], resources: ['arn:aws:s3:::reports/{tenant}/*'] },
  {
    actions: ['s3:PutObject'],
    resources: ['arn:aws:s3:::reports/{tenant}/drafts/*'],
    conditions: { Bool: { 'aws:SecureTransport': 'true' } },
  },
  { actions: ['ec2:DescribeInstances'], resources: ['*'] },
];

const policyFor = (scope: Readonly<Record<string, unknown>>, tenant = 'acme', agent = 'support'): unknown =>
  JSON.parse(sessionPolicy('service reports', template, { tenant, agent, user: 'alice', scope }));
const one = (action: string, resource: string): Readonly<Record<string, unknown>> => ({
  actions: [action],
  resources: [resource],
});

describe('a session policy', () => {
  verifies('CRD-3', 'allows what the operation asks for and no more', () => {
    expect(policyFor(one('s3:GetObject', 'arn:aws:s3:::reports/acme/2026/11.csv'))).toEqual({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: ['s3:GetObject'], Resource: ['arn:aws:s3:::reports/acme/2026/11.csv'] }],
    });
  });

  verifies('CRD-3', 'is cut down to the template where the operation asks for more of a resource', () => {
    expect(policyFor(one('s3:GetObject', 'arn:aws:s3:::reports/*'))).toMatchObject({
      Statement: [{ Resource: ['arn:aws:s3:::reports/acme/*'] }],
    });
  });

  verifies('CRD-3', 'carries the conditions of the template, and joins what has the same resources', () => {
    const resources = ['arn:aws:s3:::reports/{tenant}/drafts/{agent}.csv'];
    expect(policyFor({ actions: ['s3:GetObject', 's3:ListBucket', 's3:PutObject'], resources })).toMatchObject({
      Statement: [
        { Action: ['s3:GetObject', 's3:ListBucket'], Resource: ['arn:aws:s3:::reports/acme/drafts/support.csv'] },
        { Action: ['s3:PutObject'], Condition: { Bool: { 'aws:SecureTransport': 'true' } } },
      ],
    });
  });

  const refused: readonly (readonly [string, Readonly<Record<string, unknown>>])[] = [
    ['an action outside the template', one('s3:DeleteObject', 'arn:aws:s3:::reports/acme/1')],
    ['a resource outside the template', one('s3:GetObject', 'arn:aws:s3:::payroll/acme/1')],
    ['the folder of another tenant', one('s3:GetObject', 'arn:aws:s3:::reports/globex/1')],
    [
      'one of two resources outside',
      { actions: ['s3:GetObject'], resources: ['arn:aws:s3:::reports/acme/1', 'arn:aws:s3:::x'] },
    ],
    ['a wildcard action', one('s3:*', 'arn:aws:s3:::reports/acme/1')],
    ['every action', one('*', '*')],
    ['a policy variable, which AWS would replace', one('s3:GetObject', 'arn:aws:s3:::reports/acme/${*}')],
    ['a resource that closes the JSON', one('s3:GetObject', 'arn:aws:s3:::reports/acme/"],"Action":"*')],
    ['a member that nobody asked about', { ...one('s3:GetObject', 'arn:aws:s3:::reports/acme/1'), NotAction: ['x'] }],
    ['no action', { actions: [], resources: ['*'] }],
    ['no resource, which would mean none to us and all to nobody', { actions: ['s3:GetObject'] }],
    ['no scope', {}],
    ['resources that are one text', { actions: ['s3:GetObject'], resources: 'arn:aws:s3:::reports/acme/1' }],
  ];
  test.each(refused)('is refused for %s', (_, scope) => {
    expect(() => policyFor(scope)).toThrow(LeaseError);
  });

  test('is refused for a tenant or agent id that would widen it', () => {
    for (const id of ['*', 'a/../b', 'a?', '', 'a*', '{agent}']) {
      expect(() => policyFor(one('s3:GetObject', 'arn:aws:s3:::reports/{tenant}/1'), id)).toThrow(/tenant id/);
    }
  });

  verifies('CRD-3', 'of more than 2,048 characters is refused before AWS is asked', () => {
    const resources = (count: number): string[] =>
      Array.from({ length: count }, (_, index) => `arn:aws:s3:::reports/acme/${String(index).padStart(20, '0')}`);
    expect(() => policyFor({ actions: ['s3:GetObject'], resources: resources(30) })).not.toThrow();
    expect(() => policyFor({ actions: ['s3:GetObject'], resources: resources(50) })).toThrow(
      /AWS takes 2048; ask for fewer/,
    );
  });
});

describe('one pattern within another', () => {
  test.each([
    ['a*', 'ab*', true],
    ['a*', 'a*', true],
    ['a*c', 'a*bc', true],
    ['a?', 'a*', false],
    ['a?', 'a?', true],
    ['a?', 'ab', true],
    ['ab', 'a?', false],
    ['a*b', 'a*', false],
    ['*', '', true],
    ['', 'a', false],
    ['reports/*', 'reports-evil/x', false],
  ])('%s covers %s: %s', (outer, inner, expected) => {
    expect(covers(outer, inner)).toBe(expected);
  });

  /** Every text that `pattern` matches, up to what wildcards become here. */
  const matches = (pattern: string, text: string): boolean =>
    new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('?', '.')}$`).test(text);

  verifies('CRD-3', 'never claims to cover a pattern that matches a text which it does not match itself', () => {
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 6 });
    const text = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 8 });
    fc.assert(
      fc.property(pattern, pattern, text, (outer, inner, sample) => {
        if (covers(outer, inner) && matches(inner, sample)) expect(matches(outer, sample)).toBe(true);
        if (!/[*?]/.test(inner)) expect(covers(outer, inner)).toBe(matches(outer, inner));
      }),
      { numRuns: 5_000 },
    );
  });
});

describe('a session name', () => {
  verifies('CRD-3', 'carries agent and call within what AWS takes', () => {
    const callKey = 'abcdefghijklmnopqrstuvwxyz_-0123456789ABCDE';
    expect(sessionName({ agent: 'support', callKey })).toBe(`support@${callKey}`);
    for (const agent of ['a'.repeat(128), 'müller/../x', '', 'a b', '*']) {
      expect(sessionName({ agent, callKey })).toMatch(/^[\w+=,.@-]{2,64}$/);
      expect(sessionName({ agent, callKey })).toContain(callKey);
    }
    expect(sessionName({ agent: 'support', callKey: 'x'.repeat(200) })).toMatch(/^[\w+=,.@-]{2,64}$/);
  });
});
