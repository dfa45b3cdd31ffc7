import { chmodSync, copyFileSync, existsSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verifies } from '../../../test/verifies.ts';
import { countersign, createWorld, hostile, type World } from './support/world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld();
  await world.call('read', { ticket: 1 });
  await world.call('vault', { path: hostile });
  await world.request();
});
afterAll(() => world.close());

const reading = (...more: string[]): readonly string[] => [
  '--store',
  world.store,
  '--key-file',
  world.keyFile,
  '--tenant',
  'acme',
  ...more,
];
const linesOf = (text: string): readonly string[] => text.split('\n').filter((line) => line !== '');

describe('audit query', () => {
  verifies(
    ['AUD-6', 'OPS-2'],
    'answers what an agent did for a user between two times, and with which tool and decision',
    async () => {
      const all = await countersign(['audit', 'query', ...reading()]);
      expect(all).toMatchObject({ code: 0, stderr: '' });
      expect(linesOf(all.stdout).length).toBeGreaterThanOrEqual(5);
      const count = async (...more: string[]): Promise<number> =>
        linesOf((await countersign(['audit', 'query', ...reading(...more)])).stdout).length;
      expect(await count('--user', 'alice', '--agent', 'support')).toBe(linesOf(all.stdout).length);
      expect(await count('--user', 'bob')).toBe(0);
      expect(await count('--tool', 'vault', '--decision', 'deny')).toBe(1);
      expect(await count('--since', '2020-01-01', '--until', '2020-01-02T00:00:00Z')).toBe(0);
      expect(await count('--limit', '2')).toBe(2);
      expect(await count('--run', 'another')).toBe(0);
    },
  );

  test('prints JSON in a shape that scripts can rely on', async () => {
    const { stdout } = await countersign(['audit', 'query', ...reading('--tool', 'vault', '--json')]);
    const { records } = JSON.parse(stdout) as { records: Record<string, unknown>[] };
    expect(records).toMatchObject([
      { kind: 'decision', event: 'deny', tool: 'vault', user: 'alice', agent: 'support', arguments: { path: hostile } },
    ]);
    expect(Object.keys(records[0] ?? {})).toEqual(
      expect.arrayContaining(['id', 'tenant', 'time', 'writer', 'seq', 'hash', 'verdict', 'code', 'risk']),
    );
  });

  test('the export is one JSON record a line, the same as the query', async () => {
    const { stdout } = await countersign(['audit', 'query', ...reading('--json')]);
    const exported = await countersign(['audit', 'export', ...reading()]);
    expect(exported).toMatchObject({ code: 0, stderr: '' });
    expect(linesOf(exported.stdout).map((line) => JSON.parse(line) as unknown)).toEqual(
      (JSON.parse(stdout) as { records: unknown[] }).records,
    );
    expect(exported.stdout).toMatch(/^[\n\u0020-\u007e]*$/);
  });

  const mistakes: readonly [string, readonly string[]][] = [
    ['a time that is none', ['--since', 'yesterday']],
    ['a limit of zero', ['--limit', '0']],
    ['a verdict that does not exist', ['--decision', 'maybe']],
    ['an unknown option', ['--all']],
    ['an argument too many', ['everything']],
    ['a tenant that can be none', ['--tenant', '../globex']],
  ];
  for (const [name, more] of mistakes) {
    test(`${name} widens no answer: exit code 2`, async () => {
      expect(await countersign(['audit', 'query', ...reading(...more)])).toMatchObject({ code: 2, stdout: '' });
    });
  }

  test('needs the right key, in a file that only its owner can read', async () => {
    copyFileSync(world.keyFile, world.path('readable.key'));
    chmodSync(world.path('readable.key'), 0o644);
    writeFileSync(world.path('other.key'), `${Buffer.alloc(32, 7).toString('base64url')}\n`, { mode: 0o600 });
    for (const [name, code] of [
      ['readable.key', 4],
      ['other.key', 4],
      ['missing.key', 3],
    ] as const) {
      const args = ['audit', 'query', '--store', world.store, '--key-file', world.path(name), '--tenant', 'acme'];
      expect({ name, ...(await countersign(args)) }).toMatchObject({ name, code, stdout: '' });
    }
  });
});

describe('audit verify', () => {
  test('recomputes the chains without a key, and says what it cannot prove', async () => {
    const ran = await countersign(['audit', 'verify', '--store', world.store]);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toMatch(/tenant acme: ledger verified: \d+ records of 1 writers\n.*cut off at the end/);
    const { stdout } = await countersign(['audit', 'verify', '--store', world.store, '--json']);
    const verified = JSON.parse(stdout) as { tenants: object[] };
    expect(verified).toMatchObject({
      ok: true,
      records: expect.any(Number),
      tenants: [{ tenant: 'acme', ok: true, problems: [] }],
    });
    expect(Object.keys(verified.tenants[0] ?? {}).toSorted()).toEqual([
      'heads',
      'ok',
      'problems',
      'records',
      'tenant',
      'writers',
    ]);
  });

  test('a tenant without records is not verified: an emptied ledger must not pass', async () => {
    expect(await countersign(['audit', 'verify', '--store', world.store, '--tenant', 'globex'])).toMatchObject({
      code: 1,
    });
  });

  test('a store that is missing is exit code 3, and none is created', async () => {
    const args = ['audit', 'verify', '--store', world.path('nowhere.sqlite')];
    expect(await countersign(args)).toMatchObject({ code: 3, stdout: '' });
    expect(existsSync(world.path('nowhere.sqlite'))).toBe(false);
    writeFileSync(world.path('text.sqlite'), 'this is no database, and long enough to be looked at as one');
    expect(await countersign(['audit', 'verify', '--store', world.path('text.sqlite')])).toMatchObject({
      code: 3,
      stdout: '',
    });
  });

  const kept = async (from: World): Promise<string> => {
    const { stdout } = await countersign(['audit', 'heads', '--store', from.store, '--json']);
    writeFileSync(from.path('heads.json'), stdout);
    return from.path('heads.json');
  };

  verifies(
    'AUD-4',
    'an edited record is found and named; with heads kept outside, so are records cut off and a ledger rewritten',
    async () => {
      const attacks: readonly [string, string, RegExp, boolean][] = [
        [
          'edit',
          `UPDATE records SET body = replace(body, 'support', 'someone') WHERE (id & 4294967295) = 2`,
          /edited.*record 2 /,
          false,
        ],
        ['delete', 'DELETE FROM records WHERE (id & 4294967295) = 2', /missing.*record 2 /, false],
        ['cut', 'DELETE FROM records WHERE (id & 4294967295) > 2', /truncated.*record 3 /, true],
        ['empty', 'DELETE FROM records', /truncated.*record 1 /, true],
      ];
      for (const [name, sql, message, needsHeads] of attacks) {
        const victim = await createWorld();
        await victim.call('read');
        await victim.call('read');
        const heads = await kept(victim);
        expect(await countersign(['audit', 'verify', '--store', victim.store, '--heads', heads])).toMatchObject({
          code: 0,
        });
        victim.tamper(sql);
        const verify = ['audit', 'verify', '--store', victim.store, ...(needsHeads ? ['--heads', heads] : [])];
        const ran = await countersign(verify);
        expect({ name, ...ran }).toMatchObject({ name, code: 1 });
        expect(ran.stdout).toMatch(message);
        expect(JSON.parse((await countersign([...verify, '--json'])).stdout)).toMatchObject({ ok: false });
        await victim.close();
      }
    },
  );

  test('heads that are none are refused, so that a mistake is not taken for a proof', async () => {
    for (const text of ['[]', '{"heads": []}', '{"heads": [{"tenant": "acme"}]}', 'heads', 'null']) {
      writeFileSync(world.path('bad.json'), text);
      const args = ['audit', 'verify', '--store', world.store, '--heads', world.path('bad.json')];
      expect({ text, ...(await countersign(args)) }).toMatchObject({ text, code: 2, stdout: '' });
    }
    expect(
      await countersign(['audit', 'verify', '--store', world.store, '--heads', world.path('none.json')]),
    ).toMatchObject({ code: 3 });
  });
});

describe('policy check', () => {
  test('names every issue with its line, and exits with 1', async () => {
    writeFileSync(
      world.path('policy.yaml'),
      'countersign: 1\nname: x\nversion: "1"\ntenants: [acme]\ntools: {}\nagents:\n  a: { capabilities: ["*"] }\nusers: {}\n',
    );
    const ran = await countersign(['policy', 'check', world.path('policy.yaml')]);
    expect(ran).toMatchObject({ code: 1 });
    expect(ran.stdout).toMatch(/policy\.yaml:7:\d+: \/agents\/a/);
    const json = await countersign(['policy', 'check', world.path('policy.yaml'), '--json']);
    expect(json.code).toBe(1);
    expect(JSON.parse(json.stdout)).toMatchObject({
      ok: false,
      issues: [{ line: 7, column: expect.any(Number), path: expect.any(String), message: expect.any(String) }],
    });
  });

  test('a sound policy is exit code 0, a missing file 3', async () => {
    const text = 'countersign: 1\nname: x\nversion: "1"\ntenants: [acme]\ntools: {}\nagents: {}\nusers: {}\n';
    writeFileSync(world.path('sound.yaml'), text);
    expect(await countersign(['policy', 'check', world.path('sound.yaml')])).toMatchObject({ code: 0, stderr: '' });
    expect(await countersign(['policy', 'check', world.path('gone.yaml')])).toMatchObject({ code: 3, stdout: '' });
  });
});

verifies(
  ['APR-1', 'OPS-2'],
  'policy show prints risk and approvals of each tool, with every default filled in',
  async () => {
    const approval = 'approval: { groups: [on-call], quorum: 2, escalate: [{ after: 5m, groups: [directors] }] }';
    const provenance = 'provenance: [{ at: /to, require: user }, { at: /sum, require: trusted, otherwise: high }]';
    const tools = `read: { capability: a:b, risk: low, trusted: true }, pay: { capability: a:c, ${provenance} }, ship: { capability: a:d, risk: medium, ${approval} }`;
    const text = `countersign: 1\nname: x\nversion: "1"\ntenants: [acme]\ntools: { ${tools} }\nagents: {}\nusers: {}\n`;
    writeFileSync(world.path('shown.yaml'), text);
    const { code, stdout } = await countersign(['policy', 'show', world.path('shown.yaml')]);
    expect(code).toBe(0);
    expect(
      stdout
        .split('\n')
        .slice(3, 6)
        .map((line) => line.trim().split(/ {2,}/)),
    ).toEqual([
      ['pay', 'a:c', 'high', '15 min', 'any approver', '/to user, else deny; /sum trusted, else high'],
      ['read', 'a:b', 'low', 'its results are trusted'],
      ['ship', 'a:d', 'medium', '15 min', '2 people, each one of on-call; after 5 min also directors'],
    ]);
    const json = await countersign(['policy', 'show', world.path('shown.yaml'), '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({
      rules: [{ approval: { high: { quorum: 1 } } }, { tool: 'read' }, {}],
    });
  },
);

test('the exit codes are those of the documentation', async () => {
  const { exitCodes } = await import('../src/exit-codes.ts');
  expect(exitCodes).toEqual({ ok: 0, failed: 1, usage: 2, unreachable: 3, refused: 4, broken: 5 });
  expect(await countersign(['--help'])).toMatchObject({ code: 0, stderr: '' });
  expect(await countersign([])).toMatchObject({ code: 2, stdout: '' });
  expect(await countersign(['nonsense'])).toMatchObject({ code: 2, stdout: '' });
});
