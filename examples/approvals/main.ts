/**
 * A function in no framework that a person has to approve: the approvals service, a person with the `countersign`
 * command, and the call that waits for them.
 */
import { assertOutcome, deploy, policy, port, actAsPerson } from './setup.ts';
// #region readme
import { createServer } from 'node:http';
import { approvalsHttp, approverFile, createApprovals, readKeyFile } from '@countersign/core';
import { sqliteStore } from '@countersign/core/sqlite';

const approvals = createApprovals({
  store: sqliteStore({ path: 'countersign.sqlite' }), // the one that the agents use
  signingKey: readKeyFile('votes.key'), // the agents get its public half, approvals.publicKey
  approvers: approverFile('approvers.json'), // mode 0600: ids and digests of tokens, made by createApproverToken()
  audit: { key: readKeyFile('audit.key') }, // the agents' key, to show what they asked for
});
const server = createServer(approvalsHttp(approvals, { tenant: 'acme' })).listen(port, '127.0.0.1');
// #endregion
// #region function
import { createCountersign, requireCapability } from '@countersign/core';

const countersign = createCountersign({
  policy,
  store: sqliteStore({ path: 'countersign.sqlite' }),
  approvals: { keys: [approvals.publicKey] },
  audit: { key: readKeyFile('audit.key') },
});
const gate = countersign.gate({ tenant: 'acme', user: 'alice', agent: 'releases', run: countersign.newRun() });
const guardedDeploy = requireCapability(gate, 'deploy:staging:create')(deploy);
const deployed = guardedDeploy({ version: '1.4.2' }); // waits, by default for 5 minutes
// #endregion

await actAsPerson(server);
process.stdout.write(`${await deployed}\n`);
const verification = await countersign.ledger.verify('acme');
server.close();
await approvals.flush();
await countersign.close();
assertOutcome(verification);
