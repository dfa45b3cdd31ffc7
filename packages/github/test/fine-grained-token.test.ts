import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, onTestFinished } from 'vitest';
import { encryptedFileProvider, LeaseError, sealSecretsFile, Secret } from '@countersign/core';
import { verifies } from '../../../test/verifies.ts';
import { fineGrainedTokenExpiry } from '../src/index.ts';

const token = new Secret('github_pat_11AAAAAAA0CANARYdonotleak_bbbbbbbbbbbbbbbb');
const dayMs = 86_400_000;

/** A stand-in for `GET /user` of GitHub: accepts one token, and says in its header when it ends. */
async function serve(expiration: string | undefined, status = 200): Promise<string> {
  const server = createServer((request, response) => {
    const known = request.headers.authorization === `Bearer ${token.reveal()}` && request.url === '/user';
    response
      .writeHead(known ? status : 401, {
        'Content-Type': 'application/json',
        ...(expiration === undefined ? {} : { 'github-authentication-token-expiration': expiration }),
      })
      .end('{"login":"bot"}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('a fine-grained personal access token', () => {
  verifies('CRD-4', 'ends when GitHub says so', async () => {
    const at = (text: string) => serve(text).then((baseUrl) => fineGrainedTokenExpiry({ token, baseUrl }));
    expect(await at('2026-12-24 18:30:00 UTC')).toBe(Date.parse('2026-12-24T18:30:00Z'));
    expect(await at('2026-12-24 18:30:00 -0800')).toBe(Date.parse('2026-12-25T02:30:00Z'));
  });

  const refusals: readonly (readonly [string, Secret, string | undefined, number, RegExp])[] = [
    ['that never ends', token, undefined, 200, /never ends/],
    ['with an end that is no time', token, 'whenever', 200, /never ends/],
    ['that is a classic one', new Secret('ghp_CANARY0000000000000000000000000000'), undefined, 200, /fine-grained/],
    [
      'that GitHub does not accept',
      new Secret('github_pat_CANARY'),
      '2026-12-24 18:30:00 UTC',
      200,
      /401: not accepted/,
    ],
    ['while GitHub fails', token, undefined, 503, /503/],
  ];
  for (const [name, of, expiration, status, message] of refusals) {
    verifies(['CRD-4', 'CRD-7'], `${name} is refused, without the token in the error`, async () => {
      const baseUrl = await serve(expiration, status);
      const error: unknown = await fineGrainedTokenExpiry({ token: of, baseUrl }).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(LeaseError);
      expect(String(error)).toMatch(message);
      expect(inspect(error, { depth: 20, showHidden: true })).not.toContain('CANARY');
    });
  }

  verifies('CRD-4', 'is registered with its end, warns in its last week, and then stops', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'countersign-pat-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const file = { path: join(folder, 'secrets'), key: { passphrase: new Secret('a passphrase for a test') } };
    const end = new Date(Math.floor(Date.now() / 1000) * 1000 + 40 * dayMs).toISOString();
    const baseUrl = await serve(`${end.slice(0, 10)} ${end.slice(11, 19)} UTC`);
    const expiresAt = await fineGrainedTokenExpiry({ token, baseUrl });
    const scope = { repositories: ['web'], permissions: { contents: 'read' } };
    await sealSecretsFile(file, [{ tenant: 'acme', service: 'github', scope, value: token, expiresAt }]);
    const warned: unknown[] = [];
    let now = Date.now();
    const provider = encryptedFileProvider({
      ...file,
      services: ['github'],
      onExpiring: (secret) => warned.push(secret),
      clock: () => now,
    });
    const request = {
      ...{ leaseId: 'l', tenant: 'acme', user: 'alice', agent: 'bot', run: 'r', callKey: 'c', tool: 't' },
      ...{ capability: 'github:contents:read', argumentsDigest: 'd', service: 'github', scope, ttlMs: 60_000 },
    };
    await provider.get(request);
    expect(warned).toEqual([]);
    now = expiresAt - 6 * dayMs;
    await provider.get(request);
    expect(warned).toHaveLength(1);
    now = expiresAt;
    await expect(provider.get(request)).rejects.toThrow(/expired/);
  });
});
