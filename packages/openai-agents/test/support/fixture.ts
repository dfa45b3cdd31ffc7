/** A Countersign instance with a small policy, the approvals service beside it, and the SDK against a scripted model server. */
import { generateKeyPairSync } from 'node:crypto';
import { OpenAIProvider, Runner } from '@openai/agents';
import {
  createApprovals,
  createCountersign,
  definePolicy,
  memoryStore,
  type Approvals,
  type Countersign,
  type CountersignOptions,
  type Gate,
  type Store,
} from '@countersign/core';
import { onTestFinished } from 'vitest';
import { scriptedModel, type ScriptedModel, type ScriptedTurn } from '../../../../test/support/scripted-model.ts';
import { document } from './policy.ts';

export { recording } from './tools.ts';

const carol = 'carol-token';

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
    policy: definePolicy(document),
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
  const pending = async (): Promise<readonly string[]> =>
    (await store.approvals('acme', { state: 'pending' })).map(({ id }) => id);
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
export async function serve(
  turns: readonly ScriptedTurn[],
  options: { readonly useResponses?: boolean } & ConstructorParameters<typeof Runner>[0] = {},
): Promise<Served> {
  const { useResponses = true, ...config } = options;
  const model = await scriptedModel(turns);
  onTestFinished(() => model.close());
  const modelProvider = new OpenAIProvider({ baseURL: model.baseURL, apiKey: 'k', useResponses });
  return { model, runner: new Runner({ modelProvider, model: 'gpt-4o', tracingDisabled: true, ...config }) };
}

/** What the model was told of its calls: the results in the last request, by call id. */
export function resultsIn(served: Served): Readonly<Record<string, string>> {
  const last = served.model.requests().at(-1);
  const items =
    (JSON.parse(last?.body ?? '{}') as { input?: { type?: string; call_id?: string; output?: unknown }[] }).input ?? [];
  const outputs = items.filter(({ type }) => type?.endsWith('_output'));
  return Object.fromEntries(
    outputs.map(({ call_id, output }) => [call_id ?? '', typeof output === 'string' ? output : JSON.stringify(output)]),
  );
}
