/**
 * The handler behind a real HTTP server, as its README sets it up. Slack is a stand-in: see test/support/slack-server.ts.
 */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import { expect, onTestFinished } from 'vitest';
import { verifies } from '../../../test/verifies.ts';
import { setting, users } from './support/setting.ts';

async function served(fetch: (request: Request) => Promise<Response>): Promise<string> {
  const server = await new Promise<Server>((resolve) => {
    const starting = serve({ fetch, port: 0, hostname: '127.0.0.1' }, () => resolve(starting as Server));
  });
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/slack`;
}

verifies(['APR-3', 'APR-12'], 'from request to decision, over HTTP in both directions', async () => {
  const s = await setting({ rule: { edit: true, reason: 'required' } });
  const to = await served(s.interactions.fetch);
  const { id, message } = await s.card({ region: 'eu', amount: 7, password: 'hunter2' });
  expect((await s.slack.press(message, 'Edit', users.carol, to)).status).toBe(200);
  await s.slack.submit(s.slack.views()[0] ?? expect.fail(), '{"amount":5}', to);
  await s.notifier.tick();
  await s.slack.press(s.shown(), 'Approve', users.carol, to);
  const answer = await s.slack.submit(s.slack.views()[1] ?? expect.fail(), 'Grüße & "ok" <b>', to);
  expect([answer.status, await answer.text()]).toEqual([200, '']);
  expect(await s.show(id)).toMatchObject({ state: 'approved', votes: [{ reason: 'Grüße & "ok" <b>' }] });
  expect(JSON.parse((await s.show(id)).arguments)).toEqual({ region: 'eu', amount: 5, password: 'hunter2' });
  await s.notifier.tick();
  expect(s.slack.messages()).toHaveLength(1);
  expect(JSON.stringify(s.shown().args['blocks'])).toContain('Approved by carol.');
  expect(JSON.stringify(s.slack.calls)).not.toContain('hunter2');
});

verifies('APR-6', 'a forged request over HTTP decides nothing', async () => {
  const s = await setting();
  const to = await served(s.interactions.fetch);
  const { id, message } = await s.card();
  const payload = s.slack.payloadOfPress(message, 'Approve', users.carol);
  const answer = await fetch(s.slack.request(payload, { url: to, secret: 'f'.repeat(32) }));
  expect(answer.status).toBe(401);
  expect(await s.state(id)).toBe('pending');
});
