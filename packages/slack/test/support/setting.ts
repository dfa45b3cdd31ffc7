/**
 * Requests that wait, people in Slack who may decide, and Slack itself, for the tests of this package.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { onTestFinished } from 'vitest';
import {
  createApprovals,
  createCountersign,
  definePolicy,
  memoryStore,
  type Approver,
  type PolicyDocument,
  type Store,
} from '@countersign/core';
import { refusedRecords } from '../../../../test/support/refused-records.ts';
import { slackServer, type SlackServerOptions, type SlackUser } from '../../../../test/support/slack-server.ts';
import { slackChannel, slackInteractions, type SlackPerson } from '../../src/index.ts';

export const channelId = 'C0APPROVALS';

/** Who has which account, and who that is here. */
export const users = {
  carol: { id: 'U0CAROL', team: 'T0ACME' },
  dave: { id: 'U0DAVE', team: 'T0ACME' },
  alice: { id: 'U0ALICE', team: 'T0ACME' },
  /** In the workspace, and nobody's approver. */
  mallory: { id: 'U0MALLORY', team: 'T0ACME' },
  /** Of another company, in a shared channel, under an id that is an approver's at home. */
  guest: { id: 'U0CAROL', team: 'T0EVIL' },
} as const satisfies Record<string, SlackUser>;

const people: Readonly<Record<string, Approver>> = {
  'T0ACME/U0CAROL': { tenant: 'acme', id: 'carol', groups: ['on-call'] },
  'T0ACME/U0DAVE': { tenant: 'acme', id: 'dave', groups: ['finance'] },
  'T0ACME/U0ALICE': { tenant: 'acme', id: 'alice', groups: ['on-call'] },
};

const schema = {
  type: 'object',
  properties: {
    region: { type: 'string', enum: ['eu', 'us'] },
    amount: { type: 'number', maximum: 100 },
    password: { type: 'string' },
  },
  required: ['region'],
} as const;

type Rule = NonNullable<PolicyDocument['tools'][string]['approval']>;

export interface SettingInput {
  readonly rule?: Rule;
  readonly slack?: SlackServerOptions;
  readonly store?: (store: Store) => Store;
  readonly approverFor?: (person: SlackPerson) => Approver | undefined | Promise<Approver | undefined>;
  readonly interactions?: Partial<Parameters<typeof slackInteractions>[0]>;
  readonly channel?: Partial<Parameters<typeof slackChannel>[0]>;
}

export async function setting(input: SettingInput = {}) {
  const slack = await slackServer(input.slack);
  onTestFinished(slack.close);
  let offset = 0;
  const now = (): number => Date.now() + offset;
  const plain = memoryStore();
  const store = input.store?.(plain) ?? plain;
  const policy = definePolicy({
    countersign: 1,
    name: 'slack',
    version: '1',
    tenants: ['acme'],
    tools: {
      deploy: {
        ...{ capability: 'deploy:staging:create', risk: 'high', arguments: schema, redact: { hide: ['/note'] } },
        ...(input.rule === undefined ? {} : { approval: input.rule }),
      },
    },
    agents: { support: { owner: 'user:alice', capabilities: ['deploy:staging:create'] } },
    users: { alice: { capabilities: ['deploy:staging:create'] } },
  });
  const audit = { key: randomBytes(32) };
  const signingKey = generateKeyPairSync('ed25519').privateKey;
  const approvers = { authenticate: () => undefined };
  const approvals = createApprovals({ store, signingKey, approvers, audit, policy, now });
  const countersign = createCountersign({
    ...{ policy, store: plain, audit, approvals: { keys: [approvals.publicKey] }, now },
    timeouts: { approvalMs: 1 },
  });
  onTestFinished(() => countersign.close());
  const gate = countersign.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: 'run-1' });

  const access = { token: slack.token, slackApiUrl: slack.url };
  const channel = slackChannel({ ...access, channel: channelId, ...input.channel });
  const failures: unknown[] = [];
  const notifier = approvals.notifier({ channels: [channel], onFailure: ({ error }) => void failures.push(error) });
  const known = ({ team, user }: SlackPerson): Approver | undefined => people[`${team}/${user}`];
  const interactions = slackInteractions({
    ...access,
    ...{ approvals, tenant: 'acme', appId: slack.appId, team: slack.team, signingSecret: slack.signingSecret },
    approverFor: input.approverFor ?? known,
    // Far away: on a busy machine the answer must still say what became of it.
    acknowledgeMs: 20_000,
    ...input.interactions,
  });
  const to = interactions.fetch;
  let calls = 0;

  async function file(args: unknown = { region: 'eu', password: 'hunter2' }): Promise<string> {
    calls += 1;
    const call = { tool: { name: 'deploy', source: 'local' }, callId: `call-${calls}`, step: '#0', arguments: args };
    const outcome = await gate.execute({ ...call, origin: 'model' }, () => 1);
    if (outcome.status !== 'pending') throw new Error(`expected pending, got ${outcome.status}`);
    return outcome.approval;
  }

  return {
    ...{ slack, store: plain, approvals, channel, notifier, interactions, to, failures, file, gate },
    /** A request, and its card. */
    async card(args?: unknown) {
      const id = await file(args);
      await notifier.tick();
      const message = slack.messages().at(-1);
      if (message === undefined) throw new Error(`no card: ${String(failures.at(-1))}`);
      return { id, message };
    },
    /** The last card as it is now. */
    shown: () => slack.messages().at(-1) ?? { channel: '', ts: '', args: {}, changes: 0 },
    show: (id: string) => approvals.as({ tenant: 'acme', id: 'carol' }).show(id),
    state: async (id: string) => (await plain.approval('acme', id))?.state,
    votes: async (id: string) => (await plain.approval('acme', id))?.votes.length,
    refused: () => refusedRecords(countersign.ledger),
    /** Why it was refused, each time. */
    codes: async () => (await refusedRecords(countersign.ledger)).map(({ code }) => code),
    /** What was told to one person alone. Waits for what is still being done, and ends the handler. */
    async told(): Promise<readonly string[]> {
      await interactions.close();
      return slack.ephemeral().map(({ args }) => JSON.stringify(args['blocks']));
    },
    pass: (ms: number) => void (offset += ms),
  };
}

export type Setting = Awaited<ReturnType<typeof setting>>;
