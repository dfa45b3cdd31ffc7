/**
 * What an operator has set up: a PostgreSQL with orders, and an OpenBao whose database engine makes logins for it.
 * Everything here is local and is removed again; `scripts/provision` installs both servers.
 */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createKeyFile, type Ledger, type Secret } from '@countersign/core';
import { startOrders, startVault } from '../../packages/vault/test/vault-fixture.ts';

const folder = mkdtempSync(join(tmpdir(), 'countersign-vault-'));
copyFileSync(new URL('policy.yaml', import.meta.url), join(folder, 'policy.yaml'));
process.chdir(folder);
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
createKeyFile('audit.key');

const started: { stop(): Promise<unknown> }[] = [];
async function stop(): Promise<void> {
  for (const server of started.splice(0).toReversed()) await server.stop();
}
process.once('uncaughtException', (error) => {
  process.stderr.write(`${String(error)}\n`);
  process.exitCode = 1;
  void stop();
});

const vault = await startVault();
started.push(vault);
const postgres = await startOrders(vault.bao);
started.push(postgres);
const { hostname, port } = new URL(postgres.postgres.url);

export const vaultAddress = vault.bao.address;
export const { roleId } = vault;
export const readSecretId = (): Promise<Secret> => vault.secretId();
export const database = { host: hostname, port: Number(port), database: 'postgres' };

interface Result {
  readonly rows: unknown;
  readonly verification: Awaited<ReturnType<Ledger['verify']>>;
}

/** The example asserts its own outcome: the order was read, by a role that is gone and that nobody is told of. */
export async function assertOutcome({ rows, verification }: Result): Promise<void> {
  const roles = await postgres.roles();
  const right = JSON.stringify(rows) === '[{"who":"[secret:orders]","id":1}]' && roles.length === 0 && verification.ok;
  process.stdout.write(right ? `As promised: ${verification.records} records, no role left.\n` : 'WRONG\n');
  await stop();
  process.exitCode = right ? 0 : 1;
}
