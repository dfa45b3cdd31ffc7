/**
 * Agents that ask, a mail server, a console, and people who read mail and type what stands there.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { parse, type DefaultTreeAdapterTypes } from 'parse5';
import { createApprovals, createCountersign, definePolicy, memoryStore, type Approver } from '@countersign/core';
import { serveConsole } from '@countersign/console';
import { refusedRecords } from '../../../../test/support/refused-records.ts';
import { emailChannel, mailCodes, type MailCodesOptions } from '../../src/index.ts';
import { mailServer, type Received } from './mail-server.ts';
import { codeIn, linkIn } from './reading.ts';

const capability = 'deploy:production:create';
const policy = definePolicy({
  countersign: 1,
  name: 'mail',
  version: '1',
  tenants: ['acme'],
  tools: {
    deploy: { capability, risk: 'high', approval: { edit: true } },
    release: { capability, risk: 'high', approval: { quorum: 2 } },
  },
  agents: { support: { owner: 'user:alice', capabilities: [capability] } },
  users: { alice: { capabilities: [capability] } },
});

export type World = Awaited<ReturnType<typeof createWorld>>;

export async function createWorld(more: Partial<MailCodesOptions> = {}) {
  let ahead = 0;
  let calls = 0;
  const now = (): number => Date.now() + ahead;
  const store = memoryStore();
  const audit = { key: randomBytes(32) };
  const signingKey = generateKeyPairSync('ed25519').privateKey;
  const directory = { authenticate: () => undefined };
  const approvals = createApprovals({ store, signingKey, approvers: directory, audit, policy, now });
  const keys = [approvals.publicKey];
  const countersign = createCountersign({ policy, store, audit, approvals: { keys }, now });
  const gate = countersign.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: 'run-1' });
  const people: Approver[] = ['carol', 'dave'].map((id) => ({ tenant: 'acme', id }));
  const mail = await mailServer();
  const codes = mailCodes({
    key: randomBytes(32),
    ...{ tenant: 'acme', approvals, now, approvers: () => people, ...more },
  });
  const console = await serveConsole({
    service: approvals,
    signIn: codes,
    now,
    ...(more.recordRefusals === false ? { tenant: 'acme' } : {}),
  });
  const channel = emailChannel({
    transport: { host: '127.0.0.1', port: mail.port },
    from: 'approvals@acme.example',
    recipients: () => people.map(({ id }) => ({ approver: id, address: `${id}@acme.example` })),
    consoleUrl: console.url,
    codes,
  });
  return {
    ...{ store, approvals, codes, mail, people },
    url: console.url,
    notifier: approvals.notifier({ channels: [channel] }),
    pass: (ms: number) => void (ahead += ms),
    /** Files a request, tells everybody, and answers its id and the mail that each got. */
    async ask(args: unknown = { region: 'eu' }, tool = 'deploy') {
      calls += 1;
      const call = { tool: { name: tool, source: 'local' }, callId: `call-${calls}`, step: '#0', arguments: args };
      const outcome = await gate.execute({ ...call, origin: 'model' }, () => 1);
      if (outcome.status !== 'pending') throw new Error(`expected pending, got ${outcome.status}`);
      await this.notifier.tick();
      return { id: outcome.approval, mailTo: (person: string) => lastMail(mail.received, person, outcome.approval) };
    },
    state: async (id: string) => (await store.approval('acme', id))?.state,
    votes: async (id: string) => (await store.approval('acme', id))?.votes.length,
    refused: () => refusedRecords(countersign.ledger),
    async ledger() {
      const records = [];
      for await (const record of countersign.ledger.query({ tenant: 'acme' })) records.push(record);
      return JSON.stringify(records);
    },
    async close() {
      await console.close();
      await mail.close();
      await countersign.close();
    },
  };
}

/** @param about the id of a request */
export function lastMail(received: readonly Received[], person: string, about: string) {
  const mail = received.findLast(
    ({ to, mail: { text } }) => to.includes(`${person}@acme.example`) && text?.includes(about),
  );
  if (mail === undefined) throw new Error(`no mail for ${person}`);
  return { mail, code: codeIn(mail) ?? '', link: linkIn(mail) };
}

export interface Form {
  readonly action: string;
  readonly method: string;
  /** With their default values; of a button that is pressed too. */
  readonly fields: Record<string, string>;
}

/** A browser without a person: cookies, redirects, forms. */
export function browser(origin: string) {
  const cookies = new Map<string, string>();
  async function send(
    url: string,
    init: Omit<RequestInit, 'headers'> & { readonly headers?: Record<string, string> } = {},
  ): Promise<Response> {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(new URL(url, origin), {
      ...init,
      headers: { cookie, ...init.headers },
      redirect: 'manual',
    });
    for (const line of response.headers.getSetCookie()) {
      const [name = '', value = ''] = (line.split(';')[0] ?? '').split('=');
      if (/max-age=0/i.test(line)) cookies.delete(name);
      else cookies.set(name, value);
    }
    const location = response.headers.get('location');
    return location !== null && response.status === 303 ? send(new URL(location, new URL(url, origin)).href) : response;
  }
  return {
    get: (url: string) => send(url),
    head: (url: string) => send(url, { method: 'HEAD' }),
    submit: ({ action, fields }: Form, more: Record<string, string> = {}) =>
      send(action, {
        method: 'POST',
        headers: { origin, 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({ ...fields, ...more }).toString(),
      }),
  };
}

/** Every form of a page, once for each button, as a scanner or a person would send it. */
export function formsOf(page: string): readonly Form[] {
  const forms: Form[] = [];
  type Element = DefaultTreeAdapterTypes.Element;
  const all = (node: DefaultTreeAdapterTypes.Node): Element[] => [
    ...('tagName' in node ? [node] : []),
    ...('childNodes' in node ? node.childNodes.flatMap(all) : []),
  ];
  const value = (element: Element, name: string) => element.attrs.find((each) => each.name === name)?.value;
  for (const form of all(parse(page)).filter(({ tagName }) => tagName === 'form')) {
    const inside = all(form);
    const fields: Record<string, string> = {};
    for (const field of inside.filter(({ tagName }) => ['input', 'textarea'].includes(tagName))) {
      const name = value(field, 'name');
      const text = field.childNodes.map((child) => ('value' in child ? child.value : '')).join('');
      if (name !== undefined) fields[name] = value(field, 'value') ?? text;
    }
    const buttons = inside.filter(({ tagName }) => tagName === 'button');
    const { action = '', method = 'get' } = { action: value(form, 'action'), method: value(form, 'method') };
    for (const button of buttons.length === 0 ? [undefined] : buttons) {
      const name = button && value(button, 'name');
      forms.push({ action, method, fields: name ? { ...fields, [name]: value(button, 'value') ?? '' } : fields });
    }
  }
  return forms;
}
