/**
 * People: each request that they are told of is decided on by several of them, in ways that its number and the seed
 * choose, together with everybody who must not decide. Whoever gets no answer tries again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createRandom, type Random } from '../faults/random.ts';
import { eligible, type Eligible } from './parts.ts';
import type { Act, Routes, Way } from './routes.ts';

/** What somebody in charge meant, on what they were shown; noted before it was sent. */
export interface Intent extends Act {
  readonly way: Way;
}

/** Something was accepted that must be refused. */
export interface WronglyAccepted extends Intent {
  readonly why: string;
}

export interface Heard {
  readonly approval: string;
  readonly digest: string;
  readonly number: number;
}

export interface People {
  /** Of a request, on whatever channel; told again, they do not begin again. */
  hear(heard: Heard): void;
  readonly intents: readonly Intent[];
  readonly wronglyAccepted: readonly WronglyAccepted[];
  /** How many requests they are through with. */
  readonly done: () => number;
  readonly ways: Readonly<Record<string, number>>;
}

type Plan = 'approve' | 'contested' | 'reject' | 'one alone' | 'edit';

const plans: readonly (readonly [until: number, plan: Plan])[] = [
  [0.6, 'approve'],
  [0.72, 'contested'],
  [0.82, 'reject'],
  [0.9, 'one alone'],
  [1, 'edit'],
];
const maxTries = 80;

export function createPeople(routes: Routes, seed: number): People {
  const intents: Intent[] = [];
  const wronglyAccepted: WronglyAccepted[] = [];
  const ways: Record<string, number> = {};
  const begun = new Set<string>();
  let done = 0;

  /** Answers the status of the first answer that is one: not a fault on the way. */
  async function send(way: Way, wanted: Act): Promise<number> {
    for (let attempt = 0; attempt < maxTries; attempt += 1) {
      const status = await routes[way](wanted).catch(() => 0);
      if (status !== 0 && status !== 429 && status < 500) {
        if (status < 300) ways[way] = (ways[way] ?? 0) + 1;
        return status;
      }
      await sleep(100);
    }
    return 0;
  }

  function act(way: Way, wanted: Act): Promise<number> {
    intents.push({ ...wanted, way });
    return send(way, wanted);
  }

  /** No intent: the invariants see a vote that stands for it, also where its answer was lost. */
  async function forbidden(way: Way, wanted: Act, why: string): Promise<void> {
    const status = await send(way, wanted);
    // Slack's own answer does not say it, and telling the person may fail.
    if (way !== 'slack' && status > 0 && status < 300) wronglyAccepted.push({ ...wanted, way, why });
  }

  /** The requester, one of another group, and a digest that nobody was shown. */
  function intruders({ approval, digest }: Heard, random: Random): readonly Promise<void>[] {
    const all = [
      () => forbidden(random.pick(['api', 'console', 'hook']), vote(approval, digest, 'alice'), 'the requester'),
      () => forbidden('slack', vote(approval, digest, 'alice'), 'the requester'),
      () => forbidden('hook', vote(approval, digest, 'ALICE'), 'the requester in capitals'),
      () => forbidden(random.pick(['api', 'hook']), vote(approval, digest, 'mallory'), 'in none of the groups'),
      () => forbidden('api', vote(approval, `${digest.slice(0, -4)}AAAA`, 'erin'), 'a digest nobody was shown'),
      () => forbidden('hook', vote(approval, digest, 'nobody'), 'nobody here'),
    ];
    return all.filter(() => random.next() < 0.2).map((intrude) => intrude());
  }

  async function decide(heard: Heard): Promise<void> {
    const { approval, number } = heard;
    const random = createRandom(seed * 100_003 + number);
    const what = random.next();
    const plan = plans.find(([until]) => what < until)?.[1] ?? 'approve';
    const [first, second, third] = shuffled(random);
    let { digest } = heard;
    if (plan === 'edit') {
      const edited = await edit(heard, first);
      if (edited !== undefined) {
        await forbidden('api', vote(approval, digest, second), 'the digest before the edit');
        digest = edited;
      }
    }
    const as = (person: Eligible, verdict: Act['verdict'] = 'approve'): Promise<number> =>
      act(wayFor(person, verdict, random), { approval, digest, person, verdict });
    const again = (person: Eligible): Promise<number> => act('hook', vote(approval, digest, person.toUpperCase()));
    const racing: Promise<unknown>[] = [...intruders({ ...heard, digest }, random)];
    if (plan === 'one alone') racing.push(as(first), again(first), act('api', vote(approval, digest, first)));
    else if (plan === 'reject') racing.push(as(first, 'reject'));
    else racing.push(as(first), as(second));
    if (plan === 'contested') racing.push(as(third, 'reject'));
    if (random.next() < 0.3 && plan !== 'one alone') racing.push(again(first), as(third));
    await Promise.all(racing);
  }

  async function edit({ approval, digest, number }: Heard, person: Eligible): Promise<string | undefined> {
    const text = JSON.stringify({ number, edited: true });
    for (let attempt = 0; attempt < maxTries; attempt += 1) {
      const status = await routes.edit({ approval, digest, person, arguments: text }).catch(() => 0);
      if (status !== 0 && status !== 429 && status < 500)
        return routes.digestOf(approval, person).catch(() => undefined);
      await sleep(100);
    }
    return undefined;
  }

  return {
    hear(heard) {
      if (begun.has(heard.approval)) return;
      begun.add(heard.approval);
      void decide(heard).finally(() => (done += 1));
    },
    ...{ intents, wronglyAccepted, ways },
    done: () => done,
  };
}

function vote(approval: string, digest: string, person: string): Act {
  return { approval, digest, person, verdict: 'approve' };
}

/** Codes come by mail to one person; a rejection in Slack is a form of its own. */
function wayFor(person: Eligible, verdict: Act['verdict'], random: Random): Way {
  if (person === 'frank' && random.next() < 0.5) return 'mail';
  return verdict === 'approve'
    ? random.pick(['api', 'console', 'hook', 'slack'])
    : random.pick(['api', 'console', 'hook']);
}

function shuffled(random: Random): readonly [Eligible, Eligible, Eligible] {
  const left = [...eligible];
  const take = (): Eligible => left.splice(random.between(0, left.length - 1), 1)[0] ?? 'carol';
  return [take(), take(), take()];
}
