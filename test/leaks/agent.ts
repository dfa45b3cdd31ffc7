/**
 * An agent whose tools do with their secrets what they should not: return them, throw them, start processes while they hold
 * them. One process, told everything as data; what came of it is in files that `leak-proof.test.ts` searches.
 *
 * argv: JSON of `AgentInput`.
 */
import { spawnSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { appendFileSync, copyFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { z } from 'zod';
import {
  createCountersign,
  createKeyFile,
  credentialChain,
  currentCall,
  currentLease,
  definePolicy,
  encryptedFileProvider,
  envFileProvider,
  leaseFetch,
  memoryRevocationList,
  readKeyFile,
  sealSecretsFile,
  Secret,
  tokenMinter,
  type CredentialProvider,
} from '@countersign/core';
import { sqliteStore } from '@countersign/core/sqlite';
import { frameworkNamed } from '../../examples/demo/frameworks/framework.ts';
import { withSpans } from '../adapters/spans.ts';

const services = ['file', 'env', 'minted', 'issued', 'hidden'] as const;
type Service = (typeof services)[number];
const deeds = ['return', 'throw', 'spawn'] as const;

export interface AgentInput {
  readonly framework: string;
  readonly folder: string;
  readonly modelUrl: string;
}

/** Where the secrets are by their nature, and the only place that is not searched. */
const secretsFolder = 'private';

const { framework, folder, modelUrl } = JSON.parse(process.argv[2] ?? '{}') as AgentInput;
const inPrivate = (name: string): string => join(folder, secretsFolder, name);
const note = (name: string, text: string): void => appendFileSync(join(folder, name), `${text}\n`);
const canary = (service: string): string => `CANARY/${service}+${randomBytes(18).toString('base64url')}=x`;

/** A service that answers with everything it was sent. */
const echo = createServer((request, response) => {
  appendFileSync(inPrivate('echoed'), `${request.headers.authorization ?? ''}\n`);
  response.setHeader('x-echo', request.headers.authorization ?? '');
  response.end(JSON.stringify(request.headers));
});
await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
const origin = `http://127.0.0.1:${(echo.address() as AddressInfo).port}`;

function keep(secret: string): string {
  appendFileSync(inPrivate('secrets'), `${secret}\n`);
  return secret;
}

async function providers(): Promise<readonly CredentialProvider[]> {
  for (const key of ['key', 'audit']) createKeyFile(inPrivate(key));
  const file = { path: inPrivate('sealed'), key: { keyFile: inPrivate('key') } };
  const expiresAt = Date.now() + 86_400_000;
  await sealSecretsFile(file, [
    { tenant: 'acme', service: 'file', value: new Secret(keep(canary('file'))), expiresAt },
    { tenant: 'acme', service: 'hidden', value: new Secret(keep(canary('hidden'))), expiresAt },
  ]);
  writeFileSync(inPrivate('.env'), `TOKEN=${keep(canary('env'))}\n`, { mode: 0o600 });
  const minter = tokenMinter({
    ...{ name: 'minter', services: ['minted'], issuer: 'countersign', audience: 'minted' },
    signingKey: generateKeyPairSync('ed25519').privateKey,
    revocations: memoryRevocationList(),
  });
  const issuer: CredentialProvider = {
    ...{ name: 'issuer', services: ['issued'], maxLifetimeMs: 60_000, revocable: true, findable: true },
    get: async ({ ttlMs }) => {
      const value = keep(JSON.stringify({ id: canary('part'), secret: canary('issued') }));
      return { credentialId: keep(canary('handle')), secret: new Secret(value), expiresAt: Date.now() + ttlMs };
    },
    provision: async () => undefined,
    // A vendor's client that puts what it was given into its error.
    revoke: async ({ credentialId }) => Promise.reject(new Error(`cannot revoke ${credentialId}`)),
    rotate: async () => undefined,
  };
  return credentialChain([
    minter,
    issuer,
    encryptedFileProvider({ ...file, services: ['file', 'hidden'], onExpiring: () => undefined }),
    envFileProvider({
      path: inPrivate('.env'),
      secrets: [{ tenant: 'acme', service: 'env', variable: 'TOKEN' }],
      onExpiring: () => undefined,
    }),
  ]);
}

async function secretOf(service: Service): Promise<string> {
  if (service !== 'hidden') return keep(currentLease(service).secret.reveal());
  const response = await leaseFetch('hidden')(origin);
  return `${await response.text()} ${JSON.stringify([...response.headers])}`;
}

function formsOf(secret: string): unknown {
  const bytes = Buffer.from(secret);
  return {
    plain: secret,
    encoded: [bytes.toString('base64'), bytes.toString('base64url'), bytes.toString('hex'), encodeURIComponent(secret)],
    [`key ${secret}`]: new Map([[secret, bytes]]),
    call: currentCall(),
  };
}

/** The environment and the command line of a process that a body starts, and of the agent as that process sees it. */
const dump = `const fs = require('fs'); const of = (id) => [fs.readFileSync('/proc/' + id + '/environ', 'latin1'), fs.readFileSync('/proc/' + id + '/cmdline', 'latin1')];
  console.log(JSON.stringify([process.env, process.argv, process.platform === 'linux' ? [of('self'), of(process.ppid)] : []]))`;

async function act(deed: (typeof deeds)[number], service: Service): Promise<unknown> {
  const secret = await secretOf(service);
  if (deed === 'return') return formsOf(secret);
  if (deed === 'throw')
    throw Object.assign(new Error(`refused ${secret}`, { cause: formsOf(secret) }), formsOf(secret));
  const child = spawnSync(process.execPath, ['-e', dump], { encoding: 'utf8' });
  note('children', child.stdout + child.stderr);
  return 'started';
}

function toolsOf() {
  const all = services.flatMap((service) =>
    deeds.map((deed) => [`${deed}_${service}`, () => act(deed, service)] as const),
  );
  return Object.fromEntries(
    all.map(([name, run]) => [name, { description: name, schema: z.object({ amount: z.number() }), run }]),
  );
}

const credentials = await providers();
const policy = definePolicy({
  ...{ countersign: 1, name: 'leaks', version: '1', tenants: ['acme'] },
  tools: Object.fromEntries(
    services.flatMap((service) =>
      deeds.map((deed) => [
        `${deed}_${service}`,
        {
          ...{ capability: 'leaks:secret:use', risk: 'low' as const },
          credential: {
            ...{ service, ttl: '1m', acceptResidual: true },
            ...(service === 'hidden' ? { fetch: { origins: [origin] } } : {}),
          },
        },
      ]),
    ),
  ),
  agents: { support: { owner: 'user:alice', capabilities: ['leaks:secret:use'] } },
  users: { alice: { capabilities: ['leaks:secret:use'] } },
});
const countersign = createCountersign({
  ...{ policy, store: sqliteStore({ path: join(folder, 'store.sqlite') }), credentials },
  audit: { key: readKeyFile(inPrivate('audit')) },
});
const gate = countersign.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: 'run-1' });
const agent = await frameworkNamed(framework);
const { result, spans } = await withSpans(() =>
  agent.start(
    {
      ...{ modelUrl, instructions: 'Use the tools.', tools: toolsOf() as never, gate, stateKey: randomBytes(32) },
      say: (line) => note('said', line),
    },
    'go',
  ),
);
note('spans', spans);
note('state', JSON.stringify(result));
note('maintained', JSON.stringify(await countersign.maintain()));
note('credentials', JSON.stringify(await countersign.credentials.list('acme')));
for await (const line of countersign.ledger.export({ tenant: 'acme' })) note('ledger', line);
// As it is while it is in use: with the log that is written ahead.
for (const name of ['store.sqlite', 'store.sqlite-wal'])
  copyFileSync(join(folder, name), join(folder, `in-use-${name}`));
await countersign.close();
echo.close();
