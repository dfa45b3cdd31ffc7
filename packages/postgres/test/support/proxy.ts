/** A TCP proxy in front of the server that can cut a connection at an exact point of the protocol. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/**
 * `before`: the COMMIT never reaches the server. `after`: it does, and its answer does not come back. `hang`: the server
 * gets nothing any more, and the connection stays open.
 */
export type Cut = 'none' | 'before commit' | 'after commit' | 'hang';

export interface Proxy {
  readonly port: number;
  cut: Cut;
  /** How long each answer of the server is kept back, in milliseconds. */
  delayMs: number;
  /** How many connections were cut. */
  readonly cuts: number;
  close(): Promise<void>;
}

export async function startProxy(target: number): Promise<Proxy> {
  const sockets = new Set<Socket>();
  let cuts = 0;
  const proxy: { -readonly [Key in keyof Proxy]: Proxy[Key] } = {
    port: 0,
    cut: 'none',
    delayMs: 0,
    get cuts() {
      return cuts;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    let deaf = false;
    client.on('data', (chunk) => {
      if (proxy.cut === 'hang') return;
      if (proxy.cut !== 'none' && chunk.includes('COMMIT')) {
        cuts += 1;
        const how = proxy.cut;
        // One transaction; what comes next goes through.
        proxy.cut = 'none';
        deaf = true;
        if (how === 'before commit') {
          client.destroy();
          return;
        }
        upstream.write(chunk);
        upstream.once('data', () => client.destroy());
        return;
      }
      upstream.write(chunk);
    });
    const answer = (chunk: Buffer): void => {
      if (!deaf && proxy.cut !== 'hang' && !client.destroyed) client.write(chunk);
    };
    upstream.on('data', (chunk: Buffer) => {
      if (proxy.delayMs === 0) answer(chunk);
      else setTimeout(() => answer(chunk), proxy.delayMs);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  proxy.port = (server.address() as AddressInfo).port;
  return proxy;
}
