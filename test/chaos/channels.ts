/** The real channels, as a process of the chaos test opens them. */
import { createWriteStream } from 'node:fs';
import { createRateLimit } from '@countersign/core/channel';
import { terminalChannel, type ApprovalChannel, type Approvals } from '@countersign/core';
import { emailChannel, mailCodes, type MailCodes } from '@countersign/email';
import { slackChannel } from '@countersign/slack';
import { dangerouslyPostToLoopback, webhookChannel } from '@countersign/webhook';
import { eligible, mailbox, personNamed, slackChannelId, type ChaosInput } from './parts.ts';

export function openCodes({ mailKey }: ChaosInput, approvals: Approvals): MailCodes {
  const approvers = () => eligible.flatMap((id) => personNamed(id) ?? []);
  return mailCodes({ key: Buffer.from(mailKey, 'hex'), tenant: 'acme', approvals, approvers });
}

const timeoutMs = 700;

export function openChannels(input: ChaosInput, approvals: Approvals): readonly ApprovalChannel[] {
  const { webhook, slack } = input;
  return [
    webhookChannel({ url: webhook.url, secret: webhook.secret, timeoutMs, [dangerouslyPostToLoopback]: true }),
    slackChannel({ token: slack.token, slackApiUrl: slack.url, channel: slackChannelId, timeoutMs }),
    emailChannel({
      transport: { host: '127.0.0.1', port: input.smtpPort },
      from: 'approvals@acme.example',
      recipients: () => [{ approver: 'frank', address: mailbox }],
      consoleUrl: `http://127.0.0.1:${input.ports.console}`,
      codes: openCodes(input, approvals),
      timeoutMs,
    }),
    terminalChannel({ output: createWriteStream(input.terminal, { flags: 'a' }), timeoutMs }),
  ];
}

export const noticeTimeoutMs = 1_000;

/** People of the test do more in a minute than anybody else. */
export const unlimited = createRateLimit({ points: 1_000_000, perMs: 60_000 });
