/**
 * One run: agents ask, notifiers tell, a desk takes decisions, each in processes of their own on one store, and people
 * decide on what they hear, while all of it fails at random. The seed gives the same calls, people and faults; how they meet
 * is up to the machine.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createVoteSigner } from '@countersign/core';
import { mailServer } from '../../packages/email/test/support/mail-server.ts';
import { openPlace, type Place, type StoreName } from '../faults/place.ts';
import { respawn } from '../faults/processes.ts';
import { createRandom, type Random } from '../faults/random.ts';
import { openWorld } from '../faults/world.ts';
import { slackServer, type SlackServer } from '../support/slack-server.ts';
import { examine, type Examination } from './examine.ts';
import { chaosFaults, type ChaosFault, type ChaosTargets } from './faults.ts';
import { numberOf } from './invariants.ts';
import type { ChaosInput } from './parts.ts';
import { createPeople, type People } from './people.ts';
import { openReceiver, type Receiver } from './receiver.ts';
import { createRoutes } from './routes.ts';

export interface ChaosRun {
  readonly store: StoreName;
  readonly approvals: number;
  readonly seed: number;
  /** For people to be through, in milliseconds; what is not decided then expires. */
  readonly patienceMs: number;
}

export interface ChaosResult extends Examination {
  readonly seconds: number;
  readonly faults: Readonly<Record<string, number>>;
  /** Votes that were accepted, by the way they came in. */
  readonly ways: Readonly<Record<string, number>>;
  readonly decidedOn: number;
}

export async function runChaos({ store, approvals: count, seed, patienceMs }: ChaosRun): Promise<ChaosResult> {
  const begun = performance.now();
  const random = createRandom(seed);
  const directory = mkdtempSync(join(tmpdir(), 'countersign-chaos-'));
  const [world, place] = [await openWorld(), await openPlace(store)];
  const secret = (): string => `whsec_${randomBytes(32).toString('base64')}`;
  const webhookSecret = secret();
  const [receiver, slack, mail] = [await openReceiver(webhookSecret), await slackServer(), await mailServer()];
  try {
    const input = await inputOf({ place, directory, world: world.url, count, seed }, { receiver, slack, mail });
    const settings = { ...input, webhook: { url: receiver.url, secret: webhookSecret, callbackSecret: secret() } };
    const people = createPeople(createRoutes(settings, mail, slack), seed);
    const stopListening = listen(people, receiver, slack);
    const { targets, end } = await startProcesses(settings, { receiver, slack, mail });
    const faults = await makeTrouble({ people, place, targets, random, count, patienceMs });
    stopListening();
    await settled(world);
    await end();
    const examination = await examine(settings, place.direct, { world, people, receiver, slack, mail, count });
    const seconds = (performance.now() - begun) / 1_000;
    return { ...examination, seconds, faults, ways: people.ways, decidedOn: people.done() };
  } finally {
    await Promise.all([receiver.close(), slack.close(), mail.close(), place.close(), world.close()]);
    rmSync(directory, { recursive: true, force: true });
  }
}

type Channels = Pick<ChaosTargets, 'receiver' | 'slack' | 'mail'>;

async function inputOf(
  what: { place: Place; directory: string; world: string; count: number; seed: number },
  { slack, mail }: Channels,
): Promise<Omit<ChaosInput, 'webhook'>> {
  const { place, directory, world, count, seed } = what;
  const signingKey = randomBytes(32);
  const [api, consolePort, hooks] = [await freePort(), await freePort(), await freePort()];
  const { url, token, appId, team, signingSecret } = slack;
  return {
    ...{ seed, count, world, store: place.address },
    key: randomBytes(32).toString('hex'),
    mailKey: randomBytes(32).toString('hex'),
    signingKey: signingKey.toString('hex'),
    voteKey: createVoteSigner(signingKey).publicKey,
    ports: { api, console: consolePort, hooks },
    slack: { url, token, appId, team, signingSecret },
    smtpPort: mail.port,
    terminal: join(directory, 'terminal.log'),
  };
}

/** A process that is started again listens where the one before did. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

const lookMs = 50;

/** People hear of requests by whatever channel works. */
function listen(people: People, receiver: Receiver, slack: SlackServer): () => void {
  receiver.onNews = ({ type, data: { id, digest, summary } }) => {
    if (type === 'approval.opened') people.hear({ approval: id, digest, number: numberOf({ arguments: summary }) });
  };
  let seen = 0;
  const look = setInterval(() => {
    for (const { args } of slack.messages().slice(seen)) {
      seen += 1;
      const { a, d } = valueOf(JSON.stringify(args['blocks']));
      const number = /\\"number\\":(\d+)/.exec(JSON.stringify(args['blocks']))?.[1];
      if (a !== undefined && d !== undefined && number !== undefined) {
        people.hear({ approval: a, digest: d, number: Number(number) });
      }
    }
  }, lookMs);
  return () => clearInterval(look);
}

function valueOf(blocks: string): { a?: string; d?: string } {
  const value = /"value":"((?:[^"\\]|\\.)*)"/.exec(blocks)?.[1];
  return value === undefined ? {} : (JSON.parse(JSON.parse(`"${value}"`) as string) as { a?: string; d?: string });
}

async function startProcesses(input: ChaosInput, channels: Channels) {
  let started = 0;
  const start = (file: string, more: object = {}) =>
    respawn(new URL(file, import.meta.url), () => {
      started += 1;
      return [JSON.stringify({ ...input, ...more, seed: input.seed + started })];
    });
  const desk = start('desk.ts');
  const ask = (part: number) => start('agent.ts', { part, parts: 2 });
  const targets: ChaosTargets = {
    ...{ ...channels, desk },
    notifiers: [start('notifier.ts'), start('notifier.ts')],
    agents: [ask(0), ask(1)],
  };
  const all = [desk, ...targets.notifiers, ...targets.agents];
  await Promise.all(all.map((each) => each.ready()));
  return { targets, end: async () => void (await Promise.all(all.map((each) => each.end(8_000)))) };
}

interface Trouble {
  readonly people: People;
  readonly place: Place;
  readonly targets: ChaosTargets;
  readonly random: Random;
  readonly count: number;
  readonly patienceMs: number;
}

/** A process that is killed while it starts does nothing that could be interrupted, and neither does one without a store. */
const betweenStopsMs = 4_000;
const stops = /^kill|^crash|every connection|read-only/;

/** One fault after the other, until people are through. */
async function makeTrouble({ people, place, targets, random, count, patienceMs }: Trouble) {
  const happened: Record<string, number> = {};
  const ofStore = Object.entries(place.faults)
    // A disk that is full is a matter of the process it happens to: the harness of faults has it.
    .filter(([name]) => name !== 'fill the disk')
    .map(([name, fault]): [string, ChaosFault] => [
      name,
      ({ agents: workers, desk }, chance) => fault({ workers, approver: desk }, chance),
    ]);
  const faults = [...Object.entries(chaosFaults), ...ofStore] as [[string, ChaosFault], ...[string, ChaosFault][]];
  const until = performance.now() + patienceMs;
  let stoppedAt = 0;
  while (people.done() < count && performance.now() < until) {
    const [name, fault] = random.pick(faults);
    if (stops.test(name) && performance.now() - stoppedAt < betweenStopsMs) continue;
    await fault(targets, random);
    if (stops.test(name)) stoppedAt = performance.now();
    happened[name] = (happened[name] ?? 0) + 1;
    await new Promise((resolve) => setTimeout(resolve, random.between(50, 400)));
  }
  return happened;
}

const quietMs = 1_500;
const longestMs = 20_000;

/** Until nothing runs any more: what was approved last is still to be run. */
async function settled(world: { readonly effects: readonly unknown[] }): Promise<void> {
  const until = performance.now() + longestMs;
  for (let before = -1; before !== world.effects.length && performance.now() < until;) {
    before = world.effects.length;
    await new Promise((resolve) => setTimeout(resolve, quietMs));
  }
}
