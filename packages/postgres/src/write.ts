/**
 * One statement for everything that a batch changes. Only tables that change are named in it, so that a role needs no
 * privilege on the others.
 * @module
 */
import type { Statement } from './transaction.ts';
import type { Changes } from './working-set.ts';

type Kind = keyof Changes;

/** Columns of a recordset, in the order of the insert. */
const text = (...names: readonly string[]): string => names.map((name) => `${name} text COLLATE "C"`).join(', ');
const from = (input: string, columns: string): string => `json_to_recordset(${input}) AS given (${columns})`;

/** By kind of change: its statement, over a JSON array of rows. `$1` is the tenant. */
const statements: Readonly<Record<Kind, (input: string) => string>> = {
  newCalls: (input) => `INSERT INTO countersign.calls (tenant, run, slot, key, subject, agent, delegation, tool, source,
      schema_digest, arguments_digest, state, decisions, approval, status, sealed, claimed_at, claim, settled_at)
    SELECT $1, run, slot, key, subject, agent, delegation, tool, source, schema_digest, arguments_digest, state, decisions,
      approval, status, sealed, claimed_at, claim, settled_at
    FROM ${from(input, `${text('run', 'slot', 'key', 'subject', 'agent', 'tool', 'source', 'schema_digest', 'arguments_digest', 'state', 'approval', 'status', 'sealed', 'claim')}, delegation json, decisions json, claimed_at bigint, settled_at bigint`)}`,
  calls: (input) => `UPDATE countersign.calls c SET state = given.state, decisions = given.decisions,
      approval = given.approval, status = given.status, sealed = given.sealed, claimed_at = given.claimed_at,
      claim = given.claim, settled_at = given.settled_at
    FROM ${from(input, `${text('run', 'slot', 'key', 'state', 'approval', 'status', 'sealed', 'claim')}, decisions json, claimed_at bigint, settled_at bigint`)}
    WHERE c.tenant = $1 AND c.run = given.run AND c.slot = given.slot AND c.key = given.key`,
  newApprovals: (
    input,
  ) => `INSERT INTO countersign.approvals (tenant, id, run, slot, subject, digest, rule_digest, policy_version,
      capability, risk, mode, created_at, expires_at, rule, sealed_arguments, sealed_provenance, state, epoch,
      consumed_at)
    SELECT $1, id, run, slot, subject, digest, rule_digest, policy_version, capability, risk, mode, created_at, expires_at,
      rule, sealed_arguments, sealed_provenance, state, epoch, consumed_at
    FROM ${from(input, `${text('id', 'run', 'slot', 'subject', 'digest', 'rule_digest', 'policy_version', 'capability', 'risk', 'mode', 'rule', 'sealed_arguments', 'sealed_provenance', 'state')}, created_at bigint, expires_at bigint, epoch bigint, consumed_at bigint`)}`,
  approvalStates: (input) => `UPDATE countersign.approvals a SET state = given.state
    FROM ${from(input, text('id', 'state'))} WHERE a.tenant = $1 AND a.id = given.id`,
  editedApprovals: (input) => `UPDATE countersign.approvals a SET digest = given.digest,
      edited_digest = given.edited_digest, edited_arguments = given.edited_arguments
    FROM ${from(input, text('id', 'digest', 'edited_digest', 'edited_arguments'))}
    WHERE a.tenant = $1 AND a.id = given.id`,
  approvals: (input) => `UPDATE countersign.approvals a SET state = given.state, consumed_at = given.consumed_at
    FROM ${from(input, `${text('id', 'state')}, consumed_at bigint`)} WHERE a.tenant = $1 AND a.id = given.id`,
  votes: (
    input,
  ) => `INSERT INTO countersign.votes (tenant, approval, approver, verdict, time, signature, key_id, sealed_reason)
    SELECT $1, approval, approver, verdict, time, signature, key_id, sealed_reason
    FROM ${from(input, `${text('approval', 'approver', 'verdict', 'signature', 'key_id', 'sealed_reason')}, time bigint`)}`,
  newLeases: (
    input,
  ) => `INSERT INTO countersign.leases (tenant, id, call_key, service, provider, expires_at, state, sealed_handle)
    SELECT $1, id, call_key, service, provider, expires_at, state, sealed_handle
    FROM ${from(input, `${text('id', 'call_key', 'service', 'provider', 'state', 'sealed_handle')}, expires_at bigint`)}`,
  leases: (input) => `UPDATE countersign.leases l SET state = given.state, sealed_handle = given.sealed_handle,
      expires_at = given.expires_at
    FROM ${from(input, `${text('id', 'state', 'sealed_handle')}, expires_at bigint`)}
    WHERE l.tenant = $1 AND l.id = given.id`,
  newSubjects: (input) => `INSERT INTO countersign.subjects (tenant, subject, key)
    SELECT $1, subject, key FROM ${from(input, text('subject', 'key'))}`,
  removedSubjects: (input) => `DELETE FROM countersign.subjects s USING ${from(input, text('subject'))}
    WHERE s.tenant = $1 AND s.subject = given.subject`,
  newEntries: (input) => `INSERT INTO countersign.entries (tenant, kind, id, version, value, updated_at)
    SELECT $1, kind, id, version, value, updated_at
    FROM ${from(input, `${text('kind', 'id', 'version', 'value')}, updated_at bigint`)}`,
  entries: (input) => `UPDATE countersign.entries e SET version = given.version, value = given.value,
      updated_at = given.updated_at
    FROM ${from(input, `${text('kind', 'id', 'version', 'value')}, updated_at bigint`)}
    WHERE e.tenant = $1 AND e.kind = given.kind AND e.id = given.id`,
  removedEntries: (input) => `DELETE FROM countersign.entries e USING ${from(input, text('kind', 'id'))}
    WHERE e.tenant = $1 AND e.kind = given.kind AND e.id = given.id`,
  records: (input) => `INSERT INTO countersign.records (tenant, writer, seq, time, kind, event, call, body, hash)
    SELECT $1, writer, seq, time, kind, event, call, body, hash
    FROM ${from(input, `${text('writer', 'kind', 'event', 'call', 'body', 'hash')}, seq bigint, time bigint`)}`,
  pruned: (input) => `DELETE FROM countersign.records r
    USING json_to_recordset(${input}) AS given (writer text COLLATE "C", through bigint)
    WHERE r.tenant = $1 AND r.writer = given.writer AND r.seq <= given.through`,
  epoch: (input) => `UPDATE countersign.installation SET epoch = (${input} ->> 0)::bigint WHERE id = 1`,
};

/** What the columns are called: `argumentsDigest` is `arguments_digest`. */
const snakeCase = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const asColumns = (row: object): Record<string, unknown> =>
  Object.fromEntries(Object.entries(row).map(([name, value]) => [snakeCase(name), value]));

type Rows<Of extends Kind> = Changes[Of][number];

function callColumns({ call, decisions }: Rows<'calls'>): Record<string, unknown> {
  const { tool, outcome, ...rest } = call;
  return {
    ...asColumns(rest),
    ...outcome,
    tool: tool.name,
    source: tool.source,
    schema_digest: tool.schemaDigest,
    decisions,
  };
}

const approvalColumns = ({ call, votes: _, ...approval }: Rows<'approvals'>): Record<string, unknown> => ({
  ...asColumns(approval),
  run: call.run,
  slot: call.slot,
  subject: call.subject,
});

const columnsOf: { readonly [Of in Kind]: (row: Rows<Of>) => unknown } = {
  newCalls: callColumns,
  calls: callColumns,
  newApprovals: approvalColumns,
  approvalStates: ({ id, state }) => ({ id, state }),
  editedApprovals: ({ id, digest, edit }) => ({
    id,
    digest,
    edited_digest: edit?.argumentsDigest,
    edited_arguments: edit?.sealedArguments,
  }),
  approvals: ({ id, state, consumedAt }) => ({ id, state, consumed_at: consumedAt }),
  votes: asColumns,
  newLeases: asColumns,
  leases: asColumns,
  newSubjects: asColumns,
  removedSubjects: asColumns,
  newEntries: asColumns,
  entries: asColumns,
  removedEntries: asColumns,
  records: asColumns,
  pruned: asColumns,
  epoch: (epoch) => epoch,
};

const kinds = Object.keys(statements) as readonly Kind[];

/** A policy that hides a row makes these do nothing, and say nothing: their rows are counted. */
const counted: ReadonlySet<Kind> = new Set<Kind>([
  ...([
    'calls',
    'approvalStates',
    'editedApprovals',
    'approvals',
    'leases',
    'removedSubjects',
    'entries',
    'removedEntries',
  ] as const),
  'epoch',
]);

/** Answers `undefined` when nothing changes. */
export function writeStatement(tenant: string, changes: Changes): Statement | undefined {
  const used = kinds.filter((kind) => changes[kind].length > 0);
  if (used.length === 0) return undefined;
  const steps = used.map((kind, index) => {
    const statement = statements[kind](`$${index + 2}::json`);
    return `"${kind}" AS (${statement}${counted.has(kind) ? ' RETURNING 1' : ''})`;
  });
  const checks = used.flatMap((kind, index) =>
    counted.has(kind)
      ? [`countersign.expect_rows('${kind}', (SELECT count(*) FROM "${kind}"), json_array_length($${index + 2}::json))`]
      : [],
  );
  const rowsOf = <Of extends Kind>(kind: Of): unknown[] => changes[kind].map((row: Rows<Of>) => columnsOf[kind](row));
  return {
    text: `WITH ${steps.join(',\n')} SELECT ${[...checks, '$1::text IS NULL'].join(', ')}`,
    values: [tenant, ...used.map((kind) => JSON.stringify(rowsOf(kind)))],
    name: `write ${used.map((kind) => kinds.indexOf(kind)).join(' ')}`,
  };
}
