import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { inspect } from 'node:util';
import { beforeEach, describe, expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { ConfigurationError, KeyError, LeaseError } from '../../src/errors.ts';
import { Secret } from '../../src/lease/secret.ts';
import { memoryRevocationList, tokenMinter } from '../../src/lease/token-minter.ts';
import { verifyMintedToken } from '../../src/lease/verify-minted-token.ts';
import type { VerifyMintedTokenInput } from '../../src/lease/verify-minted-token.ts';
import { providerContract } from '../../src/testing/provider-contract.ts';

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const edwards = generateKeyPairSync('ed25519');
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const start = 1_800_000_000_000;
let now: number;
const clock = (): number => now;
let revocations: ReturnType<typeof memoryRevocationList>;

beforeEach(() => {
  now = start;
  revocations = memoryRevocationList(clock);
});

const request = {
  leaseId: 'lease-1',
  tenant: 'acme',
  user: 'ada',
  agent: 'bot',
  run: 'run-1',
  callKey: 'call-1',
  tool: 'push',
  capability: 'repo:web:push',
  argumentsDigest: 'digest-1',
  service: 'repo',
  scope: { branch: 'main' },
  ttlMs: 60_000,
};

function minter(overrides: { signingKey?: KeyObject; keyId?: string } = {}) {
  return tokenMinter({
    name: 'minter',
    services: ['repo'],
    issuer: 'https://issuer.test',
    audience: 'https://repo.test',
    signingKey: pair.privateKey,
    revocations,
    clock,
    ...overrides,
  });
}

async function mint(
  overrides: Partial<typeof request> = {},
  options: Parameters<typeof minter>[0] = {},
): Promise<string> {
  const answer = await minter(options).get({ ...request, ...overrides });
  if ('consentUrl' in answer) throw new Error('expected a token');
  return answer.secret.reveal();
}

function check(token: string, overrides: Partial<VerifyMintedTokenInput> = {}) {
  const expected = { issuer: 'https://issuer.test', audience: 'https://repo.test', capability: 'repo:web:push' };
  return verifyMintedToken({ token, keys: pair.publicKey, ...expected, revocations, clock, ...overrides });
}

const encode = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

function decode(token: string): [header: Record<string, unknown>, payload: Record<string, unknown>, signature: string] {
  const [header = '', payload = '', signature = ''] = token.split('.');
  const read = (part: string): Record<string, unknown> =>
    JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>;
  return [read(header), read(payload), signature];
}

/** Signs anything with the real key: what a careless or taken-over issuer could write. */
function forge(
  payload: unknown,
  header: unknown = { alg: 'ES256', typ: 'countersign-lease+jwt' },
  key: KeyObject = pair.privateKey,
): string {
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

async function payloadOf(change: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
  return { ...decode(await mint())[1], ...change };
}

async function refuses(token: string, overrides: Partial<VerifyMintedTokenInput> = {}): Promise<string> {
  const error = await check(token, overrides).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(LeaseError);
  const text = inspect(error, { showHidden: true, depth: 10 });
  const parts = typeof token === 'string' ? token.split('.').filter((part) => part.length > 8) : [];
  for (const part of [...parts, 'run-1']) expect(text).not.toContain(part);
  return (error as LeaseError).message;
}

describe('a minted token', () => {
  verifies(['CRD-2'], 'is for one call, one operation and one service, and short', async () => {
    const [header, payload] = decode(await mint());
    expect(header).toEqual({ alg: 'ES256', typ: 'countersign-lease+jwt' });
    expect(payload).toEqual({
      iss: 'https://issuer.test',
      aud: 'https://repo.test',
      sub: 'bot',
      iat: start / 1000,
      nbf: start / 1000,
      exp: start / 1000 + 60,
      jti: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
      tenant: 'acme',
      user: 'ada',
      run: 'run-1',
      lease: 'lease-1',
      tool: 'push',
      capability: 'repo:web:push',
      arguments_digest: 'digest-1',
      lease_scope: { branch: 'main' },
    });
    expect(decode(await mint())[1]['jti']).not.toBe(payload['jti']);
    expect(decode(await mint({ ttlMs: 900_000 }))[1]['exp']).toBe(start / 1000 + 300);
    await expect(mint({ ttlMs: 999 })).rejects.toThrow(LeaseError);
  });

  test('is accepted by its service, which learns what it is for', async () => {
    expect(await check(await mint(), { argumentsDigest: 'digest-1' })).toEqual({
      id: expect.any(String) as string,
      lease: 'lease-1',
      tenant: 'acme',
      user: 'ada',
      agent: 'bot',
      run: 'run-1',
      tool: 'push',
      capability: 'repo:web:push',
      argumentsDigest: 'digest-1',
      scope: { branch: 'main' },
      expiresAt: start + 60_000,
    });
  });

  test('is signed with Ed25519 too, and found in a key set by its id', async () => {
    const token = await mint({}, { signingKey: edwards.privateKey, keyId: 'new' });
    expect(decode(token)[0]).toMatchObject({ alg: 'EdDSA', kid: 'new' });
    await check(token, { keys: edwards.publicKey });
    const keys = {
      keys: [
        { ...pair.publicKey.export({ format: 'jwk' }), kid: 'old' },
        { ...edwards.publicKey.export({ format: 'jwk' }), kid: 'new' },
      ],
    };
    await check(token, { keys });
    await check(await mint({}, { keyId: 'old' }), { keys });
    await refuses(await mint({}, { keyId: 'new' }), { keys });
    await refuses(await mint({}, { keyId: 'gone' }), { keys });
  });

  verifies(['CRD-2'], 'is refused for another capability, other arguments, another service or issuer', async () => {
    const token = await mint();
    await refuses(token, { capability: 'repo:web:delete' });
    await refuses(token, { argumentsDigest: 'digest-2' });
    await refuses(token, { audience: 'https://other.test' });
    await refuses(token, { issuer: 'https://other.test' });
    await refuses(token, { keys: generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey });
  });

  verifies(['CRD-2'], 'is refused after its end, and before its beginning, with little skew', async () => {
    const token = await mint();
    now = start + 60_000 + 29_000;
    await check(token);
    now = start + 60_000 + 31_000;
    await refuses(token);
    now = start - 31_000;
    await refuses(token);
  });

  verifies(['CRD-2'], 'is refused once revoked, and so when the list does not answer clearly', async () => {
    const token = await mint();
    await minter().revoke({ tenant: 'acme', leaseId: 'lease-1', credentialId: undefined });
    expect(await refuses(token)).toContain('revoked');
    await check(await mint({ leaseId: 'lease-2' }));
    const other = await mint({ leaseId: 'lease-3' });
    for (const has of [
      () => {
        throw new Error('down');
      },
      () => Promise.reject(new Error('down')),
      () => undefined as unknown as boolean,
    ]) {
      await refuses(other, { revocations: { has } });
    }
  });

  test('stays revoked until it has expired with skew, and is forgotten then', async () => {
    await minter().revoke({ tenant: 'acme', leaseId: 'lease-1', credentialId: undefined });
    now += 329_000;
    await revocations.add('lease-2', now + 1);
    expect(revocations.has('lease-1')).toBe(true);
    now += 2_000;
    await revocations.add('lease-3', now + 1);
    expect(revocations.has('lease-1')).toBe(false);
  });

  test('is not called revoked when the list cannot be written', async () => {
    const failing = tokenMinter({
      name: 'minter',
      services: ['repo'],
      issuer: 'i',
      audience: 'a',
      signingKey: pair.privateKey,
      revocations: { add: () => Promise.reject(new LeaseError('the list is down')) },
    });
    await expect(failing.revoke({ tenant: 'acme', leaseId: 'lease-1', credentialId: undefined })).rejects.toThrow(
      'the list is down',
    );
  });
});

describe('an attack with a token', () => {
  test('without a signature (alg none) is refused', async () => {
    const payload = encode(await payloadOf());
    for (const alg of ['none', 'None', 'NONE', 'nOnE']) {
      await refuses(`${encode({ alg, typ: 'countersign-lease+jwt' })}.${payload}.`);
      await refuses(`${encode({ alg, typ: 'countersign-lease+jwt' })}.${payload}.AAAA`);
    }
  });

  test('signed with HMAC under the public key is refused', async () => {
    const payload = encode(await payloadOf());
    for (const secret of [
      pair.publicKey.export({ type: 'spki', format: 'pem' }),
      pair.publicKey.export({ type: 'spki', format: 'der' }),
    ]) {
      const input = `${encode({ alg: 'HS256', typ: 'countersign-lease+jwt' })}.${payload}`;
      await refuses(`${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`);
    }
  });

  test('with an altered payload, header or signature is refused', async () => {
    const token = await mint();
    const [header, payload, signature] = decode(token);
    await refuses(`${encode(header)}.${encode({ ...payload, capability: 'repo:web:delete' })}.${signature}`, {
      capability: 'repo:web:delete',
    });
    await refuses(`${encode({ ...header, kid: 'x' })}.${encode(payload)}.${signature}`);
    await refuses(`${encode(header)}.${encode(payload)}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`);
    await refuses(`${encode(header)}.${encode(payload)}.${'A'.repeat(86)}`);
  });

  test.each([
    'iss',
    'sub',
    'aud',
    'iat',
    'nbf',
    'exp',
    'jti',
    'tenant',
    'user',
    'run',
    'lease',
    'tool',
    'capability',
    'arguments_digest',
    'lease_scope',
  ])('without %s is refused', async (claim) => {
    const payload = await payloadOf();
    delete payload[claim];
    await refuses(forge(payload));
    for (const wrong of [null, '', 7.5, [], true]) await refuses(forge({ ...payload, [claim]: wrong }));
  });

  test('with two audiences, or one in a list, is refused', async () => {
    await refuses(forge(await payloadOf({ aud: ['https://repo.test', 'https://other.test'] })));
    expect(await refuses(forge(await payloadOf({ aud: ['https://repo.test'] })))).toContain('exactly one audience');
  });

  test('that lives long, or was issued in the future, is refused', async () => {
    const issued = start / 1000;
    await refuses(forge(await payloadOf({ exp: issued + 301 })));
    await refuses(forge(await payloadOf({ exp: 4_102_444_800 })));
    await refuses(forge(await payloadOf({ iat: issued + 60, nbf: issued, exp: issued + 100 })));
    await refuses(forge(await payloadOf({ iat: issued - 400, nbf: issued, exp: issued + 100 })));
    await refuses(forge(await payloadOf({ exp: String(issued + 60) })));
    await refuses(forge(await payloadOf({ exp: 1e308 })));
  });

  test('of another type is refused', async () => {
    const payload = await payloadOf();
    for (const typ of ['JWT', 'at+jwt', 'countersign-action+jwt', '', undefined])
      await refuses(forge(payload, { alg: 'ES256', typ }));
  });

  test('that brings its own key or a critical extension is refused', async () => {
    const payload = await payloadOf();
    const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const base = { alg: 'ES256', typ: 'countersign-lease+jwt' };
    const jwk = own.publicKey.export({ format: 'jwk' });
    for (const extra of [
      { jwk },
      { jku: 'https://evil.test/keys' },
      { x5u: 'https://evil.test' },
      { crit: ['b64'], b64: false },
      { zip: 'DEF' },
    ]) {
      await refuses(forge(payload, { ...base, ...extra }, own.privateKey));
      await refuses(forge(payload, { ...base, ...extra }));
    }
  });

  test('that names a member twice, or hides one, is refused although it is signed', async () => {
    const payload = JSON.stringify(await payloadOf());
    expect(await refuses(forge(payload.replace('{', '{"capability":"repo:web:delete",')))).toContain('canonical JSON');
    await refuses(forge(payload.replace('{', '{ ')));
    await refuses(forge(`${payload} `));
    await refuses(forge(payload.replace('"tool"', '"\\u0074ool"')));
    await refuses(forge(payload.replace('{', '{"exp":1e3,')));
    await refuses(forge('[1]'));
    await refuses(forge('"text"'));
    await refuses(forge('not json canary'));
    await refuses(forge(await payloadOf(), '{"alg":"none","alg":"ES256","typ":"countersign-lease+jwt"}'));
  });

  test('in another spelling of base64url is refused', async () => {
    const token = await mint();
    const [header = '', payload = '', signature = ''] = token.split('.');
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const last = alphabet.indexOf(signature.at(-1) ?? '');
    const trailing = `${signature.slice(0, -1)}${alphabet[last ^ 1]}`;
    // The same bytes, so a generous decoder accepts the signature.
    expect(Buffer.from(trailing, 'base64url')).toEqual(Buffer.from(signature, 'base64url'));
    for (const spelling of [
      `${header}.${payload}.${trailing}`,
      `${header}.${payload}.${signature}=`,
      `${header}.${payload}.${signature}\n`,
      ` ${token}`,
      `${header}.${payload} .${signature}`,
      `${header}.${payload}.${signature}.`,
      `${header}..${signature}`,
      `${header}.${payload}`,
      '',
      'x'.repeat(9_000),
      token.replaceAll('-', '+').replaceAll('_', '/').replace(/$/, '+'),
    ]) {
      await refuses(spelling);
    }
    await refuses(undefined as unknown as string);
    await refuses({ token } as unknown as string);
  });

  test('is not possible with a private, symmetric or weak key in the place of the public one', async () => {
    const token = await mint();
    await refuses(token, { keys: pair.privateKey });
    await refuses(token, { keys: rsa.publicKey });
    await refuses(token, { keys: { keys: [{ kty: 'oct', k: encode('secret') }] } });
    await refuses(token, { keys: { keys: [] } });
  });
});

describe('a minter', () => {
  test('signs with a private P-256 or Ed25519 key and with no other', () => {
    for (const signingKey of [
      pair.publicKey,
      rsa.privateKey,
      generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey,
    ]) {
      expect(() => minter({ signingKey })).toThrow(KeyError);
    }
    expect(() =>
      tokenMinter({ name: 'm', services: [], issuer: '', audience: 'a', signingKey: pair.privateKey, revocations }),
    ).toThrow(ConfigurationError);
  });

  const { leaseId: _leaseId, ttlMs: _ttlMs, ...granted } = request;
  const cases = providerContract(() => ({
    provider: minter(),
    request: granted,
    use: (secret: Secret, wanted) =>
      check(secret.reveal(), { capability: wanted.capability, argumentsDigest: wanted.argumentsDigest }).then(
        () => true,
        () => false,
      ),
    beyond: { capability: 'repo:web:delete' },
    pass: (milliseconds) => void (now += milliseconds),
    now: clock,
  }));
  for (const { name, run } of cases) {
    verifies(['CRD-1', 'CRD-2'], `keeps the contract of a provider: ${name}`, async () => {
      expect(await run()).toBeUndefined();
    });
  }
});
