/** A Countersign instance with a small policy, the approvals service beside it, and the SDK against a scripted model server. */
import { generateKeyPairSync } from 'node:crypto';
import { OpenAIProvider, Runner, tool } from '@openai/agents';
import {
  createApprovals,
  createCountersign,
  definePolicy,
  memoryStore,
  type Approvals,
  type Countersign,
  type CountersignOptions,
  type Gate,
  type PolicyDocument,
  type Store,
} from '@countersign/core';
import { onTestFinished } from 'vitest';
import { z } from 'zod';
import { scriptedModel, type ScriptedModel, type ScriptedTurn } from '../../../../test/support/scripted-model.ts';

const capability = 'tickets:ticket:read';

export const document: PolicyDocument = {
  countersign: 1,
  name: 'fixture',
  version: '1',
  tenants: ['acme'],
  tools: {
    read: { capability, risk: 'low' },
    note: { capability: 'tickets:note:create', risk: 'medium' },
    deploy: { capability: 'deploy:staging:create', risk: 'high' },
    wire: { capability: 'deploy:staging:create', risk: 'high' },
    pay: {
      capability: 'tickets:refund:create',
      risk: 'low',
      arguments: { type: 'object', properties: { amount: { type: 'number', maximum: 1000 } }, required: ['amount'] },
      when: [{ arguments: { type: 'object', properties: { amount: { type: 'number', exclusiveMinimum: 100 } } }, risk: 'high' }],
    },
    vault: { capability: 'vault:secret:read', risk: 'low' },
    helper: { capability, risk: 'low', orchestrates: true },
    transfer_to_billing: { capability, risk: 'low', source: 'handoff:agent' },
    transfer_to_legal: { capability: 'vault:secret:read', risk: 'low', source: 'handoff:agent' },
    transfer_to_board: { capability: 'deploy:staging:create', risk: 'high', source: 'handoff:agent' },
    echo: { capability, risk: 'low', source: 'mcp:demo' },
    shell: { capability, risk: 'low' },
    danger: { capability: 'deploy:staging:create', risk: 'high' },
    apply_patch: { capability: 'vault:secret:read', risk: 'low' },
    patch: { capability, risk: 'low' },
    computer_use_preview: { capability, risk: 'low' },
    web_search: { capability, risk: 'low', source: 'provider:openai' },
    crm: { capability, risk: 'low', source: 'provider:openai' },
    lookup: { capability, risk: 'low', source: 'hosted-mcp:crm' },
    erase: { capability: 'deploy:staging:create', risk: 'high', source: 'hosted-mcp:crm' },
    secret: { capability, risk: 'low', credential: { service: 'mail', scope: { send: true }, ttl: '1m' } },
  },
  grants: { basics: [capability, 'tickets:note:create', 'tickets:refund:create', 'deploy:staging:create'] },
  agents: { support: { owner: 'user:alice', include: ['basics'] }, reader: { owner: 'user:alice', capabilities: [capability] } },
  users: { alice: { include: ['basics'] }, bob: { include: ['basics'] } },
};

export const carol = 'carol-token';

export interface Fixture {
  readonly countersign: Countersign;
  readonly approvals: Approvals;
  readonly store: Store;
  readonly options: CountersignOptions;
  readonly gate: Gate;
  /** Decides everything that waits. */
  decide(verdict: 'approve' | 'reject'): Promise<void>;
  pending(): Promise<readonly string[]>;
}

export interface FixtureOptions {
  readonly store?: Store;
  readonly key?: Uint8Array;
  readonly signingKey?: Uint8Array;
  readonly options?: Partial<CountersignOptions>;
}

export function fixture(input: FixtureOptions = {}): Fixture {
  const store = input.store ?? memoryStore();
  const key = input.key ?? new Uint8Array(32).fill(7);
  const signingKey = input.signingKey ?? generateKeyPairSync('ed25519').privateKey;
  const approvals = createApprovals({
    store,
    signingKey,
    approvers: { authenticate: (credential) => (credential === carol ? { tenant: 'acme', id: 'carol' } : undefined) },
    audit: { key },
  });
  const options: CountersignOptions = {
    policy: definePolicy(document),
    store,
    audit: { key },
    approvals: { keys: [approvals.publicKey] },
    timeouts: { settleMs: 200, authorizeMs: 200 },
    ...input.options,
  };
  const countersign = createCountersign(options);
  const pending = async (): Promise<readonly string[]> => (await store.approvals('acme', { state: 'pending' })).map(({ id }) => id);
  return {
    countersign,
    approvals,
    store,
    options,
    gate: countersign.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: 'run-1' }),
    pending,
    async decide(verdict) {
      for (const id of await pending()) {
        const { digest } = await approvals.show(carol, id);
        await approvals.decide(carol, { id, verdict, digest });
      }
    },
  };
}

export interface Served {
  readonly model: ScriptedModel;
  readonly runner: Runner;
}

/** The real runner and the real provider, over HTTP. */
export async function serve(turns: readonly ScriptedTurn[], options: { readonly useResponses?: boolean } & ConstructorParameters<typeof Runner>[0] = {}): Promise<Served> {
  const { useResponses = true, ...config } = options;
  const model = await scriptedModel(turns);
  onTestFinished(() => model.close());
  const modelProvider = new OpenAIProvider({ baseURL: model.baseURL, apiKey: 'k', useResponses });
  return { model, runner: new Runner({ modelProvider, model: 'gpt-4o', tracingDisabled: true, ...config }) };
}

/** A tool that notes the arguments of every execution. */
export function recording(name: string, ran: unknown[], more: object = {}) {
  return tool({
    name,
    description: `The tool ${name}`,
    parameters: z.object({ amount: z.number() }),
    execute: (input) => {
      ran.push(input);
      return `${name} ran with ${input.amount}`;
    },
    ...more,
  });
}

/** What the model was told of its calls: the results in the last request, by call id. */
export function resultsIn(served: Served): Readonly<Record<string, string>> {
  const last = served.model.requests().at(-1);
  const items = (JSON.parse(last?.body ?? '{}') as { input?: { type?: string; call_id?: string; output?: unknown }[] }).input ?? [];
  const outputs = items.filter(({ type }) => type?.endsWith('_output'));
  return Object.fromEntries(outputs.map(({ call_id, output }) => [call_id ?? '', typeof output === 'string' ? output : JSON.stringify(output)]));
}
