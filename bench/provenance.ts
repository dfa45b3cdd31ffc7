/** What a rule on provenance adds to a low-risk call, and what looking for values costs, also in hostile conversations. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCountersign, definePolicy, type Gate, type ToolCall } from '@countersign/core';
import { sqliteStore } from '@countersign/core/sqlite';
import { traceValues, type ObservedSource } from '../packages/core/src/authorize/provenance.ts';
import { interval, measure, median, nanoseconds, one, printSection, ratio } from './measure.ts';

const capability = 'payments:invoice:pay';
const policy = definePolicy({
  countersign: 1,
  name: 'bench',
  version: '1',
  tenants: ['acme'],
  tools: {
    plain: { capability, risk: 'low' },
    traced: { capability, risk: 'low', provenance: [{ at: '/payee', require: 'user' }] },
  },
  agents: { payer: { capabilities: [capability] } },
  users: { alice: { capabilities: [capability] } },
});

const payee = 'DE89370400440532013000';
const line = 'The meeting is at 10, please bring the figures of the last 3 months and 2 copies. ';
/** A conversation of 8,000 characters; the value stands at its end. */
const said = `${line.repeat(96)} Pay 1500 to ${payee}.`;
const args = { payee, amount: 1500, currency: 'EUR', memo: 'Invoice 4711 of November', urgent: false };

const user = (text: string): ObservedSource => ({ origin: 'user', form: 'text', text, trusted: true });
const web = (text: string): ObservedSource => ({
  ...{ origin: 'tool', form: 'json', trusted: false, tool: { name: 'web', source: 'local' } },
  ...{ text: JSON.stringify({ text }), given: '{}' },
});

export async function benchProvenance(quick: boolean): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'));
  const countersign = createCountersign({
    policy,
    store: sqliteStore({ path: join(folder, 'store.sqlite'), durability: 'process' }),
    audit: { key: randomBytes(32) },
  });
  const gate = countersign.gate({
    ...{ tenant: 'acme', user: 'alice', agent: 'payer', run: 'run-1' },
    heard: { user: [said] },
  });
  const rounds = quick ? 10 : 30;
  const calls = await measure(
    [
      { name: 'without a rule', run: repeated(gate, 'plain') },
      { name: 'without a rule, again', run: repeated(gate, 'plain') },
      { name: 'with a rule', run: repeated(gate, 'traced') },
    ],
    { rounds, operations: 500 },
  );
  await countersign.close();
  rmSync(folder, { recursive: true, force: true });

  const hostile = [user('a'.repeat(262_144)), web(`${'a'.repeat(131_072)}b`)];
  const long = Object.fromEntries(
    Array.from({ length: 400 }, (_, index) => [`k${index}`, `${'a'.repeat(8_000)}${index}`]),
  );
  const traces = await measure(
    [
      { name: 'small', run: traced(args, [user(said)]) },
      { name: 'large', run: traced(args, [user(said.repeat(30)), web(said.repeat(30))]) },
    ],
    { rounds, operations: 5 },
  );
  const worst = await measure([{ name: 'hostile', run: traced(long, hostile) }], { rounds: 5, operations: 1 });
  const time = (of: typeof calls, name: string): string => nanoseconds(median(one(of, name).perOperation));
  printSection('Provenance of arguments', [
    { what: 'low-risk call without a rule', measured: time(calls, 'without a rule') },
    { what: 'noise: again / without', measured: interval(ratio(calls, 'without a rule, again', 'without a rule')) },
    {
      what: 'with a rule / without, 8,000 characters',
      measured: interval(ratio(calls, 'with a rule', 'without a rule')),
    },
    { what: 'tracing 5 values in 8,000 characters', measured: time(traces, 'small') },
    { what: 'the same in 480,000 characters', measured: time(traces, 'large') },
    { what: '400 hostile values in 393,000 characters', measured: time(worst, 'hostile') },
  ]);
}

let made = 0;

function repeated(gate: Gate, name: string) {
  return async (operations: number): Promise<void> => {
    for (let done = 0; done < operations; done += 1) {
      made += 1;
      const call: ToolCall = {
        ...{ tool: { name, source: 'local' }, callId: `call-${made}`, step: '#0', origin: 'model' },
        arguments: { ...args, id: made },
      };
      const outcome = await gate.execute(call, () => 'paid');
      if (outcome.status !== 'completed') throw new Error(outcome.status);
    }
  };
}

function traced(values: object, sources: readonly ObservedSource[]) {
  return async (operations: number): Promise<void> => {
    for (let done = 0; done < operations; done += 1) traceValues(values, sources);
  };
}
