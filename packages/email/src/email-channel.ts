/**
 * Tells approvers by e-mail. One mail for each person; what a mail carries decides nothing.
 * @module
 */
import { ConfigurationError, type ApprovalChannel, type ApprovalNotice } from '@countersign/core';
import { consoleAddress, PartlyTold, within } from '@countersign/core/channel';
import { requireAddress } from './address.ts';
import { createDelivery, describe, type Mail, type MailRecipient, type Sender } from './deliver.ts';
import { createSent, hashOf, referenceOf, tagOf, toldIn } from './delivered.ts';
import type { MailCodes } from './mail-codes.ts';
import { closedMail, openedMail } from './message.ts';
import { createSend, type MailTransport } from './transport.ts';

export interface EmailChannelOptions {
  /**
   * Options of nodemailer's SMTP transport, or a transporter. Options go over TLS with a checked certificate, unless the
   * host is this machine.
   */
  readonly transport: MailTransport;
  /** A plain address, or one with a name. */
  readonly from: string | Sender;
  /** Who is told of a request, as of now. */
  readonly recipients: (notice: ApprovalNotice) => readonly MailRecipient[] | Promise<readonly MailRecipient[]>;
  /** Where browsers reach the console. https, or http on this machine. */
  readonly consoleUrl: string;
  /** Puts a code into each mail that signs its reader in for that request alone. Default: none. */
  readonly codes?: Pick<MailCodes, 'issue'>;
  /** Default `email`. */
  readonly name?: string;
  /** For all mails of one message together. Default 8 000 ms, below the notifier's own 10 000. */
  readonly timeoutMs?: number;
}

/**
 * Rejects unless a server took every mail; the notifier asks again, and whoever has the mail is left out.
 * @throws ConfigurationError
 */
export function emailChannel(options: EmailChannelOptions): ApprovalChannel {
  const { name = 'email', timeoutMs = 8_000 } = options;
  const from = senderOf(options.from);
  const base = consoleAddress(options.consoleUrl);
  const sent = createSent();
  const deliver = createDelivery({ send: createSend(options.transport, timeoutMs), sent, from, timeoutMs });
  const host = from.address.slice(from.address.lastIndexOf('@') + 1);
  const idOf = (parts: readonly string[]): string =>
    `${hashOf([name, ...parts])
      .toString('hex')
      .slice(0, 40)}@${host}`;

  /** @param kind what the mail says, beyond that there is a request; the first mail of a request says nothing more */
  async function mailsFor(notice: ApprovalNotice, kind: (tag: string) => readonly string[]): Promise<readonly Mail[]> {
    const recipients = await within(Promise.resolve(options.recipients(notice)), timeoutMs);
    const mails = recipients.map((recipient) => {
      const person = [notice.id, recipient.approver, String(recipient.address)];
      const tag = tagOf(person);
      return { recipient, tag, id: idOf([...person, ...kind(tag)]), root: idOf(person) };
    });
    return mails.filter(({ id }, index) => mails.findIndex((other) => other.id === id) === index);
  }

  async function opened(notice: ApprovalNotice, reference: string | undefined): Promise<string> {
    const digest = tagOf([notice.digest]);
    const told = toldIn(reference);
    // After an edit the arguments are others, and the code in the first mail is void.
    const changed = told.digest !== '' && told.digest !== digest;
    const mails = await mailsFor(notice, (tag) => (changed && told.tags.has(tag) ? [notice.digest] : []));
    const due = mails.filter(({ tag }) => changed || !told.tags.has(tag));
    const link = linkTo(base, notice);
    const shared = sharedAddresses(mails);
    const failed = await deliver(due, ({ recipient: { approver, address } }) => {
      const code = shared.has(address.toLowerCase()) ? undefined : options.codes?.issue({ notice, approver });
      return openedMail(notice, link, code);
    });
    const missing = new Set(failed.map(({ mail }) => mail));
    const has = mails.filter((mail) => !missing.has(mail)).map(({ tag }) => tag);
    const next = referenceOf({ digest, tags: new Set(changed ? has : [...told.tags, ...has]) });
    if (failed.length === 0) return next;
    throw new PartlyTold(describe(failed, due), next);
  }

  async function closed(notice: ApprovalNotice, reference: string | undefined): Promise<void> {
    const { tags, digest } = toldIn(reference);
    const all = await mailsFor(notice, () => [notice.state]);
    const had = all.filter(({ tag, root }) => tags.has(tag) || sent.has(root));
    // When nobody is known to have the request, all are told how it ended: once too often is better than not at all.
    const due = had.length === 0 && tags.size === 0 ? all : had;
    const link = linkTo(base, notice);
    const failed = await deliver(due, () => closedMail(notice, link));
    if (failed.length === 0) return;
    // From here on the reference names those who are still to hear of the end, and nobody else is told again.
    const waiting = new Set(failed.map(({ mail }) => mail.tag));
    throw new PartlyTold(
      describe(failed, due),
      referenceOf({ digest: digest || tagOf([notice.digest]), tags: waiting }),
    );
  }

  return { name, opened, closed };
}

/** A mailbox that two approvers read proves neither of them. */
function sharedAddresses(mails: readonly Mail[]): ReadonlySet<string> {
  const approvers = new Map<string, string>();
  const shared = new Set<string>();
  for (const { approver, address } of mails.map(({ recipient }) => recipient)) {
    const mailbox = String(address).toLowerCase();
    if ((approvers.get(mailbox) ?? approver) !== approver) shared.add(mailbox);
    approvers.set(mailbox, approver);
  }
  return shared;
}

function senderOf(from: EmailChannelOptions['from']): Sender {
  const { name, address } = typeof from === 'string' ? { name: '', address: from } : from;
  if (/[\p{Cc}<>"]/u.test(name)) throw new ConfigurationError('the name of a sender is plain text in one line');
  return { name, address: requireAddress('the sender', address) };
}

function linkTo(base: string, { id }: ApprovalNotice): string {
  return `${base}/approvals/${encodeURIComponent(id)}`;
}
