/** A service that takes webhooks: checks their signature, and answers as it can at the moment. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { signerOf } from '../../packages/webhook/src/secret.ts';

export interface News {
  readonly type: 'approval.opened' | 'approval.closed';
  readonly data: { readonly id: string; readonly digest: string; readonly state: string; readonly summary: string };
}

export type ReceiverState = 'well' | 'down' | 'hanging' | 'losing';

export interface Receiver {
  readonly url: string;
  /** Only what was answered with 2xx. */
  readonly news: readonly News[];
  /** Called with each, too. */
  onNews: (news: News) => void;
  become(state: ReceiverState): void;
  close(): Promise<void>;
}

export async function openReceiver(secret: string): Promise<Receiver> {
  const signer = signerOf(secret);
  const news: News[] = [];
  let state: ReceiverState = 'well';
  async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    if (state === 'hanging') return;
    if (state === 'down') return void response.writeHead(503).end();
    if (state === 'losing') return void request.socket.destroy();
    const body = Buffer.concat(chunks).toString('utf8');
    const told = signer.verify(body, request.headers as Record<string, string>) as News;
    news.push(told);
    response.writeHead(204).end();
    self.onNews(told);
  }
  const server = createServer((request, response) => {
    take(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const self: Receiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    news,
    onNews: () => undefined,
    become: (next) => void (state = next),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return self;
}
