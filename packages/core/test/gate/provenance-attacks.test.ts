/** Values that only the model wrote, and ways to have them counted as somebody else's. */
import { expect } from 'vitest';
import { definePolicy, type HeardSource, type Outcome, type PolicyDocument } from '../../src/index.ts';
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
