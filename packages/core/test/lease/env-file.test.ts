import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { ConfigurationError, LeaseError } from '../../src/errors.ts';
import { envFileProvider } from '../../src/lease/env-file.ts';
import type { Secret } from '../../src/lease/secret.ts';
import { providerContract } from '../../src/testing/provider-contract.ts';

const dayMs = 86_400_000;
let folder: string;
let file: string;
let now: number;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'countersign-env-'));
  file = path.join(folder, '.env');
  write('GITHUB_TOKEN=canary-env-github\nAWS_KEY="canary-env-aws"\n');
  now = Date.now();
});
afterEach(() => {
  vi.unstubAllEnvs();
  fs.rmSync(folder, { recursive: true, force: true });
});

function write(contents: string, mode = 0o600): void {
  fs.writeFileSync(file, contents, { mode });
  fs.chmodSync(file, mode);
}

function provider(onExpiring: (secret: object) => void = () => {}) {
  return envFileProvider({
    path: file,
    secrets: [
      { tenant: 'acme', service: 'github', variable: 'GITHUB_TOKEN' },
      { tenant: 'acme', service: 'github', agent: 'own', variable: 'AWS_KEY' },
      { tenant: 'acme', service: 'aws', variable: 'MISSING' },
      { tenant: 'acme', service: 'proto', variable: '__proto__' },
    ],
    onExpiring,
    clock: () => now,
  });
}

const request = {
  leaseId: 'lease-1',
  tenant: 'acme',
  user: 'ada',
  agent: 'bot',
  run: 'run-1',
  callKey: 'call-1',
  tool: 'push',
  capability: 'github:push',
  argumentsDigest: 'digest',
  service: 'github',
  scope: {},
  ttlMs: 60_000,
};

async function get(overrides: Partial<typeof request> = {}): Promise<string> {
  const answer = await provider().get({ ...request, ...overrides });
  if ('consentUrl' in answer) throw new Error('expected a credential');
  return answer.secret.reveal();
}

describe('an env file', () => {
  verifies(['CRD-3'], 'gives its variables to whom they are for, and to nobody else', async () => {
    expect(await get()).toBe('canary-env-github');
    expect(await get({ agent: 'own' })).toBe('canary-env-aws');
    for (const wrong of [
      { tenant: 'rival' },
      { service: 'aws' },
      { service: 'proto' },
      { service: 'other' },
      { scope: { repository: 'web' } as never },
    ]) {
      await expect(get(wrong)).rejects.toThrow(LeaseError);
    }
  });

  verifies(['CRD-3'], 'is refused where NODE_ENV says production, at the start and at every lease', async () => {
    const made = provider();
    for (const environment of ['production', 'Production', ' production ', 'prod']) {
      vi.stubEnv('NODE_ENV', environment);
      expect(() => provider()).toThrow(ConfigurationError);
      await expect(made.get(request)).rejects.toThrow(ConfigurationError);
    }
    vi.stubEnv('NODE_ENV', 'development');
    expect(await get()).toBe('canary-env-github');
  });

  verifies(['CRD-3'], 'that others can read is refused with the remedy', async () => {
    for (const mode of [0o640, 0o604, 0o644, 0o620]) {
      write('GITHUB_TOKEN=canary-env-github\n', mode);
      const error = await get().then(String, (reason: unknown) => reason);
      expect(error).toBeInstanceOf(LeaseError);
      expect(String(error)).toContain('chmod 600');
      expect(inspect(error)).not.toContain('canary');
    }
    fs.rmSync(file);
    await expect(get()).rejects.toThrow(LeaseError);
  });

  verifies(['CRD-7'], 'puts nothing into process.env, and so nothing into a child process', async () => {
    const before = { ...process.env };
    await get();
    expect({ ...process.env }).toEqual(before);
    const child = spawnSync(process.execPath, ['-p', 'JSON.stringify([process.env, process.argv])'], {
      encoding: 'utf8',
    });
    expect(child.stdout).toContain('PATH');
    expect(child.stdout).not.toContain('canary-env');
  });

  test('interpolates nothing: a value that names a variable stands for itself', async () => {
    vi.stubEnv('CANARY_OUTSIDE', 'canary-from-outside');
    for (const text of ['${CANARY_OUTSIDE}-x', '$CANARY_OUTSIDE', '\\$CANARY_OUTSIDE', '$(echo canary)']) {
      write(`GITHUB_TOKEN=${text}\n`);
      expect(await get()).toBe(text);
      write(`GITHUB_TOKEN="${text}"\n`);
      expect(await get()).toBe(text);
      write(`GITHUB_TOKEN='${text}'\n`);
      expect(await get()).toBe(text);
    }
  });

  test('is read anew at every lease, and an empty value is none', async () => {
    write('GITHUB_TOKEN=canary-second\n');
    expect(await get()).toBe('canary-second');
    write('GITHUB_TOKEN=\n');
    await expect(get()).rejects.toThrow(LeaseError);
  });

  verifies(['CRD-4'], 'ends 90 days after it was last written, and warns before', async () => {
    const warnings: object[] = [];
    const watched = provider((secret) => void warnings.push(secret));
    await watched.get(request);
    now += 71 * dayMs;
    await watched.get(request);
    expect(warnings).toEqual([]);
    now += 2 * dayMs;
    await watched.get(request);
    expect(warnings).toMatchObject([{ service: 'github' }]);
    expect(JSON.stringify(warnings)).not.toContain('canary');
    now += 18 * dayMs;
    await expect(watched.get(request)).rejects.toThrow('expired');
  });

  const { leaseId: _leaseId, ttlMs: _ttlMs, ...granted } = request;
  const cases = providerContract(() => ({
    provider: provider(),
    request: granted,
    use: async (secret: Secret) => secret.reveal() === 'canary-env-github' && now < Date.now() + 89 * dayMs,
    beyond: 'impossible',
    pass: (milliseconds) => void (now += milliseconds),
    now: () => now,
  }));
  for (const { name, run } of cases) {
    verifies(['CRD-1', 'CRD-3'], `keeps the contract of a provider: ${name}`, async () => {
      const notRevocable = [
        'revokes by the lease alone, where it says that it can',
        'revokes what never was without an error',
      ];
      expect((await run()) === undefined).toBe(!notRevocable.includes(name));
    });
  }
});
