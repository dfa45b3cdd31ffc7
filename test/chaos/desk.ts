/** A process that takes decisions: over the HTTP API, the console's forms, signed webhook callbacks and Slack. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import process from 'node:process';
import { serveConsole, approverToken } from '@countersign/console';
import { approvalsHttp } from '@countersign/core';
import { slackInteractions } from '@countersign/slack';
import { webhookCallback } from '@countersign/webhook';
import { openStorePatiently } from '../faults/parts.ts';
import { openCodes, unlimited } from './channels.ts';
import { moodyStore, openApprovals, personNamed, personOfSlack, type ChaosInput } from './parts.ts';

const input = JSON.parse(process.argv[2] ?? '{}') as ChaosInput;
process.once('disconnect', () => process.exit(0));
process.once('SIGTERM', () => process.exit(0));

const approvals = openApprovals(input, moodyStore(await openStorePatiently(input), input.seed));
const limits = { reads: unlimited, decisions: unlimited, failures: unlimited };
const api = createServer(approvalsHttp(approvals, { tenant: 'acme', limits }));

const { slack, webhook } = input;
const callback = webhookCallback({
  ...{ approvals, tenant: 'acme', secret: webhook.callbackSecret, approverFor: personNamed },
});
const interactions = slackInteractions({
  ...{ approvals, tenant: 'acme', token: slack.token, slackApiUrl: slack.url, timeoutMs: 1_000 },
  ...{ appId: slack.appId, team: slack.team, signingSecret: slack.signingSecret },
  approverFor: ({ user }) => personOfSlack(user),
});
const hooks = createServer((incoming, response) => {
  const handler = incoming.url === '/slack' ? interactions.fetch : callback;
  answer(handler, incoming, response).catch(() => response.destroy());
});
api.listen(input.ports.api, '127.0.0.1');
hooks.listen(input.ports.hooks, '127.0.0.1');
await serveConsole({
  service: approvals,
  signIn: [approverToken({ authenticate: personNamed }), openCodes(input, approvals)],
  tenant: 'acme',
  signInLimit: unlimited,
  port: input.ports.console,
});
process.send?.('ready');

async function answer(
  handler: (request: Request) => Promise<Response>,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
  const headers = Object.entries(incoming.headers).flatMap(([name, value]) =>
    typeof value === 'string' ? [[name, value] as [string, string]] : [],
  );
  const { method = 'GET' } = incoming;
  const body = method === 'GET' ? {} : { body: Buffer.concat(chunks) };
  const given = await handler(new Request(`http://127.0.0.1${incoming.url ?? '/'}`, { method, headers, ...body }));
  response.writeHead(given.status, Object.fromEntries(given.headers)).end(await given.text());
}
