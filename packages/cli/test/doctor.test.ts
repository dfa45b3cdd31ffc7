import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { verifies } from '../../../test/verifies.ts';
import { findLiteralSecrets } from '@countersign/core';
import { countersign, type Ran } from './support/world.ts';

let tree: string;
/** Made anew for every test, so that nothing of this repository looks like one. */
let token: string;
let random: string;

beforeEach(() => {
  tree = mkdtempSync(join(tmpdir(), 'countersign-doctor-'));
  execFileSync('git', ['-C', tree, 'init', '-q']);
  random = `a1B${randomBytes(24).toString('hex')}`;
  token = `gh${'p'}_${random}`;
});
afterEach(() => rmSync(tree, { recursive: true, force: true }));

/** Writes a file, and tracks it. */
function track(file: string, text: string, mode = 0o600): void {
  put(file, text, mode);
  execFileSync('git', ['-C', tree, 'add', '-f', file]);
}

function put(file: string, text: string, mode = 0o600): void {
  mkdirSync(dirname(join(tree, file)), { recursive: true });
  writeFileSync(join(tree, file), text);
  chmodSync(join(tree, file), mode);
}

async function doctor(args: readonly string[] = [], environment: NodeJS.ProcessEnv = {}): Promise<Ran> {
  const ran = await countersign(['doctor', '--root', tree, ...args], { PATH: process.env['PATH'], ...environment });
  for (const part of [token, random, random.slice(0, 16), random.slice(-16)]) {
    expect(ran.stdout + ran.stderr).not.toContain(part);
  }
  return ran;
}

const policy = (scope: string): string =>
  `countersign: 1\nname: acme\nversion: '1'\ntenants: [acme]\ntools:\n  push:\n    capability: github:push\n` +
  `    credential: { service: github, scope: ${scope} }\nagents: {}\nusers: {}\n`;

describe('the doctor', () => {
  verifies('CRD-9', 'finds nothing in a sound work tree, and says in how much it looked', async () => {
    track('policy.yaml', policy('{ repository: acme/web }'));
    track('src/a.ts', "const token = process.env['GITHUB_TOKEN'];\nconst password = 'correct-horse-battery';\n");
    track('package-lock.json', `{ "integrity": "sha512-${randomBytes(64).toString('base64')}" }`);
    track('.env.example', 'GITHUB_TOKEN=\n');
    track('public.pem', '-----BEGIN PUBLIC KEY-----\nabc\n-----END PUBLIC KEY-----\n', 0o644);
    const ran = await doctor();
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toContain('5 tracked files');
  });

  const places: readonly [what: string, file: string, text: () => string, check: string][] = [
    ['a token in a policy', 'policy.yaml', () => policy(`{ token: ${token} }`), 'policy: policy.yaml:8:'],
    [
      'a plain word under the name of a secret in a policy',
      'p.yml',
      () => policy('{ password: swordfish }'),
      'policy: p.yml#/tools/push',
    ],
    ['a token in a prompt', 'prompts/agent.md', () => `Use ${token} to push.\n`, 'prompt: prompts/agent.md:1:5'],
    [
      'a token in the definition of an agent',
      '.claude/agents/a.md',
      () => `---\nkey: ${token}\n---\n`,
      'prompt: .claude',
    ],
    ['a key assigned in code', 'src/a.ts', () => `x;\nconst apiKey = '${random}';\n`, 'tracked: src/a.ts:2:17'],
    ['a key in JSON', 'config.json', () => `{"client_secret": "${random}"}`, 'tracked: config.json:1:20'],
    ['a variable in a shell file', 'run.sh', () => `export DB_PASSWORD=${random}\n`, 'tracked: run.sh:1:20'],
    ['a password in an address', 'a.py', () => `db = "postgres://app:${random}@db/x"\n`, 'tracked: a.py:1:'],
    ['a private key', 'README.md', () => `-----BEGIN ${'RSA'} PRIVATE KEY-----\nx\n`, 'tracked: README.md:1:1'],
    ['a secret in a long line', 'min.js', () => `${'var a=1;'.repeat(20_000)}t="${token}"`, 'tracked: min.js:1:160004'],
  ];
  for (const [what, file, text, check] of places) {
    verifies('CRD-9', `refuses ${what}, by its place and not its words`, async () => {
      track(file, text());
      const ran = await doctor();
      expect(ran.code).toBe(1);
      expect(ran.stdout).toContain(check);
    });
  }

  verifies('CRD-9', 'refuses secrets in the environment that agents share', async () => {
    const named = await doctor([], { GITHUB_TOKEN: random, LANG: 'C' });
    expect(named).toMatchObject({ code: 1 });
    expect(named.stdout).toBe('environment: GITHUB_TOKEN: a literal secret: every process started here has it\n');
    expect((await doctor([], { NOTE: `see ${token}` })).stdout).toContain('environment: NOTE');
    const fine = { GOOGLE_APPLICATION_CREDENTIALS: '/etc/gcp.json', XDG_SESSION_ID: '1234567890', SSH_AUTH_SOCK: '/x' };
    expect(await doctor([], fine)).toMatchObject({ code: 0 });
    expect(await doctor(['--no-environment'], { GITHUB_TOKEN: random })).toMatchObject({ code: 0 });
  });

  verifies('CRD-9', 'refuses key files that are tracked, in the work tree, or readable by others', async () => {
    track('deploy.pem', 'x');
    put('signing.key', 'x');
    put('.env', 'A=1', 0o644);
    const outside = mkdtempSync(join(tmpdir(), 'countersign-doctor-key-'));
    writeFileSync(join(outside, 'audit'), 'x', { mode: 0o600 });
    chmodSync(join(outside, 'audit'), 0o640);
    const { code, stdout } = await doctor(['--key-file', join(outside, 'audit')]);
    rmSync(outside, { recursive: true });
    expect(code).toBe(1);
    expect(stdout.split('\n').filter(Boolean)).toEqual([
      expect.stringContaining('key-file: deploy.pem: a key file that git tracks') as string,
      expect.stringContaining('key-file: .env: others can reach it: mode 0644') as string,
      expect.stringContaining('key-file: signing.key: a key file inside the work tree') as string,
      expect.stringContaining('audit: others can reach it: mode 0640') as string,
    ]);
    chmodSync(join(tree, '.env'), 0o600);
    expect((await doctor()).stdout).not.toContain('.env');
  });

  test('looks at what is named, tracked or not, and leaves out what is excluded', async () => {
    put('untracked.md', token);
    expect(await doctor()).toMatchObject({ code: 0 });
    expect((await doctor(['--prompt', join(tree, 'untracked.md')])).stdout).toContain('prompt: untracked.md:1:1');
    track('test/fixture.ts', `const token = '${random}';`);
    expect(await doctor()).toMatchObject({ code: 1 });
    expect(await doctor(['--exclude', 'test/**'])).toMatchObject({ code: 0 });
    expect(await doctor(['--policy', join(tree, 'missing.yaml')])).toMatchObject({ code: 3 });
  });

  test('prints JSON for scripts', async () => {
    track('a.ts', `const token = '${random}';`);
    const { code, stdout, stderr } = await doctor(['--json']);
    expect(JSON.parse(stdout)).toEqual({
      ok: false,
      findings: [
        { check: 'tracked', place: 'a.ts:1:16', message: 'a literal secret, assigned to a name that says so' },
      ],
    });
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'doctor' } });
    expect(code).toBe(1);
  });

  test('where it cannot look it does not say that all is well', async () => {
    const outside = mkdtempSync(join(tmpdir(), 'countersign-doctor-none-'));
    const ran = await countersign(['doctor', '--root', outside], { PATH: process.env['PATH'] });
    rmSync(outside, { recursive: true });
    expect(ran).toMatchObject({ code: 3, stdout: '' });
    expect(await doctor([], { PATH: '/nonexistent' })).toMatchObject({ code: 3 });
  });

  test('follows no link, and is not stopped by binary, large or missing files', async () => {
    symlinkSync('/etc/passwd', join(tree, 'link.pem'));
    execFileSync('git', ['-C', tree, 'add', 'link.pem']);
    track('image.png', `\0\0${token}`);
    track('gone.ts', token);
    rmSync(join(tree, 'gone.ts'));
    track('"odd\nname".ts', 'fine');
    expect(await doctor()).toMatchObject({ code: 0 });
  });
});

describe('the detector', () => {
  test('takes no word, reference or stand-in for a secret', () => {
    for (const text of [
      "const token = 'your-token-goes-here-1';",
      'password: ${DB_PASSWORD_2024}',
      'secret: <your-secret-1234567890>',
      "apiKey: process.env['OPENAI_API_KEY_2']",
      "credentialId: 'credential-1-github-2-x9'",
      'Basic arithmetic operations 101',
      'Authorization: Bearer <token>',
      'postgres://postgres:postgres@localhost/x',
      'token = tokenizer.nextToken(index1)',
    ]) {
      expect([text, findLiteralSecrets(text)]).toEqual([text, []]);
    }
  });

  verifies(['CRD-9', 'REL-4'], 'reads any text in time that grows with its length alone', () => {
    for (const unit of [
      'token=',
      '://a:',
      'secret: "',
      'sk-',
      'eyJ',
      '-----BEGIN ',
      "password = '",
      'a'.repeat(50),
      ' ',
    ]) {
      const took = (length: number): number => {
        const text = unit.repeat(length / unit.length);
        const began = performance.now();
        findLiteralSecrets(text);
        return performance.now() - began;
      };
      expect(took(1_000_000)).toBeLessThan(20_000);
    }
  });
});
