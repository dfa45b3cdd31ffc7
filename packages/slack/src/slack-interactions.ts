/**
 * Takes what people do in Slack: buttons and forms, each signed by Slack, each decided on as the person it names.
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigurationError, type Approvals } from '@countersign/core';
import {
  memoryReplayGuard,
  problemResponse,
  RequestRefused,
  statusOfError,
  visible,
  within,
  type ReplayGuard,
} from '@countersign/core/channel';
import { act, type Acting, type Done } from './act.ts';
import { inputs } from './forms.ts';
import { readInteraction, type Press, type Submission } from './interaction.ts';
import { PatchError } from './merge-patch.ts';
import { createOpenWork } from './open-work.ts';
import { plainText } from './plain-text.ts';
import { malformed, Refusal } from './refusal.ts';
import { verifierOf } from './signed-by-slack.ts';
import { createSlackApi, SlackFailure, type SlackAccess } from './slack-api.ts';

export interface SlackInteractionsOptions extends SlackAccess, Pick<Acting, 'approverFor'> {
  readonly approvals: Pick<Approvals, 'as' | 'recordRefused'>;
  /** Of the app's page. Several while it is rotated: either counts. Whoever has it decides for everybody below. */
  readonly signingSecret: string | readonly string[];
  /** Of the app: `A…`. */
  readonly appId: string;
  /** Workspaces whose people may decide: `T…`. Guests from elsewhere in a shared channel are of another one. */
  readonly team: string | readonly string[];
  /** Whose requests are decided here, and whose ledger hears of what was refused. */
  readonly tenant: string;
  /** Default: in the memory of this process. */
  readonly replays?: ReplayGuard;
  /** In the ledger. Default `slack`. */
  readonly name?: string;
  /** After this time Slack is answered, and the work goes on. Default 2 000 ms; Slack gives 3 000. */
  readonly acknowledgeMs?: number;
  /** Told when a person could not be told what became of their decision. Default: nobody. */
  readonly onFailure?: (error: unknown) => void;
}

export interface SlackInteractions {
  /** For `POST` to the app's Request URL, with the body as Slack sent it. */
  fetch(request: Request): Promise<Response>;
  /** Takes nothing more, and resolves once everything that was taken is done. */
  close(): Promise<void>;
}

const workTimeoutMs = 30_000;
const guardTimeoutMs = 1_000;
const recordTimeoutMs = 1_000;
const maxOpen = 500;
const notSure = 'This could not be finished, and may not count. Look at the request again.';

type Outcome = { readonly done: Done } | { readonly error: unknown };

/** @throws ConfigurationError */
export function slackInteractions(options: SlackInteractionsOptions): SlackInteractions {
  const { approvals, tenant, approverFor, appId, name = 'slack', acknowledgeMs = 2_000, onFailure } = options;
  const teams = typeof options.team === 'string' ? [options.team] : options.team;
  if (!/^A[A-Z0-9]{2,24}$/.test(appId) || teams.length === 0 || !teams.every((team) => /^[TE][A-Z0-9]{2,24}$/.test(team))) {
    throw new ConfigurationError('appId is the A… of the app, and team the T… of the workspace');
  }
  const verify = verifierOf(options.signingSecret);
  const replays = options.replays ?? memoryReplayGuard();
  const acting: Acting = { api: createSlackApi(options), approvals, tenant, approverFor };
  const open = createOpenWork();
  let closed = false;

  async function record(error: unknown): Promise<void> {
    const reason = error instanceof RequestRefused ? error.reason : error instanceof PatchError ? 'edit_invalid' : undefined;
    if (reason === undefined) return;
    const approval = error instanceof Refusal ? error.approval : undefined;
    const refused = { tenant, channel: name, reason, ...(approval === undefined ? {} : { approval }) };
    await within(approvals.recordRefused(refused), recordTimeoutMs).catch(() => undefined);
  }

  function tell({ person, ...rest }: Press | Submission, text: string): void {
    const channel = rest.kind === 'press' ? rest.channel : rest.form.channel;
    const blocks = [{ type: 'section', text: plainText(text, 3_000) }];
    const message = { channel, user: person.user, text: 'About your decision', blocks, parse: 'none', link_names: false };
    open.add(acting.api('chat.postEphemeral', message).catch((error: unknown) => onFailure?.(error)));
  }

  /** Never rejects. */
  async function settle(interaction: Press | Submission): Promise<Outcome> {
    try {
      return { done: await within(act(acting, interaction), workTimeoutMs) };
    } catch (error) {
      await record(error);
      return { error };
    }
  }

  async function take(interaction: Press | Submission, giveBack: () => void): Promise<Response> {
    if (open.size >= maxOpen) throw new RequestRefused(503, 'too much is being decided at once');
    const work = settle(interaction);
    open.add(work);
    const timer = new AbortController();
    const late = sleep(acknowledgeMs, undefined, { signal: timer.signal }).catch(() => undefined);
    const outcome = await Promise.race([work, late]);
    timer.abort();
    if (outcome !== undefined) return answerTo(interaction, outcome, giveBack);
    open.add(work.then((known) => tell(interaction, 'error' in known ? wordsOf(known.error) : (known.done ?? ''))));
    return acknowledged();
  }

  function answerTo(interaction: Press | Submission, outcome: Outcome, giveBack: () => void): Response {
    if (!('error' in outcome)) return acknowledged();
    const { error } = outcome;
    const status = error instanceof PatchError ? 422 : statusOfError(error);
    const words = wordsOf(error);
    if (status >= 500) giveBack();
    if (interaction.kind === 'submission' && !(error instanceof RequestRefused)) {
      const { block } = inputs[interaction.form.action];
      return Response.json({ response_action: 'errors', errors: { [block]: words } }, { headers });
    }
    tell(interaction, words);
    // Slack shows the person a failure for anything but a 200, which they would take for one of ours.
    return status >= 500 || error instanceof RequestRefused ? problemResponse(error) : acknowledged();
  }

  async function answer(request: Request): Promise<Response> {
    if (request.method === 'GET' && new URL(request.url).searchParams.get('ssl_check') === '1') return acknowledged();
    if (request.method !== 'POST') throw new RequestRefused(405, 'Slack sends POST');
    const { id, text } = await verify(request, Date.now());
    if (!(await within(Promise.resolve(replays.take(id)), guardTimeoutMs))) {
      throw new Refusal(409, 'replayed', 'this request was taken before');
    }
    const type = request.headers.get('content-type') ?? '';
    if (/^application\/json\b/i.test(type)) return verifyUrl(text);
    if (!/^application\/x-www-form-urlencoded\b/i.test(type)) throw malformed('send a form');
    const fields = new URLSearchParams(text);
    const payloads = fields.getAll('payload');
    if (payloads.length === 0 && fields.get('ssl_check') === '1') return acknowledged();
    const [payload] = payloads;
    if (payload === undefined || payloads.length > 1) throw malformed('an interaction has one payload');
    const interaction = readInteraction(payload, { appId, teams });
    if (interaction.kind === 'nothing') return acknowledged();
    return take(interaction, () => open.add(giveBack(id)));
  }

  async function giveBack(id: string): Promise<void> {
    await within(Promise.resolve(replays.giveBack(id)), guardTimeoutMs).catch(() => undefined);
  }

  return {
    async fetch(request) {
      if (closed) return problemResponse(new RequestRefused(503, 'no more decisions are taken here'));
      try {
        return await answer(request);
      } catch (error) {
        // Nobody tried anything with a method or in a rush.
        if (statusOfError(error) < 500 && statusOfError(error) !== 405) await record(error);
        return problemResponse(error);
      }
    },
    async close() {
      closed = true;
      await open.idle();
    },
  };
}

const headers = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

function acknowledged(): Response {
  return new Response(null, { status: 200, headers });
}

/** Of the Events API, if the app uses the same address for both ("url_verification"). */
function verifyUrl(text: string): Response {
  const { type, challenge } = (parse(text) ?? {}) as { readonly type?: unknown; readonly challenge?: unknown };
  if (type !== 'url_verification' || typeof challenge !== 'string' || !/^[\w.-]{1,512}$/.test(challenge)) {
    throw malformed('of JSON, only a challenge is taken');
  }
  return new Response(challenge, { headers: { ...headers, 'content-type': 'text/plain' } });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw malformed('send JSON');
  }
}

/** For the person: the service's own reason, and nothing of what failed inside. */
function wordsOf(error: unknown): string {
  if (error instanceof SlackFailure) return 'Slack could not open the form. Try again.';
  if (error instanceof PatchError) return error.message;
  const status = statusOfError(error);
  if (status === 404) return 'There is no such request.';
  if (status >= 500 || !(error instanceof Error)) return notSure;
  const words = visible(error.message);
  return `This was not taken: ${words.slice(0, 300)}.`;
}
