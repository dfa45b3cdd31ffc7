/**
 * The approvals API on a real server, and bytes written to it as they are.
 */
import { createServer, request } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { approvalsHttp, type Approvals, type ApprovalsHttpOptions } from '../../src/index.ts';

export interface Served {
  readonly url: string;
  /** Asks as somebody, `carol` unless it says otherwise; an empty token sends none. */
  readonly ask: (path: string, init?: RequestInit & { readonly token?: string }) => Promise<Response>;
  /** POSTs a JSON text, as carol. */
  readonly post: (path: string, body: unknown, headers?: Readonly<Record<string, string>>) => Promise<Response>;
  /** Sends the head of such a POST; the body when it is called, and then answers the status. */
  readonly begin: (path: string, body: unknown) => () => Promise<number | undefined>;
  /** Sends these bytes and answers everything that comes back until the server closes. */
  readonly raw: (bytes: string | Buffer) => Promise<string>;
}

export async function serve(
  approvals: Pick<Approvals, 'authenticate' | 'recordRefused'>,
  options: Partial<ApprovalsHttpOptions> = {},
): Promise<Served> {
  const server = createServer(approvalsHttp(approvals, { tenant: 'acme', ...options }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  const ask: Served['ask'] = (path, { token = 'carol-token', headers, ...init } = {}) =>
    fetch(`${url}${path}`, {
      ...init,
      headers: { ...(token === '' ? {} : { authorization: `Bearer ${token}` }), ...(headers as object) },
    });
  return {
    url,
    ask,
    post: (path, body, headers = {}) =>
      ask(path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    begin(path, body) {
      const text = JSON.stringify(body);
      const length = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
      const sent = request(`${url}${path}`, {
        method: 'POST',
        headers: { authorization: 'Bearer carol-token', ...length },
      });
      const status = new Promise<number | undefined>((resolve, reject) => {
        sent.once('response', (response) => resolve(response.resume().statusCode));
        sent.once('error', reject);
      });
      sent.flushHeaders();
      return () => {
        sent.end(text);
        return status;
      };
    },
    raw: (bytes) =>
      new Promise((resolve, reject) => {
        const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
        const chunks: Buffer[] = [];
        socket.on('data', (chunk) => chunks.push(chunk));
        socket.once('error', reject);
        socket.once('close', () => resolve(Buffer.concat(chunks).toString()));
      }),
  };
}
