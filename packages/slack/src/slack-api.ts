/**
 * Calls of Slack's Web API: bounded in time, made once, and failing with a code and nothing else.
 * @module
 */
import { ConfigurationError } from '@countersign/core';
import { isLoopback, within } from '@countersign/core/channel';
import { ErrorCode, LogLevel, WebClient, type Logger } from '@slack/web-api';
import { recordOf } from './record-of.ts';

/** What is used of a `WebClient`. */
export interface SlackClient {
  apiCall(method: string, options?: Record<string, unknown>): Promise<object>;
}

/** How Slack is reached: by a bot token, or by a client of your own. */
export interface SlackAccess {
  /** `xoxb-…` */
  readonly token?: string;
  /**
   * Instead of a token. Give it `retryConfig: { retries: 0 }` and `rejectRateLimitedCalls: true`: messages are sent again by
   * the notifier, and by default a client goes on trying for half an hour.
   */
  readonly client?: SlackClient;
  /** Default `https://slack.com/api/`. */
  readonly slackApiUrl?: string;
  /** For one call. Default 8 000 ms, below the notifier's own 10 000. */
  readonly timeoutMs?: number;
}

type SlackMethod = 'chat.postMessage' | 'chat.update' | 'chat.postEphemeral' | 'views.open' | 'conversations.history';

export type SlackApi = (
  method: SlackMethod,
  args: Record<string, unknown>,
) => Promise<Readonly<Record<string, unknown>>>;

/** A call that Slack refused or did not answer. It carries no cause: what a client throws may hold the request. */
export class SlackFailure extends Error {
  /** Slack's own, e.g. `channel_not_found`; or `rate_limited`, `http_503`, `unanswered`, `unknown_error`. */
  readonly code: string;
  constructor(method: string, code: string) {
    super(`Slack's ${method}: ${code}`);
    this.name = 'SlackFailure';
    this.code = code;
  }
}

const longestPauseMs = 10 * 60_000;

/** @throws ConfigurationError unless there is a token or a client, and not both */
export function createSlackApi(access: SlackAccess): SlackApi {
  const { timeoutMs = 8_000 } = access;
  const client = clientOf(access, timeoutMs);
  // Each method has a limit of its own. Asking before its time is over makes Slack wait longer.
  const pausedUntil = new Map<SlackMethod, number>();

  return async (method, args) => {
    if (performance.now() < (pausedUntil.get(method) ?? 0)) throw new SlackFailure(method, 'rate_limited');
    try {
      return { ...(await within(client.apiCall(method, args), timeoutMs)) };
    } catch (error) {
      const { retryAfter } = recordOf(error);
      if (typeof retryAfter === 'number') {
        pausedUntil.set(method, performance.now() + Math.min(retryAfter * 1000, longestPauseMs));
      }
      throw new SlackFailure(method, codeOf(error));
    }
  };
}

function clientOf({ token, client, slackApiUrl }: SlackAccess, timeout: number): SlackClient {
  if ((token === undefined) === (client === undefined)) throw new ConfigurationError('give Slack a token or a client');
  if (client !== undefined) return client;
  if (!/^xox[\w.-]+$/.test(token ?? '')) throw new ConfigurationError('a token of Slack begins with xox');
  return new WebClient(token, {
    ...(slackApiUrl === undefined ? {} : { slackApiUrl: checkedUrl(slackApiUrl) }),
    ...{ timeout, logger: silent, retryConfig: { retries: 0 }, rejectRateLimitedCalls: true, allowAbsoluteUrls: false },
  });
}

function checkedUrl(text: string): string {
  const url = URL.parse(text);
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.hostname))) return url.href;
  throw new ConfigurationError('a token goes to https only, or to this machine');
}

/** Only what has the form of one of Slack's codes is passed on: an answer may be any text. */
function codeOf(error: unknown): string {
  const { code, data, statusCode } = recordOf(error);
  if (code === ErrorCode.RateLimitedError) return 'rate_limited';
  if (code === ErrorCode.HTTPError) return `http_${Number(statusCode)}`;
  if (code !== ErrorCode.PlatformError) return 'unanswered';
  const { error: said } = recordOf(data);
  return typeof said === 'string' && /^[a-z][a-z_]{1,63}$/.test(said) ? said : 'unknown_error';
}

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  setLevel: () => undefined,
  getLevel: () => LogLevel.ERROR,
  setName: () => undefined,
};
