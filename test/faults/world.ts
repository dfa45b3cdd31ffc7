/**
 * The world that the tools touch, and what the workers were told: an HTTP server in the process of the harness, which no
 * fault touches. What it has heard of has happened.
 */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A tool's body was entered, and did what it does. */
export interface Effect {
  readonly callKey: string;
  readonly callId: string;
  readonly tool: string;
  /** JSON text of what it was given. */
  readonly arguments?: string;
}

/** What a worker was answered for a call. */
export interface Told {
  readonly callId: string;
  readonly callKey: string | undefined;
  readonly status: string;
  readonly reason?: string;
}

export interface World {
  readonly url: string;
  readonly effects: readonly Effect[];
  readonly told: readonly Told[];
  /** Leases that the provider has issued and not revoked. */
  readonly credentials: ReadonlySet<string>;
  /** Every lease that it ever issued. */
  readonly issued: readonly string[];
  close(): Promise<void>;
}

export async function openWorld(): Promise<World> {
  const effects: Effect[] = [];
  const told: Told[] = [];
  const issued: string[] = [];
  const credentials = new Set<string>();
  const hear: Readonly<Record<string, (message: unknown) => void>> = {
    '/effect': (message) => void effects.push(message as Effect),
    '/told': (message) => void told.push(message as Told),
    '/issue': (message) => {
      const { lease } = message as { lease: string };
      issued.push(lease);
      credentials.add(lease);
    },
    '/revoke': (message) => void credentials.delete((message as { lease: string }).lease),
  };
  const server = createServer((request, response) => {
    bodyOf(request).then(
      (body) => {
        hear[request.url ?? '']?.(JSON.parse(body));
        response.end('{}');
      },
      // Its sender was killed in the middle of a sentence.
      () => response.destroy(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ...{ effects, told, credentials, issued },
    async close() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  if (!request.complete) throw new Error('cut off');
  return Buffer.concat(chunks).toString('utf8');
}

/** From a worker. */
export async function tell(url: string, what: string, message: object): Promise<void> {
  const response = await fetch(`${url}/${what}`, { method: 'POST', body: JSON.stringify(message) });
  await response.arrayBuffer();
}
