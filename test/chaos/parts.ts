/** What every process of the chaos test is made of. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  createApprovals,
  createCountersign,
  definePolicy,
  StoreError,
  type Approvals,
  type Approver,
  type Countersign,
  type PolicyDocument,
  type Store,
} from '@countersign/core';
import type { ProcessInput } from '../faults/parts.ts';
import { createRandom } from '../faults/random.ts';

/** How a process is started: JSON in its arguments. */
export interface ChaosInput extends ProcessInput {
  /** Seed of the key that signs votes, hexadecimal. */
  readonly signingKey: string;
  readonly mailKey: string;
  readonly count: number;
  readonly ports: { readonly api: number; readonly console: number; readonly hooks: number };
  readonly webhook: { readonly url: string; readonly secret: string; readonly callbackSecret: string };
  readonly slack: {
    readonly url: string;
    readonly token: string;
    readonly appId: string;
    readonly team: string;
    readonly signingSecret: string;
  };
  readonly smtpPort: number;
  /** Where the terminal's lines go. */
  readonly terminal: string;
}

/** One of several agents that share the calls among them. */
export interface AgentInput extends ChaosInput {
  readonly part: number;
  readonly parts: number;
}

export const requester = { tenant: 'acme', user: 'alice', agent: 'worker' } as const;
export const slackChannelId = 'C0APPROVALS';
export const mailbox = 'frank@acme.example';

const capabilities = ['world:thing:change', 'world:thing:destroy'];
const approval = { quorum: 2, groups: ['deciders'], edit: true, expires: '10m' } as const;
const document: PolicyDocument = {
  countersign: 1,
  name: 'chaos',
  version: '1',
  tenants: ['acme'],
  tools: {
    medium: { capability: 'world:thing:change', risk: 'medium', approval },
    high: { capability: 'world:thing:destroy', risk: 'high', approval },
  },
  agents: { worker: { owner: 'user:alice', capabilities } },
  users: { alice: { capabilities } },
};
const policy = definePolicy(document);

export const eligible = ['carol', 'dave', 'erin', 'frank'] as const;
export type Eligible = (typeof eligible)[number];

/** Everybody who can be authenticated: those in charge, the requester who is in their group too, and one who is not. */
const people: readonly Approver[] = [
  ...[...eligible, 'alice'].flatMap((id) =>
    // Two directories that write one person in different cases.
    [id, id.toUpperCase()].map((name) => ({ tenant: 'acme', id: name, groups: ['deciders'] })),
  ),
  { tenant: 'acme', id: 'mallory', groups: ['onlookers'] },
];

export function personNamed(name: string): Approver | undefined {
  return people.find(({ id }) => id === name);
}

/** Of an account of Slack, whose directory writes names in capitals. */
export function personOfSlack(user: string): Approver | undefined {
  return personNamed(user.replace(/^U0/, '')) ?? personNamed(user.replace(/^U0/, '').toLowerCase());
}

/** What number a call has decides which tool it is of. */
export function callNumbered(number: number) {
  return {
    tool: { name: number % 5 < 3 ? 'medium' : 'high', source: 'local' },
    callId: `call-${number}`,
    step: '#0',
    arguments: { number },
  } as const;
}

export const runs = 20;
export const runOf = (number: number): string => `run-${number % runs}`;

/** A body that had its effect, and fails all the same. */
export const failsBody = (number: number): boolean => number % 12 === 7;

export function openAgents(input: ProcessInput, store: Store, now: () => number = Date.now): Countersign {
  return createCountersign({
    ...{ policy, store, now },
    audit: { key: Buffer.from(input.key, 'hex') },
    approvals: { keys: [input.voteKey], maxPendingPerRun: 10_000, maxPendingPerUser: 10_000 },
    timeouts: { settleMs: 300, storeMs: 3_000, approvalMs: 120_000 },
  });
}

export function openApprovals(input: ChaosInput, store: Store, now: () => number = Date.now): Approvals {
  return createApprovals({
    ...{ policy, store, now },
    signingKey: Buffer.from(input.signingKey, 'hex'),
    approvers: { authenticate: personNamed },
    audit: { key: Buffer.from(input.key, 'hex') },
  });
}

const late = 0.03;
const fails = 0.01;

/** A store that is late, refuses, or does what it is asked and then does not say so. */
export function moodyStore(store: Store, seed: number): Store {
  const random = createRandom(seed);
  const moody = <Target extends object>(target: Target, steady: ReadonlySet<string>): Target =>
    new Proxy(target, {
      get(of, name, receiver) {
        const value: unknown = Reflect.get(of, name, receiver);
        if (typeof value !== 'function' || steady.has(String(name))) return value;
        return async (...given: unknown[]): Promise<unknown> => {
          if (random.next() < late) await sleep(random.between(5, 80));
          if (random.next() < fails) throw new StoreError('the store is in no mood');
          const answer: unknown = await Reflect.apply(value, of, given);
          if (random.next() < fails) throw new StoreError('the answer of the store was lost');
          return answer;
        };
      },
    });
  const system = moody(store.system, new Set());
  const outer = moody(store, new Set(['close', 'approvalChanged']));
  return new Proxy(outer, { get: (of, name) => (name === 'system' ? system : (Reflect.get(of, name) as unknown)) });
}
