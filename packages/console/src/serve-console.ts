/**
 * The console as a server of its own.
 * @module
 */
import type { AddressInfo } from 'node:net';
import { serve, type Http2Bindings, type HttpBindings } from '@hono/node-server';
import { ConfigurationError } from '@countersign/core';
import { waysOf } from './ways.ts';
import { createConsole, type ConsoleOptions } from './console.ts';

export interface ServeConsoleOptions extends Omit<ConsoleOptions, 'url'> {
  /** Where browsers reach it. Default: `http://127.0.0.1:<port>`. */
  readonly url?: string;
  /** Address to listen on. Default `127.0.0.1`; another one needs `url` with https, and TLS terminated in front. */
  readonly hostname?: string;
  /** Default: any free one. */
  readonly port?: number;
}

export interface ServedConsole {
  readonly url: string;
  /** Ends open streams too. */
  close(): Promise<void>;
}

const loopback = '127.0.0.1';

/** @throws ConfigurationError as `createConsole`; the error of the socket when the address is taken */
export async function serveConsole(options: ServeConsoleOptions): Promise<ServedConsole> {
  const { hostname = loopback, port = 0, url } = options;
  if (hostname !== loopback && (url === undefined || waysOf(options.signIn).loopbackOnly)) {
    throw new ConfigurationError(`a console that listens on ${hostname} needs its url, and a sign-in made for that`);
  }
  let answer: (request: Request) => Promise<Response> = async () => new Response(undefined, { status: 503 });
  const addresses = new WeakMap<Request, string | undefined>();
  const server = serve({
    fetch(request: Request, { incoming }: HttpBindings | Http2Bindings) {
      addresses.set(request, incoming.socket.remoteAddress);
      return answer(request);
    },
    hostname,
    port,
    overrideGlobalObjects: false,
  });
  await new Promise<void>((resolve, reject) => {
    server.once('listening', resolve);
    server.once('error', reject);
  });
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      if ('closeAllConnections' in server) server.closeAllConnections();
    });
  try {
    const created = createConsole({
      addressOf: (request) => addresses.get(request),
      ...options,
      url: url ?? `http://${loopback}:${(server.address() as AddressInfo).port}`,
    });
    answer = async (request) => created.fetch(request);
    return { url: created.url, close };
  } catch (error) {
    await close();
    throw error;
  }
}
