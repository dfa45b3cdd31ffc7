/**
 * A process that executes one guarded call and kills itself with SIGKILL at a given point of the pipeline.
 *
 * argv: JSON of `VictimInput`. The world outside is two files: effects of the tool, and credentials at the provider.
 */
import { appendFileSync } from 'node:fs';
import {
  createCountersign,
  definePolicy,
  Secret,
  type CredentialProvider,
  type Outcome,
  type Store,
} from '../../src/index.ts';
import { sqliteStore } from '../../src/store/sqlite.ts';
import { callTo, document } from '../support/fixture.ts';

export const killPoints = [
  'before-claim',
  'after-claim',
  'before-credential',
  'after-credential',
  'after-lease-noted',
  'before-effect',
  'after-effect',
  'before-outcome',
  'after-outcome',
] as const;

export type KillPoint = (typeof killPoints)[number] | 'never';

export interface VictimInput {
  readonly folder: string;
  readonly key: string;
  readonly voteKey: string;
  readonly tool: string;
  readonly callId: string;
  readonly origin: 'model' | 'resume';
  readonly killAt: KillPoint;
  /** The service is not reachable when credentials are to be revoked. */
  readonly revokeFails?: boolean;
}

const policyDocument = {
  ...document,
  tools: {
    ...document.tools,
    // Every kind of call with a credential, so that each point of the pipeline is passed.
    deploy: {
      capability: 'deploy:staging:create',
      risk: 'high',
      credentials: [{ service: 'tickets', scope: {}, ttl: '1m' }],
    },
  },
} as const;

export const policy = definePolicy(policyDocument);

/** Credentials at the provider, as lines `issued <lease> <when it ends by itself>` and `revoked <lease>`. */
export function fileProvider(
  folder: string,
  reach: (point: KillPoint) => void,
  revokeFails = false,
): CredentialProvider {
  return {
    name: 'file',
    services: ['tickets'],
    maxLifetimeMs: 60_000,
    revocable: true,
    findable: true,
    async get({ leaseId, ttlMs }) {
      reach('before-credential');
      const expiresAt = Date.now() + ttlMs;
      appendFileSync(`${folder}/credentials`, `issued ${leaseId} ${expiresAt}\n`);
      reach('after-credential');
      return {
        credentialId: leaseId,
        secret: new Secret('a-secret-of-the-file-provider'),
        expiresAt,
      };
    },
    async provision() {},
    async revoke({ leaseId }) {
      if (revokeFails) throw new Error('unreachable');
      appendFileSync(`${folder}/credentials`, `revoked ${leaseId}\n`);
    },
    async rotate() {},
  };
}

/** Executes the call of `input`; in a victim process it never returns when a kill point is reached. */
export async function executeVictimCall(input: VictimInput): Promise<Outcome> {
  const { folder, killAt } = input;
  const reach = (point: KillPoint): void => {
    if (point === killAt) process.kill(process.pid, 'SIGKILL');
  };
  const inner = sqliteStore({ path: `${folder}/store.sqlite` });
  const store: Store = {
    ...inner,
    async claim(claim) {
      reach('before-claim');
      const result = await inner.claim(claim);
      reach('after-claim');
      return result;
    },
    async leaseIssued(lease) {
      await inner.leaseIssued(lease);
      reach('after-lease-noted');
    },
    async settle(settle) {
      reach('before-outcome');
      await inner.settle(settle);
      reach('after-outcome');
    },
  };
  const countersign = createCountersign({
    policy,
    store,
    audit: { key: Buffer.from(input.key, 'hex') },
    approvals: { keys: [input.voteKey] },
    credentials: [fileProvider(folder, reach, input.revokeFails)],
    timeouts: { settleMs: 50 },
  });
  const gate = countersign.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: 'run-1' });
  const outcome = await gate.execute(
    callTo(input.tool, { n: 1 }, { callId: input.callId, origin: input.origin }),
    () => {
      reach('before-effect');
      appendFileSync(`${folder}/effects`, `${input.callId}\n`);
      reach('after-effect');
      return 'done';
    },
  );
  await countersign.close();
  return outcome;
}

if (import.meta.main) {
  const outcome = await executeVictimCall(JSON.parse(process.argv[2] ?? '{}') as VictimInput);
  process.stdout.write(JSON.stringify(outcome));
}
