import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { verifies } from '../../../test/verifies.ts';
import {
  clientId,
  clientSecret,
  startProvider,
  type TestProvider,
} from '../../console/test/support/openid-provider.ts';
import { cookieOf, fieldOn, visitorOf, type Visitor } from '../../console/test/support/visitor.ts';
import { commandFile, countersign, createWorld, type World } from './support/world.ts';

let world: World;
let provider: TestProvider | undefined;
const running = new Set<ChildProcess>();
beforeAll(async () => {
  world = await createWorld();
});
afterAll(async () => {
  await provider?.close();
  await world.close();
});
afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
});

const base = (): readonly string[] => [
  ...['console', '--store', world.store, '--key-file', world.keyFile, '--vote-key', world.path('votes.key')],
  ...['--tenant', 'acme'],
];

interface Started {
  readonly url: string;
  readonly origin: string;
  /** What it has said on stderr. */
  errors(): string;
  end(signal: 'SIGINT' | 'SIGTERM'): Promise<unknown>;
}

async function start(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Started> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', commandFile, ...base(), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environment,
  });
  running.add(child);
  const output = { text: '', errors: '' };
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.errors += text));
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output.text += text;
      const found = /^The console is at (\S+)\n/.exec(output.text)?.[1];
      if (found !== undefined) resolve(found);
    });
    child.once('close', (code) => reject(new Error(`it ended with ${code}: ${output.errors}`)));
  });
  return {
    url,
    origin: new URL(url).origin,
    errors: () => output.errors,
    end(signal) {
      const ended = new Promise((resolve) => child.once('close', (code, by) => resolve([code, by])));
      child.kill(signal);
      return ended.finally(() => running.delete(child));
    },
  };
}

async function signIn(console: Started, code: string): Promise<Visitor> {
  const person = visitorOf(console);
  const answer = await person.post('/sign-in', { code });
  expect(answer.status).toBe(303);
  person.cookie = cookieOf(answer);
  return person;
}

async function decide(person: Visitor, id: string, verdict: string): Promise<void> {
  const page = await (await person.get(`/approvals/${id}`)).text();
  const fields = { token: fieldOn(page, 'token'), digest: fieldOn(page, 'digest'), verdict };
  expect((await person.post(`/approvals/${id}/decision`, fields)).status).toBe(303);
}

async function stateOf(id: string): Promise<unknown> {
  const { stdout } = await countersign(['approvals', 'show', id, '--json', ...world.asCarol]);
  return (JSON.parse(stdout) as { readonly state: unknown }).state;
}

verifies(
  ['OPS-2', 'APR-3'],
  'serves the inbox on this machine, with a code that it prints, until it is told to end',
  async () => {
    const id = await world.request();
    const console = await start(['--as', 'carol']);
    expect(new URL(console.url).hostname).toBe('127.0.0.1');
    const code = /One-time code.*: (\S+)\n/.exec(console.errors())?.[1] ?? '';
    const person = await signIn(console, code);
    await decide(person, id, 'approve');
    expect(await stateOf(id)).toBe('approved');
    expect((await visitorOf(console).post('/sign-in', { code })).status).toBe(403);
    // An open stream does not hold it up.
    const stream = await person.get('/events');
    expect(stream.status).toBe(200);
    expect(await console.end('SIGTERM')).toEqual([0, null]);
    const query = ['audit', 'query', '--store', world.store, '--key-file', world.keyFile, '--tenant', 'acme', '--json'];
    const { stdout } = await countersign(query);
    expect(stdout).toContain('"channel": "console"');
  },
);

verifies(['OPS-2', 'APR-7'], 'takes the approver’s token, and edits under the policy that it is given', async () => {
  const id = await world.request();
  const options = [
    '--sign-in',
    'token',
    '--approvers',
    world.path('approvers.json'),
    '--policy',
    world.path('policy.json'),
  ];
  const console = await start(options);
  const person = await signIn(console, readFileSync(world.tokenFiles.carol, 'utf8'));
  const page = await (await person.get(`/approvals/${id}`)).text();
  const fields = { token: fieldOn(page, 'token'), digest: fieldOn(page, 'digest') };
  const edit = { ...fields, arguments: '{"version":"9.9.9"}' };
  expect((await person.post(`/approvals/${id}/arguments`, edit)).status).toBe(303);
  expect(await (await person.get(`/approvals/${id}`)).text()).toContain('9.9.9');
  await decide(person, id, 'reject');
  expect([await stateOf(id), await console.end('SIGINT')]).toEqual(['rejected', [0, null]]);
});

verifies(['OPS-2', 'OPS-3'], 'shows the policy that it is given, and the ledger to its readers', async () => {
  const id = await world.request();
  const file = ['--sign-in', 'token', '--approvers', world.path('approvers.json')];
  const open = await start([...file, '--policy', world.path('policy.json')]);
  const person = await signIn(open, readFileSync(world.tokenFiles.carol, 'utf8'));
  const policy = await (await person.get('/policy')).text();
  // The agents of the policy, and the approvers of the file that are of this tenant.
  expect(['support', 'deploy:staging:create', 'carol'].filter((name) => !policy.includes(name))).toEqual([]);
  expect(policy).not.toContain('gus');
  expect(await (await person.get('/runs/run-1')).text()).toContain(`/approvals/${id}`);
  expect((await person.get('/load')).status).toBe(200);
  await open.end('SIGTERM');
  const closed = await start([...file, '--ledger-group', 'auditors', 'security']);
  const other = await signIn(closed, readFileSync(world.tokenFiles.carol, 'utf8'));
  const answers = ['/policy', '/runs/run-1', '/load', `/approvals/${id}`].map(
    async (path) => (await other.get(path)).status,
  );
  expect(await Promise.all(answers)).toEqual([404, 403, 403, 200]);
  await closed.end('SIGTERM');
});

verifies(
  ['OPS-2', 'APR-6'],
  'sends people to an OpenID provider; who is taken out of the file is out at once',
  async () => {
    provider = await startProvider();
    const { issuer } = provider;
    const file = world.path('oidc.json');
    const list = (entries: readonly object[]): void => writeFileSync(file, JSON.stringify(entries), { mode: 0o600 });
    list([{ issuer, sub: 'c-1', tenant: 'acme', id: 'carol' }]);
    const console = await start(['--sign-in', 'oidc', '--oidc-approvers', file], {
      COUNTERSIGN_OIDC_ISSUER: issuer,
      COUNTERSIGN_OIDC_CLIENT_ID: clientId,
      COUNTERSIGN_OIDC_CLIENT_SECRET: clientSecret,
    });
    provider.register(`${console.origin}/sign-in/oidc/callback`);
    const come = async (account: string): Promise<Response> => {
      const browser = visitorOf(console);
      const begun = await browser.post('/sign-in/oidc/begin', {});
      browser.cookie = cookieOf(begun);
      const location = /content="0; url=([^"]+)"/.exec(await begun.text())?.[1]?.replaceAll('&amp;', '&') ?? '';
      return browser.get((await (provider as TestProvider).signIn(location, account)).href);
    };
    expect((await come('m-1')).status).toBe(403);
    const answer = await come('c-1');
    expect(answer.status).toBe(200);
    const cookie = answer.headers.getSetCookie().find((each) => /^countersign-\d+=/.test(each)) ?? '';
    const carol = visitorOf(console, cookie.split(';')[0]);
    expect(await (await carol.get('/')).text()).toContain('carol');
    list([]);
    expect((await carol.get('/')).status).toBe(303);
    expect(await console.end('SIGTERM')).toEqual([0, null]);
  },
);

verifies(['OPS-2', 'REL-3'], 'says why nobody can sign in to whoever runs it, and to nobody else', async () => {
  const approvers = world.path('approvers-open.json');
  writeFileSync(approvers, '[]', { mode: 0o600 });
  const console = await start(['--sign-in', 'token', '--approvers', approvers]);
  chmodSync(approvers, 0o644);
  const answer = await visitorOf(console).post('/sign-in', { code: 'some-token' });
  expect([answer.status, await answer.text()]).toEqual([403, expect.not.stringContaining('0600')]);
  await expect.poll(() => console.errors()).toContain('0600');
  await console.end('SIGTERM');
});

verifies(['OPS-2', 'REL-4'], 'refuses to start with options that are missing, wrong or unsafe', async () => {
  const busy = createServer();
  await new Promise<void>((resolve) => busy.listen(0, '127.0.0.1', resolve));
  const file = world.path('oidc-bad.json');
  writeFileSync(file, '[{ "sub": "c-1" }]', { mode: 0o600 });
  const open = world.path('oidc-open.json');
  writeFileSync(open, '[]');
  chmodSync(open, 0o644);
  const issuer = { COUNTERSIGN_OIDC_ISSUER: 'https://idp.example', COUNTERSIGN_OIDC_CLIENT_ID: 'console' };
  const clear = { ...issuer, COUNTERSIGN_OIDC_ISSUER: 'http://idp.example' };
  const oidc = (path: string): readonly string[] => ['--sign-in', 'oidc', '--oidc-approvers', path];
  const carol = ['--as', 'carol'];
  const tries: readonly (readonly [readonly string[], number, RegExp, NodeJS.ProcessEnv?])[] = [
    [[], 2, /needs --as/],
    [['--sign-in', 'token'], 2, /needs --approvers/],
    [['--sign-in', 'token', '--approvers', world.path('nobody.json')], 3, /no file of approvers/],
    [['--sign-in', 'magic'], 2, /Allowed choices/],
    [['--sign-in', 'oidc'], 2, /needs --oidc-approvers/],
    [oidc(world.path('nobody.json')), 3, /no file of approvers/, issuer],
    [oidc(file), 2, /expected a list/, issuer],
    [oidc(open), 4, /0600/, issuer],
    [oidc(world.path('approvers.json')), 2, /expected a list/, issuer],
    [[...carol, '--port', '70000'], 2, /port/],
    [[...carol, '--port', String((busy.address() as AddressInfo).port)], 3, /listen/],
    [[...carol, '--listen', '0.0.0.0'], 2, /needs its url/],
    [[...carol, '--url', 'https://ops.example'], 2, /this machine only/],
    [[...carol, '--policy', world.path('nothing.yaml')], 3, /no policy/],
    [[...carol, '--policy', world.path('approvers.json')], 1, /policy/],
    [[...carol, '--vote-key', world.path('nothing')], 3, /no key file/],
    [[...carol, '--vote-key', world.tokenFiles.carol], 4, /key/],
  ];
  try {
    const all = await Promise.all(
      tries.map(([args, , , environment]) => countersign([...base(), ...args], environment)),
    );
    for (const [index, ran] of all.entries()) {
      const [args, code, message] = tries[index] ?? [];
      expect([args, ran.code, ran.stdout]).toEqual([args, code, '']);
      expect(ran.stderr).toMatch(message ?? '');
    }
    writeFileSync(file, '[]');
    const ran = await countersign([...base(), ...oidc(file)], clear);
    expect([ran.code, ran.stderr]).toEqual([2, expect.stringMatching(/https address/)]);
    const silent = await countersign([...base(), ...oidc(file)]);
    expect([silent.code, silent.stderr]).toEqual([2, expect.stringMatching(/COUNTERSIGN_OIDC_ISSUER/)]);
  } finally {
    busy.close();
  }
});
