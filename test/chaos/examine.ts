/** With nobody else at work: what is late expires, every channel hears the rest, and everything is read. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { openLedger, type Countersign, type OpenedRecord, type Store } from '@countersign/core';
import type { MailServer } from '../../packages/email/test/support/mail-server.ts';
import { createVoteVerifier } from '../../packages/core/src/approve/votes.ts';
import type { StoredApproval } from '../../packages/core/src/store/store.ts';
import { openStorePatiently } from '../faults/parts.ts';
import { tell, type World } from '../faults/world.ts';
import type { SlackServer } from '../support/slack-server.ts';
import { noticeTimeoutMs, openChannels } from './channels.ts';
import { findChaosBreaches, type Breach, type ChaosEvidence } from './invariants.ts';
import { callNumbered, runOf, runs, openAgents, openApprovals, requester, type ChaosInput } from './parts.ts';
import type { People } from './people.ts';
import type { Receiver } from './receiver.ts';

export interface Examination {
  /** By state. */
  readonly requests: Readonly<Record<string, number>>;
  readonly effects: number;
  /** By what whoever asks again is told. */
  readonly reported: Readonly<Record<string, number>>;
  readonly records: number;
  readonly refused: number;
  readonly breaches: readonly Breach[];
}

interface Sources {
  readonly world: World;
  readonly people: People;
  readonly receiver: Receiver;
  readonly slack: SlackServer;
  readonly mail: MailServer;
  readonly count: number;
}

/** For every channel to hear of every end. */
const tellingMs = 300_000;
/** Beyond every request's own life. */
const aheadMs = 20 * 60_000;
const reader = { tenant: 'acme', id: 'reader' } as const;

export async function examine(input: ChaosInput, direct: string, sources: Sources): Promise<Examination> {
  const store = await openStorePatiently({ store: direct });
  try {
    await hearOfAll(input, store);
    const now = (): number => Date.now() + aheadMs;
    const countersign = openAgents(input, store, now);
    while ((await countersign.maintain()).expiredApprovals > 0);
    const approvals = openApprovals(input, store, now);
    const channels = openChannels(input, approvals);
    const notifier = approvals.notifier({ channels, tenants: ['acme'], timeoutMs: noticeTimeoutMs * 5 });
    // Everything that broke is well again; what failed once more is tried again a little later.
    const until = performance.now() + tellingMs;
    while ((await store.entries('acme', 'notice')).length > 0 && performance.now() < until) {
      await notifier.tick();
      await sleep(100);
    }

    const stored = await allApprovals(store);
    const reported = await reportedBy(countersign, input, sources.count);
    const verifier = createVoteVerifier([input.voteKey]);
    const session = approvals.as(reader);
    const described = [];
    for (const each of stored) {
      const verified = verifier.approves(each, { tenant: 'acme', user: requester.user });
      described.push({ stored: each, view: await session.show(each.id), verified });
    }
    const ledger = openLedger({ store, key: Buffer.from(input.key, 'hex') });
    const records: OpenedRecord[] = [];
    for await (const record of ledger.query({ tenant: 'acme' })) records.push(record);
    const { world, people, count } = sources;
    const evidence: ChaosEvidence = {
      ...{ count, records, reported, approvals: described, effects: world.effects },
      ...{ intents: people.intents, wronglyAccepted: people.wronglyAccepted, ends: endsOf(sources, input, described) },
      inbox: await inboxOf(countersign),
      verification: await ledger.verify('acme'),
    };
    return {
      requests: tally(stored.map(({ state }) => state)),
      effects: world.effects.length,
      reported: tally([...reported.values()]),
      records: records.length,
      refused: records.filter(({ kind, event }) => kind === 'approval' && event === 'refused').length,
      breaches: findChaosBreaches(evidence),
    };
  } finally {
    await store.close();
  }
}

const longestLockMs = 10_000;

/** What was filed last is still to be told: before its time is over, every channel is owed it. A killed notifier holds its lock for a while. */
async function hearOfAll(input: ChaosInput, store: Store): Promise<void> {
  const approvals = openApprovals(input, store);
  const channels = openChannels(input, approvals);
  const notifier = approvals.notifier({ channels, tenants: ['acme'], timeoutMs: noticeTimeoutMs });
  const until = performance.now() + longestLockMs;
  while ((await notifier.tick().catch(() => 0)) === 0 && performance.now() < until) await sleep(200);
}

const page = 100;

async function allApprovals(store: Store): Promise<readonly StoredApproval[]> {
  const found: StoredApproval[] = [];
  for (;;) {
    const last = found.at(-1);
    const more = await store.approvals('acme', { limit: page, ...(last === undefined ? {} : { after: last.id }) });
    found.push(...more);
    if (more.length < page) return found;
  }
}

/** Asks again for every call. One that runs now although it had run is seen as a second effect. */
async function reportedBy(
  countersign: Countersign,
  { world }: ChaosInput,
  count: number,
): Promise<ReadonlyMap<string, string>> {
  const reported = new Map<string, string>();
  for (let number = 0; number < count; number += 1) {
    const { tool, ...call } = callNumbered(number);
    const gate = countersign.gate({ ...requester, run: runOf(number) });
    const body = async (): Promise<string> => {
      const effect = { callKey: 'asked again', callId: call.callId, tool: tool.name, arguments: '{}' };
      await tell(world, 'effect', effect);
      return 'ran when it was only asked about';
    };
    const outcome = await gate.execute({ tool, ...call, origin: 'resume' }, body, { validate: () => undefined });
    if (outcome.callKey !== undefined) reported.set(outcome.callKey, outcome.status);
  }
  return reported;
}

async function inboxOf(countersign: Countersign): Promise<ReadonlyMap<string, string>> {
  const { tenant, user } = requester;
  const entries = await Promise.all(
    Array.from({ length: runs }, (_, run) => countersign.inbox({ tenant, user, run: `run-${run}` })),
  );
  return new Map(
    entries
      .flat()
      .map(({ callKey, outcome }) => [callKey, outcome.status === 'denied' ? outcome.reason : outcome.status]),
  );
}

/** Which requests each channel knows the end of. */
function endsOf(
  { receiver, slack, mail }: Sources,
  { terminal }: ChaosInput,
  approvals: ChaosEvidence['approvals'],
): ChaosEvidence['ends'] {
  const lines = readFileSync(terminal, 'utf8').split('\n');
  const cards = slack.messages().map(({ args }) => ({
    about: JSON.stringify(args['metadata']),
    shows: JSON.stringify(args['blocks']).toLowerCase(),
  }));
  const told = (knows: (id: string, state: string) => boolean): ReadonlySet<string> =>
    new Set(approvals.filter(({ view }) => knows(view.id, view.state)).map(({ view }) => view.id));
  return {
    webhook: told((id, state) =>
      receiver.news.some(({ type, data }) => type === 'approval.closed' && data.id === id && data.state === state),
    ),
    slack: told((id, state) => cards.some(({ about, shows }) => about.includes(id) && shows.includes(`"${state}: `))),
    email: told((id, state) =>
      mail.received.some(({ mail: { text = '', subject = '' } }) => {
        const end = new RegExp(`\\b${state}\\b`, 'i');
        return text.includes(id) && end.test(`${subject}\n${text}`);
      }),
    ),
    terminal: told((id, state) => lines.some((line) => line.includes(id) && line.toLowerCase().includes(state))),
  };
}

function tally(values: readonly string[]): Readonly<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const value of values) found[value] = (found[value] ?? 0) + 1;
  return found;
}
