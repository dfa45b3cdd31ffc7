/**
 * The approvals service: a second process on the same SQLite file. It alone holds the key that signs votes. It answers the
 * `countersign` command over HTTP, and people in their browsers.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { approvalsHttp, approverFile, createApprovals, policyFile, readKeyFile } from '@countersign/core';
import { sqliteStore } from '@countersign/core/sqlite';
import { oneTimeCode, serveConsole } from '@countersign/console';
import { approver, policyPath, tenant } from './place.ts';
import { started } from './process.ts';

/** What the service tells its parent, each when it changes. */
export interface ApprovalsReport {
  /** Where the command finds it. */
  readonly url?: string;
  /** Where browsers find the console. */
  readonly console?: string;
  /** Signs the approver in there, once. */
  readonly code?: string;
  /** Requests that wait for a person. */
  readonly waiting?: number;
}

const lookMs = 250;

const { place, report: tell } = started();
const report = (message: ApprovalsReport): void => tell(message);
const store = sqliteStore({ path: place.store });
const policy = policyFile(policyPath);
const approvals = createApprovals({
  store,
  policy,
  signingKey: readKeyFile(place.voteKey),
  approvers: approverFile(place.approvers),
  audit: { key: readKeyFile(place.auditKey) },
});

const server = createServer(approvalsHttp(approvals, { tenant }));
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
let code: string | undefined;
let ready = false;
const { url } = await serveConsole({
  service: approvals,
  policy,
  tenant,
  signIn: oneTimeCode({
    approver: { tenant, id: approver },
    print(made) {
      code = made;
      // The first one is told together with the address.
      if (ready) report({ code });
    },
  }),
});
report({
  url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  console: url,
  ...(code === undefined ? {} : { code }),
});
ready = true;

let told = 0;
async function look(): Promise<void> {
  const { length } = await store.approvals(tenant, { state: 'pending' });
  if (length !== told) report({ waiting: length });
  told = length;
}
// A store that does not answer is asked again.
setInterval(() => void look().catch(() => undefined), lookMs);

// Of a flood of guesses most are only counted, and written within a minute: it may end before that.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void approvals.flush().finally(() => process.exit(0)));
}
