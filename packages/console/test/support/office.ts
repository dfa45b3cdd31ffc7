/**
 * A console in an office at work: several agents, tools and approvers, a week of requests, and a clock that the test sets.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import {
  createApprovals,
  createCountersign,
  definePolicy,
  memoryStore,
  type Approvals,
  type Approver,
  type Gate,
  type Heard,
  type LedgerAccess,
  type Outcome,
  type Policy,
  type PolicyDocument,
  type Store,
} from '@countersign/core';
import { approverToken, serveConsole, type SignIn } from '../../src/index.ts';

const everything = [
  'tickets:ticket:read',
  'mail:message:send',
  'payments:refund:create',
  'deploy:production:create',
  'database:customers:delete',
];

const document: PolicyDocument = {
  countersign: 1,
  name: 'office',
  version: '2026-11',
  tenants: ['acme'],
  tools: {
    read_ticket: { capability: 'tickets:ticket:read', risk: 'low' },
    send_email: {
      capability: 'mail:message:send',
      risk: 'medium',
      approval: { groups: ['support-leads'], expires: '2h' },
    },
    refund: {
      capability: 'payments:refund:create',
      risk: 'medium',
      when: [{ arguments: { properties: { amount: { exclusiveMinimum: 500 } } }, risk: 'high' }],
      credentials: [{ service: 'bank', scope: { refunds: 'create' } }],
      approval: {
        groups: ['finance'],
        quorum: 2,
        reason: 'required',
        expires: '1h',
        escalate: [{ after: '20m', groups: ['directors'] }],
      },
    },
    deploy: {
      capability: 'deploy:production:create',
      risk: 'high',
      approval: {
        groups: ['releases'],
        edit: true,
        expires: '30m',
        hours: { zone: 'Europe/Berlin', from: '08:00', to: '18:00' },
      },
    },
    drop_customers: { capability: 'database:customers:delete', risk: 'high' },
  },
  agents: {
    support: {
      owner: 'user:alice',
      capabilities: ['tickets:ticket:read', 'mail:message:send', 'payments:refund:create'],
    },
    billing: {
      owner: 'user:alice',
      capabilities: [
        'tickets:ticket:read',
        { capability: 'payments:refund:create', arguments: { properties: { currency: { const: 'EUR' } } } },
      ],
    },
    'release-bot': { owner: 'user:alice', capabilities: ['deploy:production:create'] },
    janitor: { owner: 'user:alice', capabilities: ['tickets:ticket:read', 'database:customers:delete'] },
  },
  users: { alice: { capabilities: everything }, bob: { capabilities: everything } },
};

const people: Readonly<Record<string, Approver>> = {
  'carol-token': { tenant: 'acme', id: 'carol', groups: ['support-leads', 'finance', 'releases'] },
  'dave-token': { tenant: 'acme', id: 'dave', groups: ['finance'] },
  'erin-token': { tenant: 'acme', id: 'erin', groups: ['directors'] },
  'alice-token': { tenant: 'acme', id: 'alice', groups: ['releases'] },
  'gus-token': { tenant: 'globex', id: 'gus', groups: ['finance'] },
};

const otherPolicy: PolicyDocument = {
  ...document,
  name: 'of globex',
  tenants: ['globex'],
  agents: { stranger: { owner: 'user:alice', capabilities: ['deploy:production:create'] } },
};

export const minute = 60_000;
export const hour = 60 * minute;
export const day = 24 * hour;
/** Monday 2026-11-23, 10:00 in Berlin. */
const monday = Date.UTC(2026, 10, 23, 9);

interface Asked {
  readonly id: string;
  /** Runs it, once it is approved. */
  readonly run: () => Promise<Outcome>;
}

export interface Office {
  readonly url: string;
  readonly approvals: Approvals;
  readonly store: Store;
  readonly policy: Policy;
  readonly clock: { now: number };
  readonly gate: (options?: { user?: string; agent?: string; run?: string; heard?: Heard }) => Gate;
  /** A call that needs nobody. */
  readonly call: (gate: Gate, tool: string, args?: unknown, result?: unknown) => Promise<Outcome>;
  readonly ask: (tool: string, args?: unknown, gate?: Gate) => Promise<Asked>;
  readonly vote: (id: string, who: string, verdict?: 'approve' | 'reject', reason?: string) => Promise<void>;
  /** Seven days of requests, up to now. */
  week(): Promise<void>;
  close(): Promise<void>;
}

export interface OfficeOptions {
  readonly ledger?: LedgerAccess;
  readonly policy?: false;
  readonly list?: false;
}

export async function createOffice(options: OfficeOptions = {}): Promise<Office> {
  const store = memoryStore();
  const key = randomBytes(32);
  const clock = { now: monday };
  const now = (): number => clock.now;
  const policy = definePolicy(document);
  const approvers = {
    authenticate: (token: string) => people[token],
    // A directory that forgets to look at the tenant.
    ...(options.list === false ? {} : { list: () => Object.values(people) }),
  };
  const approvals = createApprovals({
    ...{ store, approvers, audit: { key }, policy, now },
    signingKey: generateKeyPairSync('ed25519').privateKey,
    ...(options.ledger === undefined ? {} : { ledger: options.ledger }),
  });
  const instance = createCountersign({
    ...{ policy, store, audit: { key }, now },
    approvals: { keys: [approvals.publicKey] },
    timeouts: { approvalMs: 1 },
    credentials: [],
  });
  const policies = [policy, definePolicy(otherPolicy)];
  const console = await serveConsole({
    ...{ service: approvals, signIn: [approverToken(approvers), linkTo()], now },
    ...(options.policy === false ? {} : { policy: policies }),
  });
  let calls = 0;
  const gate: Office['gate'] = ({ user = 'alice', agent = 'support', run = 'run-1', heard } = {}) =>
    instance.gate({ tenant: 'acme', user, agent, run, ...(heard === undefined ? {} : { heard }) });
  const made = (tool: string, args: unknown) => {
    calls += 1;
    return { tool: { name: tool, source: 'local' }, callId: `call-${calls}`, step: '#0', arguments: args };
  };

  const office: Office = {
    ...{ url: console.url, approvals, store, policy, clock, gate },
    call: (through, tool, args = {}, result = 'done') =>
      through.execute({ ...made(tool, args), origin: 'model' }, () => result),
    async ask(tool, args = {}, through = gate(tool === 'deploy' ? { agent: 'release-bot' } : {})) {
      const call = made(tool, args);
      const result = await through.check({ ...call, origin: 'model' });
      if (result.approval === undefined) throw new Error(`no approval was opened: ${JSON.stringify(result)}`);
      return { id: result.approval.id, run: () => through.execute({ ...call, origin: 'resume' }, () => 'done') };
    },
    async vote(id, who, verdict = 'approve', reason = 'looked at it') {
      const session = approvals.as(people[`${who}-token`] ?? { tenant: 'acme', id: who });
      const { digest } = await session.show(id);
      await session.decide({ id, verdict, digest, reason });
    },
    week: () => fillWeek(office),
    async close() {
      await console.close();
      await instance.close();
    },
  };
  return office;
}

/** What a link in a message gives: Carol, for the one approval that is typed. */
function linkTo(): SignIn {
  const approver = { tenant: 'acme', id: 'carol', groups: ['support-leads', 'directors'] };
  const verify = (only: string) => ({ approver, only });
  return { kind: 'typed', label: 'Link', hint: 'From a message.', loopbackOnly: false, verify };
}

/** Seven days up to Monday: busier by day, some rejections, some silence, and one who approves without reading. */
async function fillWeek(office: Office): Promise<void> {
  const { clock } = office;
  const end = clock.now;
  for (let slot = 0; slot < 7 * 8; slot += 1) {
    const time = end - 7 * day + slot * 3 * hour + 17 * minute;
    const atWork = slot % 8 < 4;
    for (let index = 0; index < (atWork ? 1 + (slot % 3) : slot % 2); index += 1) {
      clock.now = time + index * 10 * minute;
      const number = slot * 3 + index;
      if (number % 3 === 0) {
        const { id } = await office.ask('refund', { amount: 20 + number, currency: 'EUR' });
        if (number % 9 === 0) continue;
        clock.now += 4 * minute;
        await office.vote(id, 'dave');
        clock.now += minute + number * 1_000;
        await office.vote(id, 'carol', number % 4 === 0 ? 'reject' : 'approve');
      } else {
        const { id } = await office.ask('send_email', { to: 'customer@example.com', subject: `Ticket ${number}` });
        if (number % 7 === 0) continue;
        clock.now += number % 5 === 0 ? 1_200 : 15_000 + number * 900;
        await office.vote(id, 'carol', number % 8 === 0 ? 'reject' : 'approve');
      }
    }
  }
  clock.now = end;
}
