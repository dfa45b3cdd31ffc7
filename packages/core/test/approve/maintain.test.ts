/**
 * What a timer does for everybody goes on whatever is wrong with the rows of somebody.
 */
import { expect } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { callTo, fixture } from '../support/fixture.ts';

const over = 16 * 60_000;

verifies(
  'REL-3',
  'hundreds of requests of users who were erased keep the requests of nobody else from ending, and end themselves',
  async () => {
    let now = Date.now();
    const f = fixture({ now: () => now });
    const file = async (user: string, run: string): Promise<string> => {
      const gate = f.countersign.gate({ tenant: 'acme', user, agent: 'support', run });
      const outcome = await gate.execute(callTo('deploy'), () => 'x');
      if (outcome.status !== 'pending') throw new Error(`expected pending, got ${outcome.status}`);
      return outcome.approval;
    };
    const state = async (id: string): Promise<string | undefined> => (await f.store.approval('acme', id))?.state;
    const ofAlice: string[] = [];
    for (let time = 0; time < 3; time += 1, now += over)
      for (let n = 0; n < 100; n += 1) ofAlice.push(await file('alice', `run-${time}-${n % 10}`));
    await f.countersign.ledger.eraseSubject({ tenant: 'acme', user: 'alice', by: 'dpo' });
    const id = await file('bob', 'run-bob');
    now += over;
    for (let looks = 0; looks < 3; looks += 1) await f.countersign.maintain();
    expect(await state(id)).toBe('expired');
    expect(new Set(await Promise.all(ofAlice.map(state)))).toEqual(new Set(['expired']));
  },
  { timeout: 60_000 },
);

verifies('REL-3', 'nor do hundreds that a tenant whose key cannot be read any more has', async () => {
  let now = Date.now();
  const f = fixture({ now: () => now });
  const file = async (tenant: string, run: string): Promise<string> => {
    const gate = f.countersign.gate({ tenant, user: 'alice', agent: 'support', run });
    const outcome = await gate.execute(callTo('deploy'), () => 'x');
    if (outcome.status !== 'pending') throw new Error(`expected pending, got ${outcome.status}`);
    return outcome.approval;
  };
  for (let time = 0; time < 3; time += 1, now += over)
    for (let n = 0; n < 100; n += 1) await file('globex', `run-${time}-${n % 10}`);
  const id = await file('acme', 'run-1');
  now += over;
  const broken = {
    ...f.store,
    approval: async (tenant: string, of: string) => {
      if (tenant === 'globex') throw new Error('a row of this tenant cannot be read');
      return f.store.approval(tenant, of);
    },
  };
  expect(await fixture({ store: broken, key: f.key, now: () => now }).countersign.maintain()).toMatchObject({
    expiredApprovals: 1,
  });
  expect((await f.store.approval('acme', id))?.state).toBe('expired');
});
