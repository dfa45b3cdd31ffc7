import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { KeyError, LeaseError } from '../../src/errors.ts';
import { createKeyFile } from '../../src/key-file.ts';
import { encryptedFileProvider } from '../../src/lease/encrypted-file.ts';
import { registerSecret, rekeySecretsFile, removeSecret, sealSecretsFile } from '../../src/lease/secrets-file.ts';
import type { EncryptedFileOptions } from '../../src/lease/secrets-file.ts';
import type { RegisteredSecret } from '../../src/lease/static-secret.ts';
import { Secret } from '../../src/lease/secret.ts';
import type { SecretsWriterInput } from './secrets-writer.ts';
import { providerContract } from '../../src/testing/provider-contract.ts';

const dayMs = 86_400_000;
const value = 'canary-static-key-1';
let folder: string;
let options: EncryptedFileOptions;
let now: number;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'countersign-secrets-'));
  createKeyFile(path.join(folder, 'key'));
  options = { path: path.join(folder, 'secrets'), key: { keyFile: path.join(folder, 'key') } };
  now = Date.now();
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

function entry(overrides: Partial<RegisteredSecret> = {}): RegisteredSecret {
  return { tenant: 'acme', service: 'github', value: new Secret(value), expiresAt: now + 30 * dayMs, ...overrides };
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

function provider(
  overrides: { key?: EncryptedFileOptions['key']; onExpiring?: (secret: object) => void; services?: string[] } = {},
) {
  return encryptedFileProvider({
    ...options,
    services: ['github', 'aws'],
    onExpiring: () => {},
    clock: () => now,
    ...overrides,
  });
}

async function get(overrides: Partial<typeof request> = {}): Promise<string> {
  const answer = await provider().get({ ...request, ...overrides });
  if ('consentUrl' in answer) throw new Error('expected a credential');
  return answer.secret.reveal();
}

async function refusal(run: () => Promise<unknown>): Promise<Error> {
  const error = await run().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(Error);
  expect(inspect(error, { showHidden: true, depth: 10 })).not.toContain('canary');
  return error as Error;
}

describe('a secrets file', () => {
  verifies(['CRD-3'], 'gives what was sealed in it, and shows nothing of it', async () => {
    await sealSecretsFile(options, [entry(), entry({ service: 'aws', value: new Secret('canary-other-key-2') })], now);
    expect([await get(), await get({ service: 'aws' })]).toEqual([value, 'canary-other-key-2']);
    const raw = fs.readFileSync(options.path);
    for (const hidden of [value, 'acme', 'github', Buffer.from(value).toString('base64url')])
      expect(raw.includes(hidden)).toBe(false);
    expect(fs.statSync(options.path).mode & 0o777).toBe(0o600);
    expect(fs.readdirSync(folder).toSorted()).toEqual(['key', 'secrets', 'secrets.lock']);
    expect(fs.statSync(`${options.path}.lock`)).toMatchObject({ size: 0, mode: 0o100600 });
  });

  verifies(
    ['CRD-3'],
    'opens with its passphrase and with no other',
    async () => {
      const passphrase = new Secret('correct horse battery');
      await sealSecretsFile({ ...options, key: { passphrase } }, [entry()], now);
      const right = provider({ key: { passphrase } });
      await right.get(request);
      expect(await right.get(request)).toMatchObject({ credentialId: 'lease-1' });
      const wrong = provider({ key: { passphrase: new Secret('correct horse batterz') } });
      expect((await refusal(() => wrong.get(request))).message).toContain('wrong key');
      expect((await refusal(() => get())).message).toContain('kind of key');
    },
    { timeout: 60_000 },
  );

  test('is not opened by another key file', async () => {
    await sealSecretsFile(options, [entry()], now);
    createKeyFile(path.join(folder, 'other'));
    const error = await refusal(() => provider({ key: { keyFile: path.join(folder, 'other') } }).get(request));
    expect(error).toBeInstanceOf(LeaseError);
    expect(error.cause).toBeInstanceOf(KeyError);
  });

  verifies(['CRD-3'], 'of which any one byte was changed, or that was cut, is refused', async () => {
    await sealSecretsFile(options, [entry()], now);
    const raw = fs.readFileSync(options.path);
    for (let at = 0; at < raw.length - 1; at++) {
      const changed = Buffer.from(raw);
      changed[at] = (raw[at] ?? 0) ^ 1;
      fs.writeFileSync(options.path, changed);
      expect(await refusal(() => get())).toBeInstanceOf(LeaseError);
    }
    for (const length of [0, 1, 20, Math.floor(raw.length / 2), raw.length - 3]) {
      fs.writeFileSync(options.path, raw.subarray(0, length));
      await refusal(() => get());
    }
    fs.writeFileSync(options.path, Buffer.concat([raw, Buffer.from('more')]));
    await refusal(() => get());
    for (const addition of ['{ ', '{"more":1,']) {
      fs.writeFileSync(options.path, raw.toString().replace('{', addition));
      expect((await refusal(() => get())).message).toContain('altered');
    }
    fs.writeFileSync(options.path, raw);
    expect(await get()).toBe(value);
  });

  test('asking for more work or less salt than is sane is refused before anything is derived', async () => {
    const passphrase = new Secret('correct horse battery');
    const sane = {
      format: 'countersign-secrets',
      version: 1,
      kdf: 'scrypt',
      cost: 17,
      salt: Buffer.alloc(32).toString('base64url'),
      nonce: Buffer.alloc(12).toString('base64url'),
    };
    for (const change of [
      { cost: 30 },
      { cost: 1 },
      { cost: '17' },
      { cost: 16.5 },
      { salt: '' },
      { salt: 7 },
      { nonce: 'AAAA' },
      { version: 2 },
      { kdf: 'none' },
      { format: 'x' },
    ]) {
      fs.writeFileSync(options.path, `${JSON.stringify({ ...sane, ...change })}\n${'A'.repeat(44)}\n`, { mode: 0o600 });
      const { message } = await refusal(() => provider({ key: { passphrase } }).get(request));
      expect(message).toContain('expected');
    }
    for (const header of ['null', '[]', '7', '{', '']) {
      fs.writeFileSync(options.path, `${header}\n${'A'.repeat(44)}\n`);
      await refusal(() => provider({ key: { passphrase } }).get(request));
    }
  });

  test('that others can read is refused, as is a key file that others can read', async () => {
    await sealSecretsFile(options, [entry()], now);
    fs.chmodSync(options.path, 0o644);
    expect((await refusal(() => get())).message).toContain('chmod 600');
    fs.chmodSync(options.path, 0o600);
    fs.chmodSync(path.join(folder, 'key'), 0o640);
    expect((await refusal(() => get())).message).toContain('chmod 600');
  });

  test('never uses a nonce or a salt twice', async () => {
    const seen = new Set<string>();
    for (let round = 0; round < 20; round++) {
      await sealSecretsFile(options, [entry()], now);
      seen.add(fs.readFileSync(options.path, 'utf8').split('\n')[0] ?? '');
    }
    expect(seen.size).toBe(20);
  });

  test('refuses a short passphrase', async () => {
    expect(() => provider({ key: { passphrase: new Secret('short') } })).toThrow(KeyError);
  });
});

describe('a registered secret', () => {
  verifies(['CRD-4'], 'is for its tenant, its agent and its scope alone', async () => {
    await sealSecretsFile(
      options,
      [
        entry({ scope: { repository: 'acme/web' } }),
        entry({ agent: 'other-bot', value: new Secret('canary-of-other-bot') }),
        entry({ tenant: 'rival', value: new Secret('canary-of-rival') }),
      ],
      now,
    );
    expect(await get({ scope: { repository: 'acme/web' } })).toBe(value);
    expect(await get({ agent: 'other-bot' })).toBe('canary-of-other-bot');
    await refusal(() => get());
    await refusal(() => get({ scope: { repository: 'acme/api' } }));
    await refusal(() => get({ agent: 'other-bot', scope: { repository: 'acme/web' } }));
    await refusal(() => get({ tenant: 'nobody' }));
    await refusal(() => get({ service: 'aws' }));
  });

  verifies(
    ['CRD-4'],
    'warns from 80 % of its life on and stops at its expiry, measured from its registration',
    async () => {
      await sealSecretsFile(options, [entry()], now);
      const warnings: object[] = [];
      const watched = provider({
        onExpiring: (secret) => {
          warnings.push(secret);
          throw new Error('broken pager');
        },
      });
      await watched.get(request);
      now += 24 * dayMs - 1;
      // Another change of the file does not make the secret younger.
      await registerSecret(options, entry({ service: 'aws' }), now);
      await watched.get(request);
      expect(warnings).toEqual([]);
      now += 1;
      await watched.get(request);
      expect(warnings).toMatchObject([{ tenant: 'acme', service: 'github' }]);
      expect(warnings[0]).not.toHaveProperty('value');
      now += 6 * dayMs;
      expect((await refusal(() => watched.get(request))).message).toContain('expired');
    },
  );

  test('needs an expiry within 90 days and a value that can be scrubbed', async () => {
    for (const wrong of [
      { expiresAt: now + 91 * dayMs },
      { expiresAt: Infinity },
      { expiresAt: NaN },
      { value: new Secret('1234567') },
    ]) {
      await expect(sealSecretsFile(options, [entry(wrong)], now)).rejects.toThrow(LeaseError);
    }
    expect(fs.existsSync(options.path)).toBe(false);
  });

  test('is replaced under the same name, and gone at once when removed', async () => {
    await sealSecretsFile(options, [], now);
    await refusal(() => get());
    await registerSecret(options, entry(), now);
    await registerSecret(options, entry({ value: new Secret('canary-rotated-key') }), now);
    const held = provider();
    expect(await get()).toBe('canary-rotated-key');
    expect(await removeSecret(options, { tenant: 'rival', service: 'github' }, now)).toBe(false);
    expect(await removeSecret(options, { tenant: 'acme', service: 'github', scope: {} }, now)).toBe(true);
    await refusal(() => held.get(request));
  });

  test('is not lost to other writers at once, nor to what a writer left that died', async () => {
    await sealSecretsFile(options, [], now);
    fs.writeFileSync(`${options.path}.new`, 'of a writer that died');
    const names = Array.from({ length: 8 }, (_, index) => `agent-${index}`);
    await Promise.all(names.map((agent) => registerSecret(options, entry({ agent }), now)));
    for (const agent of names) expect(await get({ agent })).toBe(value);
    expect(fs.existsSync(`${options.path}.new`)).toBe(false);
  });

  test('cannot be registered in a file that cannot be opened', async () => {
    await refusal(() => registerSecret(options, entry(), now));
    await sealSecretsFile(options, [entry()], now);
    createKeyFile(path.join(folder, 'other'));
    await refusal(() => registerSecret({ ...options, key: { keyFile: path.join(folder, 'other') } }, entry(), now));
    expect(await get()).toBe(value);
  });
});

describe('several processes on one secrets file', () => {
  function writer(agents: readonly string[]): ChildProcess {
    const input: SecretsWriterInput = { path: options.path, keyFile: path.join(folder, 'key'), agents };
    return spawn(process.execPath, [path.join(import.meta.dirname, 'secrets-writer.ts'), JSON.stringify(input)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  }

  function drained(child: ChildProcess): ChildProcess {
    child.stdout?.resume();
    return child;
  }

  verifies(
    ['CRD-3'],
    'lose no update of each other',
    async () => {
      await sealSecretsFile(options, [], now);
      const groups = ['a', 'b', 'c'].map((group) => Array.from({ length: 10 }, (_, index) => `${group}${index}`));
      const codes = await Promise.all(groups.map(async (agents) => once(drained(writer(agents)), 'exit')));
      expect(codes.map(([code]) => code as number)).toEqual([0, 0, 0]);
      for (const agent of groups.flat()) expect(await get({ agent })).toBe(`canary-of-${agent}`);
    },
    { timeout: 60_000 },
  );

  verifies(
    ['CRD-3', 'REL-2'],
    'kill -9 of a writer at any moment leaves a file that opens, holds what was acknowledged, and is not locked',
    async () => {
      await sealSecretsFile(options, [], now);
      for (let round = 0; round < 6; round += 1) {
        const agents = Array.from({ length: 500 }, (_, index) => `r${round}-${index}`);
        const child = writer(agents);
        let acknowledged = '';
        child.stdout?.setEncoding('utf8').on('data', (text: string) => {
          acknowledged += text;
          // At another moment of the write in each round.
          if (acknowledged.length > 20) setTimeout(() => child.kill('SIGKILL'), round * 2);
        });
        await once(child, 'close');
        expect(child.signalCode).toBe('SIGKILL');
        for (const agent of acknowledged.split('\n').slice(0, -1))
          expect(await get({ agent })).toBe(`canary-of-${agent}`);
        await registerSecret(options, entry({ agent: `after-${round}` }), now);
        expect(await get({ agent: `after-${round}` })).toBe(value);
        expect(fs.readdirSync(folder).toSorted()).toEqual(['key', 'secrets', 'secrets.lock']);
      }
    },
    { timeout: 60_000 },
  );
});

describe('re-keying a secrets file', () => {
  verifies(['CRD-3'], 'seals everything under the new key, and the old one opens it no more', async () => {
    await sealSecretsFile(options, [entry(), entry({ agent: 'bot-2', value: new Secret('canary-second') })], now);
    const newKey = { keyFile: path.join(folder, 'next') };
    createKeyFile(newKey.keyFile);
    await rekeySecretsFile({ ...options, newKey }, now);
    expect((await refusal(() => get())).message).toContain('wrong key');
    const rekeyed = provider({ key: newKey });
    for (const [agent, expected] of [
      ['bot', value],
      ['bot-2', 'canary-second'],
    ] as const) {
      const answer = await rekeyed.get({ ...request, agent });
      expect('secret' in answer && answer.secret.reveal()).toBe(expected);
    }
  });

  test('from a key file to a passphrase and back', { timeout: 60_000 }, async () => {
    await sealSecretsFile(options, [entry()], now);
    const passphrase = { passphrase: new Secret('correct horse battery') };
    await rekeySecretsFile({ ...options, newKey: passphrase }, now);
    await refusal(() => get());
    await rekeySecretsFile({ path: options.path, key: passphrase, newKey: options.key }, now);
    expect(await get()).toBe(value);
  });

  test('with a wrong old key, or to a key that others can read, changes nothing', async () => {
    await sealSecretsFile(options, [entry()], now);
    const before = fs.readFileSync(options.path);
    createKeyFile(path.join(folder, 'other'));
    fs.chmodSync(path.join(folder, 'other'), 0o644);
    await refusal(() => rekeySecretsFile({ ...options, newKey: { keyFile: path.join(folder, 'other') } }, now));
    fs.chmodSync(path.join(folder, 'other'), 0o600);
    const swapped = { path: options.path, key: { keyFile: path.join(folder, 'other') }, newKey: options.key };
    expect(await refusal(() => rekeySecretsFile(swapped, now))).toBeInstanceOf(KeyError);
    expect(fs.readFileSync(options.path)).toEqual(before);
  });

  test('beside writers with the old key loses nothing: they are refused afterwards', async () => {
    await sealSecretsFile(options, [entry()], now);
    const newKey = { keyFile: path.join(folder, 'next') };
    createKeyFile(newKey.keyFile);
    const agents = Array.from({ length: 6 }, (_, index) => `late-${index}`);
    const writes = agents.map((agent) => registerSecret(options, entry({ agent }), now));
    const [, ...written] = await Promise.allSettled([rekeySecretsFile({ ...options, newKey }, now), ...writes]);
    const rekeyed = provider({ key: newKey });
    const kept = agents.filter((_, index) => written[index]?.status === 'fulfilled');
    for (const agent of kept) expect(await rekeyed.get({ ...request, agent })).toBeDefined();
    expect(await rekeyed.get(request)).toMatchObject({ credentialId: 'lease-1' });
  });
});

describe('the contract of a provider holds for the encrypted file', () => {
  const { leaseId: _leaseId, ttlMs: _ttlMs, ...granted } = request;
  const cases = providerContract(async () => {
    await sealSecretsFile(options, [entry()], now);
    return {
      provider: provider(),
      request: granted,
      // A service knows the key, and for how long.
      use: async (secret) => secret.reveal() === value && now < Date.now() + 30 * dayMs - 1_000,
      beyond: 'impossible',
      pass: (milliseconds) => void (now += milliseconds),
      now: () => now,
    };
  });
  for (const { name, run } of cases) {
    verifies(['CRD-1'], name, async () => {
      const notRevocable = [
        'revokes by the lease alone, where it says that it can',
        'revokes what never was without an error',
      ];
      expect((await run()) === undefined).toBe(!notRevocable.includes(name));
    });
  }
});
