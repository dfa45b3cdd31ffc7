/** A Countersign instance and its hand-written counterpart, on real SQLite files in a folder of their own. */
import { hash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SpanKind, trace } from '@opentelemetry/api';
import canonicalize from 'canonicalize';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { createCountersign, definePolicy, type Countersign, type Gate, type ToolCall } from '@countersign/core';
import { sqliteStore } from '@countersign/core/sqlite';

const policy = definePolicy({
  countersign: 1,
  name: 'bench',
  version: '1',
  tenants: ['acme'],
  tools: {
    add: {
      capability: 'math:sum:read',
      risk: 'low',
      arguments: {
        type: 'object',
        properties: { left: { type: 'number' }, right: { type: 'number' } },
        required: ['left', 'right'],
      },
    },
  },
  agents: { calculator: { owner: 'user:alice', capabilities: ['math:sum:read'] } },
  users: { alice: { capabilities: ['math:sum:read'] } },
});

export interface Bench {
  readonly folder: string;
  readonly countersign: Countersign;
  readonly gate: Gate;
  close(): Promise<void>;
}

export function openBench(durability: 'process' | 'power'): Bench {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'));
  const countersign = createCountersign({
    policy,
    store: sqliteStore({ path: join(folder, 'guarded.sqlite'), durability }),
    audit: { key: randomBytes(32) },
  });
  return {
    folder,
    countersign,
    gate: countersign.gate({ tenant: 'acme', user: 'alice', agent: 'calculator', run: 'run-1' }),
    async close() {
      await countersign.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

let calls = 0;

export function addCall(): ToolCall {
  calls += 1;
  return {
    tool: { name: 'add', source: 'local' },
    callId: `call-${calls}`,
    step: '#0',
    origin: 'model',
    arguments: { left: calls, right: 2 },
  };
}

export function add(args: unknown): number {
  const { left, right } = args as { left: number; right: number };
  return left + right;
}

/** A database with one table and one prepared insert: the least that is durable. */
export function bareInserts(folder: string, durability: 'process' | 'power'): (body: string) => void {
  const database = new DatabaseSync(join(folder, `bare-${randomBytes(4).toString('hex')}.sqlite`));
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${durability === 'power' ? 'FULL' : 'NORMAL'}`);
  database.exec('CREATE TABLE record (seq INTEGER PRIMARY KEY, hash TEXT NOT NULL, body TEXT NOT NULL) STRICT');
  const insert = database.prepare('INSERT INTO record (hash, body) VALUES (?, ?)');
  return (body) => void insert.run('', body);
}

/**
 * The cheapest complete guard written by hand: decide, digest, chained record, span, and one bare insert for each
 * awaited write (the intent before the tool, the outcome after it). No approvals, leases, encryption or reuse of ids.
 */
export function compositeFloor(folder: string, durability: 'process' | 'power'): (call: ToolCall) => Promise<number> {
  const database = new DatabaseSync(join(folder, `floor-${randomBytes(4).toString('hex')}.sqlite`));
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${durability === 'power' ? 'FULL' : 'NORMAL'}`);
  database.exec('CREATE TABLE record (seq INTEGER PRIMARY KEY, hash TEXT NOT NULL, body TEXT NOT NULL) STRICT');
  const insert = database.prepare('INSERT INTO record (hash, body) VALUES (?, ?)');
  const validate = new Ajv2020().compile({
    type: 'object',
    properties: { left: { type: 'number' }, right: { type: 'number' } },
    required: ['left', 'right'],
  });
  const agents = new Map([['calculator', new Map([['add', validate]])]]);
  const tracer = trace.getTracer('floor');
  let previous = '';

  async function append(record: Readonly<Record<string, unknown>>): Promise<void> {
    const body = JSON.stringify(record);
    previous = hash('sha256', `${previous}\n${body}`);
    insert.run(previous, body);
  }

  return async (call) => {
    const allowed = agents.get('calculator')?.get(call.tool.name)?.(call.arguments) === true;
    if (!allowed) throw new Error('denied');
    const digest = hash('sha256', canonicalize(call.arguments) ?? '', 'base64url');
    const span = tracer.startSpan('execute_tool add', { kind: SpanKind.INTERNAL });
    span.setAttributes({
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.tool.name': 'add',
      'gen_ai.tool.call.id': call.callId,
      digest,
    });
    const record = {
      tenant: 'acme',
      user: 'alice',
      agent: 'calculator',
      run: 'run-1',
      call: call.callId,
      tool: 'add',
      digest,
    };
    await append({ ...record, kind: 'claim', time: Date.now(), decision: 'allow' });
    const result = add(call.arguments);
    await append({ ...record, kind: 'outcome', time: Date.now(), result: 'completed' });
    span.end();
    return result;
  };
}
