/**
 * The client of the approvals API: over many pages of a real service, and against services that lie.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  approvalsHttp,
  createApprovals,
  createCountersign,
  definePolicy,
  memoryStore,
  type ApprovalView,
} from '@countersign/core';
import { verifies } from '../../../test/verifies.ts';
import { approvalsClient, type ApprovalsClient } from '../src/approvals-client.ts';
import { listen } from './support/world.ts';

const policy = definePolicy({
  countersign: 1,
  name: 'pages',
  version: '1',
  tenants: ['acme'],
  tools: { deploy: { capability: 'deploy:staging:create', risk: 'high' } },
  agents: { support: { owner: 'user:alice', capabilities: ['deploy:staging:create'] } },
  users: {
    alice: { capabilities: ['deploy:staging:create'] },
    bob: { capabilities: ['deploy:staging:create'] },
    dan: { capabilities: ['deploy:staging:create'] },
  },
});

async function service(count: number): Promise<{ readonly client: ApprovalsClient; readonly ids: readonly string[] }> {
  let time = 1_800_000_000_000;
  const now = (): number => (time += 1);
  const parts = { store: memoryStore(), audit: { key: randomBytes(32) }, now };
  const approvals = createApprovals({
    ...parts,
    signingKey: generateKeyPairSync('ed25519').privateKey,
    approvers: { authenticate: () => ({ tenant: 'acme', id: 'carol' }) },
  });
  const keys = { keys: [approvals.publicKey], maxPendingPerRun: count };
  const countersign = createCountersign({ ...parts, policy, approvals: keys });
  const ids: string[] = [];
  for (let n = 0; n < count; n += 1) {
    const user = ['alice', 'bob', 'dan'][n % 3] ?? '';
    const gate = countersign.gate({ tenant: 'acme', user, agent: 'support', run: 'run-1' });
    const call = { tool: { name: 'deploy', source: 'local' }, callId: `c-${n}`, step: '#0', origin: 'model' } as const;
    const outcome = await gate.execute({ ...call, arguments: { n } }, () => 1);
    ids.push(outcome.status === 'pending' ? outcome.approval : '');
  }
  const server = await listen(approvalsHttp(approvals, { tenant: 'acme' }));
  onTestFinished(() => server.close());
  return { client: approvalsClient(server.url), ids };
}

const idsOf = (approvals: readonly ApprovalView[]): string[] => approvals.map(({ id }) => id);

verifies(
  'OPS-2',
  'all of 250 requests are listed, in either order, and none is hidden behind the first hundred',
  async () => {
    const { client, ids } = await service(250);
    expect(idsOf(await client.list('token', { state: 'pending' }))).toEqual(ids);
    expect(idsOf(await client.list('token', { newestFirst: true }))).toEqual(ids.toReversed());
    const first = await client.first('token', { limit: 150 });
    expect([idsOf(first.approvals), first.more]).toEqual([ids.slice(0, 150), true]);
    const all = await client.first('token', { limit: 250 });
    expect([all.approvals.length, all.more]).toEqual([250, false]);
    const rest = await client.list('token', { after: ids[100] ?? '', before: ids[240] ?? '' });
    expect(idsOf(rest)).toEqual(ids.slice(101, 240));
  },
);

describe('a service that lies', () => {
  async function lying(answer: (query: URLSearchParams, view: ApprovalView) => unknown): Promise<ApprovalsClient> {
    const { client } = await service(1);
    const [view = expect.fail()] = await client.list('token');
    const server = await listen((request, response) => {
      const { searchParams } = new URL(request.url ?? '', 'http://localhost');
      response.setHeader('content-type', 'application/json').end(JSON.stringify(answer(searchParams, view)));
    });
    onTestFinished(() => server.close());
    return approvalsClient(server.url);
  }
  let made = 0;
  const another = (view: ApprovalView): ApprovalView => ({
    ...view,
    id: `apr.acme.${String((made += 1)).padStart(22, '0')}`,
  });

  const lies: Readonly<Record<string, (query: URLSearchParams, view: ApprovalView) => unknown>> = {
    'that always has the same page': (_query, view) => ({ approvals: [view], next: view.id }),
    'that names the same request twice': (_query, view) => ({ approvals: [view, view] }),
    'that has empty pages without end': (_query, view) => ({ approvals: [], next: view.id }),
    'whose cursor is another request': (_query, view) => ({
      approvals: [view],
      next: 'apr.acme.AAAAAAAAAAAAAAAAAAAAAA',
    }),
    'whose cursor is no text': (_query, view) => ({ approvals: [view], next: { $gt: '' } }),
  };
  for (const [name, answer] of Object.entries(lies)) {
    test(`and ${name} is found out`, async () => {
      const client = await lying(answer);
      await expect(client.list('token')).rejects.toThrow('not an approvals service');
    });
  }

  test('and never comes to an end is asked for so many and no more', async () => {
    let asked = 0;
    const client = await lying((query, view) => {
      asked += 1;
      const approvals = Array.from({ length: Number(query.get('limit')) }, () => another(view));
      return { approvals, next: approvals.at(-1)?.id };
    });
    const { approvals, more } = await client.first('token', { limit: 350 });
    expect([approvals.length, more, asked]).toEqual([350, true, 4]);
  });

  test('and is of an earlier version that knows no pages is read all the same', async () => {
    const client = await lying((_query, view) => ({ approvals: [another(view), another(view)] }));
    expect(await client.list('token')).toHaveLength(2);
    expect(await client.first('token', { limit: 1 })).toMatchObject({ more: true });
  });
});
