/**
 * The contract of an approval channel, as cases for any test runner.
 * @module
 */
import type { ApprovalChannel, ApprovalNotice } from '../approve/approve.ts';
import { within } from '../within-time.ts';
import type { ContractCase } from './provider-contract.ts';

/** One message as the medium holds it now. Two deliveries that a reader sees as one have the same `id`. */
export interface ShownMessage {
  readonly id: string;
  /** Everything a reader can read, decoded. */
  readonly text: string;
  /** Everything a client acts on, or takes for more than text: links, mentions, tags, names and values of headers. */
  readonly active: readonly string[];
}

/** What the suite cannot know by itself. */
export interface ChannelUnderTest {
  readonly channel: ApprovalChannel;
  /** What the medium holds, oldest first. */
  readonly shown: () => Promise<readonly ShownMessage[]>;
  /** What the medium does from now on: serve, refuse every message, or accept connections and never answer. */
  readonly become: (state: 'well' | 'down' | 'hanging') => Promise<void>;
  close(): Promise<void>;
}

type Check = (subject: ChannelUnderTest) => Promise<void>;

const boundMs = 20_000;

/** `setUp` is called once per case. */
export function channelContract(setUp: () => Promise<ChannelUnderTest>): readonly ContractCase[] {
  return cases.map(([name, check]) => ({
    name,
    async run() {
      const subject = await setUp();
      try {
        await within(check(subject), boundMs * 2);
      } finally {
        await subject.close();
      }
      return undefined;
    },
  }));
}

const cases: readonly (readonly [name: string, check: Check])[] = [
  ['has a name that a notifier takes', hasAName],
  ['shows who asks for what, and how risky it is', showsTheRequest],
  ['shows nothing but what the notice holds', showsNothingElse],
  ['shows hostile text as text', isInert],
  ['shows how it ended after it was opened', showsTheEnd],
  ['is told again without a second message', isIdempotent],
  ['rejects when its medium is down, and delivers later', surfacesFailure],
  ['rejects in time when its medium hangs', boundsAHang],
];

async function hasAName({ channel }: ChannelUnderTest): Promise<void> {
  expect(/^[A-Za-z0-9_-]{1,64}$/.test(channel.name), 'a name of letters, digits, - and _');
}

async function showsTheRequest({ channel, shown }: ChannelUnderTest): Promise<void> {
  await channel.opened(sampleNotice(), undefined);
  const text = all(await shown());
  for (const part of ['deploy_service', 'alice', 'support-bot', 'high', '"region"']) {
    expect(text.includes(part), `"${part}" in what is shown`);
  }
}

async function showsNothingElse({ channel, shown }: ChannelUnderTest): Promise<void> {
  // A careless core could hand over more than the interface promises.
  const notice = { ...sampleNotice(), arguments: '{"password":"hunter2"}', sealedArguments: 'hunter2' };
  const reference = await channel.opened(notice, undefined);
  await channel.closed({ ...notice, state: 'approved' }, reference);
  const everything = JSON.stringify(await shown());
  expect(!everything.includes('hunter2'), 'nothing that is not a member of a notice');
}

const attacks = [
  'evil\r\nBcc: evil@evil.example\r\n\r\nevil',
  '<!channel> <@U0EVIL> <https://evil.example|evil>',
  '<img src=x onerror=evil()><script>evil()</script><a href="https://evil.example">evil</a>',
  '*evil* [evil](https://evil.example) `evil` &lt;evil&gt;',
  '"evil\' onmouseover=evil() \u202Elive\u0000',
];

async function isInert({ channel, shown }: ChannelUnderTest): Promise<void> {
  for (const [index, attack] of attacks.entries()) {
    const notice: ApprovalNotice = {
      ...sampleNotice(),
      ...{ id: `acme.contract${index}`, tool: attack, source: attack, capability: attack, agent: attack },
      ...{ requester: attack, summary: JSON.stringify({ text: attack }), groups: [attack] },
      votes: [{ approver: attack, verdict: 'approve' }],
    };
    const reference = await channel.opened(notice, undefined);
    await channel.closed({ ...notice, state: 'approved' }, reference);
  }
  const messages = await shown();
  expect(all(messages).includes('evil'), 'hostile text to be shown');
  for (const active of messages.flatMap((message) => message.active)) {
    expect(!/evil|onerror|script|img/i.test(active), `hostile text to be inert, got ${JSON.stringify(active)}`);
  }
  expect(
    ['\u202E', '\u0000'].every((each) => !all(messages).includes(each)),
    'no hidden characters',
  );
}

async function showsTheEnd({ channel, shown }: ChannelUnderTest): Promise<void> {
  const notice = sampleNotice();
  const reference = await channel.opened(notice, undefined);
  expect(reference === undefined || reference.length <= 1000, 'a reference of at most 1,000 characters');
  expect(!/\bapproved\b/i.test(all(await shown())), 'no end before there is one');
  await channel.closed({ ...notice, state: 'approved', votes: [{ approver: 'carol', verdict: 'approve' }] }, reference);
  const last = (await shown()).at(-1)?.text ?? '';
  expect(/\bapproved\b/i.test(last) && last.includes('carol'), 'the last message to say approved, and by whom');
}

async function isIdempotent({ channel, shown }: ChannelUnderTest): Promise<void> {
  const notice = sampleNotice();
  const reference = await channel.opened(notice, undefined);
  await channel.opened(notice, reference);
  expect(distinct(await shown()) === 1, 'one message for one request');
  await channel.closed({ ...notice, state: 'rejected' }, reference);
  const count = distinct(await shown());
  await channel.closed({ ...notice, state: 'rejected' }, reference);
  expect(distinct(await shown()) === count, 'one message for one end');
}

async function surfacesFailure({ channel, shown, become }: ChannelUnderTest): Promise<void> {
  const notice = sampleNotice();
  await become('down');
  await rejects(channel.opened(notice, undefined), 'opened on a medium that is down');
  await become('well');
  const reference = await channel.opened(notice, undefined);
  expect(distinct(await shown()) === 1, 'the message once the medium is back');
  await become('down');
  await rejects(channel.closed({ ...notice, state: 'expired' }, reference), 'closed on a medium that is down');
  await become('well');
  await channel.closed({ ...notice, state: 'expired' }, reference);
  expect(/\bexpired\b/i.test((await shown()).at(-1)?.text ?? ''), 'the end once the medium is back');
}

async function boundsAHang({ channel, become }: ChannelUnderTest): Promise<void> {
  await become('hanging');
  await rejects(within(channel.opened(sampleNotice(), undefined), boundMs, tooLate), 'opened on a medium that hangs');
}

class Hung extends Error {}
const tooLate = (): Error => new Hung('hung');

/** A notice as the core makes it; fields that matter to the suite have recognisable values. */
function sampleNotice(): ApprovalNotice {
  const createdAt = Date.now();
  return {
    ...{ id: 'acme.contract', tenant: 'acme', state: 'pending', tool: 'deploy_service', source: 'local' },
    ...{ capability: 'deploy:staging:create', risk: 'high', mode: 'blocking', agent: 'support-bot' },
    ...{ requester: 'alice', summary: '{"region":"eu-west-1","token":"[redacted]"}', groups: ['on-call'] },
    ...{ quorum: 1, digest: 'sha256-contract', votes: [], createdAt, expiresAt: createdAt + 900_000 },
  };
}

const all = (messages: readonly ShownMessage[]): string => messages.map(({ text }) => text).join('\n');
const distinct = (messages: readonly ShownMessage[]): number => new Set(messages.map(({ id }) => id)).size;

async function rejects(promise: Promise<unknown>, what: string): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error !== undefined && !(error instanceof Hung), `${what} to reject`);
}

function expect(condition: boolean, what: string): void {
  if (!condition) throw new Error(`contract: expected ${what}`);
}
