/**
 * The operations service: tickets, deployments, customers. It knows nothing of Countersign but one public key and the
 * list of revoked leases, and does nothing without a token for exactly this operation with exactly these arguments.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { argumentsDigest, verifyMintedToken } from '@countersign/core';
import { leaseAudience, leaseIssuer, readLeasePublicKey } from './place.ts';
import { started } from './process.ts';

/** What the service wrote down about one request. */
export interface ServiceEntry {
  readonly operation: string;
  readonly status: number;
  readonly tool?: string;
  readonly user?: string;
  readonly agent?: string;
  readonly lease?: string;
  readonly refused?: string;
}

interface Operation {
  readonly capability: string;
  perform(args: Readonly<Record<string, unknown>>): object;
}

const { place, report } = started();
const keys = readLeasePublicKey(place);
const comments: unknown[] = [];
const deployments: unknown[] = [];

const operations: Readonly<Record<string, Operation>> = {
  '/tickets/read': {
    capability: 'tickets:ticket:read',
    perform: ({ ticket }) => ({ ticket, title: 'Customers cannot pay since 1.4.1', state: 'open' }),
  },
  '/tickets/comment': {
    capability: 'tickets:comment:create',
    perform: (args) => ({ comment: comments.push(args), ticket: args['ticket'] }),
  },
  '/deployments/create': {
    capability: 'deploy:production:create',
    perform: (args) => ({ deployment: deployments.push(args), ...args }),
  },
  '/customers/delete': { capability: 'customers:record:delete', perform: () => ({ deleted: true }) },
};

async function handle(request: IncomingMessage): Promise<{ readonly status: number; readonly body: object }> {
  const path = request.url ?? '';
  const operation = Object.hasOwn(operations, path) ? operations[path] : undefined;
  if (operation === undefined || request.method !== 'POST')
    return { status: 404, body: { error: 'no such operation' } };
  try {
    const args = JSON.parse(await textOf(request)) as Readonly<Record<string, unknown>>;
    const { tool, user, agent, lease } = await verifyMintedToken({
      token: /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '',
      keys,
      issuer: leaseIssuer,
      audience: leaseAudience,
      capability: operation.capability,
      argumentsDigest: argumentsDigest(args),
      revocations: { has: (id) => readFileSync(place.revocations, 'utf8').split('\n').includes(id) },
    });
    const body = operation.perform(args);
    log({ operation: path, status: 200, tool, user, agent, lease });
    return { status: 200, body };
  } catch (error) {
    log({ operation: path, status: 401, refused: error instanceof Error ? error.message : String(error) });
    return { status: 401, body: { error: 'a valid token for this operation is needed' } };
  }
}

function log(entry: ServiceEntry): void {
  appendFileSync(place.serviceLog, `${JSON.stringify(entry)}\n`);
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

const server = createServer((request, response) => {
  void handle(request).then(({ status, body }) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  });
});
server.listen(0, '127.0.0.1', () => report({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }));
