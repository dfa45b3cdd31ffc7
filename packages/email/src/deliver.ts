/**
 * Mails out, a few at a time and all within one time.
 * @module
 */
import type { SendMailOptions } from 'nodemailer';
import { within } from '@countersign/core/channel';
import { isAddress } from './address.ts';
import type { Sent } from './delivered.ts';
import type { MailContent } from './message.ts';
import type { Send } from './transport.ts';

/** Where one approver reads mail. */
export interface MailRecipient {
  /** Id of the approver, in the tenant of the request. */
  readonly approver: string;
  /** One plain address (RFC 5321 dot-string), without a name. */
  readonly address: string;
}

export interface Sender {
  readonly name: string;
  readonly address: string;
}

export interface Mail {
  readonly recipient: MailRecipient;
  readonly tag: string;
  /** Message-ID without its brackets. */
  readonly id: string;
  /** Message-ID of the request that this mail follows. */
  readonly root: string;
}

export interface Failed {
  readonly mail: Mail;
  readonly why: string;
}

/** Answers the mails that no server took; those that one took before are left out. */
export type Deliver = (mails: readonly Mail[], contentFor: (mail: Mail) => MailContent) => Promise<readonly Failed[]>;

const parallel = 5;
const late = 'the time was up';

export function createDelivery(parts: {
  readonly send: Send;
  readonly sent: Sent;
  readonly from: Sender;
  readonly timeoutMs: number;
}): Deliver {
  const { send, sent, from, timeoutMs } = parts;
  return async (mails, contentFor) => {
    const failed: Failed[] = [];
    const waiting = mails.filter(({ id }) => !sent.has(id));
    const until = performance.now() + timeoutMs;
    const one = async (mail: Mail): Promise<void> => {
      if (!isAddress(mail.recipient.address)) throw new Error('an address is not one plain address');
      const left = until - performance.now();
      if (left <= 0) throw new Error(late);
      // Noted also when it is accepted after the time: nobody is to have it twice.
      const sending = send(composed(from, mail, contentFor(mail))).then(() => sent.add(mail.id));
      await within(sending, left, () => new Error(late));
    };
    const work = async (): Promise<void> => {
      for (let mail = waiting.shift(); mail !== undefined; mail = waiting.shift()) {
        try {
          await one(mail);
        } catch (error) {
          failed.push({ mail, why: error instanceof Error ? error.message : 'unknown' });
        }
      }
    };
    await Promise.all(Array.from({ length: parallel }, work));
    return failed;
  };
}

function composed(from: Sender, { recipient: { address }, id, root }: Mail, content: MailContent): SendMailOptions {
  return {
    ...content,
    from,
    to: { name: '', address },
    // Not left to what a parser makes of the headers.
    envelope: { from: from.address, to: [address] },
    messageId: `<${id}>`,
    ...(id === root ? {} : { inReplyTo: `<${root}>`, references: [`<${root}>`] }),
    // RFC 3834 §5, and what Exchange reads: no vacation notes, no receipts.
    headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
    xMailer: false,
    ...{ disableFileAccess: true, disableUrlAccess: true },
  };
}

export function describe(failed: readonly Failed[], due: readonly Mail[]): string {
  const reasons = [...new Set(failed.map(({ why }) => why))].slice(0, 3);
  return `${failed.length} of ${due.length} mails were not accepted: ${reasons.join('; ')}`;
}
