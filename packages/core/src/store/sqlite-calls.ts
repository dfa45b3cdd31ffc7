/**
 * Calls in SQLite.
 * @module
 */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { callFrom, text, texts } from './sqlite-rows.ts';
import type { CallRow, CallTable } from './tables.ts';

const slotIs = 'tenant = ? AND run = ? AND slot = ?';

function prepareStatements(database: DatabaseSync) {
  return {
    inSlot: database.prepare(`SELECT * FROM calls WHERE ${slotIs}`),
    insert: database.prepare(`INSERT INTO calls (tenant, run, slot, key, subject, agent, delegation, tool, source,
    schema_digest, arguments_digest, state, decisions, approval, claimed_at, claim)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`),
    update: database.prepare(
      `UPDATE calls SET state = ?, decisions = ?, approval = ?, claimed_at = ?, claim = ? WHERE ${slotIs} AND key = ?`,
    ),
    settle: database.prepare(`UPDATE calls SET state = 'settled', status = ?, sealed = ?, settled_at = ?
    WHERE ${slotIs} AND key = ? AND claim = ? AND state = 'claimed'`),
    // Without statistics the planner may take the primary key instead, and read the whole run.
    claimedAlike: database.prepare(`SELECT calls.key FROM calls INDEXED BY calls_claimed
    LEFT JOIN approvals ON approvals.tenant = calls.tenant AND approvals.id = calls.approval
    WHERE calls.tenant = ? AND calls.run = ? AND calls.state = 'claimed' AND calls.tool = ? AND calls.source = ?
    AND ? IN (calls.arguments_digest, approvals.edited_digest)`),
    settledAsynchronous: database.prepare(`SELECT calls.* FROM calls
    JOIN approvals ON approvals.tenant = calls.tenant AND approvals.id = calls.approval
    WHERE calls.tenant = ? AND calls.run = ? AND calls.state = 'settled' AND approvals.mode = 'asynchronous'
    ORDER BY calls.settled_at, calls.rowid`),
  };
}

export function sqliteCalls(database: DatabaseSync): CallTable {
  const statements = prepareStatements(database);
  return {
    inSlot(call) {
      const row = statements.inSlot.get(call.tenant, call.run, call.slot);
      if (row === undefined) return undefined;
      return { call: callFrom(row), decisions: texts(row, 'decisions') };
    },
    insert: (row) => void statements.insert.run(...columnsOf(row)),
    update({ call, decisions }) {
      const { state, approval, claimedAt, claim, tenant, run, slot, key } = call;
      statements.update.run(
        state,
        JSON.stringify(decisions),
        approval ?? null,
        claimedAt ?? null,
        claim ?? null,
        tenant,
        run,
        slot,
        key,
      );
    },
    settle({ tenant, run, slot, key }, claim, { status, sealed }, now) {
      return statements.settle.run(status, sealed ?? null, now, tenant, run, slot, key, claim).changes === 1;
    },
    claimedAlike({ tenant, run, argumentsDigest, tool }) {
      const rows = statements.claimedAlike.all(tenant, run, tool.name, tool.source, argumentsDigest);
      return rows.map((row) => text(row, 'key'));
    },
    settledAsynchronous: (tenant, run) => statements.settledAsynchronous.all(tenant, run).map(callFrom),
  };
}

/** In the order of the insert statement. */
function columnsOf({ call, decisions }: CallRow): SQLInputValue[] {
  const { tenant, run, slot, key, subject, agent, tool } = call;
  return [
    ...[tenant, run, slot, key, subject, agent, JSON.stringify(call.delegation)],
    ...[tool.name, tool.source, tool.schemaDigest ?? null, call.argumentsDigest],
    ...[call.state, JSON.stringify(decisions), call.approval ?? null, call.claimedAt ?? null, call.claim ?? null],
  ];
}
