/**
 * One statement for everything that a batch reads: a column of JSON for each part that is needed.
 * @module
 */
import type { Statement } from './transaction.ts';
import type { Need, Part } from './needs.ts';
import { approvalJson, approvalsWithCalls, callJson, entryJson, leaseJson, pendingJson } from './rows.ts';

const list = (json: string, from: string): string => `SELECT coalesce(json_agg(${json}), '[]') FROM ${from}`;
const rowJson = `json_build_object('call', ${callJson}, 'decisions', c.decisions)`;
const recordset = (input: string, ...columns: readonly string[]): string =>
  `json_to_recordset(${input}) AS wanted (${columns.map((name) => `${name} text COLLATE "C"`).join(', ')})`;
const among = (input: string): string => `ANY (SELECT json_array_elements_text(${input}) COLLATE "C")`;

/** By part: its SELECT, over a JSON array of what is wanted. `$1` is the tenant. */
const selects: Readonly<Record<Part, (input: string) => string>> = {
  calls: (input) =>
    list(
      rowJson,
      `${recordset(input, 'run', 'slot')} JOIN countersign.calls c
       ON c.tenant = $1 AND c.run = wanted.run AND c.slot = wanted.slot`,
    ),
  approvalsOfCalls: (input) =>
    list(
      approvalJson,
      `${recordset(input, 'run', 'slot')} JOIN countersign.approvals a
       ON a.tenant = $1 AND a.run = wanted.run AND a.slot = wanted.slot
       JOIN countersign.calls c ON c.tenant = $1 AND c.run = a.run AND c.slot = a.slot`,
    ),
  alike: (input) =>
    list(
      rowJson,
      `${recordset(input, 'run', 'digest')} JOIN countersign.calls c ON c.tenant = $1 AND c.run = wanted.run
       AND c.state = 'claimed' AND (c.arguments_digest = wanted.digest OR EXISTS (SELECT FROM countersign.approvals a
         WHERE a.tenant = $1 AND a.id = c.approval AND a.edited_digest = wanted.digest))`,
    ),
  editsAlike: (input) =>
    list(
      approvalJson,
      `${recordset(input, 'run', 'digest')} JOIN countersign.calls c ON c.tenant = $1 AND c.run = wanted.run
       AND c.state = 'claimed'
       JOIN countersign.approvals a ON a.tenant = $1 AND a.id = c.approval AND a.edited_digest = wanted.digest`,
    ),
  pendingOfRuns: (input) =>
    list(pendingJson, `${approvalsWithCalls} WHERE a.tenant = $1 AND a.state = 'pending' AND a.run = ${among(input)}`),
  pendingOfSubjects: (input) =>
    list(
      pendingJson,
      `${approvalsWithCalls} WHERE a.tenant = $1 AND a.state = 'pending' AND a.subject = ${among(input)}`,
    ),
  approvals: (input) => list(approvalJson, `${approvalsWithCalls} WHERE a.tenant = $1 AND a.id = ${among(input)}`),
  leases: (input) => list(leaseJson, `countersign.leases l WHERE l.tenant = $1 AND l.id = ${among(input)}`),
  subjects: (input) =>
    list(
      `json_build_object('subject', subject, 'key', key)`,
      `countersign.subjects WHERE tenant = $1 AND subject = ${among(input)}`,
    ),
  entries: (input) =>
    list(
      entryJson,
      `${recordset(input, 'kind', 'id')} JOIN countersign.entries e
       ON e.tenant = $1 AND e.kind = wanted.kind AND e.id = wanted.id`,
    ),
  heads: (input) =>
    list(
      `json_build_object('writer', writer, 'seq', seq, 'hash', hash)`,
      `countersign.writers WHERE tenant = $1 AND writer = ${among(input)}`,
    ),
  prunable: (input) =>
    list(
      `json_build_object('writer', writer, 'through', through, 'number', (SELECT count(*) FROM countersign.records r
        WHERE r.tenant = $1 AND r.writer = wanted.writer AND r.seq <= wanted.through))`,
      `json_to_recordset(${input}) AS wanted (writer text COLLATE "C", through bigint)`,
    ),
  epoch: (input) => `SELECT epoch FROM countersign.installation WHERE json_array_length(${input}) > 0`,
  time: (input) =>
    `SELECT coalesce(max(time), 0) FROM countersign.writers WHERE tenant = $1 AND json_array_length(${input}) > 0`,
};

const parts = Object.keys(selects) as readonly Part[];

/** Answers `undefined` when nothing is to be read. */
export function loadStatement(tenant: string, needs: Iterable<Need>): Statement | undefined {
  const wanted = new Map<Part, unknown[]>();
  for (const need of needs) {
    for (const part of Object.keys(need.parts) as Part[]) {
      const list = wanted.get(part) ?? [];
      wanted.set(part, list);
      list.push(need.parts[part]);
    }
  }
  const used = parts.filter((part) => wanted.has(part));
  if (used.length === 0) return undefined;
  const columns = used.map((part, index) => `(${selects[part](`$${index + 2}::json`)}) AS "${part}"`);
  return {
    text: `SELECT ${columns.join(', ')} WHERE $1::text IS NOT NULL`,
    values: [tenant, ...used.map((part) => JSON.stringify(unique(wanted.get(part) ?? [])))],
    name: `load ${used.map((part) => parts.indexOf(part)).join(' ')}`,
  };
}

/** A row that is wanted twice is answered once. */
function unique(wanted: readonly unknown[]): unknown[] {
  const seen = new Set<string>();
  return wanted.filter((each) => {
    const text = JSON.stringify(each);
    return !seen.has(text) && seen.add(text) !== undefined;
  });
}
