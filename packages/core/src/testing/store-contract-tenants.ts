/**
 * No operation of one tenant sees or changes anything of another: each tenant's answers are those that it gets alone.
 * @module
 */
import type { CallFacts, Store } from '../store/store.ts';
import type { StoreCheck } from './store-contract.ts';
import { claimInput, expectSame, newApproval, newCall, newDraft, reviewInput, voteInput } from './store-fixtures.ts';

const tenants = ['acme', 'globex', 'acme-2'];
const steps = 400;

/** A step uses the same ids in every tenant: only the tenant keeps them apart. `pick` is a whole number. */
type Step = (store: Store, tenant: string, pick: number) => Promise<unknown>;

function callOf(tenant: string, pick: number): CallFacts {
  const index = pick % 5;
  return newCall({
    tenant,
    run: `run-${index % 2}`,
    slot: `slot-${index}`,
    key: `key-${index}`,
    argumentsDigest: `arguments-${index % 3}`,
  });
}

const draftOf = (tenant: string, pick: number) => newDraft({ id: 'rec', tenant, time: 1000, body: `{"pick":${pick}}` });
const approvalOf = (pick: number) => newApproval({ id: `apr-${pick % 5}`, digest: `digest-${pick % 5}` });
const leaseOf = (pick: number) => `lse-${pick % 7}`;

const operations: readonly Step[] = [
  (store, tenant, pick) =>
    store.observe(
      reviewInput(callOf(tenant, pick), approvalOf(pick), { maxPendingPerRun: 2, records: [draftOf(tenant, pick)] }),
    ),
  (store, tenant, pick) =>
    store.observe(reviewInput(callOf(tenant, pick), undefined, { verdict: 'deny', records: [draftOf(tenant, pick)] })),
  (store, tenant, pick) => {
    const leases = [{ id: leaseOf(pick), service: 'github', provider: 'memory', expiresAt: 2000 }];
    return store.claim(claimInput(callOf(tenant, pick), { leases, records: [draftOf(tenant, pick)] }));
  },
  (store, tenant, pick) => {
    const { id, digest } = approvalOf(pick);
    return store.claim(
      claimInput(callOf(tenant, pick), { approval: { id, digest }, records: [draftOf(tenant, pick)] }),
    );
  },
  (store, tenant, pick) =>
    store.settle({
      claim: 'attempt',
      call: callOf(tenant, pick),
      now: 1,
      outcome: { status: 'completed' },
      closedLeases: [leaseOf(pick)],
      records: [draftOf(tenant, pick)],
    }),
  (store, tenant, pick) =>
    store.release({
      claim: 'attempt',
      call: callOf(tenant, pick),
      now: 1,
      closedLeases: [leaseOf(pick)],
      records: [draftOf(tenant, pick)],
    }),
  (store, tenant, pick) =>
    store.vote(voteInput(callOf(tenant, pick), approvalOf(pick), { records: [draftOf(tenant, pick)] })),
  (store, tenant, pick) => {
    const { id, digest } = approvalOf(pick);
    const edit = { argumentsDigest: `edited-${pick % 3}`, sealedArguments: 'sealed' };
    const input = { tenant, approval: id, expected: digest, subject: 'editor', digest, edit, now: 1 };
    return store.edit({ ...input, records: [draftOf(tenant, pick)] });
  },
  (store, tenant, pick) =>
    store.transition({
      tenant,
      approval: approvalOf(pick).id,
      to: 'cancelled',
      now: 1,
      records: [draftOf(tenant, pick)],
    }),
  (store, tenant, pick) =>
    store.leaseIssued({
      tenant,
      id: leaseOf(pick),
      sealedHandle: 'handle',
      expiresAt: 2000,
      records: [draftOf(tenant, pick)],
    }),
  (store, tenant, pick) => store.leaseClosed({ tenant, id: leaseOf(pick), records: [draftOf(tenant, pick)] }),
  (store, tenant, pick) => store.append(tenant, [draftOf(tenant, pick)]),
  (store, tenant, pick) => store.subjectKey(tenant, `user-${pick % 3}`, pick % 2 === 0 ? undefined : `key-${pick}`),
  (store, tenant, pick) => store.eraseSubject(tenant, `user-${pick % 3}`, [draftOf(tenant, pick)]),
  async (store, tenant, pick) => {
    const place = {
      tenant,
      kind: pick % 9 === 0 ? 'hold' : 'cursor',
      id: pick % 9 === 0 ? 'tenant' : `entry-${pick % 3}`,
    } as const;
    const stored = await store.entry(tenant, place.kind, place.id);
    const value = pick % 5 === 0 || stored?.kind === 'hold' ? undefined : `value-${pick}`;
    const put = { ...place, expected: stored?.version, value, now: 1, records: [draftOf(tenant, pick)] };
    return (await store.putEntry(put)) === undefined;
  },
  async (store, tenant) => (await store.entries(tenant, 'cursor')).map(({ version: _, ...entry }) => entry),
  async (store, tenant, pick) => {
    const [first] = await store.heads(tenant);
    if (first === undefined) return undefined;
    const { writer } = first;
    const entry = { id: `segment-${pick % 3}`, value: 'proof' };
    return store.system.prune({
      tenant,
      writer,
      through: 1 + (pick % 4),
      entry,
      now: 1,
      records: [draftOf(tenant, pick)],
    });
  },
  (store, tenant, pick) => store.call(callOf(tenant, pick)),
  (store, tenant, pick) => store.approval(tenant, approvalOf(pick).id),
  (store, tenant) => store.approvals(tenant, {}),
  (store, tenant, pick) => store.settledAsynchronous(tenant, `run-${pick % 2}`),
  async (store, tenant) => (await store.records(tenant, {})).map(({ writer: _, hash: __, ...record }) => record),
  async (store, tenant) => (await store.heads(tenant)).map(({ tenant: of, seq }) => ({ of, seq })),
  async (store, tenant) => (await store.writers(tenant)).length,
  async (store, tenant) => (await store.system.expiredApprovals(9000, 1000)).filter((place) => place.tenant === tenant),
  async (store, tenant) =>
    (await store.system.runnableApprovals({ now: 0, limit: 1000, offset: 0 })).filter(
      (place) => place.tenant === tenant,
    ),
  async (store, tenant) => (await store.system.openLeases(9000, 1000)).filter((lease) => lease.tenant === tenant),
  async (store, tenant) => (await store.system.tenants()).includes(tenant),
];

/** mulberry32: the same steps in every run. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

const answer = (result: Promise<unknown>): Promise<unknown> =>
  result.then(
    (value) => value ?? null,
    (error: unknown) => `threw ${error instanceof Error ? error.name : typeof error}`,
  );

/** What is no operation on rows, or works on all tenants by design. */
const others = new Set(['writer', 'durability', 'system', 'close', 'approvalChanged']);
const systemOthers = new Set(['epoch', 'newEpoch', 'latestTime']);

export const tenantCases: Readonly<Record<string, StoreCheck>> = {
  async 'every operation is among those that random tenants go through'(storage) {
    const store = await storage.open();
    const steps = operations.map((step) => step.toString()).join('\n');
    const missing = [
      ...Object.keys(store).filter((name) => !others.has(name) && !steps.includes(`store.${name}(`)),
      ...Object.keys(store.system).filter(
        (name) => !systemOthers.has(name) && !steps.includes(`store.system.${name}(`),
      ),
    ];
    expectSame(missing, [], 'operations that no random tenant asks for');
  },

  async 'a tenant gets the same answers beside others as alone'(storage, createStorage) {
    const random = createRandom(20_261_122);
    const together = await storage.open();
    const alone = new Map<string, Store>();
    for (const tenant of tenants) alone.set(tenant, await (await createStorage()).open());
    for (let index = 0; index < steps; index += 1) {
      const tenant = tenants[random() % tenants.length] ?? '';
      const step = operations[random() % operations.length];
      const pick = random() >>> 8;
      const own = alone.get(tenant);
      if (step === undefined || own === undefined) throw new Error('no step to take');
      expectSame(
        await answer(step(together, tenant, pick)),
        await answer(step(own, tenant, pick)),
        `step ${index}: ${step.toString()}`,
      );
    }
    expectSame(await together.system.tenants(), tenants.toSorted(), 'tenants');
  },
};
