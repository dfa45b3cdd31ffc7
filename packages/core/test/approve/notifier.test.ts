/**
 * Telling people: at least once, on every channel, whatever fails in between.
 */
import { describe, expect, test, vi } from 'vitest';
import {
  createCountersign,
  definePolicy,
  memoryStore,
  type ApprovalChannel,
  type ApprovalNotice,
  type NotifierOptions,
  type PolicyDocument,
  type Store,
} from '../../src/index.ts';
import { verifies } from '../../../../test/verifies.ts';
import { callTo, document, fixture } from '../support/fixture.ts';

interface Heard {
  readonly what: 'opened' | 'closed';
  readonly notice: ApprovalNotice;
  readonly reference: string | undefined;
}

function channel(
  name: string,
  fail: () => void | Promise<never> = () => undefined,
): ApprovalChannel & { readonly heard: Heard[] } {
  const heard: Heard[] = [];
  return {
    name,
    heard,
    async opened(notice, reference) {
      await fail();
      heard.push({ what: 'opened', notice, reference });
      return `${name}-${heard.length}`;
    },
    async closed(notice, reference) {
      await fail();
      heard.push({ what: 'closed', notice, reference });
    },
  };
}

function setting(input: { policy?: PolicyDocument; store?: Store } = {}) {
  let now = Date.UTC(2026, 10, 23, 11);
  const f = fixture({
    policy: definePolicy(input.policy ?? document),
    now: () => now,
    ...(input.store === undefined ? {} : { store: input.store }),
  });
  return {
    f,
    pass: (ms: number) => void (now += ms),
    notifier: (channels: readonly ApprovalChannel[], more: Partial<NotifierOptions> = {}) =>
      f.approvals.notifier({ channels, timeoutMs: 50, ...more }),
    file: async (args: unknown = {}): Promise<string> => {
      const outcome = await f.gate.execute(callTo('deploy', args), () => 1);
      if (outcome.status !== 'pending') throw new Error(`expected pending, got ${outcome.status}`);
      return outcome.approval;
    },
  };
}

const told = ({ heard }: { heard: readonly Heard[] }) => heard.map(({ what, notice }) => `${what} ${notice.state}`);

verifies('APR-3', 'every channel is told once that a request waits, and once how it ended', async () => {
  const { f, file, notifier } = setting();
  const [chat, mail] = [channel('chat'), channel('mail')];
  const both = notifier([chat, mail]);
  const id = await file();
  expect(await both.tick()).toBe(2);
  expect(await both.tick()).toBe(0);
  await f.decide(id, 'approve');
  expect(await both.tick()).toBe(2);
  expect(await both.tick()).toBe(0);
  for (const each of [chat, mail]) expect(told(each)).toEqual(['opened pending', 'closed approved']);
  expect(chat.heard[1]).toMatchObject({ reference: 'chat-1', notice: { votes: [{ approver: 'carol' }] } });
  expect(await f.store.entries('acme', 'notice')).toEqual([]);
});

verifies('APR-3', 'a request that nobody answered is shown as expired', async () => {
  const { file, notifier, pass } = setting();
  const chat = channel('chat');
  await file();
  await notifier([chat]).tick();
  pass(16 * 60_000);
  await notifier([chat]).tick();
  expect(told(chat)).toEqual(['opened pending', 'closed expired']);
});

verifies('APR-12', 'a notice holds no secret, and nothing that hides', async () => {
  const { file, notifier } = setting();
  const chat = channel('chat');
  await file({ password: 'hunter2', text: 'a\u202Eb\u0007', header: 'Bearer abcdefgh12345678' });
  await notifier([chat]).tick();
  const [{ notice } = expect.fail()] = chat.heard;
  for (const hidden of ['hunter2', 'abcdefgh12345678', '\u202E', '\u0007']) {
    expect(JSON.stringify(notice)).not.toContain(hidden);
  }
  expect(notice).toMatchObject({ tool: 'deploy', requester: 'alice', risk: 'high', quorum: 1, groups: [] });
});

verifies('APR-12', 'a notice does not show what the policy hides', async () => {
  const deploy = { capability: 'deploy:staging:create', risk: 'high', redact: { hide: ['/iban'] } } as const;
  const { file, notifier } = setting({ policy: { ...document, tools: { ...document.tools, deploy } } });
  const chat = channel('chat');
  await file({ iban: 'DE02120300000000202051', to: 'bob' });
  await notifier([chat]).tick();
  expect(chat.heard[0]?.notice.summary).toBe('{"iban":"[redacted]","to":"bob"}');
});

describe('a channel that is not well', () => {
  verifies(
    'APR-2',
    'one that throws or hangs holds up no other, approves nothing, and is asked again, later and later',
    async () => {
      const { f, file, notifier, pass } = setting();
      let down = true;
      const broken = channel('broken', () => {
        if (down) throw new Error('down');
      });
      const hanging = channel('hanging', () => new Promise<never>(() => undefined));
      const fine = channel('fine');
      const failures: string[] = [];
      const all = notifier([broken, hanging, fine], { onFailure: (failure) => void failures.push(failure.channel) });
      const id = await file();
      expect(await all.tick()).toBe(1);
      expect(failures.toSorted()).toEqual(['broken', 'hanging']);
      expect((await f.store.approval('acme', id))?.state).toBe('pending');
      await all.tick();
      expect(failures).toHaveLength(2);
      pass(1_000);
      await all.tick();
      expect(failures).toHaveLength(4);
      pass(1_000);
      await all.tick();
      expect(failures).toHaveLength(4);
      down = false;
      pass(1_000);
      await all.tick();
      expect(told(broken)).toEqual(['opened pending']);
    },
  );

  verifies('APR-3', 'an hour later it hears what it missed, also how it ended', async () => {
    const { f, file, notifier, pass } = setting();
    let down = false;
    const chat = channel('chat', () => {
      if (down) throw new Error('down');
    });
    const id = await file();
    await notifier([chat]).tick();
    down = true;
    await f.decide(id, 'reject');
    for (let minute = 0; minute < 60; minute += 1) {
      await notifier([chat]).tick();
      pass(60_000);
    }
    down = false;
    await notifier([chat]).tick();
    pass(10 * 60_000);
    await notifier([chat]).tick();
    expect(told(chat)).toEqual(['opened pending', 'closed rejected']);
  });
});

verifies('APR-3', 'a channel that was down hears of every request that was decided meanwhile', async () => {
  const { f, file, notifier, pass } = setting();
  let down = true;
  const chat = channel('chat');
  const pager = channel('pager', () => {
    if (down) throw new Error('down');
  });
  const ids = [await file(), await file(), await file()];
  await notifier([chat, pager]).tick();
  for (const id of ids) await f.decide(id, 'reject');
  down = false;
  pass(60_000);
  await notifier([chat, pager]).tick();
  expect(told(pager)).toEqual(['closed rejected', 'closed rejected', 'closed rejected']);
});

verifies('APR-3', 'a crash between telling and writing it down tells twice, and never not at all', async () => {
  const store = memoryStore();
  let crash = true;
  const crashing: Store = {
    ...store,
    putEntry: (input) =>
      crash && input.kind === 'notice' && input.expected !== undefined
        ? Promise.reject(new Error('killed'))
        : store.putEntry(input),
  };
  const { file, notifier } = setting({ store: crashing });
  const chat = channel('chat');
  await file();
  await expect(notifier([chat]).tick()).rejects.toThrow('killed');
  crash = false;
  expect(await notifier([chat]).tick()).toBe(1);
  expect(told(chat)).toEqual(['opened pending', 'opened pending']);
});

verifies(
  'APR-3',
  'every channel is told of an edit, which voids what it told before; of each vote only one whose messages can change',
  async () => {
    const approval = { quorum: 2, edit: true };
    const deploy = { ...document.tools['deploy'], capability: 'deploy:staging:create', approval };
    const { f, file, notifier } = setting({ policy: { ...document, tools: { ...document.tools, deploy } } });
    const [card, mail] = [{ ...channel('card'), live: true }, channel('mail')];
    const both = notifier([card, mail]);
    const id = await file({ region: 'eu' });
    await both.tick();
    const { digest } = await f.approvals.show(f.carol, id);
    await f.approvals.edit(f.carol, { id, digest, arguments: '{"region":"us"}' });
    expect([await both.tick(), await both.tick()]).toEqual([2, 0]);
    await f.decide(id, 'approve');
    expect([await both.tick(), await both.tick()]).toEqual([1, 0]);
    expect(told(card)).toEqual(['opened pending', 'opened pending', 'opened pending']);
    expect(told(mail)).toEqual(['opened pending', 'opened pending']);
    expect(mail.heard[1]?.notice.digest).toBe(card.heard[1]?.notice.digest);
    const [first, edited, voted] = card.heard;
    expect(first?.notice).toMatchObject({ digest, votes: [], reasonRequired: false });
    expect([edited?.notice.digest === digest, edited?.reference]).toEqual([false, 'card-1']);
    expect(voted?.notice.votes).toEqual([{ approver: 'carol', verdict: 'approve' }]);
  },
);

verifies('REL-3', 'whoever is told of failures and throws keeps no channel from being told', async () => {
  const { file, notifier } = setting();
  const [broken, chat] = [channel('broken', () => Promise.reject(new Error('down'))), channel('chat')];
  const logs = [
    (): never => {
      throw new Error('the log is full');
    },
    async (): Promise<never> => Promise.reject(new Error('the log is full')),
  ];
  for (const onFailure of logs) {
    await file();
    await file({ n: 2 });
    expect(await notifier([broken, chat], { onFailure }).tick()).toBe(2);
  }
});

verifies('APR-3', 'of notifiers in several processes one is at work', async () => {
  const { file, notifier } = setting();
  const chat = channel('chat');
  await file();
  const counts = await Promise.all([notifier([chat]).tick(), notifier([chat]).tick(), notifier([chat]).tick()]);
  expect(counts.reduce((sum, count) => sum + count)).toBe(1);
  expect(told(chat)).toEqual(['opened pending']);
});

verifies('APR-6', 'the next group is told when its time has come; nobody is told outside working hours', async () => {
  const { deploy = expect.fail() } = document.tools;
  const approval = {
    expires: '2d',
    groups: ['on-call'],
    escalate: [{ after: '10m', groups: ['directors'] }],
    hours: { zone: 'UTC', from: '09:00', to: '17:00' },
  };
  const policy = { ...document, tools: { ...document.tools, deploy: { ...deploy, approval } } };
  const { file, notifier, pass } = setting({ policy });
  const chat = channel('chat');
  await file();
  await notifier([chat]).tick();
  pass(10 * 60_000);
  await notifier([chat]).tick();
  expect(chat.heard.map(({ notice }) => notice.groups)).toEqual([['on-call'], ['on-call', 'directors']]);
  expect(chat.heard[1]?.reference).toBe('chat-1');
  pass(8 * 60 * 60_000);
  await file();
  await notifier([chat]).tick();
  expect(chat.heard).toHaveLength(2);
  pass(14 * 60 * 60_000);
  await notifier([chat]).tick();
  expect(chat.heard).toHaveLength(3);
});

test('one request whose row or notice somebody damaged keeps nobody from hearing of the others, or seeing them', async () => {
  const store = memoryStore();
  let damaged = '';
  const asDamaged = <Approval extends { readonly id: string; readonly rule: string }>(approval: Approval): Approval =>
    approval.id === damaged ? { ...approval, rule: '{' } : approval;
  const damaging: Store = {
    ...store,
    approvals: async (...input) => (await store.approvals(...input)).map(asDamaged),
  };
  const { f, file, notifier } = setting({ store: damaging });
  damaged = await file({ n: 1 });
  const second = await file({ n: 2 });
  const place = { tenant: 'acme', kind: 'notice', id: `chat/${second}`, expected: undefined } as const;
  await store.putEntry({ ...place, value: 'null', now: 1, records: [] });
  const chat = channel('chat');
  await notifier([chat]).tick();
  expect(chat.heard.map(({ notice }) => notice.id)).toEqual([second]);
  const views = await f.approvals.list(f.carol, { state: 'pending' });
  expect(views.map((view) => [view.id, view.digest === ''])).toEqual([
    [damaged, true],
    [second, false],
  ]);
});

test('channels without a name of their own are refused', () => {
  const { notifier } = setting();
  for (const names of [['a', 'a'], [''], ['a/b'], ['outbox'], ['a'.repeat(65)]]) {
    expect(() => notifier(names.map((name) => channel(name)))).toThrow(/name of its own/);
  }
});

verifies('CAP-8', 'a tenant whose rows cannot be read keeps the people of no other tenant in the dark', async () => {
  const inner = memoryStore();
  const store: Store = {
    ...inner,
    approvals: async (tenant, filter) => {
      if (tenant === 'acme-broken') throw new Error('a row of this tenant cannot be read');
      return inner.approvals(tenant, filter);
    },
  };
  const { f, file } = setting({ store });
  const chat = channel('chat');
  await file();
  const all = f.approvals.notifier({ channels: [chat], timeoutMs: 50, tenants: ['acme-broken', 'acme'] });
  await expect(all.tick()).rejects.toThrow('cannot be read');
  expect(told(chat)).toEqual(['opened pending']);
});

verifies('APR-3', 'who files a thousand requests keeps nobody from hearing of the next one', async () => {
  const f = fixture();
  const limits = { keys: [f.approvals.publicKey], maxPendingPerRun: 2_000, maxPendingPerUser: 2_000 };
  const countersign = createCountersign({ ...f.options, approvals: limits });
  const alice = countersign.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: 'run-1' });
  for (let filed = 0; filed < 1_000; filed += 1) await alice.execute(callTo('deploy', { filed }), () => 1);
  const bob = countersign.gate({ tenant: 'acme', user: 'bob', agent: 'support', run: 'run-2' });
  const outcome = await bob.execute(callTo('deploy'), () => 1);
  const chat = channel('chat');
  await f.approvals.notifier({ channels: [chat] }).tick();
  expect(chat.heard.map(({ notice }) => notice.id)).toContain((outcome as { approval: string }).approval);
});

verifies(['APR-3', 'CAP-8'], 'a channel that hangs for one tenant holds up the people of no other', async () => {
  const f = fixture();
  const gate = f.countersign.gate({ tenant: 'globex', user: 'alice', agent: 'support', run: 'run-1' });
  await f.gate.execute(callTo('deploy'), () => 1);
  await gate.execute(callTo('deploy'), () => 1);
  const hung = Promise.withResolvers<void>();
  const heard: string[] = [];
  const chat: ApprovalChannel = {
    name: 'chat',
    async opened({ tenant }) {
      if (tenant === 'acme') await hung.promise;
      heard.push(tenant);
      return undefined;
    },
    closed: async () => undefined,
  };
  const looking = f.approvals.notifier({ channels: [chat], tenants: ['acme', 'globex'] }).tick();
  await vi.waitFor(() => expect(heard).toEqual(['globex']));
  hung.resolve();
  expect(await looking).toBe(2);
});
