/**
 * Cards, on a stand-in for Slack (test/support/slack-server.ts: Slack has no server to run here) that the official client
 * talks to over HTTP.
 */
import { inspect } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { ApprovalNotice } from '@countersign/core';
import { channelContract } from '@countersign/core/testing';
import { problemsOfBlocks } from '../../../test/support/slack-blocks.ts';
import { shownOf, slackServer } from '../../../test/support/slack-server.ts';
import { verifies } from '../../../test/verifies.ts';
import { slackChannel } from '../src/index.ts';
import { channelId, setting } from './support/setting.ts';

describe('the contract of a channel', () => {
  const cases = channelContract(async () => {
    const slack = await slackServer();
    const access = { token: slack.token, slackApiUrl: slack.url, timeoutMs: 3_000 };
    return {
      channel: slackChannel({ ...access, channel: channelId, consoleUrl: 'https://ops.example/console/' }),
      shown: async () => slack.messages().map(shownOf),
      become: async (state) => slack.become(state),
      close: slack.close,
    };
  });
  for (const { name, run } of cases) verifies(['APR-3', 'APR-12'], name, run);
});

function noticeOf(more: Partial<ApprovalNotice> = {}): ApprovalNotice {
  const createdAt = Date.now();
  return {
    ...{ id: 'apr.acme.AAAAAAAAAAAAAAAAAAAAAA', tenant: 'acme', state: 'pending', tool: 'deploy', source: 'local' },
    ...{ capability: 'deploy:staging:create', risk: 'high', mode: 'blocking', agent: 'support', requester: 'alice' },
    ...{ summary: '{"region":"eu"}', groups: ['on-call'], quorum: 2, digest: `sha256:${'d'.repeat(43)}` },
    ...{ votes: [], createdAt, expiresAt: createdAt + 900_000, edit: true, reasonRequired: false },
    ...more,
  };
}

async function channelOn(more: Partial<Parameters<typeof slackChannel>[0]> = {}, deduplicates = true) {
  const slack = await slackServer({ deduplicates });
  onTestFinished(slack.close);
  const access = { token: slack.token, slackApiUrl: slack.url };
  return { slack, channel: slackChannel({ ...access, channel: channelId, ...more }) };
}

const buttons = (blocks: unknown): readonly string[] =>
  (JSON.stringify(blocks).match(/"action_id":"countersign_(\w+)"/g) ?? []).map((each) => each.slice(25, -1));

verifies(
  ['APR-3', 'APR-12'],
  'a card says who asks for whom, who decides, votes, expiry, digest, and no secret',
  async () => {
    const s = await setting({ rule: { groups: ['on-call', 'finance'], quorum: 2, edit: true } });
    const { id, message } = await s.card({ region: 'eu', password: 'hunter2', note: 'for the board only' });
    const { text } = shownOf(message);
    const { digest } = await s.show(id);
    for (const part of [
      'deploy (high risk)',
      'alice',
      'support',
      'on-call, finance',
      '0 of 2 needed',
      '"region":"eu"',
    ]) {
      expect(text).toContain(part);
    }
    expect(text).toContain(digest.slice(0, 24));
    expect(text).toMatch(/Expires\n\d{4}-\d\d-\d\d \d\d:\d\d UTC/);
    expect(JSON.stringify(message.args)).not.toMatch(/hunter2|board/);
    expect(buttons(message.args['blocks'])).toEqual(['approve', 'reject', 'edit']);
  },
);

verifies('APR-12', 'edit is offered only where the rule permits it', async () => {
  const s = await setting();
  expect(buttons((await s.card()).message.args['blocks'])).toEqual(['approve', 'reject']);
});

verifies('APR-3', 'a vote, an edit and an end elsewhere change the same message, and its buttons go', async () => {
  const s = await setting({ rule: { quorum: 2, edit: true }, channel: { consoleUrl: 'https://ops.example' } });
  const { id } = await s.card();
  const carol = s.approvals.as({ tenant: 'acme', id: 'carol' });
  const before = (await s.show(id)).digest;
  await carol.edit({ id, digest: before, arguments: '{"region":"us"}' });
  await s.notifier.tick();
  expect(shownOf(s.shown()).text).toContain('"region":"us"');
  expect(JSON.stringify(s.shown().args['blocks'])).not.toContain(before);
  const { digest } = await s.show(id);
  await carol.decide({ id, digest, verdict: 'approve' });
  await s.notifier.tick();
  expect(shownOf(s.shown()).text).toContain('1 of 2 needed; carol: approve');
  await s.approvals.as({ tenant: 'acme', id: 'dave' }).decide({ id, digest, verdict: 'approve' });
  await s.notifier.tick();
  expect(s.slack.messages()).toHaveLength(1);
  expect(shownOf(s.shown()).text).toContain('Approved by carol, dave.');
  expect(buttons(s.shown().args['blocks'])).toEqual(['open']);
  const { changes } = s.shown();
  await s.notifier.tick();
  expect(s.shown().changes).toBe(changes);
});

test('every end is shown', async () => {
  const { slack, channel } = await channelOn();
  const reference = await channel.opened(noticeOf(), undefined);
  const votes = [{ approver: 'dave', verdict: 'reject' }] as const;
  for (const [state, words] of [
    ['rejected', 'Rejected by dave.'],
    ['expired', 'not decided in time'],
    ['cancelled', 'nothing left to decide'],
  ] as const) {
    await channel.closed(noticeOf({ state, votes: state === 'rejected' ? votes : [] }), reference);
    expect(slack.messages().map(shownOf).at(-1)?.text).toContain(words);
  }
});

verifies('APR-12', 'the longest values stay within the limits of Slack, and no character is cut in two', async () => {
  const { slack, channel } = await channelOn({ consoleUrl: 'https://ops.example' });
  for (const [index, unit] of ['&', '𝒜', '<!channel>', 'x', '\u202E', '\uD800'].entries()) {
    const long = unit.repeat(9_000);
    const votes = Array.from({ length: 200 }, (_none, index) => ({
      approver: `${unit}${index}`,
      verdict: 'approve' as const,
    }));
    const notice = noticeOf({ tool: long, source: long, capability: long, agent: long, requester: long });
    const whole = {
      ...notice,
      id: `apr.acme.${index}`,
      summary: long,
      groups: [long, long],
      votes,
    };
    const reference = await channel.opened(whole, undefined);
    await channel.closed({ ...whole, state: 'approved' }, reference);
  }
  expect(slack.messages()).toHaveLength(6);
  for (const { args } of slack.messages()) {
    expect(problemsOfBlocks(args['blocks'], 'message')).toEqual([]);
    expect(JSON.stringify(args['blocks'])).not.toMatch(/&(?!amp;|lt;|gt;)/);
    expect(shownOf({ channel: '', ts: '', args, changes: 0 }).text).toContain('…');
  }
});

verifies(
  'APR-12',
  'mentions, links, formatting and emoji in what a model wrote reach Slack as plain text alone',
  async () => {
    const { slack, channel } = await channelOn();
    const attack = '<!channel> <@U0EVIL> <https://evil.example|ok> *bold* :boom: &lt;!here&gt; https://evil.example';
    await channel.opened(
      noticeOf({ tool: attack, agent: attack, requester: attack, summary: attack, groups: [attack] }),
      undefined,
    );
    const [message] = slack.messages();
    const sent = JSON.stringify(message?.args);
    expect(sent).not.toContain('"type":"mrkdwn"');
    expect(sent).not.toContain('<');
    expect(sent.match(/"type":"plain_text"/g)?.length).toBe(sent.match(/"emoji":false/g)?.length);
    expect(message?.args).toMatchObject({ parse: 'none', mrkdwn: 'false', link_names: 'false', unfurl_links: 'false' });
    expect(message?.args['text']).toBe('Approval needed (high risk): an agent asks for a tool');
    // What a reader sees is what was written, to the letter.
    expect(shownOf(message ?? expect.fail()).text).toContain(attack);
  },
);

verifies('APR-12', 'a value cannot pretend to be another field by a line of its own', async () => {
  const { slack, channel } = await channelOn();
  await channel.opened(noticeOf({ requester: 'alice\nRisk\nlow' }), undefined);
  expect(shownOf(slack.messages()[0] ?? expect.fail()).text).toContain('alice\\u{a}Risk\\u{a}low');
});

describe('a lost answer', () => {
  verifies('APR-3', 'the same card is sent under the same client_msg_id, and another card under another', async () => {
    const { slack, channel } = await channelOn();
    slack.become('losing');
    await expect(channel.opened(noticeOf(), undefined)).rejects.toThrow('unanswered');
    slack.become('well');
    const reference = await channel.opened(noticeOf(), undefined);
    await channel.opened(noticeOf({ id: 'apr.acme.BBBBBBBBBBBBBBBBBBBBBB' }), undefined);
    const ids = slack.calls.map(({ args }) => args['client_msg_id']);
    expect(ids[0]).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(ids[1]).toBe(ids[0]);
    expect(ids[2]).not.toBe(ids[0]);
    expect(slack.messages()).toHaveLength(2);
    expect(reference).toBe(`${channelId}/${slack.messages()[0]?.ts}`);
  });

  verifies('APR-3', 'makes no second card where the history may be read, whatever Slack does with ids', async () => {
    const { slack, channel } = await channelOn({ readsHistory: true }, false);
    for (let index = 0; index < 250; index += 1) {
      await channel.opened(noticeOf({ id: `apr.acme.${String(index).padStart(22, '0')}` }), undefined);
    }
    slack.become('losing');
    await expect(channel.opened(noticeOf(), undefined)).rejects.toThrow('unanswered');
    slack.become('well');
    const old = await channel.opened(noticeOf({ id: `apr.acme.${'0'.repeat(22)}` }), undefined);
    const lost = await channel.opened(noticeOf(), undefined);
    expect(slack.messages()).toHaveLength(251);
    expect([old, lost]).toEqual([0, 250].map((index) => `${channelId}/${slack.messages()[index]?.ts}`));
  });

  verifies('APR-3', 'leaves no card behind that still asks: its end finds it, or is a card of its own', async () => {
    const { slack, channel } = await channelOn();
    slack.become('losing');
    await expect(channel.opened(noticeOf(), undefined)).rejects.toThrow('unanswered');
    slack.become('well');
    await channel.closed(noticeOf({ state: 'expired' }), undefined);
    expect(slack.messages()).toHaveLength(1);
    expect(buttons(slack.messages()[0]?.args['blocks'])).toEqual([]);
  });

  test('a card that somebody deleted comes again', async () => {
    const { slack, channel } = await channelOn();
    const reference = await channel.opened(noticeOf(), undefined);
    slack.messages().forEach(slack.delete);
    expect(await channel.opened(noticeOf(), reference)).not.toBe(reference);
    expect(slack.messages()).toHaveLength(1);
  });

  test('a message that another app made to look like the card is left alone', async () => {
    const { slack, channel } = await channelOn({ readsHistory: true });
    const metadata = { event_type: 'countersign_approval', event_payload: { approval: noticeOf().id } };
    await fetch(`${slack.url}chat.postMessage`, {
      method: 'POST',
      headers: { authorization: `Bearer ${slack.token}` },
      body: new URLSearchParams({ channel: channelId, text: 'fake', metadata: JSON.stringify(metadata) }),
    });
    (slack.messages()[0] as { args: Record<string, unknown> }).args['foreign'] = true;
    await channel.opened(noticeOf(), undefined);
    expect(slack.messages()).toHaveLength(2);
    expect(slack.messages()[0]?.args['text']).toBe('fake');
  });
});

describe('when Slack refuses or is slow', () => {
  verifies('APR-3', 'a rate limit rejects, and is not asked again before its time', async () => {
    const { slack, channel } = await channelOn();
    slack.become('limited');
    await expect(channel.opened(noticeOf(), undefined)).rejects.toThrow('rate_limited');
    await expect(channel.opened(noticeOf(), undefined)).rejects.toThrow('rate_limited');
    expect(slack.calls).toHaveLength(1);
    slack.become('well');
    await expect
      .poll(() => channel.opened(noticeOf(), undefined).catch(() => undefined), { timeout: 10_000 })
      .toBeDefined();
    expect(slack.messages()).toHaveLength(1);
  });

  verifies('APR-3', 'is asked once per try: the notifier repeats, and not the client too', async () => {
    const { slack, channel } = await channelOn();
    slack.become('down');
    await expect(channel.opened(noticeOf(), undefined)).rejects.toThrow('http_503');
    expect(slack.calls).toHaveLength(1);
  });

  verifies('CRD-7', 'no error and no log carries the token', async () => {
    const { slack, channel } = await channelOn({ timeoutMs: 1_000 });
    const printed: string[] = [];
    const write = process.stderr.write.bind(process.stderr);
    process.stderr.write = (text: unknown) => Boolean(printed.push(String(text)));
    try {
      for (const state of ['down', 'losing', 'hanging', 'limited'] as const) {
        slack.become(state);
        const error: unknown = await channel.opened(noticeOf(), undefined).catch((reason: unknown) => reason);
        expect(error).toBeInstanceOf(Error);
        expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(slack.token);
      }
      slack.become('well');
      const stranger = slackChannel({ token: `${slack.token}x`, slackApiUrl: slack.url, channel: channelId });
      await expect(stranger.opened(noticeOf(), undefined)).rejects.toThrow(/^Slack's chat.postMessage: invalid_auth$/);
    } finally {
      process.stderr.write = write;
    }
    expect(printed.join('')).not.toContain(slack.token);
  });

  test("an answer that is no code of Slack's is not passed on", async () => {
    const client = {
      apiCall: () =>
        Promise.reject(
          Object.assign(new Error('x'), { code: 'slack_webapi_platform_error', data: { error: 'Evil <text>' } }),
        ),
    };
    const channel = slackChannel({ client, channel: channelId });
    await expect(channel.opened(noticeOf(), undefined)).rejects.toThrow("Slack's chat.postMessage: unknown_error");
  });

  test('a client of your own that hangs is bounded', async () => {
    const channel = slackChannel({
      client: { apiCall: () => new Promise(() => undefined) },
      channel: channelId,
      timeoutMs: 20,
    });
    await expect(channel.opened(noticeOf(), undefined)).rejects.toThrow('unanswered');
  });
});

test('odd options are refused', async () => {
  const client = { apiCall: async () => ({}) };
  for (const options of [
    { channel: channelId },
    { channel: channelId, token: 'xoxb-1', client },
    { channel: channelId, token: 'not a token' },
    { channel: '#approvals', client },
    { channel: channelId, client, consoleUrl: 'javascript:alert(1)' },
    { channel: channelId, client, consoleUrl: 'https://user:pass@ops.example' },
    // Sessions of approvers would go over the network in the clear.
    { channel: channelId, client, consoleUrl: 'http://ops.example' },
    { channel: channelId, token: 'xoxb-1', slackApiUrl: 'http://slack.example/api/' },
  ]) {
    expect(() => slackChannel(options)).toThrow(expect.objectContaining({ code: 'ERR_CONFIGURATION' }));
  }
  const byTenant = slackChannel({ client, channel: ({ tenant }) => `#${tenant}` });
  await expect(byTenant.opened(noticeOf(), undefined)).rejects.toThrow('by its id');
});
