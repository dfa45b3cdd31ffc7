/**
 * A database login that OpenBao makes for one call and ends with it. `setup.ts` starts the two servers.
 */
import { assertOutcome, database, readSecretId, roleId, vaultAddress } from './setup.ts';
// #region vault
import { createCountersign, currentLease, policyFile, readKeyFile, resultOf } from '@countersign/core';
import { sqliteStore } from '@countersign/core/sqlite';
import { appRole, vaultConnection, vaultDynamicProvider } from '@countersign/vault';
import pg from 'pg';

const acme = vaultConnection({ address: vaultAddress, login: appRole({ roleId, secretId: readSecretId }) });
const orders = vaultDynamicProvider({
  tenants: { acme },
  services: {
    orders: { mount: 'database', roles: [{ scope: { access: 'read' }, role: 'orders-reader' }] },
  },
});
const countersign = createCountersign({
  policy: policyFile('policy.yaml'),
  store: sqliteStore({ path: 'countersign.sqlite' }),
  credentials: [orders],
  audit: { key: readKeyFile('audit.key') },
});

async function listOrders(): Promise<unknown[]> {
  const { username: user, password } = JSON.parse(currentLease('orders').secret.reveal()) as Record<string, string>;
  const client = new pg.Client({ ...database, user, password });
  await client.connect();
  try {
    return (await client.query('SELECT current_user AS who, id FROM orders')).rows;
  } finally {
    await client.end();
  }
}

const gate = countersign.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: countersign.newRun() });
const tool = { name: 'listOrders', source: 'local' }; // an adapter makes this of a framework's tool call
const call = { tool, callId: 'call_1', step: '#1', origin: 'model', arguments: {} } as const;
const rows = resultOf(await gate.execute(call, listOrders), 'support');
// #endregion

const verification = await countersign.ledger.verify('acme');
await countersign.close();
await assertOutcome({ rows, verification });
