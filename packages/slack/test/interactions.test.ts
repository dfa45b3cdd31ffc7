/**
 * What people do in Slack, signed as Slack signs it. Slack itself is a stand-in: see test/support/slack-server.ts.
 */
import { describe, expect, test } from 'vitest';
import type { Store } from '@countersign/core';
import { signedRequest, type SlackUser } from '../../../test/support/slack-server.ts';
import { failingListeners, unheardWhile } from '../../../test/support/unheard.ts';
import { verifies } from '../../../test/verifies.ts';
import { slackInteractions } from '../src/index.ts';
import { setting, users, type Setting } from './support/setting.ts';

describe('a press', () => {
  verifies(['APR-3', 'APR-6'], 'of a known approver decides, and the card says so', async () => {
    const s = await setting();
    const { id, message } = await s.card();
    const answer = await s.slack.press(message, 'Approve', users.carol, s.to);
    expect([answer.status, await answer.text()]).toEqual([200, '']);
    expect(await s.state(id)).toBe('approved');
    await s.notifier.tick();
    expect(JSON.stringify(s.shown().args['blocks'])).toContain('Approved by carol.');
    expect(await s.refused()).toEqual([]);
  });

  verifies(
    ['APR-3', 'APR-6'],
    'is one vote of several: the card counts, and a second of the same person is refused',
    async () => {
      const s = await setting({ rule: { quorum: 2 } });
      const { id, message } = await s.card();
      await s.slack.press(message, 'Approve', users.carol, s.to);
      const again = await s.slack.press(message, 'Approve', users.carol, s.to);
      expect(again.status).toBe(200);
      expect([await s.state(id), await s.votes(id)]).toEqual(['pending', 1]);
      await s.slack.press(message, 'Approve', users.dave, s.to);
      expect(await s.state(id)).toBe('approved');
      expect(await s.codes()).toEqual(['already_voted']);
      expect((await s.told()).join()).toContain('somebody has voted on it');
    },
  );

  const refusals: readonly [string, SlackUser, (s: Setting, id: string) => unknown, string, string][] = [
    ['on their own request', users.alice, () => undefined, 'own_request', 'the requester of a call cannot decide'],
    ['by somebody of another group', users.dave, () => undefined, 'not_eligible', 'none of the groups'],
    ['after it expired', users.carol, (s) => s.pass(16 * 60_000), 'expired', 'has expired'],
    ['after it was decided elsewhere', users.carol, rejectElsewhere, 'not_pending', 'decided before'],
    ['after it was edited', users.carol, editElsewhere, 'digest_mismatch', 'what was shown is not what would run'],
  ];
  for (const [name, user, before, code, words] of refusals) {
    verifies('APR-6', `${name} is refused with the reason, to that person alone, and recorded once`, async () => {
      const s = await setting({ rule: { groups: ['on-call'], edit: true } });
      const { id, message } = await s.card();
      await before(s, id);
      const stood = [await s.state(id), await s.votes(id)];
      expect((await s.slack.press(message, 'Approve', user, s.to)).status).toBe(200);
      expect([await s.state(id), await s.votes(id)]).toEqual(stood);
      expect(await s.codes()).toEqual([code]);
      expect((await s.told()).join()).toContain(words);
      expect(s.slack.ephemeral().map(({ to }) => to)).toEqual([user.id]);
    });
  }

  test('on a link, or on a part of the app that is not ours, is acknowledged and does nothing', async () => {
    const s = await setting({ channel: { consoleUrl: 'https://ops.example' } });
    const { id, message } = await s.card();
    const link = s.slack.payloadOfPress(message, 'Open in the console', users.carol);
    const others = { ...link, actions: [{ type: 'button', action_id: 'elsewhere', value: 'x' }] };
    for (const payload of [link, others, { ...link, type: 'shortcut' }]) {
      expect((await s.to(s.slack.request(payload))).status).toBe(200);
    }
    expect(await s.state(id)).toBe('pending');
  });
});

async function rejectElsewhere(s: Setting, id: string): Promise<void> {
  const { digest } = await s.show(id);
  await s.approvals.as({ tenant: 'acme', id: 'erin', groups: ['on-call'] }).decide({ id, digest, verdict: 'reject' });
}

async function editElsewhere(s: Setting, id: string): Promise<void> {
  const { digest } = await s.show(id);
  const session = s.approvals.as({ tenant: 'acme', id: 'erin', groups: ['on-call'] });
  await session.edit({ id, digest, arguments: '{"region":"us"}' });
}

describe('whoever sends', () => {
  /** Presses Approve as `user`, changed by `change`; answers the status, and checks that nothing happened. */
  async function attempt(
    build: (s: Setting, payload: Record<string, unknown>) => Request,
    status: number,
    reason: string,
    user: SlackUser = users.carol,
  ): Promise<Setting> {
    const s = await setting();
    const { id, message } = await s.card();
    const request = build(s, { ...s.slack.payloadOfPress(message, 'Approve', user) });
    const answer = await s.to(request);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([status, 'application/problem+json']);
    expect([await s.state(id), await s.votes(id)]).toEqual(['pending', 0]);
    expect(await s.codes()).toEqual([reason]);
    expect((await s.refused())[0]).toMatchObject({ tenant: 'acme' });
    return s;
  }
  const form = (payload: unknown): string => new URLSearchParams({ payload: JSON.stringify(payload) }).toString();
  const changed = (change: object) => (s: Setting, payload: Record<string, unknown>) =>
    s.slack.request({ ...payload, ...change });
  const minutes = (count: number) => Date.now() + count * 60_000;

  verifies('APR-3', 'signs with another secret is refused', async () => {
    await attempt((s, payload) => s.slack.request(payload, { secret: 'f'.repeat(32) }), 401, 'signature');
  });
  verifies('APR-3', 'signs nothing, or in another form, is refused', async () => {
    for (const signature of [
      undefined,
      '',
      'v0=',
      `v1=${'0'.repeat(64)}`,
      `v0=${'0'.repeat(63)}`,
      `v0=${'G'.repeat(64)}`,
    ]) {
      const unsigned = (s: Setting, payload: Record<string, unknown>): Request => {
        const request = s.slack.request(payload);
        if (signature === undefined) request.headers.delete('x-slack-signature');
        else request.headers.set('x-slack-signature', signature);
        return request;
      };
      await attempt(unsigned, 401, 'signature');
    }
  });
  verifies('APR-3', 'changes a byte of the body under a signature of Slack is refused', async () => {
    const swapped = (s: Setting, payload: Record<string, unknown>): Request => {
      const { headers } = s.slack.request(payload);
      const user = { ...(payload['user'] as object), id: 'U0DAVE' };
      return new Request('https://app.example/slack', { method: 'POST', headers, body: form({ ...payload, user }) });
    };
    await attempt(swapped, 401, 'signature');
  });
  verifies('APR-3', 'comes too late, or from the future, is refused', async () => {
    await attempt((s, payload) => s.slack.request(payload, { time: minutes(-6) }), 401, 'stale');
    await attempt((s, payload) => s.slack.request(payload, { time: minutes(6) }), 401, 'stale');
    const garbled = (s: Setting, payload: Record<string, unknown>): Request => {
      const request = s.slack.request(payload);
      request.headers.set('x-slack-request-timestamp', `${Math.floor(Date.now() / 1000)} `.padEnd(20, '0'));
      return request;
    };
    await attempt(garbled, 401, 'stale');
  });
  verifies('APR-3', 'sends too much is refused before it is read in whole', async () => {
    await attempt(changed({ more: 'x'.repeat(300_000) }), 413, 'too_large');
  });
  verifies('APR-3', 'sends a body that does not end is refused in time', async () => {
    const endless = (s: Setting, payload: Record<string, unknown>): Request => {
      const { headers } = s.slack.request(payload);
      const body = new ReadableStream({ pull: () => new Promise<void>(() => undefined) });
      return new Request('https://app.example/slack', { method: 'POST', headers, body, duplex: 'half' } as RequestInit);
    };
    await attempt(endless, 408, 'too_slow');
  });
  verifies('APR-6', 'is of another app is refused', async () => {
    await attempt(changed({ api_app_id: 'A0EVIL' }), 403, 'wrong_app');
    await attempt(changed({ api_app_id: undefined }), 403, 'wrong_app');
  });
  verifies(
    'APR-6',
    'comes from another company into a shared channel is refused, under the id of an approver too',
    async () => {
      const s = await attempt((all, payload) => all.slack.request(payload), 403, 'wrong_team', users.guest);
      expect(await s.told()).toEqual([]);
    },
  );
  verifies('APR-6', 'is known to nobody is refused, and told so; names and addresses count for nothing', async () => {
    const like = { id: 'U0MALLORY', username: 'carol', name: 'carol', email: 'carol@acme.example', team_id: 'T0ACME' };
    const s = await attempt(changed({ user: like }), 403, 'unknown_person');
    expect((await s.told()).join()).toContain('nobody is known here under this account');
    expect((await s.refused())[0]?.approval).toMatch(/^apr\.acme\./);
  });
  verifies('APR-6', 'is a bot, or has an id that is a name of the language, is refused', async () => {
    for (const id of ['B0BOT', '__proto__', 'constructor', 'u0carol', 'U0CAROL ', '', 7, null]) {
      await attempt(changed({ user: { id, team_id: 'T0ACME' } }), 400, 'malformed');
    }
    await attempt(changed({ user: { id: 'U0CAROL' } }), 400, 'malformed');
  });
  verifies('APR-6', 'sends what Slack does not is refused', async () => {
    for (const change of [
      { type: undefined },
      { actions: [] },
      { actions: 'approve' },
      { actions: [{ action_id: 'countersign_approve', value: 'approve' }] },
      { actions: [{ action_id: 'countersign_approve', value: '{"a":["apr"],"d":"x"}' }] },
      { actions: [{ action_id: 'countersign_approve', value: `{"a":"${'a'.repeat(300)}","d":"x"}` }] },
      { trigger_id: undefined },
      { channel: { id: 'approvals' } },
    ]) {
      // Without an app it is not even of ours.
      await attempt(changed(change), 400, 'malformed');
    }
    const bodies: readonly (readonly [string, string?])[] = [
      ['payload=%7B'],
      ['payload=null'],
      ['nothing=1'],
      [''],
      [`${form({})}&${form({})}`],
      ['{"payload":"x"}', 'application/json'],
      ['{', 'application/json'],
      ['<payload/>', 'text/xml'],
    ];
    for (const [body, type] of bodies) {
      const more = type === undefined ? {} : { type };
      await attempt((s) => signedRequest(body, s.slack.signingSecret, more), 400, 'malformed');
    }
  });
  verifies('APR-6', 'names a request of another tenant learns nothing, not even that there is one', async () => {
    const s = await setting();
    const { message } = await s.card();
    for (const id of ['apr.globex.aaaaaaaaaaaaaaaaaaaaaa', 'apr.acme.aaaaaaaaaaaaaaaaaaaaaa', 'nonsense']) {
      const actions = [{ action_id: 'countersign_approve', value: JSON.stringify({ a: id, d: 'sha256:x' }) }];
      const payload = { ...s.slack.payloadOfPress(message, 'Approve', users.carol), actions };
      expect((await s.to(s.slack.request(payload))).status).toBe(200);
    }
    expect(await s.codes()).toEqual(['not_found', 'not_found', 'not_found']);
    const told = await s.told();
    expect(told).toHaveLength(3);
    for (const each of told) expect(each).toContain('"There is no such request."');
  });
  verifies('APR-6', 'is mapped to an approver of another tenant decides nothing here', async () => {
    const s = await setting({ approverFor: () => ({ tenant: 'globex', id: 'carol' }) });
    const { id, message } = await s.card();
    expect((await s.slack.press(message, 'Approve', users.carol, s.to)).status).toBe(403);
    expect(await s.state(id)).toBe('pending');
    expect(await s.codes()).toEqual(['unknown_person']);
  });
  test('asks with another method is refused; a check of the certificate is answered', async () => {
    const s = await setting();
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE']) {
      expect((await s.to(new Request('https://app.example/slack', { method }))).status).toBe(405);
    }
    expect((await s.to(new Request('https://app.example/slack?ssl_check=1'))).status).toBe(200);
    const { signingSecret } = s.slack;
    expect((await s.to(signedRequest('ssl_check=1&token=x', signingSecret))).status).toBe(200);
    const challenge = JSON.stringify({ type: 'url_verification', token: 'x', challenge: '3eZbrw1aB' });
    const answer = await s.to(signedRequest(challenge, signingSecret, { type: 'application/json' }));
    expect([answer.status, await answer.text(), answer.headers.get('content-type')]).toEqual([
      200,
      '3eZbrw1aB',
      'text/plain',
    ]);
    const markup = challenge.replace('3eZbrw1aB', '<script>');
    expect((await s.to(signedRequest(markup, signingSecret, { type: 'application/json' }))).status).toBe(400);
    expect((await s.to(signedRequest(challenge, 'f'.repeat(32), { type: 'application/json' }))).status).toBe(401);
  });

  verifies('APR-3', 'sends a request of Slack again, within its time, is refused', async () => {
    const s = await setting({ rule: { quorum: 2 } });
    const { id, message } = await s.card();
    const request = s.slack.request(s.slack.payloadOfPress(message, 'Approve', users.carol));
    const [first, replay] = [request.clone(), request];
    expect((await s.to(first)).status).toBe(200);
    expect((await s.to(replay)).status).toBe(409);
    expect(await s.votes(id)).toBe(1);
    expect(await s.codes()).toEqual(['replayed']);
  });

  verifies('APR-3', 'a replay guard that is down or hangs lets nothing through', async () => {
    for (const take of [() => Promise.reject(new Error('down')), () => new Promise<boolean>(() => undefined)]) {
      const s = await setting({ interactions: { replays: { take, giveBack: () => undefined } } });
      const { id, message } = await s.card();
      expect((await s.slack.press(message, 'Approve', users.carol, s.to)).status).toBe(500);
      expect(await s.state(id)).toBe('pending');
    }
  });

  verifies('APR-3', 'either secret counts while it is rotated, and the old one no longer than that', async () => {
    const s = await setting();
    const { id, message } = await s.card();
    const renewed = 'e'.repeat(32);
    const common = { approvals: s.approvals, tenant: 'acme', appId: s.slack.appId, team: s.slack.team };
    const handler = (signingSecret: string | string[]) =>
      slackInteractions({
        ...{ ...common, token: s.slack.token, slackApiUrl: s.slack.url, signingSecret },
        approverFor: () => ({ tenant: 'acme', id: 'carol' }),
      });
    const request = () => s.slack.request(s.slack.payloadOfPress(message, 'Approve', users.carol));
    expect((await handler(renewed).fetch(request())).status).toBe(401);
    expect((await handler([renewed, s.slack.signingSecret]).fetch(request())).status).toBe(200);
    expect(await s.state(id)).toBe('approved');
  });
});

describe('when it takes longer than Slack waits', () => {
  /** A store whose votes wait until they are let go. */
  function heldVotes() {
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    const hold = (store: Store): Store => ({
      ...store,
      async vote(input) {
        await gate;
        return store.vote(input);
      },
    });
    return { hold, release };
  }

  verifies('APR-3', 'Slack is answered, the vote counts when the store has it, and the person is told', async () => {
    const { hold, release } = heldVotes();
    const s = await setting({ store: hold, interactions: { acknowledgeMs: 20 } });
    const { id, message } = await s.card();
    expect((await s.slack.press(message, 'Approve', users.carol, s.to)).status).toBe(200);
    expect(await s.state(id)).toBe('pending');
    release();
    expect((await s.told()).join()).toContain('The request is approved.');
    expect(await s.state(id)).toBe('approved');
  });

  verifies(
    'APR-3',
    'a refusal that comes late is told too, and closing waits for it and takes nothing more',
    async () => {
      const { hold, release } = heldVotes();
      const s = await setting({ store: hold, interactions: { acknowledgeMs: 20 } });
      const { id, message } = await s.card();
      await s.slack.press(message, 'Approve', users.carol, s.to);
      await rejectOn(s, id);
      const told = s.told();
      expect((await s.slack.press(message, 'Approve', users.dave, s.to)).status).toBe(503);
      release();
      expect((await told).join()).toContain('decided before');
      expect(await s.state(id)).toBe('rejected');
    },
  );

  async function rejectOn(s: Setting, id: string): Promise<void> {
    const approval = await s.store.approval('acme', id);
    const vote = { tenant: 'acme', approval: id, approver: 'dave', verdict: 'reject', time: Date.now() } as const;
    await s.store.vote({
      ...{ vote: { ...vote, signature: 'x', keyId: 'x' }, digest: approval?.digest ?? '', subject: 'x', quorum: 1 },
      ...{ now: vote.time, records: [], undecidedRecords: [] },
    });
  }

  verifies(
    'APR-3',
    'a directory or store that fails decides nothing, says nothing of why, and may be asked again',
    async () => {
      let down = true;
      const approverFor = () => {
        if (down) throw new Error('directory down at ldap://internal');
        return { tenant: 'acme', id: 'carol' };
      };
      const s = await setting({ approverFor });
      const { id, message } = await s.card();
      const request = s.slack.request(s.slack.payloadOfPress(message, 'Approve', users.carol));
      const failed = await s.to(request.clone());
      expect([failed.status, await failed.text()]).toEqual([500, expect.not.stringContaining('ldap')]);
      expect(await s.state(id)).toBe('pending');
      down = false;
      expect((await s.to(request)).status).toBe(200);
      expect(await s.state(id)).toBe('approved');
      const told = (await s.told()).join();
      expect(told).toContain('may not count');
      expect(told).not.toContain('ldap');
    },
  );

  verifies('APR-3', 'Slack that cannot be told does not undo a decision, and the operator hears of it', async () => {
    const failures: string[] = [];
    const s = await setting({ interactions: { onFailure: (error) => void failures.push(String(error)) } });
    const { id, message } = await s.card();
    s.slack.become('down');
    await s.slack.press(message, 'Approve', users.alice, s.to);
    await s.slack.press(message, 'Approve', users.carol, s.to);
    await s.interactions.close();
    expect(await s.state(id)).toBe('approved');
    expect(failures).toEqual([expect.stringContaining('chat.postEphemeral: http_503')]);
  });

  verifies(
    ['APR-3', 'REL-3'],
    'an operator who cannot be told either ends no process, and keeps no handler from closing',
    async () => {
      for (const fail of failingListeners) {
        const heard = Promise.withResolvers<void>();
        const onFailure = () => {
          heard.resolve();
          return fail();
        };
        const s = await setting({ interactions: { onFailure } });
        const { message } = await s.card();
        s.slack.become('down');
        const unheard = await unheardWhile(async () => {
          await s.slack.press(message, 'Approve', users.alice, s.to);
          await heard.promise;
          await s.interactions.close();
        });
        expect(unheard).toEqual([]);
      }
    },
  );
});

test('odd options are refused', () => {
  const client = { apiCall: async () => ({}) };
  const good = {
    ...{ client, tenant: 'acme', appId: 'A0APP', team: 'T0ACME', signingSecret: 'f'.repeat(32) },
    ...{ approvals: {} as never, approverFor: () => undefined },
  };
  for (const bad of [
    ...[{ appId: '' }, { appId: 'app' }, { team: [] }, { team: 'acme' }, { team: ['T0ACME', ''] }],
    ...[{ signingSecret: '' }, { signingSecret: [] }, { signingSecret: ['f'.repeat(32), ''] }],
    { signingSecret: undefined as unknown as string },
  ]) {
    expect(() => slackInteractions({ ...good, ...bad })).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIGURATION' }),
    );
  }
});
