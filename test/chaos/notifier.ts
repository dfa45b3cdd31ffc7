/** A process that tells people on every channel. */
import process from 'node:process';
import { openStorePatiently } from '../faults/parts.ts';
import { noticeTimeoutMs, openChannels } from './channels.ts';
import { moodyStore, openApprovals, type ChaosInput } from './parts.ts';

const input = JSON.parse(process.argv[2] ?? '{}') as ChaosInput;
process.once('disconnect', () => process.exit(0));
process.once('SIGTERM', () => process.exit(0));

const approvals = openApprovals(input, moodyStore(await openStorePatiently(input), input.seed));
const notifier = approvals.notifier({
  channels: openChannels(input, approvals),
  tenants: ['acme'],
  timeoutMs: noticeTimeoutMs,
  pollMs: 50,
});
process.send?.('ready');
await notifier.start(new AbortController().signal);
