/**
 * Records as OCSF events (Open Cybersecurity Schema Framework 1.6): class API Activity (6003) with the profile Security
 * Control, for the stores of security teams. Every kind of record has the same class: what an agent asked a tool to do,
 * and what became of it. `docs/audit.md` has the table.
 * @module
 */
import type { OpenedRecord } from './open-record.ts';

const version = '1.6.0';
const product = 'Countersign';
const classUid = 6003;
const categoryUid = 6;
const otherActivity = 99;

interface Meaning {
  /** 1: success, 2: failure, 99: other. */
  readonly status: number;
  /** 1: allowed, 2: denied, 99: other. */
  readonly action: number;
  /** 1: allowed, 2: blocked, 17: logged. */
  readonly disposition: number;
  /** 1: informational, 2: low. */
  readonly severity: number;
}

const logged: Meaning = { status: 1, action: 99, disposition: 17, severity: 1 };
const allowed: Meaning = { status: 1, action: 1, disposition: 1, severity: 1 };
const blocked: Meaning = { status: 2, action: 2, disposition: 2, severity: 2 };
const failed: Meaning = { status: 2, action: 1, disposition: 1, severity: 2 };

const meanings: Readonly<Record<string, Meaning>> = {
  'decision:allow': allowed,
  'decision:deny': blocked,
  'approval:approved': allowed,
  'approval:rejected': blocked,
  'approval:expired': blocked,
  'approval:cancelled': blocked,
  'approval:refused': blocked,
  'claim:claimed': allowed,
  'identity:refused': blocked,
  'outcome:completed': allowed,
  'outcome:failed': failed,
};

/** One event of class 6003. Fields of the record that OCSF has no place for stand under `unmapped`. */
export function ocsfEvent(record: OpenedRecord): Readonly<Record<string, unknown>> {
  const activity = `${record.kind}:${record.event}`;
  const { status, action, disposition, severity } =
    record.verdict === 'deny' ? blocked : (meanings[activity] ?? logged);
  return {
    class_uid: classUid,
    category_uid: categoryUid,
    activity_id: otherActivity,
    activity_name: activity,
    type_uid: classUid * 100 + otherActivity,
    severity_id: severity,
    status_id: status,
    action_id: action,
    disposition_id: disposition,
    time: record.time,
    ...given('duration', record.durationMs === undefined ? undefined : Math.round(record.durationMs)),
    ...given('count', record.count),
    ...given('status_code', record.code),
    ...given('status_detail', record.detail),
    metadata: metadataOf(record),
    actor: actorOf(record),
    api: {
      operation: record.tool ?? activity,
      ...given('service', record.source === undefined ? undefined : { name: record.source }),
      ...given('request', record.call === undefined ? undefined : { uid: record.call }),
    },
    src_endpoint: { svc_name: record.agent ?? product },
    unmapped: unmappedOf(record),
  };
}

function metadataOf({ id, tenant, run, seq }: OpenedRecord): object {
  return {
    version,
    profiles: ['security_control'],
    product: { name: product, vendor_name: product },
    uid: id,
    tenant_uid: tenant,
    sequence: seq,
    ...given('correlation_uid', run),
  };
}

/** Behind an act of administration stands who ordered it. */
function actorOf({ agent, user, approver, kind, subject, verdict, policyVersion, ruleDigest }: OpenedRecord): object {
  const policy = { ...given('uid', ruleDigest), ...given('version', policyVersion) };
  const person =
    kind === 'administration' ? given('uid', approver) : { ...given('uid', user), ...given('uid_alt', subject) };
  return {
    app_name: agent ?? product,
    ...given('user', Object.keys(person).length === 0 ? undefined : person),
    ...given('authorizations', verdict === undefined ? undefined : [{ decision: verdict, policy }]),
  };
}

const unmapped = [
  'delegation',
  'parent',
  'capability',
  'risk',
  'approval',
  'channel',
  'approver',
  'lease',
  'service',
  'trace',
  'span',
  'arguments',
  'argumentsDigest',
  'resultDigest',
  'sealedState',
  'writer',
  'hash',
] as const;

function unmappedOf(record: OpenedRecord): object {
  return Object.fromEntries(unmapped.filter((name) => record[name] !== undefined).map((name) => [name, record[name]]));
}

function given(name: string, value: unknown): object {
  return value === undefined ? {} : { [name]: value };
}
