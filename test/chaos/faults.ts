/** What goes wrong with processes and channels. Each fault is over when its promise resolves. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { MailServer } from '../../packages/email/test/support/mail-server.ts';
import type { Respawned } from '../faults/processes.ts';
import type { Random } from '../faults/random.ts';
import type { SlackServer } from '../support/slack-server.ts';
import type { Receiver } from './receiver.ts';

export interface ChaosTargets {
  readonly agents: readonly [Respawned, ...Respawned[]];
  readonly notifiers: readonly [Respawned, ...Respawned[]];
  readonly desk: Respawned;
  readonly receiver: Receiver;
  readonly slack: SlackServer;
  readonly mail: MailServer;
}

export type ChaosFault = (targets: ChaosTargets, random: Random) => Promise<void> | void;

export const chaosFaults: Readonly<Record<string, ChaosFault>> = {
  'kill a notifier': ({ notifiers }, random) => random.pick(notifiers).kill(),
  'kill every notifier': ({ notifiers }) => notifiers.forEach((each) => each.kill()),
  'pause a notifier': ({ notifiers }, random) => random.pick(notifiers).pause(random.between(50, 600)),
  'kill an agent': ({ agents }, random) => random.pick(agents).kill(),
  'pause an agent': ({ agents }, random) => random.pick(agents).pause(random.between(50, 400)),
  'kill the desk': ({ desk }) => desk.kill(),
  async 'the webhook fails'({ receiver }, random) {
    receiver.become(random.pick(['down', 'hanging', 'losing']));
    await sleep(random.between(200, 1_200));
    receiver.become('well');
  },
  async 'Slack fails'({ slack }, random) {
    slack.become(random.pick(['down', 'hanging', 'losing', 'limited']));
    await sleep(random.between(200, 1_200));
    slack.become('well');
  },
  async 'the mail server fails'({ mail }, random) {
    mail.become(random.pick(['down', 'hanging']));
    await sleep(random.between(200, 1_200));
    mail.become('well');
  },
  async 'every channel fails'({ receiver, slack, mail }, random) {
    receiver.become('down');
    slack.become('down');
    mail.become('down');
    await sleep(random.between(200, 1_200));
    receiver.become('well');
    slack.become('well');
    mail.become('well');
  },
};
