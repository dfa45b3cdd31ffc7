/**
 * Forms that a button opens: a reason, and a change of the arguments. Slack is a stand-in: see
 * test/support/slack-server.ts.
 */
import { describe, expect, test } from 'vitest';
import type { SlackView } from '../../../test/support/slack-server.ts';
import { render } from '../../../test/support/slack-blocks.ts';
import { verifies } from '../../../test/verifies.ts';
import { applyPatch, readPatch } from '../src/merge-patch.ts';
import { setting, users, type Setting, type SettingInput } from './support/setting.ts';

async function opened(button: string, input: SettingInput, args?: unknown) {
  const s = await setting(input);
  const { id, message } = await s.card(args);
  expect((await s.slack.press(message, button, users.carol, s.to)).status).toBe(200);
  // Slack may have been answered before.
  await expect.poll(() => s.slack.views().length, { timeout: 10_000 }).toBe(1);
  return { s, id, message, view: formIn(s) };
}

function formIn(s: Setting): SlackView {
  return s.slack.views().at(-1) ?? expect.fail(`no form: ${JSON.stringify(s.slack.calls.at(-1))}`);
}

/** Slack shows it at the input and leaves the form open. */
async function problemOf(answer: Response): Promise<string> {
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/json']);
  const { response_action, errors } = (await answer.json()) as {
    response_action: string;
    errors: Record<string, string>;
  };
  expect([response_action, Object.keys(errors).length]).toEqual(['errors', 1]);
  return Object.values(errors).join();
}

describe('a reason', () => {
  verifies('APR-6', 'is asked for a rejection, and stands with it', async () => {
    const { s, id, view } = await opened('Reject', {});
    expect(await s.state(id)).toBe('pending');
    const answer = await s.slack.submit(view, 'not on a Friday', s.to);
    expect([answer.status, await answer.text()]).toEqual([200, '']);
    expect((await s.show(id)).votes).toEqual([
      expect.objectContaining({ verdict: 'reject', reason: 'not on a Friday' }),
    ]);
  });

  verifies('APR-6', 'that the rule demands is asked for either way, and an empty one changes nothing', async () => {
    const { s, id, view } = await opened('Approve', { rule: { reason: 'required' } });
    expect(JSON.stringify(view.view)).toContain('"optional":false');
    for (const empty of ['', '  \n'])
      expect(await problemOf(await s.slack.submit(view, empty, s.to))).toContain('reason is required');
    expect(await s.state(id)).toBe('pending');
    expect(await s.codes()).toEqual(['reason_missing', 'reason_missing']);
    await s.slack.submit(view, 'checked with the owner', s.to);
    expect(await s.state(id)).toBe('approved');
  });

  verifies('APR-6', 'that the rule demands cannot be left out by a button that says it is not', async () => {
    const s = await setting({ rule: { reason: 'required' } });
    const { id, message } = await s.card();
    const { digest } = await s.show(id);
    const actions = [{ action_id: 'countersign_approve', value: JSON.stringify({ a: id, d: digest }) }];
    const payload = { ...s.slack.payloadOfPress(message, 'Approve', users.carol), actions };
    await s.to(s.slack.request(payload));
    expect(await s.state(id)).toBe('pending');
    expect(await s.codes()).toEqual(['reason_missing']);
  });

  verifies('APR-6', 'for a request that ended while the form was open is refused at the input', async () => {
    const { s, id, view } = await opened('Reject', {});
    s.pass(16 * 60_000);
    expect(await problemOf(await s.slack.submit(view, 'late', s.to))).toContain('has expired');
    expect(await s.votes(id)).toBe(0);
    expect(await s.codes()).toEqual(['expired']);
  });
});

describe('a form', () => {
  verifies('APR-6', 'is opened for nobody who is not known', async () => {
    const s = await setting();
    const { message } = await s.card();
    expect((await s.slack.press(message, 'Reject', users.mallory, s.to)).status).toBe(403);
    expect(s.slack.views()).toEqual([]);
    expect(await s.codes()).toEqual(['unknown_person']);
  });

  verifies('APR-6', 'that somebody else sends is refused', async () => {
    const { s, id, view } = await opened('Reject', {});
    for (const [user, status] of [
      [users.dave, 400],
      [users.mallory, 400],
      [users.guest, 400],
    ] as const) {
      const answer = await s.to(s.slack.request(s.slack.payloadOfSubmission(view, 'no', user)));
      expect(answer.status).toBe(status);
    }
    expect(await s.votes(id)).toBe(0);
    expect(await s.codes()).toEqual(['malformed', 'malformed', 'malformed']);
  });

  verifies('APR-6', 'of somebody who was taken out while it was open decides nothing', async () => {
    let active = true;
    const approverFor = () => (active ? { tenant: 'acme', id: 'carol' } : undefined);
    const { s, id, view } = await opened('Reject', { approverFor });
    active = false;
    expect((await s.slack.submit(view, 'no', s.to)).status).toBe(403);
    expect(await s.votes(id)).toBe(0);
    expect(await s.codes()).toEqual(['unknown_person']);
  });

  test('counts without the workspace of its user, which Slack leaves out in its own examples', async () => {
    const { s, id, view } = await opened('Reject', {});
    const payload = s.slack.payloadOfSubmission(view, 'no');
    await s.to(s.slack.request({ ...payload, user: { id: users.carol.id, name: 'carol' } }));
    expect(await s.state(id)).toBe('rejected');
  });

  verifies('APR-6', 'of another app, or with metadata that is none of ours, is refused', async () => {
    const { s, id, view } = await opened('Reject', {});
    const payload = s.slack.payloadOfSubmission(view, 'no');
    const submitted = payload['view'] as object;
    const changes: readonly (readonly [object, number])[] = [
      [{ view: { ...submitted, app_id: 'A0EVIL' } }, 403],
      [{ view: { ...submitted, private_metadata: '{}' } }, 400],
      [{ view: { ...submitted, private_metadata: 'null' } }, 400],
      [{ view: { ...submitted, state: { values: { countersign_reason: { text: { value: 7 } } } } } }, 400],
      [{ view: { ...submitted, callback_id: 'elsewhere' } }, 200],
    ];
    for (const [change, status] of changes) {
      expect((await s.to(s.slack.request({ ...payload, ...change }))).status).toBe(status);
    }
    expect(await s.votes(id)).toBe(0);
  });

  verifies('APR-3', 'that Slack does not open is said to the person, and nothing is decided', async () => {
    const s = await setting();
    const { id, message } = await s.card();
    const payload = s.slack.payloadOfPress(message, 'Reject', users.carol);
    expect((await s.to(s.slack.request({ ...payload, trigger_id: 'used' }))).status).toBe(500);
    expect((await s.told()).join()).toContain('Slack could not open the form');
    expect(await s.state(id)).toBe('pending');
  });

  test('is closed at once when the decision takes longer, and the person is told', async () => {
    const slow: SettingInput = {
      interactions: { acknowledgeMs: 20 },
      store: (store) => ({
        ...store,
        async vote(input) {
          await new Promise((resolve) => setTimeout(resolve, 100));
          return store.vote(input);
        },
      }),
    };
    const { s, id, view } = await opened('Reject', slow);
    const answer = await s.slack.submit(view, 'no', s.to);
    expect([answer.status, await answer.text()]).toEqual([200, '']);
    expect((await s.told()).join()).toContain('The request is rejected.');
    expect(await s.state(id)).toBe('rejected');
  });
});

describe('an edit', () => {
  const rule = { edit: true, quorum: 1 } as const;
  const args = { region: 'eu', amount: 7, password: 'hunter2', note: 'for the board only' };

  verifies(
    ['APR-7', 'APR-12'],
    'changes what it names, keeps what is hidden, and is decided on under a new digest',
    async () => {
      const { s, id, message, view } = await opened('Edit', { rule }, args);
      const { text } = render(view.view['blocks']);
      expect(text).toContain('"region":"eu"');
      expect(JSON.stringify(view.view)).not.toMatch(/hunter2|board|initial_value/);
      const before = (await s.show(id)).digest;
      const answer = await s.slack.submit(view, '{"region":"us","amount":null}', s.to);
      expect([answer.status, await answer.text()]).toEqual([200, '']);
      const after = await s.show(id);
      expect(JSON.parse(after.arguments)).toEqual({ region: 'us', password: 'hunter2', note: 'for the board only' });
      expect([after.state, after.votes, after.digest === before]).toEqual(['pending', [], false]);
      // The old card decides nothing any more; the new one does.
      await s.slack.press(message, 'Approve', users.dave, s.to);
      await s.notifier.tick();
      expect(JSON.stringify(s.slack.calls)).not.toMatch(/hunter2|board/);
      expect((await s.slack.press(s.shown(), 'Approve', users.dave, s.to)).status).toBe(200);
      expect(await s.state(id)).toBe('approved');
    },
  );

  verifies('APR-7', 'that schema or policy refuse is refused at the input, and changes nothing', async () => {
    const { s, id, view } = await opened('Edit', { rule }, args);
    for (const patch of ['{"region":"mars"}', '{"amount":1000}', '{"region":null}', '{"password":7}']) {
      expect(await problemOf(await s.slack.submit(view, patch, s.to))).toContain('the policy denies these arguments');
    }
    expect(JSON.parse((await s.show(id)).arguments)).toEqual(args);
    expect(await s.codes()).toEqual(Array(4).fill('edit_denied'));
  });

  verifies(['APR-7', 'APR-12'], 'that would put a placeholder in the place of a value is refused', async () => {
    const { s, id, view } = await opened('Edit', { rule }, args);
    const patches = [
      '{"password":"[redacted]"}',
      '{"password":"\\u005bredacted]"}',
      '{"password":"[REDACTED]"}',
      '{"note":"[digest abc_-1]"}',
      '{"deep":[{"x":"y… (1234 characters)"}]}',
      '{"[3 more]":1}',
      '{"note":"[truncated]"}',
    ];
    for (const patch of patches) {
      expect(await problemOf(await s.slack.submit(view, patch, s.to))).toContain('placeholder');
    }
    expect(JSON.parse((await s.show(id)).arguments)).toEqual(args);
    const refused = await s.refused();
    expect(refused.map(({ code }) => code)).toEqual(patches.map(() => 'edit_invalid'));
    expect(refused.every(({ approval }) => approval === id)).toBe(true);
  });

  verifies('APR-7', 'that is no merge patch is refused at the input', async () => {
    const { s, id, view } = await opened('Edit', { rule }, args);
    const patches = [
      ...['', '{', '[]', '"eu"', 'null', '{}', '{"region":"us","region":"eu"}', '{"note":"a &amp; b"}'],
      ...['{"__proto__":{"region":"us"}}', `{"note":"${'\\ud800'}"}`],
    ];
    for (const patch of patches) expect(await problemOf(await s.slack.submit(view, patch, s.to))).not.toBe('');
    expect(JSON.parse((await s.show(id)).arguments)).toEqual(args);
    expect(await s.refused()).toHaveLength(patches.length);
  });

  verifies(
    'APR-7',
    'of arguments that somebody edited meanwhile is refused, and its text is never taken for arguments',
    async () => {
      const { s, id, view } = await opened('Edit', { rule }, args);
      const { digest } = await s.show(id);
      await s.approvals
        .as({ tenant: 'acme', id: 'erin' })
        .edit({ id, digest, arguments: '{"region":"us","amount":3}' });
      expect(await problemOf(await s.slack.submit(view, '{"region":"eu"}', s.to))).toContain('what was shown is not');
      expect(JSON.parse((await s.show(id)).arguments)).toEqual({ region: 'us', amount: 3 });
      expect(await s.codes()).toEqual(['digest_mismatch']);
    },
  );

  verifies('APR-7', 'by the requester, or where the rule permits none, is refused', async () => {
    const own = await setting({ rule });
    const { id, message } = await own.card(args);
    await own.slack.press(message, 'Edit', users.alice, own.to);
    expect(await problemOf(await own.slack.submit(formIn(own), '{"region":"us"}', own.to))).toContain('requester');
    expect(JSON.parse((await own.show(id)).arguments)).toEqual(args);
    expect(await own.codes()).toEqual(['own_request']);

    const fixed = await setting();
    const card = await fixed.card(args);
    const { digest } = await fixed.show(card.id);
    const actions = [{ action_id: 'countersign_edit', value: JSON.stringify({ a: card.id, d: digest }) }];
    const payload = { ...fixed.slack.payloadOfPress(card.message, 'Approve', users.carol), actions };
    await fixed.to(fixed.slack.request(payload));
    const answer = await fixed.slack.submit(formIn(fixed), '{"region":"us"}', fixed.to);
    expect(await problemOf(answer)).toContain('does not permit edits');
    expect(await fixed.codes()).toEqual(['edit_not_permitted']);
  });
});

test('a merge patch is that of RFC 7396, appendix A', () => {
  const cases: readonly (readonly [target: string, patch: string, result: string])[] = [
    ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
    ['{"a":"b"}', '{"a":null}', '{}'],
    ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
    ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
    ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
    ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
    ['{"e":null}', '{"a":1}', '{"e":null,"a":1}'],
    ['[1,2]', '{"a":"b","c":null}', '{"a":"b"}'],
    ['{}', '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
  ];
  for (const [target, patch, result] of cases) expect(applyPatch(target, readPatch(patch, 'x'))).toBe(result);
  const polluting = applyPatch('{}', JSON.parse('{"__proto__":{"polluted":1}}') as Record<string, unknown>);
  expect([polluting, ({} as Record<string, unknown>)['polluted']]).toEqual(['{"__proto__":{"polluted":1}}', undefined]);
});
