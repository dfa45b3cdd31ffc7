/**
 * What is left of a run: the calls as the ledger tells them, what the service saw, the trace, and the verification.
 */
import { openLedger, readKeyFile, type OpenedRecord, type Verification } from '@countersign/core';
import { sqliteStore } from '@countersign/core/sqlite';
import { readJsonLines, tenant, type Place } from './place.ts';
import type { ServiceEntry } from './service.ts';
import type { Story } from './story.ts';
import { traceTree } from './trace-tree.ts';
import type { WrittenSpan } from './tracing.ts';

/** One call, from its records. */
export interface CallRow {
  readonly tool: string;
  readonly risk: string;
  readonly decision: string;
  /** Who voted, and how. */
  readonly vote: string;
  readonly outcome: string;
  /** How often the service performed it. */
  readonly seen: number;
}

export interface Summary {
  readonly story: Story;
  readonly calls: readonly CallRow[];
  readonly verification: Verification;
  readonly leases: { readonly issued: number; readonly revoked: number };
  readonly spans: readonly WrittenSpan[];
  readonly service: readonly ServiceEntry[];
}

export async function summarize(place: Place, story: Story): Promise<Summary> {
  const store = sqliteStore({ path: place.store });
  try {
    const ledger = openLedger({ store, key: readKeyFile(place.auditKey) });
    const records: OpenedRecord[] = [];
    for await (const record of ledger.query({ tenant, run: story.run })) records.push(record);
    const service = readJsonLines<ServiceEntry>(place.serviceLog);
    const leasesWith = (event: string): number =>
      new Set(
        records.filter((record) => record.kind === 'credential' && record.event === event).map(({ lease }) => lease),
      ).size;
    return {
      story,
      service,
      calls: callsOf(records, service),
      verification: await ledger.verify(tenant),
      leases: { issued: leasesWith('issued'), revoked: leasesWith('revoked') },
      spans: readJsonLines<WrittenSpan>(place.spans),
    };
  } finally {
    await store.close();
  }
}

function callsOf(records: readonly OpenedRecord[], service: readonly ServiceEntry[]): readonly CallRow[] {
  const ofCalls = Map.groupBy(
    records.filter(({ call }) => call !== undefined),
    ({ call }) => call,
  );
  return [...ofCalls.values()].map((own) => {
    const decision = own.find(({ kind }) => kind === 'decision');
    const vote = own.find(({ kind, event }) => kind === 'approval' && (event === 'approved' || event === 'rejected'));
    const outcome = own.findLast(({ kind }) => kind === 'outcome');
    const leases = new Set(own.flatMap(({ lease }) => (lease === undefined ? [] : [lease])));
    return {
      tool: decision?.tool ?? '?',
      risk: decision?.risk ?? '?',
      decision: decision?.verdict ?? '?',
      vote: vote === undefined ? '-' : `${vote.event} by ${vote.approver ?? '?'}`,
      outcome: outcome?.event ?? 'not run',
      seen: service.filter(({ lease, status }) => status === 200 && lease !== undefined && leases.has(lease)).length,
    };
  });
}

export function printReport({ calls, verification, leases, spans, service }: Summary): void {
  const print = (text: string): void => void process.stdout.write(`${text}\n`);
  print('\nCalls and decisions');
  const rows = calls.map(({ tool, risk, decision, vote, outcome, seen }) => [
    tool,
    risk,
    decision,
    vote,
    outcome,
    `${seen} x`,
  ]);
  for (const line of table(['TOOL', 'RISK', 'DECISION', 'VOTE', 'OUTCOME', 'SEEN BY THE SERVICE'], rows))
    print(`   ${line}`);
  print('\nTrace');
  for (const line of traceTree(spans)) print(`   ${line}`);
  const writers = verification.writers.length;
  print(
    `\nledger ${verification.ok ? 'verified' : 'NOT VERIFIED'}: ${verification.records} records of ${writers} processes, each chained`,
  );
  print(`leases: ${leases.issued} issued, ${leases.revoked} revoked`);
  print(`requests that the service refused: ${service.filter(({ status }) => status === 401).length}`);
}

function table(headings: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const all = [headings, ...rows];
  const widths = headings.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
