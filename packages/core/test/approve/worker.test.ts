/**
 * Workers run what was approved, whatever fails around them: the directory of principals, a provider, whoever is told.
 */
import { expect, test } from 'vitest';
import {
  createCountersign,
  definePolicy,
  LeaseError,
  Secret,
  type CredentialProvider,
  type PolicyDocument,
  type WorkerOptions,
} from '../../src/index.ts';
import { verifies } from '../../../../test/verifies.ts';
import { callTo, document, fixture, type Fixture } from '../support/fixture.ts';

const aliceInRun = { tenant: 'acme', user: 'alice', agent: 'support', run: 'run-1' } as const;
const patience = { timeout: 10_000, interval: 20 } as const;

/** Files a call of the tool `note` and lets it be approved. */
async function approved(f: Fixture, args: unknown = {}, tool = 'note'): Promise<string> {
  const filed = await f.gate.execute(callTo(tool, args), () => 'never');
  if (filed.status !== 'pending') throw new Error(`expected pending, got ${filed.status}`);
  await f.decide(filed.approval, 'approve');
  return filed.approval;
}

function toolNamed(name: string, run: (args: unknown) => unknown = () => 'done') {
  return { [name]: { identity: { name, source: 'local' }, run } };
}

/** A worker at work until the test ends, and what it was told. */
async function working(f: Fixture, options: WorkerOptions, check: (told: readonly string[]) => Promise<void>) {
  const told: string[] = [];
  const end = new AbortController();
  const onSettled: WorkerOptions['onSettled'] = (settled) => {
    told.push(settled.outcome.status);
    return options.onSettled?.(settled);
  };
  const running = f.countersign.worker({ pollMs: 10, ...options, onSettled }).start(end.signal);
  try {
    await check(told);
  } finally {
    end.abort();
    await running;
  }
}

/** Leases for the service `tickets`, once it is up. */
function flakyProvider() {
  const state = { down: true, asked: 0 };
  const provider: CredentialProvider = {
    ...{ name: 'flaky', services: ['tickets'], maxLifetimeMs: 300_000, revocable: true, findable: true },
    async get({ ttlMs }) {
      state.asked += 1;
      if (state.down) throw new LeaseError('the provider is down');
      return { credentialId: 'c', secret: new Secret('s'.repeat(20)), expiresAt: Date.now() + ttlMs };
    },
    provision: async () => undefined,
    revoke: async () => undefined,
    rotate: async () => undefined,
  };
  return { state, provider };
}

const mail = { capability: 'tickets:note:create', risk: 'medium' } as const;
const credentials = [{ service: 'tickets', scope: { write: true }, ttl: '1m' }] as const;
const withMail: PolicyDocument = { ...document, tools: { ...document.tools, mail: { ...mail, credentials } } };

verifies(
  ['APR-1', 'REL-3'],
  'a call whose credential cannot be had is not told as ended, fills no ledger, and runs once it can be had',
  async () => {
    const { state, provider } = flakyProvider();
    const f = fixture({ policy: definePolicy(withMail), options: { credentials: [provider] } });
    await approved(f, { to: 'bob' }, 'mail');
    const before = (await f.store.records('acme', {})).length;
    const ran: unknown[] = [];
    await working(f, { tools: toolNamed('mail', (args) => void ran.push(args)) }, async (told) => {
      await expect.poll(() => state.asked, patience).toBeGreaterThan(1);
      expect([told, ran]).toEqual([[], []]);
      // Each attempt leaves a claim, a refusal and a release: there are few of them.
      expect((await f.store.records('acme', {})).length - before).toBeLessThan(10);
      state.down = false;
      await expect.poll(() => told, patience).toEqual(['completed']);
    });
    expect(ran).toEqual([{ to: 'bob' }]);
  },
  { timeout: 30_000 },
);

verifies(
  'REL-3',
  'a directory of principals that hung keeps no worker from working once it answers again',
  async () => {
    const f = fixture();
    for (let n = 0; n < 10; n += 1) await approved(f, { n });
    let down = true;
    const principalFor: WorkerOptions['principalFor'] = () =>
      down
        ? new Promise<never>(() => undefined)
        : f.countersign.principal({ tenant: 'acme', user: 'alice', agent: 'support' });
    await working(f, { tools: toolNamed('note'), principalFor, timeoutMs: 100 }, async (told) => {
      await new Promise((resolve) => setTimeout(resolve, 300));
      down = false;
      await approved(f, { n: 10 });
      await expect.poll(() => told.length, patience).toBe(11);
    });
  },
  { timeout: 30_000 },
);

verifies('REL-3', 'whoever is told and hangs, or throws, keeps nothing else from running', async () => {
  const f = fixture();
  for (let n = 0; n < 4; n += 1) await approved(f, { n });
  const onSettled = (): Promise<never> => new Promise<never>(() => undefined);
  await working(f, { tools: toolNamed('note'), onSettled, concurrency: 1, timeoutMs: 50 }, async (told) => {
    await expect.poll(() => told.length, patience).toBe(4);
  });
});

verifies('APR-1', 'a worker is told of what it ran itself, and not of what another one runs or ran', async () => {
  const f = fixture();
  const id = await approved(f);
  const began = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  const slow = toolNamed('note', async () => {
    began.resolve();
    await end.promise;
  });
  const one: string[] = [];
  const running = f.countersign
    .worker({ tools: slow, onSettled: ({ outcome }) => void one.push(outcome.status) })
    .tick();
  await began.promise;
  const other = createCountersign({ ...f.options, timeouts: { settleMs: 10 } });
  const told: string[] = [];
  const notes = { tools: toolNamed('note'), onSettled: () => void told.push('told') };
  expect(await other.worker(notes).tick()).toBe(0);
  end.resolve();
  expect(await running).toBe(1);
  expect(await other.approvals.run(id, { tools: toolNamed('note') })).toMatchObject({
    status: 'completed',
    replayed: true,
  });
  expect([one, told]).toEqual([['completed'], []]);
});

test('what this worker cannot run hides nothing that it can', { timeout: 60_000 }, async () => {
  const f = fixture({ policy: definePolicy({ ...document, tools: { ...document.tools, mail } }) });
  const limits = { keys: [f.approvals.publicKey], maxPendingPerRun: 2_000, maxPendingPerUser: 2_000 };
  const many = { ...f, gate: createCountersign({ ...f.options, approvals: limits }).gate(aliceInRun) };
  for (let n = 0; n < 1_005; n += 1) await approved(many, { n });
  await approved(many, {}, 'mail');
  const worker = f.countersign.worker({ tools: toolNamed('mail') });
  expect(await worker.tick()).toBe(0);
  expect(await worker.tick()).toBe(1);
});
