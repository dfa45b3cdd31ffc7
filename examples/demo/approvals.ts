/**
 * The approvals service: a second process on the same SQLite file. It alone holds the key that signs votes.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { approvalsHttp, approverFile, createApprovals, readKeyFile } from '@countersign/core';
import { sqliteStore } from '@countersign/core/sqlite';
import { started } from './process.ts';

const { place, report } = started();
const approvals = createApprovals({
  store: sqliteStore({ path: place.store }),
  signingKey: readKeyFile(place.voteKey),
  approvers: approverFile(place.approvers),
  audit: { key: readKeyFile(place.auditKey) },
});
const server = createServer(approvalsHttp(approvals, { tenant: 'acme' }));
server.listen(0, '127.0.0.1', () => report({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }));
