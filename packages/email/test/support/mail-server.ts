/**
 * A real SMTP server on this machine, with the mailboxes of those who read mail.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import PostalMime, { type Email } from 'postal-mime';
import { generate } from 'selfsigned';
import { SMTPServer } from 'smtp-server';

export interface Received {
  /** Of the envelope: who got it, whatever the headers say. */
  readonly to: readonly string[];
  readonly from: string;
  readonly secure: boolean;
  readonly raw: string;
  readonly mail: Email;
}

export interface MailServerOptions {
  readonly tls?: { readonly key: string; readonly cert: string };
  readonly login?: { readonly user: string; readonly pass: string };
}

export type MailServerState = 'well' | 'down' | 'hanging';

export interface MailServer {
  readonly port: number;
  readonly received: Received[];
  /** Addresses that are refused, as unknown mailboxes are. */
  readonly unknown: Set<string>;
  /** `down`: answers 421 to everybody. `hanging`: takes connections and never greets. */
  become(state: MailServerState): void;
  readonly close: () => Promise<void>;
}

/** A certificate of a private CA for `mail.example` and this machine. */
export async function certificate(): Promise<{ readonly key: string; readonly cert: string }> {
  const altNames = [
    { type: 2, value: 'mail.example' },
    { type: 2, value: 'localhost' },
    { type: 7, ip: '127.0.0.1' },
  ] as const;
  const made = await generate([{ name: 'commonName', value: 'mail.example' }], {
    keyType: 'ec',
    extensions: [{ name: 'subjectAltName', altNames: [...altNames] }],
  });
  return { key: made.private, cert: made.cert };
}

export async function mailServer({ tls, login }: MailServerOptions = {}): Promise<MailServer> {
  const received: Received[] = [];
  const unknown = new Set<string>();
  let state: MailServerState = 'well';
  const hanging = new Set<Socket>();
  const smtp = new SMTPServer({
    ...tls,
    logger: false,
    authOptional: login === undefined,
    disabledCommands: [...(tls === undefined ? ['STARTTLS'] : []), ...(login === undefined ? ['AUTH'] : [])],
    onAuth({ username, password }, _session, callback) {
      if (username === login?.user && password === login?.pass) callback(null, { user: username });
      // A server that repeats what it got.
      else callback(Object.assign(new Error(`535 no such login ${username} ${password}`), { responseCode: 535 }));
    },
    onConnect(_session, callback) {
      callback(state === 'down' ? Object.assign(new Error('come back later'), { responseCode: 421 }) : null);
    },
    onRcptTo({ address }, _session, callback) {
      callback(unknown.has(address) ? Object.assign(new Error('no such mailbox'), { responseCode: 550 }) : null);
    },
    onData(stream, session, answer) {
      const take = async (): Promise<void> => {
        const chunks: Buffer[] = [];
        for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
        const raw = Buffer.concat(chunks);
        const { mailFrom, rcptTo } = session.envelope;
        received.push({
          to: rcptTo.map(({ address }) => address),
          from: mailFrom === false ? '' : mailFrom.address,
          secure: session.secure,
          raw: raw.toString('utf8'),
          mail: await PostalMime.parse(raw),
        });
      };
      take().then(
        () => answer(),
        (error: Error) => answer(error),
      );
    },
  });
  smtp.on('error', () => undefined);
  // In front of it, so that a greeting can be held back.
  const front: Server = createServer((socket) => {
    socket.on('error', () => undefined);
    if (state !== 'hanging') return void smtp.server.emit('connection', socket);
    hanging.add(socket);
    socket.on('close', () => hanging.delete(socket));
  });
  front.listen(0, '127.0.0.1');
  await once(front, 'listening');
  return {
    port: (front.address() as AddressInfo).port,
    received,
    unknown,
    become: (next) => void (state = next),
    async close() {
      for (const socket of hanging) socket.destroy();
      for (const { _socket: socket } of smtp.connections as Iterable<{ _socket: Socket }>) socket.destroy();
      await new Promise<void>((resolve) => front.close(() => resolve()));
    },
  };
}
