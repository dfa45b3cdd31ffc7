/**
 * A real HTTP service with an API for its keys. It lets in exactly those that were issued and not revoked.
 */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { LeaseError, Secret, type KeyIssuer } from '../../src/index.ts';

export interface KeyService {
  readonly origin: string;
  /** Ids of the keys that it lets in. */
  live(): readonly string[];
  /** How often each key was let in. */
  readonly uses: Map<string, number>;
  /** Requests that were turned away. */
  readonly rejected: string[];
  /** How often a key was asked for, again or anew. */
  issues: number;
  /** How long a request takes, in milliseconds. */
  latencyMs: number;
  /** Answers 500 to everything about keys. */
  broken: boolean;
  close(): Promise<void>;
}

interface Key {
  readonly id: string;
  readonly value: string;
  revoked: boolean;
}

export async function keyService(first: { readonly id: string; readonly value: string }): Promise<KeyService> {
  const keys = new Map<string, Key>([[first.id, { ...first, revoked: false }]]);
  const service: Omit<KeyService, 'origin' | 'close'> = {
    live: () => [...keys.values()].filter(({ revoked }) => !revoked).map(({ id }) => id),
    uses: new Map(),
    rejected: [],
    issues: 0,
    latencyMs: 0,
    broken: false,
  };
  const use = async ({ headers }: IncomingMessage): Promise<number> => {
    const found = [...keys.values()].find(({ value }) => headers.authorization === `Bearer ${value}`);
    // A key counts when the request arrives, and still when it is answered.
    if (found === undefined || found.revoked) return rejected(found);
    await sleep(service.latencyMs);
    if (found.revoked) return rejected(found);
    service.uses.set(found.id, (service.uses.get(found.id) ?? 0) + 1);
    return 200;
  };
  const rejected = (key: Key | undefined): number => {
    service.rejected.push(key?.id ?? 'unknown');
    return 401;
  };
  const server = createServer((request, response) => {
    const [, kind, id = ''] = (request.url ?? '').split('/');
    void (async () => {
      if (kind === 'use') return response.writeHead(await use(request)).end();
      if (service.broken) return response.writeHead(500).end();
      if (request.method === 'PUT') {
        service.issues += 1;
        // The name is the key's own: asked for twice, there is one.
        const key = keys.get(id) ?? { id, value: `canary-key-${id}`, revoked: false };
        keys.set(id, key);
        return response.end(JSON.stringify({ value: key.value }));
      }
      const key = keys.get(id);
      if (key !== undefined) key.revoked = true;
      return response.end();
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(service, {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  });
}

/** The issuer of its keys, as an operator would write it. */
export function keyIssuer(origin: string, lifeMs: number, reach: (point: string) => void = () => undefined): KeyIssuer {
  const ask = async (method: string, id: string): Promise<Response> => {
    const response = await fetch(`${origin}/keys/${id}`, { method });
    if (!response.ok) throw new LeaseError(`the key service answered ${response.status}`);
    return response;
  };
  return {
    async issue({ rotation }) {
      reach('before-issue');
      const { value } = (await (await ask('PUT', rotation)).json()) as { value: string };
      reach('after-issue');
      return { keyId: rotation, value: new Secret(value), expiresAt: Date.now() + lifeMs };
    },
    async retire({ keyId }) {
      reach('before-retire');
      await ask('DELETE', keyId);
      reach('after-retire');
    },
  };
}
