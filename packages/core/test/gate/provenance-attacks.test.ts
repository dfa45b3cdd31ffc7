/** Values that only the model wrote, and ways to have them counted as somebody else's. */
import { expect, test } from 'vitest';
import {
  createCountersign,
  definePolicy,
  memoryStore,
  type HeardSource,
  type Outcome,
  type PolicyDocument,
  type Store,
  type ToolCall,
} from '../../src/index.ts';
import { verifies } from '../../../../test/verifies.ts';
import { callTo, document, fixture, type Fixture } from '../support/fixture.ts';

const thief = 'GB33BUKB20201555555555';
const capability = 'tickets:ticket:read';
const trusted = (at: string) => ({ at, require: 'trusted' }) as const;
const policy = definePolicy({
  ...document,
  tools: {
    ...document.tools,
    crm: { capability, risk: 'low', trusted: true },
    save: { capability, risk: 'low' },
    store: { capability: 'tickets:note:create', risk: 'medium' },
    wires: {
      ...{ capability, risk: 'high', approval: { edit: true } },
    },
    repay: {
      ...{ capability: 'tickets:note:create', risk: 'medium', approval: { edit: true } },
      provenance: [{ at: '/payees/*', require: 'user' }],
    },
    settle: { capability, risk: 'low', provenance: [trusted('/payee'), trusted('/amount')] },
  },
} satisfies PolicyDocument);

const setUp = (): Fixture => fixture({ policy });
const gateOf = ({ countersign }: Pick<Fixture, 'countersign'>, heard?: HeardSource) =>
  countersign.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: 'run-1', ...(heard ? { heard } : {}) });
type Gate = ReturnType<typeof gateOf>;
const denial = { status: 'denied', reason: 'constraint_failed' };

/** The trusted tool hands this back: may it be paid? */
async function paidAfter(gate: Gate, answer: unknown, args: object): Promise<Outcome> {
  await gate.execute(callTo('crm', { id: 7 }), () => answer);
  return gate.execute(callTo('settle', args), () => 'paid');
}

const escaped = thief.replaceAll(/./g, (character) => `\\u00${character.charCodeAt(0).toString(16)}`);

verifies('CAP-12', 'a tool that trims what it stored does not make it its own word', async () => {
  const gate = gateOf(setUp());
  let stored = '';
  // To JSON a no-break space is no white space, to `trim` it is.
  const note = `["${escaped}", 1.5e3]\u00a0`;
  await gate.execute(callTo('save', { note }), (args) => void (stored = (args as { note: string }).note.trim()));
  expect(await paidAfter(gate, { note: stored }, { payee: thief })).toMatchObject(denial);
  expect(await paidAfter(gate, { note: stored }, { amount: 1500 })).toMatchObject(denial);
});

verifies('CAP-12', 'nor does one that answers a deep document one level higher than it got it', async () => {
  const gate = gateOf(setUp());
  const note = `${'['.repeat(62)}"${escaped}"${']'.repeat(62)}`;
  await gate.execute(callTo('save', { contact: { note } }), () => 'saved');
  expect(await paidAfter(gate, { note }, { payee: thief })).toMatchObject(denial);
});

verifies('CAP-12', 'a call with ordinary texts and documents leaves the word of trusted tools what it is', async () => {
  const gate = gateOf(setUp());
  const given = { query: 'who is "Ada" [the Countess]?', path: String.raw`C:\new`, body: '{"name": "Ada", "n": 1e2}' };
  await gate.execute(callTo('save', given), () => 'saved');
  const paid = await paidAfter(gate, { iban: thief, total: 1500 }, { payee: thief, amount: 1500 });
  expect(paid).toMatchObject({ status: 'completed' });
});

const friend = 'DE89370400440532013000';

/** What an approver is shown of a call once they made it `edited`. The user named the friend. */
async function originsAfter(sent: object, edited: object): Promise<Record<string, string>> {
  const f = setUp();
  const filed = await gateOf(f, { user: [`Pay 1500 euros to ${friend}`] }).execute(callTo('wires', sent), () => 'paid');
  if (filed.status !== 'pending') throw new Error(filed.status);
  const { digest } = await f.approvals.show(f.carol, filed.approval);
  const after = await f.approvals.edit(f.carol, { id: filed.approval, digest, arguments: JSON.stringify(edited) });
  return Object.fromEntries((after.provenance ?? []).map(({ pointer, origin }) => [pointer, origin]));
}

verifies(['CAP-12', 'APR-7'], 'what an approver did not write is not theirs when it moves', async () => {
  const moved = await originsAfter({ payees: [friend, 'nonsense', thief] }, { payees: [friend, thief] });
  expect(moved).toEqual({ '/payees/0': 'user', '/payees/1': 'model' });
  const renamed = await originsAfter({ payees: [thief], flag: true }, { to: thief, urgent: true });
  expect(renamed).toEqual({ '/to': 'model', '/urgent': 'model' });
  const swapped = await originsAfter({ payees: [friend, thief] }, { payees: [thief, friend] });
  expect(swapped).toEqual({ '/payees/0': 'model', '/payees/1': 'user' });
});

verifies(['CAP-12', 'APR-7'], 'nor when it stood behind the values that are traced, or too deep', async () => {
  const many = Object.fromEntries(Array.from({ length: 199 }, (_, index) => [`m${index}`, `filler ${index}`]));
  const sent = { a: 'x', ...many, payees: [thief], z: 'last words' };
  const shown = await originsAfter(sent, { payees: [thief], z: 'last words', note: 'as agreed' });
  expect(shown).toEqual({ '/payees/0': 'model', '/z': 'model', '/note': 'approver' });
  const deep = await originsAfter({ ['x'.repeat(200)]: thief }, { payees: [thief] });
  expect(deep).toEqual({ '/payees/0': 'model' });
});

verifies(['CAP-12', 'APR-7'], 'nor when it only looks another way, or was longer', async () => {
  const sent = {
    amount: 2700,
    total: '3,900.00',
    note: `to ${thief}, at once`,
    body: JSON.stringify({ a: 'Mallory "M"' }),
  };
  const shown = await originsAfter(sent, {
    ...{ amount: '2700', total: 3900, note: thief, other: 'gb33 bukb 2020 1555 5555 55', body: 'Mallory "M"' },
    ...{ by: 'Ada Lovelace', count: 27, year: 2026 },
  });
  expect(shown).toEqual({
    ...{ '/amount': 'model', '/total': 'model', '/note': 'model', '/other': 'model', '/body': 'model' },
    ...{ '/by': 'approver', '/count': 'approver', '/year': 'approver' },
  });
});

verifies(['CAP-12', 'APR-7'], 'nor when the user wrote a part of the text that it was a part of', async () => {
  const shown = await originsAfter({ payees: [friend], note: `${friend} or Mallory` }, { payees: ['x'], note: friend });
  expect(shown).toEqual({ '/payees/0': 'approver', '/note': 'model' });
});

verifies(['CAP-12', 'APR-7'], 'a value that an approver moves cannot be required to be the user’s', async () => {
  const f = fixture({ policy });
  const gate = gateOf(f, { user: [`Pay ${friend}`] });
  const filed = await gate.execute(callTo('repay', { payees: [friend], memo: [thief] }), () => 'paid');
  if (filed.status !== 'pending') throw new Error(filed.status);
  const { digest } = await f.approvals.show(f.carol, filed.approval);
  const edit = (args: object) =>
    f.approvals.edit(f.carol, { id: filed.approval, digest, arguments: JSON.stringify(args) });
  await expect(edit({ payees: [thief] })).rejects.toMatchObject({ code: 'ERR_APPROVAL_CONFLICT' });
  await expect(edit({ payees: ['FR7630006000011234567890189'] })).resolves.toMatchObject({ state: 'pending' });
});

verifies(['CAP-12', 'APR-7'], 'nor when there is more in the call than can be compared', async () => {
  const note = 'words of the model '.repeat(50_000);
  const edited = {
    ...Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`m${n}`, `by ${n} Ada`])),
    payee: thief,
  };
  const shown = await originsAfter({ note, all: [thief] }, { ...edited, rest: note.slice(0, 900) });
  expect(shown).toMatchObject({ '/m0': 'approver', '/payee': 'model', '/rest': 'model' });
});

/** A worker of another instance runs what was approved. */
async function runElsewhere(f: Fixture, kept: unknown[]): Promise<void> {
  const tool = { identity: { name: 'store', source: 'local' }, run: (args: unknown) => (kept.push(args), 'stored') };
  expect(
    await createCountersign(f.options)
      .worker({ tools: { store: tool } })
      .tick(),
  ).toBe(1);
}

for (const [how, file] of Object.entries({
  'was asked to run': async ({ gate }: Fixture) => {
    const filed = await gate.execute(callTo('store', { text: thief }), () => 'never');
    return filed.status === 'pending' ? filed.approval : filed.status;
  },
  'was asked to check': async ({ gate }: Fixture) => {
    const { approval } = await gate.check(callTo('store', { text: thief }));
    return approval?.id ?? 'not filed';
  },
})) {
  verifies('CAP-12', `what this gate ${how} and a worker of another stored is known to have been given`, async () => {
    const f = setUp();
    await f.decide(await file(f), 'approve');
    const kept: unknown[] = [];
    await runElsewhere(f, kept);
    expect(await paidAfter(f.gate, kept, { payee: thief })).toMatchObject(denial);
  });
}

verifies('CAP-12', 'so is what was filed although the store answered too late', async () => {
  const inner = memoryStore();
  let late = false;
  const store: Store = {
    ...inner,
    observe: async (input) => {
      const answer = await inner.observe(input);
      return late ? await new Promise<never>(() => undefined) : answer;
    },
  };
  const f = fixture({ policy, store, options: { timeouts: { settleMs: 200, storeMs: 100 } } });
  late = true;
  expect(await f.gate.execute(callTo('store', { text: thief }), () => 'never')).toMatchObject({ status: 'denied' });
  late = false;
  const [filed] = await f.approvals.list(f.carol);
  await f.decide(filed?.id ?? 'not filed', 'approve');
  const kept: unknown[] = [];
  await runElsewhere(f, kept);
  expect(await paidAfter(f.gate, kept, { payee: thief })).toMatchObject(denial);
});

/** Another instance runs the call, and ends it while this gate waits for it, or when it has waited long enough. */
async function runsElsewhere(call: ToolCall, result: unknown, ends: 'in time' | 'too late'): Promise<Fixture> {
  const inner = memoryStore();
  const [entered, waits, ended] = [
    Promise.withResolvers<void>(),
    Promise.withResolvers<void>(),
    Promise.withResolvers<void>(),
  ];
  // The outcome is asked for only once the store has said that the call runs.
  const asked: Store['call'] = (facts) => (waits.resolve(), inner.call(facts));
  const f = fixture({ policy, store: { ...inner, call: asked } });
  const running = gateOf({ countersign: createCountersign(f.options) }).execute(call, async () => {
    entered.resolve();
    await ended.promise;
    return result;
  });
  await entered.promise;
  const here = f.gate.execute(call, () => 'never');
  await (ends === 'in time' ? waits.promise : here);
  ended.resolve();
  await running;
  expect(await here).toMatchObject({ status: ends === 'in time' ? 'completed' : 'unknown' });
  return f;
}

for (const ends of ['in time', 'too late'] as const) {
  verifies('CAP-12', `so is what runs elsewhere while this gate waits for it, also when it ends ${ends}`, async () => {
    const { gate } = await runsElsewhere(callTo('save', { text: thief }), 'saved', ends);
    expect(await paidAfter(gate, [thief], { payee: thief })).toMatchObject(denial);
  });
}

verifies('CAP-12', 'a result that this gate waited for is that of its tool', async () => {
  const { gate } = await runsElsewhere(callTo('crm', { id: 7 }), { iban: friend }, 'in time');
  expect(await gate.execute(callTo('settle', { payee: friend }), () => 'paid')).toMatchObject({ status: 'completed' });
});

verifies('CAP-12', 'so is what a framework pauses, since it may be resumed elsewhere', async () => {
  const f = setUp();
  const call = callTo('save', { text: thief });
  await f.gate.check(call, { pauses: true });
  const elsewhere = gateOf({ countersign: createCountersign(f.options) });
  expect(await elsewhere.execute({ ...call, origin: 'resume' }, () => 'saved')).toMatchObject({ status: 'completed' });
  expect(await paidAfter(f.gate, [thief], { payee: thief })).toMatchObject(denial);
});

test('a call that is asked for again and again is given once: the run goes on trusting', async () => {
  const f = setUp();
  const call = callTo('store', { text: 'a note' });
  for (let time = 0; time < 1_100; time += 1) await f.gate.execute(call, () => 'never');
  expect(await paidAfter(f.gate, [friend], { payee: friend })).toMatchObject({ status: 'completed' });
});
