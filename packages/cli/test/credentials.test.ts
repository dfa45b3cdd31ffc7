import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { verifies } from '../../../test/verifies.ts';
import { countersign, type Ran } from './support/world.ts';

let folder: string;
let config: string;

/** An instance as an operator configures it; its provider keeps what it did in a file beside it. */
const module = (core: string, sqlite: string): string => `
import { appendFileSync } from 'node:fs';
import { createCountersign, definePolicy, LeaseError, Secret } from ${JSON.stringify(core)};
import { sqliteStore } from ${JSON.stringify(sqlite)};
const note = (line) => appendFileSync(new URL('did', import.meta.url), line + '\\n');
const provider = {
  name: 'vault', services: ['github'], maxLifetimeMs: 60_000, revocable: true, findable: true,
  get: async ({ leaseId, ttlMs }) => ({ credentialId: leaseId, secret: new Secret('canary-of-the-lease'), expiresAt: Date.now() + ttlMs }),
  provision: async () => {},
  revoke: async ({ leaseId }) => note('revoke ' + leaseId),
  async rotate({ agent, rotation }) {
    if (process.env.VAULT === 'down') throw new LeaseError('vault is sealed');
    note('rotate ' + agent);
    return { expiresAt: Date.now() + 80 * 86_400_000, superseded: ['canary-old-key-' + rotation] };
  },
  retire: async ({ agent }) => note('retire ' + agent),
};
export const make = () => createCountersign({
  policy: definePolicy({
    countersign: 1, name: 'cli', version: '1', tenants: ['acme'],
    tools: { push: { capability: 'github:branch:push', risk: 'low', credential: { service: 'github', ttl: '1m' } } },
    agents: { bot: { owner: 'user:alice', capabilities: ['github:branch:push'] } },
    users: { alice: { capabilities: ['github:branch:push'] } },
  }),
  store: sqliteStore({ path: new URL('store.sqlite', import.meta.url).pathname }),
  audit: { key: new Uint8Array(32).fill(7) },
  credentials: [provider],
  rotation: { credentials: [{ tenant: 'acme', service: 'github', agent: 'bot' }] },
});
export default make;
`;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-credentials-'));
  config = join(folder, 'config.ts');
  const source = (path: string): string => new URL(`../../core/src/${path}`, import.meta.url).href;
  writeFileSync(config, module(source('index.ts'), source('store/sqlite.ts')));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function run(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Ran> {
  const ran = await countersign(['credentials', ...args, '--config', config], environment);
  expect(ran.stdout + ran.stderr).not.toContain('canary');
  return ran;
}

const ordered = ['--tenant', 'acme', '--by', 'carol', '--reason', 'test'];
const did = async (): Promise<string> => {
  const { readFile } = await import('node:fs/promises');
  return readFile(join(folder, 'did'), 'utf8').catch(() => '');
};

describe('credentials', () => {
  verifies(['CRD-6', 'OPS-2'], 'rotate --due rotates once, for cron, and list shows it without a secret', async () => {
    expect((await run(['list', '--tenant', 'acme'])).stdout).toMatch(/github\/bot +vault +- +- +now/);
    const first = await run(['rotate', '--due', '--json']);
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(first.stdout)).toMatchObject({ results: [{ id: 'github/bot', status: 'rotated', retired: 0 }] });
    expect(JSON.parse((await run(['rotate', '--due', '--json'])).stdout)).toMatchObject({
      results: [{ status: 'fresh' }],
    });
    expect(await did()).toBe('rotate bot\n');
    const { rotated } = JSON.parse((await run(['list', '--tenant', 'acme', '--json'])).stdout) as { rotated: unknown };
    expect(rotated).toMatchObject([{ id: 'github/bot', superseded: 1, pending: false }]);
    expect((await run(['list', '--tenant', 'globex'])).stdout).toBe('no credentials\n');
  });

  verifies(['CRD-6', 'OPS-2'], 'rotate <id> on demand, and at once on compromise', async () => {
    expect(await run(['rotate', 'github/bot', ...ordered])).toMatchObject({ code: 0 });
    const now = await run(['rotate', 'github/bot', '--compromised', ...ordered, '--json']);
    expect(JSON.parse(now.stdout)).toMatchObject({ results: [{ status: 'rotated', retired: 2, unretired: 0 }] });
    expect(await did()).toBe('rotate bot\nrotate bot\nretire bot\nretire bot\n');
  });

  test('a rotation that failed is exit code 1, with a reason that holds no secret', async () => {
    const failed = await run(['rotate', '--due'], { VAULT: 'down' });
    expect(failed.code).toBe(1);
    expect(failed.stdout).toContain('vault is sealed');
  });

  verifies(['CRD-6', 'OPS-2'], 'revoke ends one lease, or everything of an agent', async () => {
    const { make } = (await import(pathToFileURL(config).href)) as {
      make: () => import('@countersign/core').Countersign;
    };
    const instance = make();
    const gate = instance.gate({ tenant: 'acme', user: 'alice', agent: 'bot', run: 'run-1' });
    const ends: (() => void)[] = [];
    const call = (callId: string) =>
      new Promise<void>((entered) => {
        const made = {
          tool: { name: 'push', source: 'local' },
          callId,
          step: '#0',
          origin: 'model',
          arguments: { callId },
        } as const;
        void gate.execute(made, async () => {
          entered();
          await new Promise<void>((end) => ends.push(end));
        });
      });
    await call('c1');
    await call('c2');
    const { leases } = JSON.parse((await run(['list', '--tenant', 'acme', '--json'])).stdout) as {
      leases: { id: string }[];
    };
    expect(leases).toHaveLength(2);
    const one = leases[0]?.id ?? '';
    expect(await run(['revoke', one, ...ordered])).toMatchObject({ code: 0, stdout: `revoked ${one}\n` });
    expect(await did()).toBe(`revoke ${one}\n`);
    const all = await run(['revoke', '--agent', 'bot', ...ordered]);
    expect(all).toMatchObject({ code: 0 });
    expect(all.stdout).toContain('on hold: agent:bot\nrevoked: 1 lease(s)\nrotation of github/bot: rotated\n');
    for (const end of ends) end();
    await instance.close();
  });

  const mistakes: readonly [string, readonly string[]][] = [
    ['rotate of nothing', ['rotate']],
    ['rotate of one and of all', ['rotate', 'github/bot', '--due', ...ordered]],
    ['rotate without who and why', ['rotate', 'github/bot', '--tenant', 'acme']],
    ['revoke of nothing', ['revoke', ...ordered]],
    ['revoke of an agent and of all', ['revoke', '--agent', 'bot', '--all', ...ordered]],
    ['revoke without a reason', ['revoke', '--all', '--tenant', 'acme', '--by', 'carol']],
  ];
  for (const [name, args] of mistakes) {
    test(`${name} does nothing: exit code 2`, async () => {
      expect(await run(args)).toMatchObject({ code: 2, stdout: '' });
      expect(await did()).toBe('');
    });
  }

  test('what is not there fails: a credential, a lease, a module, an instance', async () => {
    expect(await run(['rotate', 'github/other', ...ordered])).toMatchObject({ code: 1, stdout: '' });
    expect(await run(['revoke', 'no-such-lease', ...ordered])).toMatchObject({ code: 1, stdout: '' });
    writeFileSync(config, 'export default { secret: "canary" };');
    expect(await run(['list', '--tenant', 'acme'])).toMatchObject({ code: 2, stdout: '' });
    rmSync(config);
    expect(await run(['list', '--tenant', 'acme'])).toMatchObject({ code: 3, stdout: '' });
  });
});
