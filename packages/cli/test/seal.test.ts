import { chmodSync, copyFileSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verifies } from '../../../test/verifies.ts';
import { commandFile, countersign, createWorld, type World } from './support/world.ts';

let world: World;
let publicKey: string;

const notaryKey = (): readonly string[] => ['--key-file', world.path('notary.key'), '--name', 'audit.example.com/test'];
const store = (): readonly string[] => ['--store', world.store];
const seal = () => countersign(['audit', 'seal', ...store(), ...notaryKey(), '--witness', world.path('witness')]);
const verify = (...more: string[]) =>
  countersign(['audit', 'verify', ...store(), '--public-key', publicKey, '--witness', world.path('witness'), ...more]);

beforeAll(async () => {
  world = await createWorld();
  await world.call('read', { ticket: 1 });
  await world.call('vault', { path: 'x' });
  await world.request();
  const made = await countersign(['audit', 'key', ...notaryKey(), '--create']);
  expect(made).toMatchObject({ code: 0, stderr: '' });
  publicKey = made.stdout.trim();
  expect(await seal()).toMatchObject({ code: 0, stderr: '' });
});
afterAll(() => world.close());

const recordId = async (): Promise<string> => {
  const query = ['audit', 'query', ...store(), '--key-file', world.keyFile, '--tenant', 'acme', '--json'];
  return (JSON.parse((await countersign(query)).stdout) as { records: { id: string }[] }).records[0]?.id ?? '';
};

describe('audit key', () => {
  test('prints the same public key again, and replaces no key', async () => {
    expect(publicKey).toMatch(/^audit\.example\.com\/test\+[0-9a-f]{8}\+\S{44}$/);
    expect((await countersign(['audit', 'key', ...notaryKey()])).stdout.trim()).toBe(publicKey);
    expect(await countersign(['audit', 'key', ...notaryKey(), '--create'])).toMatchObject({ code: 4, stdout: '' });
  });

  test('refuses a key that others can read, or that lies in a git tree', async () => {
    copyFileSync(world.path('notary.key'), world.path('readable.key'));
    chmodSync(world.path('readable.key'), 0o644);
    expect(await countersign(['audit', 'key', '--key-file', world.path('readable.key')])).toMatchObject({ code: 4 });
    const inside = new URL('notary-in-the-tree.key', import.meta.url).pathname;
    try {
      expect(await countersign(['audit', 'key', '--key-file', inside, '--create'])).toMatchObject({ code: 4 });
      expect(existsSync(inside)).toBe(false);
    } finally {
      rmSync(inside, { force: true });
    }
  });
});

describe('audit seal and verify', () => {
  verifies(
    'AUD-4',
    'in processes of their own, the one with the key, the other with the public key alone',
    async () => {
      const ran = await verify();
      expect(ran).toMatchObject({ code: 0, stderr: '' });
      expect(ran.stdout).toMatch(/ledger verified: \d+ records of 1 writers\n {2}sealed: 1 segments, signed by audit/);
      expect(ran.stdout).toMatch(/unchanged up to record \d+\n$/);
      await world.call('read', { ticket: 2 });
      expect((await verify()).stdout).toMatch(/later ones are not sealed yet/);
      expect((await seal()).stdout).toMatch(/tenant acme: \d+ records sealed in 1 segments; the log has 2/);
      expect((await seal()).stdout).toMatch(/tenant acme: 0 records sealed in 0 segments; the log has 2/);
      const json = JSON.parse((await verify('--json')).stdout) as { tenants: object[] };
      expect(json).toMatchObject({
        ok: true,
        tenants: [{ checkpoint: { origin: 'audit.example.com/test/acme', size: 2 } }],
      });
      writeFileSync(world.path('vkey'), `${publicKey}\n`);
      expect(await countersign(['audit', 'verify', ...store(), '--public-key', world.path('vkey')])).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('No checkpoint from outside'),
      });
    },
  );

  verifies('AUD-4', 'a store that was rolled back, emptied, or shown differently to another verifier', async () => {
    const victim = await createWorld();
    const sealed = (folder: string) =>
      countersign(['audit', 'seal', '--store', victim.path('copy'), ...notaryKey(), '--witness', victim.path(folder)]);
    const verified = (...more: string[]) =>
      countersign(['audit', 'verify', '--store', victim.path('copy'), '--public-key', publicKey, ...more]);
    const copy = (from: string, to: string): void => {
      for (const suffix of ['-wal', '-shm']) rmSync(`${to}${suffix}`, { force: true });
      copyFileSync(from, to);
    };
    await victim.call('read');
    victim.tamper('PRAGMA wal_checkpoint(TRUNCATE)');
    copy(victim.store, victim.path('older'));
    await victim.call('read');
    victim.tamper('PRAGMA wal_checkpoint(TRUNCATE)');
    copy(victim.store, victim.path('copy'));
    expect((await sealed('one')).code).toBe(0);
    expect((await verified('--witness', victim.path('one'))).code).toBe(0);
    copy(victim.path('older'), victim.path('copy'));
    expect((await verified('--witness', victim.path('one'))).stdout).toMatch(/rolled_back/);
    expect((await sealed('one')).code).toBe(1);
    // Sealed on the older copy by a notary that was given another witness: two logs.
    expect((await sealed('two')).code).toBe(0);
    const [name = ''] = readdirSync(victim.path('one'));
    expect((await verified('--witness', victim.path('two'))).code).toBe(0);
    const forked = await verified('--checkpoint', victim.path(`one/${name}`));
    expect(forked).toMatchObject({ code: 1, stdout: expect.stringContaining('forked') });
    writeFileSync(victim.path('copy'), '');
    for (const suffix of ['-wal', '-shm']) rmSync(`${victim.path('copy')}${suffix}`, { force: true });
    const emptied = await verified('--witness', victim.path('two'));
    expect(emptied).toMatchObject({ code: 1, stdout: expect.stringMatching(/tenant acme: LEDGER DOES NOT VERIFY/) });
    await victim.close();
  });

  test('mistakes are refused, so that they are not taken for a proof', async () => {
    const plain = ['audit', 'verify', ...store()];
    expect(await countersign([...plain, '--witness', world.path('witness')])).toMatchObject({ code: 2 });
    expect(await countersign([...plain, '--public-key', 'nothing'])).toMatchObject({ code: 3 });
    expect(await countersign([...plain, '--public-key', `${publicKey.slice(0, -8)}AAAAAAAA`])).toMatchObject({
      code: 4,
    });
    expect(await verify('--witness', world.path('nowhere'))).toMatchObject({ code: 3, stdout: '' });
    expect(existsSync(world.path('nowhere'))).toBe(false);
    writeFileSync(world.path('forged.checkpoint'), 'audit.example.com/test/acme\n9\nAAAA\n\n— x AAAAAAAA\n');
    expect(await verify('--checkpoint', world.path('forged.checkpoint'))).toMatchObject({ code: 1, stdout: '' });
  });

  test('--watch seals again and again until it is asked to end', async () => {
    const args = ['audit', 'seal', ...store(), ...notaryKey(), '--witness', world.path('witness'), '--watch', '1'];
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', commandFile, ...args], { env: {} });
    let output = '';
    const twice = new Promise<void>((resolve) => {
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        output += text;
        if (output.split('tenant acme').length > 2) resolve();
      });
    });
    await twice;
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
  }, 30_000);
});

describe('audit prove and verify-proof', () => {
  verifies('AUD-4', 'a proof is a file that needs neither store nor network', async () => {
    const proof = world.path('record.tlog-proof');
    const id = await recordId();
    const prove = ['audit', 'prove', id, ...store(), '--tenant', 'acme', '--public-key', publicKey, '--out', proof];
    expect(await countersign(prove)).toMatchObject({ code: 0, stderr: '' });
    expect(readFileSync(proof, 'utf8').split('\n')[0]).toBe('c2sp.org/tlog-proof@v1');
    const check = (file: string) => countersign(['audit', 'verify-proof', file, '--public-key', publicKey, '--json']);
    expect(JSON.parse((await check(proof)).stdout)).toMatchObject({
      ok: true,
      record: { tenant: 'acme', body: { id } },
    });
    expect(await countersign(prove)).toMatchObject({ code: 2 });
    writeFileSync(world.path('tampered'), readFileSync(proof, 'utf8').replace(/^index 0$/m, 'index 1'));
    expect(await check(world.path('tampered'))).toMatchObject({ code: 1, stdout: '' });
    expect(await check(world.path('absent'))).toMatchObject({ code: 3, stdout: '' });
  });

  test('an unknown record has no proof', async () => {
    const args = [...store(), '--tenant', 'acme', '--public-key', publicKey, '--out', world.path('none')];
    for (const id of ['rec_00000000000000000000000000000000', 'nonsense']) {
      expect(await countersign(['audit', 'prove', id, ...args])).toMatchObject({ code: 1, stdout: '' });
    }
    expect(existsSync(world.path('none'))).toBe(false);
  });
});

verifies(
  ['AUD-6', 'AUD-7'],
  'audit archive and prune remove what was exported, and what is left verifies',
  async () => {
    const place = ['--tenant', 'acme', '--by', 'olga', '--archive', world.path('archive')];
    const act = [...store(), '--key-file', world.keyFile, ...place];
    const prune = [
      ...['audit', 'prune', ...act, '--before', '2999-01-01'],
      ...['--notary-key-file', world.path('notary.key'), '--name', 'audit.example.com/test'],
    ];
    expect((await countersign(prune)).stdout).toMatch(/stays: not exported/);
    const id = await recordId();
    expect(await countersign(['audit', 'archive', ...act, '--public-key', publicKey])).toMatchObject({ code: 0 });
    const [file = ''] = readdirSync(world.path('archive'));
    expect(readFileSync(world.path(`archive/${file}`), 'utf8')).toContain(id);
    expect((await countersign(prune)).stdout).toMatch(/segment 0: records 1 to \d+ of writer \S+ removed/);
    expect((await verify()).stdout).toMatch(/of which \d+ were pruned/);
    const proof = ['audit', 'prove', id, ...store(), '--tenant', 'acme', '--public-key', publicKey];
    expect(await countersign([...proof, '--out', world.path('pruned-proof')])).toMatchObject({ code: 1 });
    expect(
      await countersign([
        ...[...proof, '--out', world.path('pruned-proof')],
        ...['--archive', world.path(`archive/${file}`)],
      ]),
    ).toMatchObject({ code: 0 });
  },
);

describe('audit stats and export', () => {
  const reading = (): readonly string[] => [...store(), '--key-file', world.keyFile, '--tenant', 'acme'];

  verifies('AUD-6', 'counts decisions, tools, agents and approvals', async () => {
    const { stdout } = await countersign(['audit', 'stats', ...reading(), '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ records: expect.any(Number), agents: { support: expect.any(Number) } });
    expect((await countersign(['audit', 'stats', ...reading()])).stdout).toMatch(/^\d+ records, .*\nkinds: /);
  });

  verifies('AUD-6', 'exports OCSF events, one a line', async () => {
    const { stdout } = await countersign(['audit', 'export', ...reading(), '--format', 'ocsf']);
    for (const line of stdout.trim().split('\n')) {
      expect(JSON.parse(line)).toMatchObject({ class_uid: 6003, type_uid: 600_399, metadata: { version: '1.6.0' } });
    }
  });
});

describe('hold', () => {
  const hold = (verb: string, ...more: string[]) =>
    countersign(['hold', verb, ...store(), '--key-file', world.keyFile, '--tenant', 'acme', ...more]);

  verifies(
    'AUD-7',
    'stops a running process from its next call on, until it is released; both are recorded',
    async () => {
      expect(await world.call('read', { n: 1 })).toMatchObject({ status: 'completed' });
      const order = ['--agent', 'support', '--by', 'olga', '--reason', 'strange calls'];
      expect(await hold('set', ...order)).toMatchObject({
        code: 0,
        stdout: 'agent support of tenant acme is on hold\n',
      });
      expect(await world.call('read', { n: 2 })).toMatchObject({ status: 'denied', reason: 'held' });
      expect((await hold('list')).stdout).toMatch(/^agent support of tenant acme since .* by olga: strange calls\n$/);
      expect(await hold('release', '--agent', 'support', '--by', 'olga')).toMatchObject({ code: 0 });
      expect(await world.call('read', { n: 3 })).toMatchObject({ status: 'completed' });
      expect(await hold('release', '--agent', 'support', '--by', 'olga')).toMatchObject({ code: 1 });
      const { stdout } = await countersign([
        ...['audit', 'query', ...store(), '--key-file', world.keyFile, '--tenant', 'acme', '--json'],
      ]);
      const { records } = JSON.parse(stdout) as { records: { event: string; approver?: string }[] };
      expect(records.filter(({ event }) => event === 'held' || event === 'released')).toMatchObject([
        { event: 'held', approver: 'olga', agent: 'support' },
        { event: 'released', approver: 'olga' },
      ]);
    },
  );

  test('needs somebody who orders it, and one target', async () => {
    expect(await hold('set', '--agent', 'support')).toMatchObject({ code: 2 });
    expect(await hold('set', '--agent', 'a', '--user', 'b', '--by', 'olga')).toMatchObject({ code: 2 });
    expect(await hold('set', '--agent', '../x', '--by', 'olga')).toMatchObject({ code: 2 });
  });
});
