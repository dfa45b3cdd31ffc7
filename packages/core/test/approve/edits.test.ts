/**
 * An approver changes the arguments of a request: schema and policy look again, and what was signed is what runs.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import {
  createCountersign,
  definePolicy,
  openLedger,
  requireCapability,
  type Outcome,
  type PolicyDocument,
  type Store,
} from '../../src/index.ts';
import { sqliteStore } from '../../src/store/sqlite.ts';
import { verifies } from '../../../../test/verifies.ts';
import { callTo, counted, document, fixture, type Fixture } from '../support/fixture.ts';

const schema = {
  type: 'object',
  properties: { amount: { type: 'number', maximum: 100 }, note: { type: 'string' } },
  required: ['amount'],
};

function policyWith(edit: boolean): PolicyDocument {
  const approval = { edit };
  const pay = { capability: 'deploy:staging:create', risk: 'high', arguments: schema, approval } as const;
  const when = [
    { arguments: { type: 'object', properties: { amount: { minimum: 50 } }, required: ['amount'] }, risk: 'high' },
  ] as const;
  const note = { capability: 'tickets:note:create', risk: 'medium', approval, when } as const;
  const refund = { capability: 'tickets:ticket:read', risk: 'low', approval, when } as const;
  return { ...document, tools: { ...document.tools, pay, note, refund } };
}

const validate = (args: unknown): void => {
  if (typeof (args as { amount?: unknown }).amount !== 'number') throw new Error('no amount');
};

async function filed(
  args: unknown = { amount: 40 },
  { edit = true, tool = 'pay', store }: { edit?: boolean; tool?: string; store?: Store } = {},
) {
  const f = fixture({ policy: definePolicy(policyWith(edit)), ...(store === undefined ? {} : { store }) });
  const call = callTo(tool, args);
  const { body, runs } = counted('done');
  const outcome = await f.gate.execute(call, body);
  if (outcome.status !== 'pending') throw new Error(`expected pending, got ${outcome.status}`);
  const id = outcome.approval;
  const resume = (options = { validate }): Promise<Outcome> =>
    f.gate.execute({ ...call, origin: 'resume' }, body, options);
  return { f, id, runs, resume, edit: (text: string) => edited(f, id, text) };
}

async function edited(f: Fixture, id: string, text: string) {
  const { digest } = await f.approvals.show(f.carol, id);
  return f.approvals.edit(f.carol, { id, digest, arguments: text });
}

verifies('APR-7', 'the edited arguments run, once, and the ledger keeps both', async () => {
  const { f, id, runs, resume, edit } = await filed();
  const before = await f.approvals.show(f.carol, id);
  const after = await edit('{"amount": 10, "note": "less"}');
  expect(after.digest).not.toBe(before.digest);
  expect(after).toMatchObject({ arguments: '{"amount":10,"note":"less"}', originalArguments: '{"amount":40}' });
  expect(await resume()).toMatchObject({ status: 'pending' });
  await f.decide(id, 'approve');
  expect(await resume()).toMatchObject({ status: 'completed' });
  expect(await resume()).toMatchObject({ status: 'completed', replayed: true });
  expect(runs).toEqual([{ amount: 10, note: 'less' }]);

  const ledger = openLedger({ store: f.store, key: f.key });
  const kept: [string, unknown][] = [];
  for await (const { event, arguments: args } of ledger.query({ tenant: 'acme' })) {
    if (args !== undefined) kept.push([event, args]);
  }
  expect(kept).toContainEqual(['review', { amount: 40 }]);
  expect(kept).toContainEqual(['edited', { amount: 10, note: 'less' }]);
});

verifies('APR-7', 'a vote on what was shown before an edit counts for nothing', async () => {
  const { f, id, runs, resume, edit } = await filed();
  const { digest } = await f.approvals.show(f.carol, id);
  await edit('{"amount": 10}');
  await expect(f.approvals.decide(f.carol, { id, verdict: 'approve', digest })).rejects.toMatchObject({
    code: 'ERR_APPROVAL_CONFLICT',
  });
  expect(await resume()).toMatchObject({ status: 'pending' });
  expect(runs).toEqual([]);
});

verifies(
  'APR-7',
  'arguments that the policy denies, that raise the risk, or that are no arguments are refused',
  async () => {
    const pay = await filed();
    for (const [text, code] of [
      ['{"amount": 101}', 'ERR_APPROVAL_CONFLICT'],
      ['{}', 'ERR_APPROVAL_CONFLICT'],
      ['{"amount": 1, "amount": 99}', 'ERR_ARGUMENTS'],
      ['{"amount": 1, "__proto__": {}}', 'ERR_ARGUMENTS'],
      ['{"amount": 1e999}', 'ERR_ARGUMENTS'],
      ['{"amount"', 'ERR_ARGUMENTS'],
      ['', 'ERR_ARGUMENTS'],
    ] as const) {
      await expect(pay.edit(text)).rejects.toMatchObject({ code });
    }
    expect((await pay.f.store.approval('acme', pay.id))?.edit).toBeUndefined();
    const note = await filed({ amount: 1 }, { tool: 'note' });
    await expect(note.edit('{"amount": 60}')).rejects.toMatchObject({ code: 'ERR_APPROVAL_CONFLICT' });
    expect(await note.edit('{"amount": 2}')).toMatchObject({ arguments: '{"amount":2}' });
  },
);

verifies('APR-7', 'only who may decide may edit, where the rule permits it, before anybody voted', async () => {
  const own = await filed();
  const { digest } = await own.f.approvals.show(own.f.aliceApproves, own.id);
  const mine = { id: own.id, digest, arguments: '{"amount": 1}' };
  await expect(own.f.approvals.edit(own.f.aliceApproves, mine)).rejects.toMatchObject({ code: 'ERR_APPROVER' });
  await expect(own.f.approvals.edit('nobody', mine)).rejects.toMatchObject({ code: 'ERR_APPROVER' });
  const fixed = await filed({ amount: 1 }, { edit: false });
  await expect(fixed.edit('{"amount": 2}')).rejects.toMatchObject({ code: 'ERR_APPROVAL_CONFLICT' });
  await own.f.decide(own.id, 'approve');
  await expect(own.edit('{"amount": 2}')).rejects.toMatchObject({ code: 'ERR_APPROVAL_CONFLICT' });
});

verifies('APR-7', 'edited arguments that do not fit the tool, or that nothing can check, do not run', async () => {
  const { f, id, runs, resume, edit } = await filed({ amount: 1 }, { tool: 'note' });
  await edit('{"sum": 2}');
  await f.decide(id, 'approve');
  const none = { validate: undefined } as never;
  for (const options of [undefined, none]) {
    expect(await resume(options)).toMatchObject({ status: 'denied', reason: 'arguments_invalid' });
  }
  const hostile = { validate: () => Promise.reject(new Error('down')) };
  expect(await resume(hostile as never)).toMatchObject({ status: 'denied', reason: 'arguments_invalid' });
  expect(runs).toEqual([]);
});

verifies(
  'APR-7',
  'a check of edited arguments that hangs denies in bounded time',
  async () => {
    const { f, id, runs, resume, edit } = await filed({ amount: 1 }, { tool: 'note' });
    await edit('{"amount": 2}');
    await f.decide(id, 'approve');
    const hanging = { validate: () => new Promise<never>(() => undefined) };
    expect(await resume(hanging as never)).toMatchObject({ status: 'denied', reason: 'arguments_invalid' });
    expect(runs).toEqual([]);
  },
  { timeout: 20_000 },
);

verifies('APR-7', 'arguments that somebody swaps in the store after the vote do not run', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'countersign-edits-')), 's.sqlite');
  const { f, id, runs, resume, edit } = await filed({ amount: 40 }, { store: sqliteStore({ path }) });
  await edit('{"amount": 10}');
  await f.decide(id, 'approve');
  const database = new DatabaseSync(path);
  const restore = database.prepare('SELECT edited_digest, edited_arguments FROM approvals').get() ?? {};
  for (const change of [
    'edited_digest = NULL, edited_arguments = NULL',
    'edited_arguments = sealed_arguments',
    "edited_digest = 'x'",
  ]) {
    database.exec(`UPDATE approvals SET ${change}`);
    expect([change, (await resume()).status]).toEqual([change, 'denied']);
    database
      .prepare('UPDATE approvals SET edited_digest = ?, edited_arguments = ?')
      .run(restore['edited_digest'] ?? null, restore['edited_arguments'] ?? null);
  }
  expect(runs).toEqual([]);
  database.close();
});

verifies('APR-7', 'a policy that became stricter about the edited arguments denies them at the claim', async () => {
  const { f, id, edit } = await filed({ amount: 1 }, { tool: 'note' });
  await edit('{"amount": 2}');
  await f.decide(id, 'approve');
  const stricter = policyWith(true);
  const limited = {
    ...stricter,
    tools: {
      ...stricter.tools,
      note: {
        ...stricter.tools['note'],
        arguments: { ...schema, properties: { amount: { type: 'number', maximum: 1 } } },
      },
    },
  } as PolicyDocument;
  const later = createCountersign({ ...f.options, policy: definePolicy(limited) });
  const ran: unknown[] = [];
  const tools = {
    note: { identity: { name: 'note', source: 'local' }, run: (args: unknown) => ran.push(args), validate },
  };
  expect(await later.approvals.run(id, { tools })).toMatchObject({ status: 'denied' });
  expect(ran).toEqual([]);
  expect(await f.countersign.approvals.run(id, { tools })).toMatchObject({ status: 'completed' });
  expect(ran).toEqual([{ amount: 2 }]);
});

test('a function that waits gets what the approver made of its arguments', async () => {
  const f = fixture({
    policy: definePolicy({
      ...document,
      capabilities: { 'deploy:staging:create': { risk: 'high', approval: { edit: true } } },
    }),
  });
  const deploy = requireCapability(f.gate, 'deploy:staging:create')((plan: { version: number }) => `v${plan.version}`);
  const deployed = deploy({ version: 1 });
  const waiting = async () => (await f.store.approvals('acme', { state: 'pending' }))[0]?.id;
  await expect.poll(waiting).toBeDefined();
  const id = (await waiting()) ?? '';
  await edited(f, id, '{"version": 2}');
  await f.decide(id, 'approve');
  expect(await deployed).toBe('v2');
});

verifies(
  ['REL-3', 'APR-7'],
  'what an approver wrote and nobody knows the outcome of needs a person to run again',
  async () => {
    const f = fixture({ policy: definePolicy(policyWith(true)) });
    const call = callTo('refund', { amount: 80 });
    const pending = await f.gate.execute(call, () => 'never');
    if (pending.status !== 'pending') throw new Error(`expected pending, got ${pending.status}`);
    await edited(f, pending.approval, '{"amount":40}');
    await f.decide(pending.approval, 'approve');
    const began = Promise.withResolvers<unknown>();
    const hangs = (args: unknown): Promise<never> => (began.resolve(args), new Promise<never>(() => undefined));
    void f.gate.execute({ ...call, origin: 'resume' }, hangs, { validate });
    expect(await began.promise).toEqual({ amount: 40 });
    // As after a crash: another instance, which does not know that it still runs.
    const other = createCountersign(f.options).gate({ tenant: 'acme', user: 'alice', agent: 'support', run: 'run-1' });
    const { body, runs } = counted('refunded');
    expect(await other.execute(callTo('refund', { amount: 40 }), body)).toMatchObject({ status: 'pending' });
    expect(runs).toEqual([]);
  },
);
