/**
 * A person is asked in a terminal while others decide elsewhere.
 */
import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { askInTerminal, definePolicy, type ApprovalsService } from '../../src/index.ts';
import { verifies } from '../../../../test/verifies.ts';
import { callTo, document, fixture, type Fixture } from '../support/fixture.ts';

const pay = { capability: 'deploy:staging:create', risk: 'high', approval: { edit: true } } as const;
const policy = definePolicy({ ...document, tools: { ...document.tools, pay } });

async function pending(f: Fixture, amount: number): Promise<string> {
  const outcome = await f.gate.execute(callTo('pay', { amount }), () => 'paid');
  if (outcome.status !== 'pending') throw new Error(`expected pending, got ${outcome.status}`);
  return outcome.approval;
}

/** @param onQuestion what happens when the nth question stands there; a text is typed */
async function asked(
  f: Fixture,
  onQuestion: (question: number) => Promise<string | undefined>,
  service: Pick<ApprovalsService, 'list' | 'show' | 'decide'> = f.approvals,
) {
  const [input, output] = [new PassThrough(), new PassThrough()];
  let shown = '';
  let questions = 0;
  output.on('data', (chunk: Buffer) => {
    shown += chunk.toString();
    if (!/(?:Type .*|Reason): $/.test(chunk.toString())) return;
    questions += 1;
    void onQuestion(questions).then((text) => text !== undefined && input.write(`${text}\n`));
  });
  const decided = await askInTerminal({ service, credential: f.carol, input, output });
  return { shown, questions, decided };
}

verifies('APR-3', 'a request that is decided elsewhere is asked about no longer, and the next one is', async () => {
  const f = fixture({ policy });
  const [first] = [await pending(f, 1), await pending(f, 2)];
  const { shown, questions, decided } = await asked(f, async (question) => {
    if (question > 1) return 'approve';
    await f.decide(first, 'reject');
    return undefined;
  });
  expect([questions, decided.map(({ state }) => state)]).toEqual([2, ['approved']]);
  expect(shown).toContain('Decided elsewhere meanwhile: rejected');
  expect(shown).toMatch(/ {2}approved\n$/);
  expect((await f.approvals.show(f.carol, first)).state).toBe('rejected');
});

verifies('APR-3', 'also while its reason is being typed', async () => {
  const f = fixture({ policy });
  const id = await pending(f, 1);
  const { shown, decided } = await asked(f, async (question) => {
    if (question === 1) return 'reject';
    await f.decide(id, 'approve');
    return undefined;
  });
  expect([decided, (await f.approvals.show(f.carol, id)).state]).toEqual([[], 'approved']);
  expect(shown).toContain('Decided elsewhere meanwhile: approved');
});

verifies('APR-7', 'one that is edited elsewhere is shown anew, and what was typed before decides nothing', async () => {
  const f = fixture({ policy });
  const id = await pending(f, 1);
  const { shown, questions, decided } = await asked(f, async (question) => {
    if (question > 1) return 'approve';
    const { digest } = await f.approvals.show(f.carol, id);
    await f.approvals.edit(f.carol, { id, digest, arguments: '{"amount":7}' });
    return undefined;
  });
  expect([questions, decided.map((each) => each.arguments)]).toEqual([2, ['{"amount":7}']]);
  expect(shown).toMatch(/"amount":1[\s\S]*edited elsewhere[\s\S]*"amount":7/);
});

verifies('APR-6', 'a reason that the rule demands is asked for an approval too, and stands with it', async () => {
  const approval = { reason: 'required' } as const;
  const f = fixture({ policy: definePolicy({ ...document, tools: { ...document.tools, pay: { ...pay, approval } } }) });
  const id = await pending(f, 1);
  const { questions, decided } = await asked(f, async (question) => (question === 1 ? 'approve' : 'checked'));
  expect([questions, decided.map(({ state }) => state)]).toEqual([2, ['approved']]);
  expect((await f.approvals.show(f.carol, id)).votes).toMatchObject([{ verdict: 'approve', reason: 'checked' }]);
});

verifies('APR-6', 'one that somebody else is in charge of is refused, and the next one is asked about', async () => {
  const approval = { groups: ['directors'] };
  const order = { ...pay, approval };
  const f = fixture({ policy: definePolicy({ ...document, tools: { ...document.tools, pay, order } }) });
  const outcome = await f.gate.execute(callTo('order', { amount: 1 }), () => 'ordered');
  const id = await pending(f, 2);
  const { shown, questions, decided } = await asked(f, async () => 'approve');
  expect([outcome.status, questions, decided.map((each) => each.id)]).toEqual(['pending', 2, [id]]);
  expect(shown).toContain('none of the groups that may decide now');
});

test('a service that does not answer decides nothing: the question stays', async () => {
  const f = fixture({ policy });
  await pending(f, 1);
  let looks = 0;
  const looked = Promise.withResolvers<void>();
  const show = async (): Promise<never> => {
    looks += 1;
    if (looks === 2) looked.resolve();
    throw new Error('unreachable');
  };
  const { questions, decided } = await asked(f, () => looked.promise.then(() => 'approve'), { ...f.approvals, show });
  expect([questions, decided.map(({ state }) => state)]).toEqual([1, ['approved']]);
});
