/** The ways in which a person decides, each over the wire. They answer a status of HTTP. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { browser, formsOf } from '../../packages/email/test/support/world.ts';
import type { MailServer } from '../../packages/email/test/support/mail-server.ts';
import { codeIn, linkIn } from '../../packages/email/test/support/reading.ts';
import { signerOf } from '../../packages/webhook/src/secret.ts';
import type { SlackMessage, SlackServer } from '../support/slack-server.ts';
import type { ChaosInput } from './parts.ts';

export interface Act {
  readonly approval: string;
  /** What the person was shown. Forms and cards carry their own. */
  readonly digest: string;
  readonly person: string;
  readonly verdict: 'approve' | 'reject';
}

export type Way = 'api' | 'console' | 'hook' | 'slack' | 'mail';

export interface Routes extends Readonly<Record<Way, (act: Act) => Promise<number>>> {
  edit(edit: Omit<Act, 'verdict'> & { readonly arguments: string }): Promise<number>;
  digestOf(approval: string, person: string): Promise<string>;
}

const patienceMs = 1_500;
const requestMs = 4_000;
const maxLooks = 100;

export function createRoutes(
  input: Pick<ChaosInput, 'ports' | 'webhook'>,
  mail: MailServer,
  slack: SlackServer,
): Routes {
  const api = `http://127.0.0.1:${input.ports.api}`;
  const hooks = `http://127.0.0.1:${input.ports.hooks}`;
  const consoleUrl = `http://127.0.0.1:${input.ports.console}`;
  const signer = signerOf(input.webhook.callbackSecret);
  const signal = (): AbortSignal => AbortSignal.timeout(requestMs);

  const post = async (path: string, person: string, body: object): Promise<number> => {
    const headers = { authorization: `Bearer ${person}`, 'content-type': 'application/json' };
    const options = { method: 'POST', headers, body: JSON.stringify(body), signal: signal() };
    return statusOf(await fetch(`${api}/approvals/${path}`, options));
  };

  const show = async (approval: string, person: string): Promise<{ digest: string; state: string } | undefined> => {
    const headers = { authorization: `Bearer ${person}` };
    const response = await fetch(`${api}/approvals/${approval}`, { headers, signal: signal() }).catch(() => undefined);
    return response?.ok === true ? ((await response.json()) as { digest: string; state: string }) : undefined;
  };

  /** Whoever was told nothing yet tries again, unless others decided meanwhile: then there is nothing to be told. */
  const unheard = async (approval: string, person: string): Promise<number> => {
    const state = (await show(approval, person))?.state ?? 'pending';
    return state === 'pending' ? 0 : 409;
  };

  /** Signs in, opens the page, and sends its form as it stands there. */
  async function throughConsole({ approval, verdict }: Act, link: string, way: string, code: string): Promise<number> {
    const visitor = browser(consoleUrl);
    const entry = await (await visitor.get(`${consoleUrl}/sign-in`)).text();
    const form = formsOf(entry).find(({ fields }) => fields['way'] === way && 'code' in fields);
    if (form === undefined) throw new Error('no form to sign in');
    const signedIn = await visitor.submit(form, { code });
    if (signedIn.status >= 400) return statusOf(signedIn);
    const page = await visitor.get(link);
    const decision = formsOf(await page.text()).find(
      ({ action, fields }) => action.endsWith(`/${approval}/decision`) && fields['verdict'] === verdict,
    );
    // The page shows no form to whoever may not decide, or once it was decided.
    if (decision === undefined) return page.status < 300 ? 409 : page.status;
    return statusOf(await visitor.submit(decision));
  }

  return {
    api: ({ approval, person, verdict, digest }) => post(`${approval}/decision`, person, { verdict, digest }),
    console: (act) => throughConsole(act, `${consoleUrl}/approvals/${act.approval}`, '0', act.person),
    async hook({ approval, digest, verdict, person }) {
      const body = JSON.stringify({ type: 'approval.decision', data: { approval, digest, verdict, person } });
      const [id, time] = [`msg_${randomUUID()}`, new Date()];
      const headers = {
        'webhook-id': id,
        'webhook-timestamp': String(Math.floor(time.getTime() / 1000)),
        'webhook-signature': signer.sign(id, time, body),
      };
      return statusOf(await fetch(hooks, { method: 'POST', headers, body, signal: signal() }));
    },
    async slack({ approval, person }) {
      const card = await eventually(() => cardOf(slack, approval));
      if (card === undefined) return unheard(approval, person);
      const user = { id: `U0${person.toUpperCase()}`, team: slack.team };
      try {
        return await statusOfSlack(slack, slack.press(card, 'Approve', user, `${hooks}/slack`), user.id);
      } catch (error) {
        // The card shows how it ended, and no button any more.
        if (error instanceof Error && error.message.startsWith('no button')) return 409;
        throw error;
      }
    },
    async mail(act) {
      const found = await eventually(() =>
        mail.received.findLast((each) => codeIn(each) !== undefined && linkIn(each).endsWith(act.approval)),
      );
      if (found === undefined) return unheard(act.approval, act.person);
      return throughConsole(act, linkIn(found), '1', codeIn(found) ?? '');
    },
    edit: ({ approval, person, ...body }) =>
      post(`${approval}/arguments`, person, { digest: body.digest, arguments: body.arguments }),
    async digestOf(approval, person) {
      for (let attempt = 0; attempt < maxLooks; attempt += 1) {
        const shown = await show(approval, person);
        if (shown !== undefined) return shown.digest;
        await sleep(100);
      }
      throw new Error('the desk does not answer');
    },
  };
}

function cardOf(slack: SlackServer, approval: string): SlackMessage | undefined {
  return slack.messages().find(({ args }) => JSON.stringify(args['metadata']).includes(approval));
}

async function statusOf(response: Response): Promise<number> {
  await response.arrayBuffer();
  return response.status;
}

/** Slack is answered 200 also where a person is told, for themselves alone, that it was refused. */
async function statusOfSlack(slack: SlackServer, pressed: Promise<Response>, user: string): Promise<number> {
  const told = slack.ephemeral().length;
  const status = await statusOf(await pressed);
  const refused = slack
    .ephemeral()
    .slice(told)
    .some(({ to }) => to === user);
  return status === 200 ? (refused ? 409 : 202) : status;
}

async function eventually<Value>(look: () => Value | undefined): Promise<Value | undefined> {
  const until = performance.now() + patienceMs;
  for (;;) {
    const found = look();
    if (found !== undefined || performance.now() > until) return found;
    await sleep(50);
  }
}
