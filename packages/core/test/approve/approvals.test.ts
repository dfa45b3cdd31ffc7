import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import {
  approvalsHttp,
  askInTerminal,
  createApprovals,
  createCountersign,
  definePolicy,
  memoryStore,
  visible,
  type Outcome,
} from '../../src/index.ts';
import { callTo, counted, document, fixture, type Fixture } from '../support/fixture.ts';

function pendingId(outcome: Outcome): string {
  if (outcome.status !== 'pending') throw new Error(`expected pending, got ${JSON.stringify(outcome)}`);
  return outcome.approval;
}

const runnableNote = (body: (args: unknown) => unknown) => ({
  note: { identity: { name: 'note', source: 'local' }, run: body },
});

describe('a medium-risk call', () => {
  verifies(
    ['APR-1', 'APR-4'],
    'is filed, told as pending, and after approval runs once, also when it is run three times',
    async () => {
      const f = fixture();
      const { body, runs } = counted({ created: true });
      const outcome = await f.gate.execute(callTo('note', { text: 'hi' }), body);
      expect(outcome).toMatchObject({ status: 'pending', mode: 'asynchronous' });
      const id = pendingId(outcome);
      expect(await f.countersign.approvals.run(id, { tools: runnableNote(body) })).toMatchObject({ status: 'pending' });
      await f.decide(id, 'approve');
      const results = [];
      for (let count = 0; count < 3; count += 1)
        results.push(await f.countersign.approvals.run(id, { tools: runnableNote(body) }));
      expect(runs).toEqual([{ text: 'hi' }]);
      expect(results.map((result) => result.status)).toEqual(['completed', 'completed', 'completed']);
      expect(results.map((result) => 'replayed' in result && result.replayed)).toEqual([false, true, true]);
      expect(await f.countersign.inbox({ tenant: 'acme', user: 'alice', run: 'run-1' })).toMatchObject([
        { tool: 'note', outcome: { status: 'completed', result: { created: true } } },
      ]);
    },
  );

  test('run at the same time by two workers, it runs once', async () => {
    const f = fixture();
    const { body, runs } = counted(1);
    const id = pendingId(await f.gate.execute(callTo('note'), body));
    await f.decide(id, 'approve');
    const slow = async (args: unknown): Promise<number> => {
      await new Promise((resolve) => setTimeout(resolve, 30));
      return body(args);
    };
    const ticks = await Promise.all([1, 2, 3].map(() => f.countersign.worker({ tools: runnableNote(slow) }).tick()));
    expect(runs).toHaveLength(1);
    expect(ticks.reduce((sum, count) => sum + count)).toBeGreaterThanOrEqual(1);
  });

  test('a worker without the tool, with another source or with another schema leaves it alone', async () => {
    const f = fixture();
    const { body, runs } = counted(1);
    const id = pendingId(
      await f.gate.execute(callTo('note', {}, { tool: { name: 'note', source: 'local', schemaDigest: 'v1' } }), body),
    );
    await f.decide(id, 'approve');
    const tools = (identity: { name: string; source: string; schemaDigest?: string }) => ({
      note: { identity, run: body },
    });
    for (const identity of [
      { name: 'note', source: 'local' },
      { name: 'note', source: 'local', schemaDigest: 'v2' },
      { name: 'note', source: 'mcp:evil', schemaDigest: 'v1' },
    ]) {
      expect(await f.countersign.approvals.run(id, { tools: tools(identity) })).toMatchObject({
        status: 'denied',
        reason: 'tool_unmapped',
      });
    }
    expect(await f.countersign.worker({ tools: {} }).tick()).toBe(0);
    expect(runs).toEqual([]);
    expect(
      await f.countersign.approvals.run(id, { tools: tools({ name: 'note', source: 'local', schemaDigest: 'v1' }) }),
    ).toMatchObject({ status: 'completed' });
  });
});

describe('running an approved call apart', () => {
  test('is refused for a call that is blocked in its run, and for an id that does not exist', async () => {
    const f = fixture();
    const id = pendingId(await f.gate.execute(callTo('deploy'), () => 1));
    await f.decide(id, 'approve');
    const tools = { deploy: { identity: { name: 'deploy', source: 'local' }, run: () => 1 } };
    await expect(f.countersign.approvals.run(id, { tools })).rejects.toMatchObject({ code: 'ERR_APPROVAL_CONFLICT' });
    for (const unknown of ['apr.acme.AAAAAAAAAAAAAAAAAAAAAA', 'x', '__proto__']) {
      await expect(f.countersign.approvals.run(unknown, { tools })).rejects.toMatchObject({
        code: 'ERR_APPROVAL_NOT_FOUND',
      });
    }
  });

  verifies('APR-4', 'is denied for the principal of another user, agent or tenant', async () => {
    const f = fixture();
    const { body, runs } = counted(1);
    const id = pendingId(await f.gate.execute(callTo('note'), body));
    await f.decide(id, 'approve');
    for (const other of [{ user: 'bob' }, { agent: 'helper' }, { tenant: 'globex' }]) {
      const principal = f.countersign.principal({ tenant: 'acme', user: 'alice', agent: 'support', ...other });
      const outcome = await f.countersign.approvals
        .run(id, { tools: runnableNote(body), principal })
        .catch(() => ({ status: 'denied' }));
      expect(outcome.status).toBe('denied');
    }
    expect(runs).toEqual([]);
  });
});

describe('an orchestrating tool', () => {
  test('that pauses gives its claim back and is entered again; any other tool that throws the same is failed', async () => {
    const f = fixture();
    const pause = new Error('paused');
    const options = { isSuspension: (error: unknown) => error === pause };
    let entered = 0;
    const body = (): number => {
      entered += 1;
      if (entered === 1) throw pause;
      return entered;
    };
    const call = callTo('orchestrate');
    expect(await f.gate.execute(call, body, options)).toMatchObject({ status: 'suspended', signal: pause });
    expect(await f.gate.execute(call, body, options)).toMatchObject({ status: 'completed', result: 2 });
    const other = callTo('read');
    const throws = (): never => {
      throw pause;
    };
    expect(await f.gate.execute(other, throws, options)).toMatchObject({ status: 'failed' });
    expect(await f.gate.execute(other, () => 1, options)).toMatchObject({ status: 'failed', replayed: true });
  });
});

describe('a high-risk call', () => {
  test('asks the store to survive a loss of power, and an abort ends the wait for a person', async () => {
    const f = fixture();
    const asked: string[] = [];
    const store = {
      ...f.store,
      claim: (input: Parameters<typeof f.store.claim>[0]) => (asked.push(input.durability), f.store.claim(input)),
    };
    const gate = createCountersign({ ...f.options, store, timeouts: { approvalMs: 20_000 } }).gate({
      tenant: 'acme',
      user: 'alice',
      agent: 'support',
      run: 'run-1',
    });
    const call = callTo('deploy');
    await f.decide(pendingId(await gate.execute(call, () => 1)), 'approve');
    await gate.execute({ ...call, origin: 'resume' }, () => 1);
    await gate.execute(callTo('read'), () => 1);
    expect(asked).toEqual(['power', 'process']);
    const aborted = await gate.execute(callTo('deploy', { n: 2 }), () => 1, {
      wait: true,
      signal: AbortSignal.timeout(50),
    });
    expect(aborted).toMatchObject({ status: 'pending' });
    const [open] = await f.store.approvals('acme', { state: 'pending' });
    expect(open?.id).toBe(pendingId(aborted));
    const before = await gate.execute(callTo('read'), () => 1, { signal: AbortSignal.abort() });
    expect(before).toMatchObject({ status: 'denied', reason: 'call_aborted' });
  });

  verifies(
    ['APR-1', 'APR-4', 'APR-5'],
    'is blocked until a signed vote, runs once on resume, and a replay answers the stored outcome',
    async () => {
      const f = fixture();
      const { body, runs } = counted('deployed');
      const call = callTo('deploy', { version: '1.2.3' });
      const checked = await f.gate.check(call);
      expect(checked).toMatchObject({
        decision: { verdict: 'review', risk: 'high' },
        approval: { state: 'pending', mode: 'blocking' },
      });
      expect(await f.gate.execute(call, body)).toMatchObject({ status: 'pending' });
      await f.decide(checked.approval?.id ?? '', 'approve');
      const resumed = { ...call, origin: 'resume' } as const;
      expect(await f.gate.execute(resumed, body)).toMatchObject({ status: 'completed', replayed: false });
      expect(await f.gate.execute(resumed, body)).toMatchObject({
        status: 'completed',
        result: 'deployed',
        replayed: true,
      });
      expect(runs).toHaveLength(1);
    },
  );

  verifies(
    'APR-4',
    'an approval does not hold for other arguments, another tool, another run, another user or another agent',
    async () => {
      const f = fixture();
      const { body, runs } = counted(1);
      const call = callTo('deploy', { version: '1' });
      const id = pendingId(await f.gate.execute(call, body));
      await f.decide(id, 'approve');
      const resumed = { ...call, origin: 'resume' } as const;
      const gates = {
        run: f.countersign.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: 'run-2' }),
        user: f.countersign.gate({ tenant: 'acme', user: 'bob', agent: 'support', run: 'run-1' }),
        tenant: f.countersign.gate({ tenant: 'globex', user: 'alice', agent: 'support', run: 'run-1' }),
      };
      expect(await f.gate.execute({ ...resumed, arguments: { version: '2' } }, body)).toMatchObject({
        status: 'denied',
      });
      expect(await f.gate.execute({ ...resumed, tool: { name: 'note', source: 'local' } }, body)).toMatchObject({
        status: 'denied',
      });
      expect(
        await f.gate.execute({ ...resumed, tool: { name: 'deploy', source: 'local', schemaDigest: 'x' } }, body),
      ).toMatchObject({ status: 'denied' });
      expect(await f.gate.execute({ ...resumed, callId: 'other' }, body)).toMatchObject({ status: 'denied' });
      for (const gate of Object.values(gates))
        expect(await gate.execute(resumed, body)).toMatchObject({ status: 'denied' });
      expect(await f.gate.delegate('helper').execute(resumed, body)).toMatchObject({ status: 'denied' });
      expect(runs).toEqual([]);
      expect(await f.gate.execute(resumed, body)).toMatchObject({ status: 'completed' });
    },
  );

  verifies(
    ['APR-2'],
    'a rejection is final: it cannot be flipped, approved later, or asked again for the same call',
    async () => {
      const f = fixture();
      const { body, runs } = counted(1);
      const call = callTo('deploy');
      const id = pendingId(await f.gate.execute(call, body));
      await f.decide(id, 'reject');
      await expect(f.decide(id, 'approve')).rejects.toMatchObject({ code: 'ERR_APPROVAL_CONFLICT' });
      expect(await f.gate.execute({ ...call, origin: 'resume' }, body)).toMatchObject({
        status: 'denied',
        reason: 'approval_rejected',
      });
      expect((await f.gate.check(call)).decision).toMatchObject({ verdict: 'deny' });
      expect(runs).toEqual([]);
    },
  );

  verifies(
    'APR-2',
    'waited for in process: approved in time it runs; nobody answering is a denial, and the late approval counts for nothing',
    async () => {
      const f = fixture({ options: { timeouts: { approvalMs: 300, settleMs: 50 } } });
      const { body, runs } = counted(1);
      const waiting = f.gate.execute(callTo('deploy', { n: 1 }), body, { wait: true });
      await expect.poll(() => f.store.approvals('acme', { state: 'pending' })).toHaveLength(1);
      await f.decide((await f.store.approvals('acme', { state: 'pending' }))[0]?.id ?? '', 'approve');
      expect(await waiting).toMatchObject({ status: 'completed' });

      expect(await f.gate.execute(callTo('deploy', { n: 2 }), body, { wait: true })).toMatchObject({
        status: 'denied',
        reason: 'approval_expired',
      });
      const [late] = await f.store.approvals('acme', { state: 'expired' });
      await expect(f.decide(late?.id ?? '', 'approve')).rejects.toMatchObject({ code: 'ERR_APPROVAL_CONFLICT' });
      expect(runs).toHaveLength(1);
    },
  );

  verifies('APR-4', 'an approval that expires is void, also when the clock then jumps back', async () => {
    let now = 1_800_000_000_000;
    const f = fixture({ now: () => now });
    const { body, runs } = counted(1);
    const call = callTo('deploy');
    const id = pendingId(await f.gate.execute(call, body));
    await f.decide(id, 'approve');
    now += 16 * 60_000;
    expect(await f.gate.execute({ ...call, origin: 'resume' }, body)).toMatchObject({
      status: 'denied',
      reason: 'approval_expired',
    });
    now -= 16 * 60_000;
    expect(await f.gate.execute({ ...call, origin: 'resume' }, body)).toMatchObject({
      status: 'denied',
      reason: 'approval_expired',
    });
    const again = fixture({ store: f.store, key: f.key, now: () => now });
    expect(await again.gate.execute({ ...call, origin: 'resume' }, body)).toMatchObject({ status: 'denied' });
    expect(runs).toEqual([]);
  });

  verifies(
    'APR-4',
    'a policy that changed the rule since voids the approval; one that changed something else does not',
    async () => {
      const stricter = {
        ...document,
        tools: {
          ...document.tools,
          deploy: { capability: 'deploy:staging:create', risk: 'high', arguments: { type: 'object' } },
        },
      } as const;
      const unrelated = {
        ...document,
        version: '2',
        tools: { ...document.tools, extra: { capability: 'tickets:ticket:read', risk: 'low' } },
      } as const;
      for (const [changed, expected] of [
        [stricter, 'denied'],
        [unrelated, 'completed'],
      ] as const) {
        const f = fixture();
        const call = callTo('deploy');
        await f.decide(pendingId(await f.gate.execute(call, () => 1)), 'approve');
        const reloaded = createCountersign({ ...f.options, policy: definePolicy(changed) });
        const gate = reloaded.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: 'run-1' });
        expect((await gate.execute({ ...call, origin: 'resume' }, () => 1)).status).toBe(expected);
      }
    },
  );

  verifies('APR-4', 'a policy that withdrew the permission since denies the approved call', async () => {
    const f = fixture();
    const call = callTo('deploy');
    await f.decide(pendingId(await f.gate.execute(call, () => 1)), 'approve');
    const withdrawn = definePolicy({
      ...document,
      users: { ...document.users, alice: { capabilities: ['tickets:ticket:read'] } },
    });
    const gate = createCountersign({ ...f.options, policy: withdrawn }).gate({
      tenant: 'acme',
      user: 'alice',
      agent: 'support',
      run: 'run-1',
    });
    expect(await gate.execute({ ...call, origin: 'resume' }, () => 1)).toMatchObject({
      status: 'denied',
      reason: 'capability_missing_user',
    });
  });

  test('a restore or failover (a new epoch of the store) voids what was approved before', async () => {
    const f = fixture();
    const call = callTo('deploy');
    await f.decide(pendingId(await f.gate.execute(call, () => 1)), 'approve');
    await f.store.system.newEpoch();
    expect(await f.gate.execute({ ...call, origin: 'resume' }, () => 1)).toMatchObject({
      status: 'denied',
      reason: 'approval_stale',
    });
  });

  test('no approvals configured means that a review is a denial', async () => {
    const f = fixture();
    const { approvals: _none, ...options } = f.options;
    const gate = createCountersign(options).gate({ tenant: 'acme', user: 'alice', agent: 'support', run: 'r' });
    expect(await gate.execute(callTo('deploy'), () => 1)).toMatchObject({
      status: 'denied',
      reason: 'approval_unverified',
    });
  });

  verifies('APR-12', 'one run cannot flood people with requests', async () => {
    const f = fixture();
    const limited = createCountersign({
      ...f.options,
      approvals: { keys: [f.approvals.publicKey], maxPendingPerRun: 3 },
    });
    const gate = limited.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: 'r' });
    const outcomes = await Promise.all([1, 2, 3, 4, 5].map((n) => gate.execute(callTo('deploy', { n }), () => 1)));
    expect(outcomes.filter(({ status }) => status === 'pending')).toHaveLength(3);
    expect(
      outcomes.filter((outcome) => outcome.status === 'denied' && outcome.reason === 'too_many_pending'),
    ).toHaveLength(2);
  });
});

describe('votes', () => {
  async function pending(f: Fixture): Promise<{ id: string; call: ReturnType<typeof callTo> }> {
    const call = callTo('deploy');
    return { id: pendingId(await f.gate.execute(call, () => 1)), call };
  }

  verifies('APR-6', 'nobody decides without authentication, in another tenant, or on their own request', async () => {
    const f = fixture();
    const { id } = await pending(f);
    const { digest } = await f.approvals.show(f.carol, id);
    await expect(f.approvals.show('guess', id)).rejects.toMatchObject({ code: 'ERR_APPROVER' });
    await expect(f.approvals.decide('', { id, verdict: 'approve', digest })).rejects.toMatchObject({
      code: 'ERR_APPROVER',
    });
    await expect(f.approvals.decide('gus-token', { id, verdict: 'approve', digest })).rejects.toMatchObject({
      code: 'ERR_APPROVAL_NOT_FOUND',
    });
    await expect(f.approvals.decide(f.aliceApproves, { id, verdict: 'approve', digest })).rejects.toMatchObject({
      code: 'ERR_APPROVER',
    });
    await expect(f.approvals.decide(f.carol, { id, verdict: 'approve', digest: 'x' })).rejects.toMatchObject({
      code: 'ERR_APPROVAL_CONFLICT',
    });
    await expect(f.approvals.decide(f.carol, { id, verdict: 'yes' as 'approve', digest })).rejects.toMatchObject({
      code: 'ERR_APPROVER',
    });
    expect((await f.approvals.show(f.carol, id)).state).toBe('pending');
    expect(await f.approvals.list('gus-token')).toEqual([]);
  });

  verifies(
    ['APR-5', 'APR-6'],
    'a vote written into the store without the approvals key, or with another key, approves nothing',
    async () => {
      const f = fixture();
      const { id, call } = await pending(f);
      const stranger = createApprovals({
        store: f.store,
        signingKey: generateKeyPairSync('ed25519').privateKey,
        approvers: { authenticate: () => ({ tenant: 'acme', id: 'carol' }) },
        audit: { key: f.key },
      });
      const { digest } = await stranger.show('', id);
      await stranger.decide('', { id, verdict: 'approve', digest });
      expect((await f.store.approval('acme', id))?.state).toBe('approved');
      expect(await f.gate.execute({ ...call, origin: 'resume' }, () => 1)).toMatchObject({
        status: 'denied',
        reason: 'approval_unverified',
      });
    },
  );

  test('an approval whose fields were changed in the store no longer verifies', async () => {
    const f = fixture();
    const { id, call } = await pending(f);
    await f.decide(id, 'approve');
    const honest = f.store.approval.bind(f.store);
    const observe = f.store.observe.bind(f.store);
    const lie = <Row extends { ruleDigest: string } | undefined>(row: Row): Row =>
      row === undefined ? row : { ...row, risk: 'medium', expiresAt: Number.MAX_SAFE_INTEGER };
    const lying = {
      ...f.store,
      approval: async (tenant: string, approval: string) => lie(await honest(tenant, approval)),
      observe: async (input: Parameters<typeof observe>[0]) => {
        const result = await observe(input);
        return result.status === 'observed' && result.approval !== undefined
          ? { ...result, approval: lie(result.approval) }
          : result;
      },
    };
    const gate = createCountersign({ ...f.options, store: lying as typeof f.store }).gate({
      tenant: 'acme',
      user: 'alice',
      agent: 'support',
      run: 'run-1',
    });
    expect(await gate.execute({ ...call, origin: 'resume' }, () => 1)).toMatchObject({
      status: 'denied',
      reason: 'approval_unverified',
    });
  });

  test('two approvers at the same moment: one decision wins, the other is told', async () => {
    const f = fixture();
    const { id } = await pending(f);
    const { digest } = await f.approvals.show(f.carol, id);
    const votes = await Promise.allSettled([
      f.approvals.decide(f.carol, { id, verdict: 'approve', digest }),
      f.approvals.decide(f.carol, { id, verdict: 'reject', digest, reason: 'no' }),
    ]);
    expect(votes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  });

  test('every transition is in the ledger, with who did it sealed', async () => {
    const f = fixture();
    const { id } = await pending(f);
    await f.decide(id, 'approve');
    const events = [];
    for await (const record of f.countersign.ledger.query({ tenant: 'acme', kind: 'approval' })) events.push(record);
    expect(events.map(({ event }) => event)).toEqual(['opened', 'approved']);
    expect(JSON.stringify(await f.store.records('acme', {}))).not.toContain('carol');
    expect(JSON.stringify(events[1])).toContain('carol');
  });
});

describe('the HTTP endpoint', () => {
  async function serve(f: Fixture): Promise<{ url: string; close: () => void }> {
    const server = createServer(approvalsHttp(f.approvals, { tenant: 'acme' }));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() };
  }

  verifies(
    ['APR-3', 'APR-6'],
    'lists, shows and decides for a bearer token; GET, a wrong type, a wrong token and a huge body decide nothing',
    async () => {
      const f = fixture();
      const id = pendingId(await f.gate.execute(callTo('deploy', { v: 1 }), () => 1));
      const { url, close } = await serve(f);
      try {
        const carol = { authorization: 'Bearer carol-token' };
        const json = { ...carol, 'content-type': 'application/json' };
        const at = `${url}/approvals/${encodeURIComponent(id)}`;
        expect((await fetch(`${url}/approvals`)).status).toBe(401);
        expect((await fetch(`${url}/approvals`, { headers: { authorization: 'Bearer x' } })).status).toBe(401);
        const list = (await (await fetch(`${url}/approvals?state=pending`, { headers: carol })).json()) as {
          approvals: { id: string; digest: string }[];
        };
        expect(list.approvals).toMatchObject([{ id, arguments: '{"v":1}' }]);
        const body = JSON.stringify({ verdict: 'approve', digest: list.approvals[0]?.digest });
        for (const method of ['GET', 'PUT', 'HEAD'])
          expect((await fetch(`${at}/decision`, { method, headers: carol })).status).toBe(405);
        expect((await fetch(`${at}/decision`, { method: 'POST', headers: carol, body })).status).toBe(415);
        expect(
          (await fetch(`${at}/decision`, { method: 'POST', headers: json, body: '{"verdict":"approve"}' })).status,
        ).toBe(400);
        expect((await fetch(`${at}/decision`, { method: 'POST', headers: json, body: 'x' })).status).toBe(400);
        expect(
          (await fetch(`${at}/decision`, { method: 'POST', headers: json, body: ' '.repeat(20_000) })).status,
        ).toBe(413);
        expect((await fetch(`${at}x/decision`, { method: 'POST', headers: json, body })).status).toBe(404);
        expect(
          (
            await fetch(`${at}/decision`, {
              method: 'POST',
              headers: { ...json, authorization: 'Bearer alice-token' },
              body,
            })
          ).status,
        ).toBe(403);
        expect((await f.approvals.show(f.carol, id)).state).toBe('pending');
        expect((await fetch(`${at}/decision`, { method: 'POST', headers: json, body })).status).toBe(200);
        expect((await fetch(`${at}/decision`, { method: 'POST', headers: json, body })).status).toBe(409);
        expect((await f.approvals.show(f.carol, id)).state).toBe('approved');
      } finally {
        close();
      }
    },
  );
});

describe('the terminal', () => {
  async function answer(text: string): Promise<{ state: string; shown: string }> {
    const f = fixture();
    const id = pendingId(await f.gate.execute(callTo('deploy', { note: '\u001b[2Jhidden\u202e' }), () => 1));
    const input = new PassThrough();
    const output = new PassThrough();
    const chunks: Buffer[] = [];
    const typed = text.split('\n').filter((line) => line !== '');
    output.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      if (!/(Type|Reason).*: $/s.test(chunk.toString())) return;
      const line = typed.shift();
      if (line === undefined) input.end();
      else input.write(`${line}\n`);
    });
    await askInTerminal({ service: f.approvals, credential: f.carol, input, output });
    return { state: (await f.approvals.show(f.carol, id)).state, shown: Buffer.concat(chunks).toString() };
  }

  verifies('APR-3', 'only a typed "approve" approves; the end of input, "y" and "yes" decide nothing', async () => {
    expect((await answer('approve\n')).state).toBe('approved');
    expect((await answer('reject\nnot today\n')).state).toBe('rejected');
    for (const text of ['', 'y\n', 'yes\n', 'APPROVE\n', 'approve it\n'])
      expect((await answer(text)).state).toBe('pending');
  });

  verifies('APR-6', 'what was typed before a request was shown does not approve it', async () => {
    const f = fixture();
    for (const n of [1, 2]) await f.gate.execute(callTo('deploy', { n }), () => 1);
    const input = new PassThrough();
    const output = new PassThrough();
    let shown = 0;
    output.on('data', (chunk: Buffer) => {
      if (!chunk.toString().startsWith('Type')) return;
      shown += 1;
      if (shown === 1) input.write('approve\napprove\n');
      else setTimeout(() => input.end(), 50);
    });
    await askInTerminal({ service: f.approvals, credential: f.carol, input, output });
    expect((await f.store.approvals('acme', {})).map(({ state }) => state)).toEqual(['approved', 'pending']);
  });

  verifies(
    ['APR-3', 'APR-6'],
    'a request that comes in while it is open is asked about too, and each is asked about once',
    async () => {
      const f = fixture();
      const first = pendingId(await f.gate.execute(callTo('deploy', { n: 1 }), () => 1));
      const input = new PassThrough();
      const output = new PassThrough();
      let asked = 0;
      output.on('data', (chunk: Buffer) => {
        if (!chunk.toString().startsWith('Type')) return;
        asked += 1;
        const meanwhile = asked === 1 ? f.gate.execute(callTo('deploy', { n: 2 }), () => 1) : undefined;
        void Promise.resolve(meanwhile).then(() => input.write(asked === 1 ? 'later\n' : 'approve\n'));
      });
      const decided = await askInTerminal({ service: f.approvals, credential: f.carol, input, output });
      expect([asked, decided.length, (await f.approvals.show(f.carol, first)).state]).toEqual([2, 1, 'pending']);
    },
  );

  test('invisible characters of every kind are shown by number, and plain text is not touched', () => {
    for (const hidden of [
      '\u3164',
      '\u115f',
      '\u2800',
      '\u034f',
      '\ufe0f',
      '\u{e0101}',
      '\u00a0',
      '\u2003',
      '\u200b',
      '\u202e',
    ]) {
      expect(visible(`a${hidden}b`)).toBe(`a\\u{${hidden.codePointAt(0)?.toString(16)}}b`);
    }
    expect(visible('{"name":"Zoë – 東京 🎉"}')).toBe('{"name":"Zoë – 東京 🎉"}');
  });

  verifies('APR-9', 'control and direction characters in arguments are shown by number', async () => {
    const { shown } = await answer('');
    expect(shown).toContain('\\u{202e}');
    expect(shown).not.toContain('\u001b[2J');
    expect(shown).not.toContain('\u202e');
  });
});

test('requests of one tenant are invisible to approvers of another', async () => {
  const f = fixture({ store: memoryStore() });
  await f.gate.execute(callTo('deploy'), () => 1);
  expect(await f.approvals.list('gus-token')).toEqual([]);
  expect(await f.approvals.list(f.carol)).toHaveLength(1);
});
