/**
 * A stand-in for Slack: its Web API over HTTP, and the interactions of people, signed as Slack signs them.
 *
 * Slack has no server that runs on one's own machine, so this one is written from its documentation. It refuses what Slack
 * documents to refuse (limits of blocks, tokens, triggers, messages that are not there) and claims nothing beyond that.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { problemsOfBlocks, problemsOfView, render, renderMarkup } from './slack-blocks.ts';

type Json = Readonly<Record<string, unknown>>;

export interface SlackMessage {
  readonly channel: string;
  readonly ts: string;
  /** Only this person sees it. */
  readonly to?: string;
  readonly args: Json;
  /** How often it was changed. */
  readonly changes: number;
}

export interface SlackView {
  readonly id: string;
  readonly openedBy: SlackUser;
  readonly view: Json;
}

export interface SlackUser {
  readonly id: string;
  readonly team: string;
}

/** Where interactions go: a handler in this process, or the address of one. */
export type RequestUrl = string | ((request: Request) => Promise<Response>);

/**
 * `losing`: posts and changes messages, and closes the connection without an answer. `limited`: 429 to everything.
 */
export type SlackState = 'well' | 'down' | 'hanging' | 'losing' | 'limited';

export interface SlackServer {
  /** For `slackApiUrl`. */
  readonly url: string;
  readonly token: string;
  readonly appId: string;
  readonly team: string;
  readonly signingSecret: string;
  /** Every call that reached it: the name of the method, and what it was given. */
  readonly calls: readonly { readonly method: string; readonly args: Json }[];
  /** In the order of posting; without those that only one person sees. */
  messages(): readonly SlackMessage[];
  ephemeral(): readonly SlackMessage[];
  /** Forms that were opened, oldest first. */
  views(): readonly SlackView[];
  become(state: SlackState): void;
  /** Takes a message out, as an administrator may. */
  readonly delete: (message: SlackMessage) => void;
  /** The payload of a press on the button with this text. @throws when a reader sees no such button */
  payloadOfPress(message: SlackMessage, button: string, user: SlackUser): Json;
  payloadOfSubmission(view: SlackView, text: string, user?: SlackUser): Json;
  press(message: SlackMessage, button: string, user: SlackUser, to: RequestUrl): Promise<Response>;
  submit(view: SlackView, text: string, to: RequestUrl): Promise<Response>;
  /** A signed request with this payload. */
  request(payload: Json, more?: SignedRequestOptions): Request;
  readonly close: () => Promise<void>;
}

export interface SignedRequestOptions {
  readonly secret?: string;
  /** Milliseconds since the epoch. */
  readonly time?: number;
  readonly url?: string;
}

export interface SlackServerOptions {
  /** Whether a `client_msg_id` that came before gets the first message again. Slack does not document it. Default: yes. */
  readonly deduplicates?: boolean;
  /** Posts to one channel within one second, beyond which it answers 429. Default: any number. */
  readonly postsPerSecond?: number;
}

/** A request with this body, signed as in "Verifying requests from Slack". */
export function signedRequest(
  body: string,
  secret: string,
  more: SignedRequestOptions & { type?: string } = {},
): Request {
  const time = String(Math.floor((more.time ?? Date.now()) / 1000));
  const signature = `v0=${createHmac('sha256', more.secret ?? secret)
    .update(`v0:${time}:${body}`)
    .digest('hex')}`;
  const headers = {
    'content-type': more.type ?? 'application/x-www-form-urlencoded',
    'x-slack-request-timestamp': time,
    'x-slack-signature': signature,
  };
  return new Request(more.url ?? 'https://app.example/slack', { method: 'POST', headers, body });
}

const triggerMs = 3_000;

export async function slackServer(options: SlackServerOptions = {}): Promise<SlackServer> {
  // Put together, so that no scanner takes it for a token that works.
  const token = ['xoxb', '1', randomBytes(12).toString('hex')].join('-');
  const [appId, team, signingSecret] = ['A0COUNTERSIGN', 'T0ACME', randomBytes(16).toString('hex')];
  const calls: { method: string; args: Json }[] = [];
  const messages = new Map<string, SlackMessage>();
  const ephemeral: SlackMessage[] = [];
  const views: SlackView[] = [];
  const triggers = new Map<string, { readonly user: SlackUser; readonly until: number }>();
  const posts = new Map<string, number[]>();
  const deleted = new Set<unknown>();
  let state: SlackState = 'well';
  let last = 0;
  let serial = 0;

  const keyOf = (channel: unknown, ts: unknown): string => `${String(channel)}/${String(ts)}`;
  const nextTs = (): string => {
    last = Math.max(last + 1, Date.now() * 1000);
    return `${Math.floor(last / 1_000_000)}.${String(last % 1_000_000).padStart(6, '0')}`;
  };
  const fail = (error: string, problems: readonly string[] = []): Json => ({
    ...{ ok: false, error },
    ...(problems.length === 0 ? {} : { response_metadata: { messages: problems.map((each) => `[ERROR] ${each}`) } }),
  });
  const isTooMuch = (channel: unknown): boolean => {
    const recent = (posts.get(String(channel)) ?? []).filter((time) => time > Date.now() - 1_000);
    posts.set(String(channel), [...recent, Date.now()]);
    return recent.length >= (options.postsPerSecond ?? Infinity);
  };
  const content = (args: Json): readonly string[] => {
    if (typeof args['text'] === 'string' && args['text'].length > 40_000) return ['msg_too_long'];
    return args['blocks'] === undefined ? [] : problemsOfBlocks(args['blocks'], 'message');
  };

  const methods: Readonly<Record<string, (args: Json) => Json | 'limited'>> = {
    'auth.test': () => ({ ok: true, team_id: team, user_id: 'U0BOT', bot_id: 'B0BOT' }),
    'chat.postMessage'(args) {
      const { channel, client_msg_id } = args;
      if (!/^[CDGUW][A-Z0-9]+$/.test(String(channel))) return fail('channel_not_found');
      if (isTooMuch(channel)) return 'limited';
      const problems = content(args);
      if (problems.length > 0) return fail('invalid_blocks', problems);
      const place = String(channel).replace(/^[UW]/, 'D');
      if (client_msg_id !== undefined && options.deduplicates !== false) {
        if (deleted.has(client_msg_id)) return fail('duplicate_message_not_found');
        const first = [...messages.values()].find((each) => each.args['client_msg_id'] === client_msg_id);
        if (first !== undefined) return { ok: true, channel: first.channel, ts: first.ts };
      }
      const ts = nextTs();
      messages.set(keyOf(place, ts), { channel: place, ts, args, changes: 0 });
      return { ok: true, channel: place, ts };
    },
    'chat.update'(args) {
      const found = messages.get(keyOf(args['channel'], args['ts']));
      if (found === undefined) return fail('message_not_found');
      if (found.args['foreign'] === true) return fail('cant_update_message');
      const problems = content(args);
      if (problems.length > 0) return fail('invalid_blocks', problems);
      const changed = { ...found, args: { ...found.args, ...args }, changes: found.changes + 1 };
      messages.set(keyOf(found.channel, found.ts), changed);
      return { ok: true, channel: found.channel, ts: found.ts };
    },
    'chat.postEphemeral'(args) {
      const problems = content(args);
      if (problems.length > 0) return fail('invalid_blocks', problems);
      const ts = nextTs();
      ephemeral.push({ channel: String(args['channel']), ts, to: String(args['user']), args, changes: 0 });
      return { ok: true, message_ts: ts };
    },
    'views.open'({ trigger_id, view }) {
      const trigger = triggers.get(String(trigger_id));
      if (trigger === undefined) return fail('invalid_trigger_id');
      triggers.delete(String(trigger_id));
      if (trigger.until < Date.now()) return fail('expired_trigger_id');
      const problems = problemsOfView(view as Json);
      if (problems.length > 0) return fail('invalid_arguments', problems);
      const opened = { id: `V${(serial += 1)}`, openedBy: trigger.user, view: view as Json };
      views.push(opened);
      return { ok: true, view: { id: opened.id } };
    },
    'conversations.history'({ channel, oldest, limit, cursor }) {
      const all = [...messages.values()]
        .filter((each) => each.channel === channel && Number(each.ts) > Number(oldest ?? 0))
        .toSorted((left, right) => Number(right.ts) - Number(left.ts));
      const from = Number(cursor ?? 0);
      const page = all.slice(from, from + Number(limit ?? 100));
      const more = from + page.length < all.length;
      return {
        ok: true,
        messages: page.map(({ ts, args }) => ({ type: 'message', ts, text: args['text'], metadata: args['metadata'] })),
        response_metadata: { next_cursor: more ? String(from + page.length) : '' },
      };
    },
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const method = (request.url ?? '').replace('/api/', '');
    const args = argsOf(body);
    calls.push({ method, args });
    if (state === 'hanging') return;
    if (state === 'down') return void response.writeHead(503).end('down for maintenance');
    const limited = (): void =>
      void response.writeHead(429, { 'retry-after': '1' }).end('{"ok":false,"error":"ratelimited"}');
    if (state === 'limited') return limited();
    const known = Object.hasOwn(methods, method) ? methods[method] : undefined;
    const isKnown = request.headers.authorization === `Bearer ${token}`;
    const result = isKnown ? (known?.(args) ?? fail('unknown_method')) : fail('invalid_auth');
    if (state === 'losing' && method.startsWith('chat.')) return void request.socket.destroy();
    if (result === 'limited') return limited();
    response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(result));
  }

  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  const trigger = (user: SlackUser): string => {
    const id = `${(serial += 1)}.${randomBytes(8).toString('hex')}`;
    triggers.set(id, { user, until: Date.now() + triggerMs });
    return id;
  };
  const who = (user: SlackUser): Json => ({
    api_app_id: appId,
    team: { id: team, domain: 'acme' },
    user: { id: user.id, username: 'somebody', name: 'somebody', team_id: user.team },
    enterprise: null,
    is_enterprise_install: false,
    token: 'deprecated',
  });
  const self: SlackServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/`,
    ...{ token, appId, team, signingSecret, calls },
    messages: () => [...messages.values()],
    ephemeral: () => ephemeral,
    views: () => views,
    become: (next) => void (state = next),
    delete({ channel, ts, args }) {
      messages.delete(keyOf(channel, ts));
      deleted.add(args['client_msg_id']);
    },
    payloadOfPress(message, button, user) {
      const { channel, ts, args } = messages.get(keyOf(message.channel, message.ts)) ?? message;
      const found = buttonsOf(args['blocks']).find(({ text }) => (text as Json)['text'] === button);
      if (found === undefined) throw new Error(`no button ${button}`);
      const { action_id, value, block_id, text } = found;
      return {
        ...{ type: 'block_actions', ...who(user), trigger_id: trigger(user) },
        channel: { id: channel, name: 'approvals' },
        container: { type: 'message', message_ts: ts, channel_id: channel, is_ephemeral: false },
        message: { type: 'message', user: 'U0BOT', ts, text: args['text'], blocks: args['blocks'] },
        state: { values: {} },
        actions: [{ type: 'button', action_id, block_id, value, text, action_ts: nextTs() }],
        response_url: 'https://hooks.slack.example/actions/unused',
      };
    },
    payloadOfSubmission({ id, openedBy, view }, text, user = openedBy) {
      const values: Record<string, Json> = {};
      for (const { type, block_id, element } of view['blocks'] as Json[]) {
        const { action_id } = (element ?? {}) as { action_id?: string };
        const input = { type: 'plain_text_input', value: text === '' ? null : text };
        if (type === 'input' && action_id !== undefined) values[String(block_id)] = { [action_id]: input };
      }
      const submitted = { ...view, id, app_id: appId, hash: '1.x', state: { values } };
      return { type: 'view_submission', ...who(user), trigger_id: trigger(user), view: submitted, response_urls: [] };
    },
    press: (message, button, user, to) =>
      deliver(self.request(self.payloadOfPress(message, button, user), urlOf(to)), to),
    submit: (view, text, to) => deliver(self.request(self.payloadOfSubmission(view, text), urlOf(to)), to),
    request: (payload, more) =>
      signedRequest(new URLSearchParams({ payload: JSON.stringify(payload) }).toString(), signingSecret, more),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return self;
}

/** What a reader of this message sees, and what of it a client acts on. */
export function shownOf({ channel, ts, args }: SlackMessage): { id: string; text: string; active: readonly string[] } {
  const { text, active } = render(args['blocks']);
  const notification = typeof args['text'] === 'string' ? args['text'] : '';
  // A notification has no form that is never parsed: `mrkdwn` and `parse` are not promised to reach it.
  const metadata = args['metadata'] === undefined ? [] : [JSON.stringify(args['metadata'])];
  return {
    id: `${channel}/${ts}`,
    text: `${notification}\n${text}`,
    active: [...renderMarkup(notification).active, ...active, ...metadata],
  };
}

function buttonsOf(blocks: unknown): readonly Json[] {
  return (Array.isArray(blocks) ? (blocks as Json[]) : []).flatMap(({ type, block_id, elements }) =>
    type === 'actions' ? (elements as Json[]).map((each) => ({ ...each, block_id })) : [],
  );
}

function urlOf(to: RequestUrl): SignedRequestOptions {
  return typeof to === 'string' ? { url: to } : {};
}

function deliver(request: Request, to: RequestUrl): Promise<Response> {
  return typeof to === 'string' ? fetch(request) : to(request);
}

/** Web API arguments come as a form; what is structured in them is JSON text. */
function argsOf(body: string): Json {
  const args: Record<string, unknown> = Object.fromEntries(new URLSearchParams(body));
  for (const name of ['blocks', 'view', 'metadata']) {
    if (typeof args[name] === 'string') args[name] = JSON.parse(args[name]);
  }
  return args;
}
