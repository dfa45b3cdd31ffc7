/**
 * Takes what people do in Slack: buttons and forms, each signed by Slack, each decided on as the person it names.
 * @module
 */
import { ConfigurationError, type Approvals } from '@countersign/core';
import {
  boundedReplayGuard,
  memoryReplayGuard,
  problemResponse,
  RequestRefused,
  statusOfError,
  tellListener,
  type ReplayGuard,
} from '@countersign/core/channel';
import type { Acting } from './act.ts';
import { acknowledged, verifyUrl } from './answers.ts';
import { readInteraction, type Interaction } from './interaction.ts';
import { createOpenWork } from './open-work.ts';
import { malformed, Refusal } from './refusal.ts';
import { verifierOf } from './signed-by-slack.ts';
import { createSlackApi, type SlackAccess } from './slack-api.ts';
import { createTaker } from './take-interaction.ts';

export interface SlackInteractionsOptions extends SlackAccess, Pick<Acting, 'approverFor'> {
  readonly approvals: Pick<Approvals, 'as' | 'recordRefused'>;
  /** Of the app's page. Several while it is rotated: either counts. Whoever has it decides for everybody below. */
  readonly signingSecret: string | readonly string[];
  /** Of the app: `A…`. */
  readonly appId: string;
  /** Workspaces whose people may decide, `T…` (or `E…` of an Enterprise organization). Guests from elsewhere in a shared channel are of another one. */
  readonly team: string | readonly string[];
  /** Whose requests are decided here, and whose ledger hears of what was refused. */
  readonly tenant: string;
  /** Default: in the memory of this process. */
  readonly replays?: ReplayGuard;
  /** In the ledger. Default `slack`. */
  readonly name?: string;
  /** After this time Slack is answered, and the work goes on. Default 2 000 ms; Slack gives 3 000. */
  readonly acknowledgeMs?: number;
  /**
   * Told when a person could not be told what became of their decision, and why something was answered with a status from
   * 500 on; not waited for. Default: nobody.
   */
  readonly onFailure?: (error: unknown) => unknown;
}

export interface SlackInteractions {
  /** For `POST` to the app's Request URL, with the body as Slack sent it. */
  readonly fetch: (request: Request) => Promise<Response>;
  /** Takes nothing more, and resolves once everything that was taken is done. */
  close(): Promise<void>;
}

/** @throws ConfigurationError */
export function slackInteractions(options: SlackInteractionsOptions): SlackInteractions {
  const { appId, name = 'slack', acknowledgeMs = 2_000, onFailure } = options;
  const expected = { appId, teams: typeof options.team === 'string' ? [options.team] : options.team };
  if (!/^A[A-Z0-9]{2,24}$/.test(appId) || !areTeams(expected.teams)) {
    throw new ConfigurationError('appId is the A… of the app, and team the T… (or E…) of the workspace');
  }
  const verify = verifierOf(options.signingSecret);
  const replays = boundedReplayGuard(options.replays ?? memoryReplayGuard());
  const open = createOpenWork();
  const acting: Acting = { ...options, api: createSlackApi(options) };
  const taker = createTaker({ acting, approvals: options.approvals, name, onFailure, open });
  let closed = false;

  async function answer(request: Request): Promise<Response> {
    const answerBy = performance.now() + acknowledgeMs;
    if (request.method === 'GET' && new URL(request.url).searchParams.get('ssl_check') === '1') return acknowledged();
    if (request.method !== 'POST') throw new RequestRefused(405, 'Slack sends POST');
    const { id, text } = await verify(request, Date.now());
    if (!(await replays.take(id))) throw new Refusal(409, 'replayed', 'this request was taken before');
    const type = request.headers.get('content-type') ?? '';
    if (/^application\/json\b/i.test(type)) return verifyUrl(text);
    if (!/^application\/x-www-form-urlencoded\b/i.test(type)) throw malformed('send a form');
    const interaction = interactionIn(new URLSearchParams(text));
    const response = interaction.kind === 'nothing' ? acknowledged() : await taker.take(interaction, answerBy);
    if (response.status >= 500) await replays.giveBack(id);
    return response;
  }

  function interactionIn(fields: URLSearchParams): Interaction {
    const [payload, ...others] = fields.getAll('payload');
    if (payload === undefined && fields.get('ssl_check') === '1') return { kind: 'nothing' };
    if (payload === undefined || others.length > 0) throw malformed('an interaction has one payload');
    return readInteraction(payload, expected);
  }

  return {
    fetch: async (request) => {
      if (closed) return problemResponse(new RequestRefused(503, 'no more decisions are taken here'));
      try {
        return await answer(request);
      } catch (error) {
        const status = statusOfError(error);
        // Nobody tried anything with a method.
        if (status < 500 && status !== 405) await taker.record(error);
        if (status >= 500 && !(error instanceof RequestRefused)) tellListener(onFailure, error);
        return problemResponse(error);
      }
    },
    async close() {
      closed = true;
      await open.idle();
    },
  };
}

function areTeams(teams: readonly string[]): boolean {
  return teams.length > 0 && teams.every((team) => /^[TE][A-Z0-9]{2,24}$/.test(team));
}
