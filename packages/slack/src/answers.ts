/**
 * What Slack is answered.
 * @module
 */
import { statusOfError, visible } from '@countersign/core/channel';
import { PatchError } from './merge-patch.ts';
import { malformed } from './refusal.ts';
import { SlackFailure } from './slack-api.ts';

const headers = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };
const maxWords = 300;

/** Closes a form, if there is one. */
export function acknowledged(): Response {
  return new Response(null, { status: 200, headers });
}

/** Leaves a form open, with these words at its input. */
export function formProblem(block: string, words: string): Response {
  return Response.json({ response_action: 'errors', errors: { [block]: words } }, { headers });
}

/**
 * Of the Events API, if the app uses the same address for both ("url_verification").
 * @throws RequestRefused for any other JSON
 */
export function verifyUrl(text: string): Response {
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

/** For the person: the service's own reason, and nothing of what failed inside or belongs to others. */
export function wordsOf(error: unknown): string {
  if (error instanceof SlackFailure) return 'Slack could not open the form. Try again.';
  if (error instanceof PatchError) return error.message;
  const status = statusOfError(error);
  if (status === 404) return 'There is no such request.';
  if (status >= 500 || !(error instanceof Error)) {
    return 'This could not be finished, and may not count. Look at the request again.';
  }
  return `This was not taken: ${visible(error.message).slice(0, maxWords).toWellFormed()}.`;
}
