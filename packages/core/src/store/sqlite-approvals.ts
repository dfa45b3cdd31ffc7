/**
 * Approvals and votes in SQLite.
 * @module
 */
import type { DatabaseSync } from 'node:sqlite';
import { maxRows } from './row-limit.ts';
import { approvalFrom, integer, text, voteFrom, type Row } from './sqlite-rows.ts';
import type { ApprovalTable } from './tables.ts';

/** An approval with the facts of its call. */
const selectApproval = `SELECT approvals.*, approvals.state AS approval_state, calls.key, calls.subject, calls.agent,
  calls.delegation, calls.tool, calls.source, calls.schema_digest, calls.arguments_digest
  FROM approvals JOIN calls USING (tenant, run, slot)`;
const isOpen = `state IN ('pending', 'approved') AND consumed_at IS NULL`;

const isEarlier = `(:before IS NULL OR (approvals.created_at, approvals.rowid) <
  (SELECT created_at, rowid FROM approvals WHERE tenant = :tenant AND id = :before))`;
const isLater = `(:after IS NULL OR (approvals.created_at, approvals.rowid) >
  (SELECT created_at, rowid FROM approvals WHERE tenant = :tenant AND id = :after))`;
const isListed = `approvals.tenant = :tenant AND (:run IS NULL OR approvals.run = :run)
  AND (:mode IS NULL OR mode = :mode) AND (:consumed IS NULL OR (consumed_at IS NOT NULL) = :consumed) AND ${isEarlier}
  AND ${isLater}`;
const oldestFirst = 'ORDER BY created_at, approvals.rowid LIMIT :limit';
const newestFirst = 'ORDER BY created_at DESC, approvals.rowid DESC LIMIT :limit';

type Statements = ReturnType<typeof prepareStatements>;

function prepareStatements(database: DatabaseSync) {
  return {
    find: database.prepare(`${selectApproval} WHERE approvals.tenant = ? AND approvals.id = ?`),
    list: {
      oldest: database.prepare(`${selectApproval} WHERE ${isListed} ${oldestFirst}`),
      newest: database.prepare(`${selectApproval} WHERE ${isListed} ${newestFirst}`),
    },
    listInState: {
      oldest: database.prepare(`${selectApproval} WHERE approvals.state = :state AND ${isListed} ${oldestFirst}`),
      newest: database.prepare(`${selectApproval} WHERE approvals.state = :state AND ${isListed} ${newestFirst}`),
    },
    insert:
      database.prepare(`INSERT INTO approvals (tenant, id, run, slot, digest, rule_digest, policy_version, capability,
      risk, mode, created_at, expires_at, rule, sealed_arguments, sealed_provenance, state, epoch)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending', ?)`),
    update: database.prepare('UPDATE approvals SET state = ?, consumed_at = ? WHERE tenant = ? AND id = ?'),
    votes: database.prepare('SELECT * FROM votes WHERE tenant = ? AND approval = ? ORDER BY time, approver'),
    addVote: database.prepare(`INSERT INTO votes (tenant, approval, approver, verdict, time, signature, key_id,
      sealed_reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`),
    edit: database.prepare(`UPDATE approvals SET digest = ?, edited_digest = ?, edited_arguments = ?
      WHERE tenant = ? AND id = ?`),
    countPending: database.prepare(`SELECT count(*) FILTER (WHERE run = :run) AS of_run,
      count(*) FILTER (WHERE subject = :subject) AS of_user FROM approvals JOIN calls USING (tenant, run, slot)
      WHERE tenant = :tenant AND expires_at > :now AND epoch = :epoch AND approvals.state = 'pending'`),
    expired: database.prepare(`SELECT tenant, id FROM approvals INDEXED BY approvals_open
      WHERE expires_at <= ? AND ${isOpen} ORDER BY expires_at, rowid LIMIT ?`),
    runnable: database.prepare(`SELECT tenant, id FROM approvals INDEXED BY approvals_open
      WHERE epoch = ? AND expires_at > ? AND state = 'approved' AND mode = 'asynchronous' AND ${isOpen}
      ORDER BY created_at, rowid LIMIT ? OFFSET ?`),
  };
}

export function sqliteApprovals(database: DatabaseSync): ApprovalTable {
  const statements = prepareStatements(database);
  const read = (row: Row) => approvalFrom(row, votesOf(statements, text(row, 'tenant'), text(row, 'id')));
  const place = (row: Row) => ({ tenant: text(row, 'tenant'), id: text(row, 'id') });

  return {
    find(tenant, id) {
      const row = statements.find.get(tenant, id);
      return row && read(row);
    },
    list(tenant, { state, run, mode, consumed, before, after, newestFirst, limit }) {
      const list = state === undefined ? statements.list : statements.listInState;
      const rows = list[newestFirst === true ? 'newest' : 'oldest'].all({
        tenant,
        ...(state === undefined ? {} : { state }),
        before: before ?? null,
        after: after ?? null,
        run: run ?? null,
        mode: mode ?? null,
        consumed: consumed === undefined ? null : Number(consumed),
        limit: maxRows(limit ?? 100),
      });
      return rows.map(read);
    },
    insert(approval, { tenant, run, slot }, epoch) {
      const { id, digest, ruleDigest, policyVersion, capability, risk, mode } = approval;
      const { createdAt, expiresAt, rule, sealedArguments, sealedProvenance } = approval;
      statements.insert.run(
        tenant,
        id,
        run,
        slot,
        digest,
        ruleDigest,
        policyVersion,
        capability,
        risk,
        mode,
        createdAt,
        expiresAt,
        rule,
        sealedArguments,
        sealedProvenance ?? null,
        epoch,
      );
    },
    update: (tenant, id, { state, consumedAt }) => void statements.update.run(state, consumedAt ?? null, tenant, id),
    addVote({ tenant, approval, approver, verdict, time, signature, keyId, sealedReason }) {
      statements.addVote.run(tenant, approval, approver, verdict, time, signature, keyId, sealedReason ?? null);
    },
    edit: (tenant, id, digest, { argumentsDigest, sealedArguments }) =>
      void statements.edit.run(digest, argumentsDigest, sealedArguments, tenant, id),
    countPending({ tenant, run, subject }, now, epoch) {
      const row = statements.countPending.get({ tenant, run, subject, now, epoch }) ?? {};
      return { ofRun: integer(row, 'of_run'), ofUser: integer(row, 'of_user') };
    },
    expired: (now, limit) => statements.expired.all(now, maxRows(limit)).map(place),
    runnable: ({ epoch, now, limit, offset }) => statements.runnable.all(epoch, now, maxRows(limit), offset).map(place),
  };
}

function votesOf({ votes }: Statements, tenant: string, id: string) {
  return votes.all(tenant, id).map(voteFrom);
}
