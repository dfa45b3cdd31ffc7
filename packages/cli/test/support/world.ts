/**
 * What the command talks to: a store with records, an approvals service over HTTP, and tokens of three people.
 */
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import {
  approvalsHttp,
  approverFile,
  createApprovals,
  createApproverToken,
  createCountersign,
  createKeyFile,
  definePolicy,
  readKeyFile,
  type Outcome,
  type ToolCall,
} from '@countersign/core';
import { sqliteStore } from '@countersign/core/sqlite';

export const commandFile: string = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** What a terminal would interpret: clear the screen, set the title, reverse the reading direction, a C1 control. */
export const hostile = '\u001b[2J\u001b]0;pwned\u0007 \u202egnp\u009b1m';

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command in a process of its own, with nothing in its environment but what is given. */
export function countersign(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Ran> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', commandFile, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // Modules compiled once are reused: there are many processes.
    env: { NODE_COMPILE_CACHE: join(tmpdir(), 'countersign-test-modules'), ...environment },
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...output }));
  });
}

export async function listen(listener: RequestListener): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server: Server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

const policyDocument: Parameters<typeof definePolicy>[0] = {
  countersign: 1,
  name: 'cli',
  version: '1',
  tenants: ['acme', 'globex'],
  tools: {
    read: { capability: 'tickets:ticket:read', risk: 'low' },
    deploy: { capability: 'deploy:staging:create', risk: 'high', approval: { edit: true } },
    vault: { capability: 'vault:secret:read', risk: 'low' },
  },
  agents: { support: { owner: 'user:alice', capabilities: ['tickets:ticket:read', 'deploy:staging:create'] } },
  users: { alice: { capabilities: ['tickets:ticket:read', 'deploy:staging:create', 'vault:secret:read'] } },
};
const policy = definePolicy(policyDocument);

export interface World {
  readonly url: string;
  readonly store: string;
  readonly keyFile: string;
  readonly tokenFiles: Readonly<Record<'carol' | 'alice' | 'gus' | 'stranger' | 'readable', string>>;
  /** Arguments that say where and who. */
  readonly asCarol: readonly string[];
  path(name: string): string;
  /** A call as a model would make it. */
  call(tool: string, args?: unknown): Promise<Outcome>;
  /** Opens an approval and answers its id. */
  request(args?: unknown): Promise<string>;
  /** Changes the file behind the ledger's back. */
  tamper(sql: string): void;
  close(): Promise<void>;
}

export async function createWorld(): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-cli-'));
  const path = (name: string): string => join(folder, name);
  const store = sqliteStore({ path: path('store.sqlite') });
  createKeyFile(path('audit.key'));
  createKeyFile(path('votes.key'));
  const key = readKeyFile(path('audit.key'));
  const people = { carol: 'acme', alice: 'acme', gus: 'globex', stranger: 'acme' } as const;
  const tokens = Object.entries(people).map(([id, tenant]) => ({ id, ...createApproverToken(tenant, id) }));
  for (const { id, token } of tokens) writeFileSync(path(`${id}.token`), `${token}\n`, { mode: 0o600 });
  writeFileSync(path('readable.token'), tokens[0]?.token ?? '');
  chmodSync(path('readable.token'), 0o644);
  const known = tokens.filter(({ id }) => id !== 'stranger').map(({ entry }) => entry);
  writeFileSync(path('policy.json'), JSON.stringify(policyDocument));
  writeFileSync(path('approvers.json'), JSON.stringify(known), { mode: 0o600 });

  const approvals = createApprovals({
    store,
    signingKey: readKeyFile(path('votes.key')),
    approvers: approverFile(path('approvers.json')),
    policy,
    audit: { key },
  });
  const instance = createCountersign({ policy, store, audit: { key }, approvals: { keys: [approvals.publicKey] } });
  const gate = instance.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: 'run-1' });
  const server = await listen(approvalsHttp(approvals, { tenant: 'acme' }));
  let calls = 0;

  const call = (tool: string, args: unknown = {}): Promise<Outcome> => {
    calls += 1;
    const made: ToolCall = {
      tool: { name: tool, source: 'local' },
      callId: `call-${calls}`,
      step: '#0',
      origin: 'model',
      arguments: args,
    };
    return gate.execute(made, () => 'done');
  };
  return {
    url: server.url,
    store: path('store.sqlite'),
    keyFile: path('audit.key'),
    tokenFiles: {
      carol: path('carol.token'),
      alice: path('alice.token'),
      gus: path('gus.token'),
      stranger: path('stranger.token'),
      readable: path('readable.token'),
    },
    asCarol: ['--url', server.url, '--token-file', path('carol.token')],
    path,
    call,
    async request(args = { version: '1.2.3' }) {
      const outcome = await call('deploy', args);
      if (outcome.status === 'pending') return outcome.approval;
      throw new Error(`expected pending, got ${outcome.status}`);
    },
    tamper(sql) {
      const database = new DatabaseSync(path('store.sqlite'));
      database.exec(`DROP TRIGGER IF EXISTS records_update; DROP TRIGGER IF EXISTS records_delete; ${sql}`);
      database.close();
    },
    async close() {
      await server.close();
      await instance.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
