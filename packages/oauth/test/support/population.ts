/**
 * Many users with many agents in several tenants, all at once: their calls pass the gate, and what each tool body holds is
 * asked of the authorization server.
 */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import fc from 'fast-check';
import {
  createCountersign,
  currentLease,
  definePolicy,
  Secret,
  type Countersign,
  type Outcome,
  type PolicyDocument,
  type Store,
} from '@countersign/core';
import { actorTokens, createOAuth, type BrowserUser, type OAuth } from '../../src/index.ts';
import {
  actorIssuer,
  clientId,
  clientSecret,
  visitor,
  type Introspection,
  type Visitor,
} from './authorization-server.ts';
import { baseUrl } from './world.ts';

export const tenants = ['acme', 'globex', 'initech'] as const;
const users = Array.from({ length: 20 }, (_, index) => `user-${index}`);
const agents = Array.from({ length: 5 }, (_, index) => `agent-${index}`);

export interface Operation {
  readonly kind: 'call' | 'withdraw' | 'disconnect';
  readonly tenant: string;
  readonly user: string;
  readonly agent: string;
}

/** Mostly calls: of the others, enough to get in their way. */
export const operation: fc.Arbitrary<Operation> = fc.record({
  kind: fc.oneof(
    { weight: 18, arbitrary: fc.constant<Operation['kind']>('call') },
    { weight: 1, arbitrary: fc.constant<Operation['kind']>('withdraw') },
    { weight: 1, arbitrary: fc.constant<Operation['kind']>('disconnect') },
  ),
  tenant: fc.constantFrom(...tenants),
  user: fc.constantFrom(...users),
  agent: fc.constantFrom(...agents),
});

export interface Installation {
  readonly store: Store;
  readonly key: Uint8Array;
  readonly issuer: string;
  /** PEM: signs actor tokens. */
  readonly signingKey: KeyObject | string;
}

export interface Lived {
  readonly completed: number;
  readonly consents: number;
  readonly failed: number;
  /** Tokens that a body held and that were somebody else's, or for something else. */
  readonly wrong: readonly string[];
}

const policy: PolicyDocument = {
  countersign: 1,
  name: 'population',
  version: '1',
  tenants: [...tenants],
  tools: {
    list: {
      capability: 'calendar:event:list',
      risk: 'low',
      credentials: [{ service: 'calendar', scope: { scopes: ['calendar:read'] }, ttl: '1m' }],
    },
  },
  agents: Object.fromEntries(
    agents.map((agent) => [agent, { owner: 'user:user-0', capabilities: ['calendar:event:list'] }]),
  ),
  users: Object.fromEntries(users.map((user) => [user, { capabilities: ['calendar:event:list'] }])),
};

/** Lets all this happen, `width` operations at a time. */
export async function live(
  installation: Installation,
  operations: readonly Operation[],
  width: number,
): Promise<Lived> {
  const { oauth, countersign } = open(installation);
  const server = visitor(installation.issuer);
  const counts = { completed: 0, consents: 0, failed: 0 };
  const wrong: string[] = [];
  const run = async (each: Operation, index: number): Promise<void> => {
    const { kind, tenant, user } = each;
    if (kind === 'withdraw') return server.withdraw(`${tenant}-${user}`);
    if (kind === 'disconnect') return void (await oauth.disconnect({ tenant, user, service: 'calendar' }));
    // A consent may be withdrawn again before it is used: three attempts are enough for nearly all.
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const outcome = await call(countersign, each, `${index}-${attempt}-${process.pid}`, server);
      if (outcome.status === 'consent_required') {
        counts.consents += 1;
        await consent(oauth, server, each, outcome.url);
        continue;
      }
      if (outcome.status !== 'completed') {
        counts.failed += 1;
        return;
      }
      counts.completed += 1;
      const problem = check(each, outcome.result);
      if (problem !== undefined) wrong.push(problem);
      return;
    }
  };
  const queue = operations.entries();
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (const [index, each] of queue) await run(each, index);
    }),
  );
  return { ...counts, wrong };
}

function open({ store, key, issuer, signingKey }: Installation): { oauth: OAuth; countersign: Countersign } {
  const actor = actorTokens({
    issuer: actorIssuer,
    audience: issuer,
    signingKey: typeof signingKey === 'string' ? createPrivateKey(signingKey) : signingKey,
    keyId: 'test',
  });
  const oauth = createOAuth({
    store,
    key,
    services: [
      {
        name: 'calendar',
        server: { issuer },
        client: { id: clientId, secret: new Secret(clientSecret) },
        lease: { mode: 'exchange', maxLifetimeMs: 60_000, actor },
      },
    ],
    baseUrl,
    allowLoopbackHttp: true,
    // On a busy machine a request may be slow, and one that was given up counts as a token used twice.
    timeoutMs: 20_000,
    identify: (request) => JSON.parse(request.headers.get('x-user') ?? '') as BrowserUser,
  });
  const timeouts = { credentialMs: 60_000 };
  const countersign = createCountersign({
    policy: definePolicy(policy),
    store,
    audit: { key },
    credentials: [...oauth.providers],
    timeouts,
  });
  return { oauth, countersign };
}

async function call(
  countersign: Countersign,
  { tenant, user, agent }: Operation,
  id: string,
  server: Visitor,
): Promise<Outcome<Introspection>> {
  const gate = countersign.gate({ tenant, user, agent, run: `run-${user}` });
  const tool = { name: 'list', source: 'local' };
  return gate.execute({ tool, callId: `call-${id}`, step: id, origin: 'model', arguments: { id } }, async () =>
    server.introspect(currentLease('calendar').secret.reveal()),
  );
}

async function consent(oauth: OAuth, server: Visitor, { tenant, user }: Operation, link: string): Promise<void> {
  // Each consent in a session of its own, as a user with several tabs and machines has them.
  const headers = { 'x-user': JSON.stringify({ tenant, user, session: crypto.randomUUID() }) };
  const begun = await oauth.handle(new Request(link, { headers }));
  const answer = await server.consent(begun.headers.get('location') ?? '', { account: `${tenant}-${user}` });
  await oauth.handle(new Request(answer, { headers }));
}

/** An inactive token was ended meanwhile, by its own user; an active one must be this user's and this agent's. */
function check({ tenant, user, agent }: Operation, seen: Introspection): string | undefined {
  if (!seen.active) return undefined;
  const right =
    seen.sub === `${tenant}-${user}` &&
    seen.act?.sub === agent &&
    seen.act.tenant === tenant &&
    seen.scope === 'calendar:read';
  return right ? undefined : `${agent} for ${user} of ${tenant} held ${JSON.stringify(seen)}`;
}
