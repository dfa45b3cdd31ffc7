import { describe, expect, test } from 'vitest';
import { ocsfEvent } from '../../src/record/ocsf.ts';
import type { OpenedRecord } from '../../src/record/open-record.ts';
import { verifies } from '../../../../test/verifies.ts';

const record: OpenedRecord = {
  ...{ id: 'rec_1', tenant: 'acme', time: 1_800_000_000_000, kind: 'decision', event: 'deny', verdict: 'deny' },
  ...{
    subject: 'pseudonym',
    user: 'alice',
    agent: 'support',
    run: 'run-1',
    call: 'key',
    tool: 'read',
    source: 'local',
  },
  ...{ code: 'tool_unmapped', policyVersion: '1', ruleDigest: 'rule', trace: 't', arguments: { ticket: 1 } },
  ...{ sealedState: 'open', writer: 'w', seq: 7, hash: 'h' },
};

describe('a record as an OCSF event', () => {
  verifies('AUD-6', 'says who asked for what, and that it was refused', () => {
    expect(ocsfEvent(record)).toEqual({
      ...{ class_uid: 6003, category_uid: 6, activity_id: 99, activity_name: 'decision:deny', type_uid: 600_399 },
      ...{ severity_id: 2, status_id: 2, action_id: 2, disposition_id: 2, status_code: 'tool_unmapped' },
      time: 1_800_000_000_000,
      metadata: {
        version: '1.6.0',
        profiles: ['security_control'],
        product: { name: 'Countersign', vendor_name: 'Countersign' },
        ...{ uid: 'rec_1', tenant_uid: 'acme', sequence: 7, correlation_uid: 'run-1' },
      },
      actor: {
        app_name: 'support',
        user: { uid: 'alice', uid_alt: 'pseudonym' },
        authorizations: [{ decision: 'deny', policy: { uid: 'rule', version: '1' } }],
      },
      api: { operation: 'read', service: { name: 'local' }, request: { uid: 'key' } },
      src_endpoint: { svc_name: 'support' },
      unmapped: { trace: 't', arguments: { ticket: 1 }, sealedState: 'open', writer: 'w', hash: 'h' },
    });
  });

  test('tells what ran from what failed, and names who ordered an act of administration', () => {
    const { verdict: _, code: _code, ...outcome } = { ...record, kind: 'outcome' as const };
    expect(ocsfEvent({ ...outcome, event: 'completed' })).toMatchObject({ status_id: 1, action_id: 1 });
    expect(ocsfEvent({ ...outcome, event: 'failed' })).toMatchObject({ status_id: 2, action_id: 1, severity_id: 2 });
    const { user: _user, agent: _agent, ...act } = { ...outcome, kind: 'administration' as const };
    expect(ocsfEvent({ ...act, event: 'held', approver: 'olga' })).toMatchObject({
      actor: { app_name: 'Countersign', user: { uid: 'olga' } },
      disposition_id: 17,
    });
  });
});
