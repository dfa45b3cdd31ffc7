/**
 * What the example takes for granted: keys, an approver with a token, a policy, a function, and a person.
 */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  createApproverToken,
  createKeyFile,
  definePolicy,
  type ApprovalView,
  type Ledger,
  type Policy,
} from '@countersign/core';

const folder = mkdtempSync(join(tmpdir(), 'countersign-approvals-'));
process.chdir(folder);
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

createKeyFile('audit.key');
createKeyFile('votes.key');
const { token, entry } = createApproverToken('acme', 'carol');
writeFileSync('approvers.json', JSON.stringify([entry]), { mode: 0o600 });
writeFileSync('carol.token', token, { mode: 0o600 });

export const policy: Policy = definePolicy({
  countersign: 1,
  name: 'approvals',
  version: '1',
  tenants: ['acme'],
  tools: {},
  capabilities: { 'deploy:staging:create': { risk: 'high' } },
  agents: { releases: { owner: 'user:alice', capabilities: ['deploy:staging:create'] } },
  users: { alice: { capabilities: ['deploy:staging:create'] } },
});

/** Any free one. */
export const port = 0;

const deployed: string[] = [];

export function deploy({ version }: { readonly version: string }): string {
  deployed.push(version);
  return `deployed ${version}`;
}

const command = fileURLToPath(new URL('../../packages/cli/src/main.ts', import.meta.url));

/** What a person would do at a shell: list what waits, look at it, approve it by its digest. */
export async function actAsPerson(server: Server): Promise<void> {
  if (!server.listening) await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const countersign = async (...args: string[]): Promise<string> => {
    const options = ['--url', url, '--token-file', 'carol.token'];
    const { stdout } = await promisify(execFile)(process.execPath, [command, 'approvals', ...args, ...options]);
    return stdout;
  };
  for (;;) {
    const { approvals } = JSON.parse(await countersign('list', '--json')) as { approvals: readonly ApprovalView[] };
    const [approval] = approvals;
    if (approval !== undefined) {
      process.stdout.write(await countersign('show', approval.id));
      if (deployed.length > 0) throw new Error('it ran before anybody approved it');
      process.stdout.write(await countersign('approve', approval.id, '--digest', approval.digest));
      return;
    }
    await sleep(100);
  }
}

/** The example asserts its own outcome. */
export function assertOutcome({ ok, records }: Awaited<ReturnType<Ledger['verify']>>): void {
  const right = ok && records > 0 && deployed.join() === '1.4.2';
  process.stdout.write(right ? `As promised: ${records} records, ledger verified.\n` : 'WRONG\n');
  process.exit(right ? 0 : 1);
}
