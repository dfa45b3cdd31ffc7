/**
 * Sending one mail: over TLS, in bounded time, and with errors that tell nothing that a server said.
 * @module
 */
import { createTransport, type SendMailOptions, type SMTPTransportOptions } from 'nodemailer';
import { ConfigurationError } from '@countersign/core';
import { isLoopback } from '@countersign/core/channel';

/** A transporter of nodemailer, e.g. one with a pool. Its TLS is its owner's affair. */
export interface MailTransporter {
  sendMail(mail: SendMailOptions): Promise<{ readonly accepted?: readonly unknown[] | undefined }>;
}

export type MailTransport = SMTPTransportOptions | MailTransporter;

export type Send = (mail: SendMailOptions) => Promise<void>;

/** What went wrong with one mail: codes only. A server's words may repeat a password or an address. */
class MailFailed extends Error {
  constructor(cause: unknown) {
    super(`the mail was not accepted: ${codesOf(cause)}`);
    this.name = 'MailFailed';
  }
}

/**
 * @param timeoutMs for DNS, connection, greeting, TLS and the answer together; a transporter of somebody's own may not keep it
 */
export function createSend(transport: MailTransport, timeoutMs: number): Send {
  const transporter = isTransporter(transport) ? transport : createTransport(checked(transport, timeoutMs));
  return async (mail) => {
    try {
      const { accepted = [] } = await transporter.sendMail({ ...mail, signal: AbortSignal.timeout(timeoutMs) });
      if (accepted.length !== 1) throw Object.assign(new Error(), { code: 'EENVELOPE' });
    } catch (error) {
      throw new MailFailed(error);
    }
  };
}

function isTransporter(transport: MailTransport): transport is MailTransporter {
  return typeof (transport as Partial<MailTransporter>).sendMail === 'function';
}

function checked(options: SMTPTransportOptions, timeoutMs: number): SMTPTransportOptions {
  const { host, service, url, tls } = options;
  if (url !== undefined || (host === undefined && service === undefined)) {
    throw new ConfigurationError('a mail transport names its host (or a service), port and auth, and no url');
  }
  if (options.ignoreTLS === true || options.opportunisticTLS === true || tls?.rejectUnauthorized === false) {
    throw new ConfigurationError('mail goes over TLS with a valid certificate: for a private CA give tls.ca');
  }
  return {
    ...options,
    requireTLS: options.requireTLS === true || !isLoopback(host ?? ''),
    ...{ connectionTimeout: timeoutMs, greetingTimeout: timeoutMs, socketTimeout: timeoutMs, dnsTimeout: timeoutMs },
    // Logs would hold codes and passwords.
    ...{ logger: false, debug: false, transactionLog: false },
  };
}

function codesOf(error: unknown): string {
  const { code, originalCode, responseCode } = (error ?? {}) as Readonly<Record<string, unknown>>;
  const names = [code, originalCode].filter((name) => typeof name === 'string' && /^[A-Z][A-Z0-9_]{2,40}$/.test(name));
  const status = typeof responseCode === 'number' ? [String(responseCode)] : [];
  const all = [...new Set([...names, ...status])];
  return all.length === 0 ? 'no reason that may be shown' : all.join(' ');
}
