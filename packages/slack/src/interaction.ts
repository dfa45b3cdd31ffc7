/**
 * What somebody did in Slack, read from the payload of an interaction.
 * @module
 */
import { actionIds, readActionValue, readFormMetadata, summaryBlock, type Form, type Target } from './actions.ts';
import { inputs } from './forms.ts';
import { decoded } from './plain-text.ts';
import { recordOf } from './record-of.ts';
import { malformed, Refusal } from './refusal.ts';

/** Who acted. Their name and address are not read: whoever has an account can change them. */
export interface SlackPerson {
  /** Workspace of the person, `T…` or `E…`; in a shared channel it may be another company's. */
  readonly team: string;
  /** `U…` or `W…` */
  readonly user: string;
  /** Enterprise of the workspace where it happened, if it has one: `E…`. */
  readonly enterprise?: string;
}

export interface Press {
  readonly kind: 'press';
  readonly person: SlackPerson;
  readonly action: 'approve' | 'reject' | 'edit';
  readonly target: Target;
  /** Opens one form, within 3 seconds. */
  readonly trigger: string;
  readonly channel: string;
  /** What the card shows of the arguments. */
  readonly summary: string;
}

export interface Submission {
  readonly kind: 'submission';
  readonly person: SlackPerson;
  readonly form: Form;
  readonly text: string;
}

/** Somebody followed a link, or used a part of the app that is not ours. */
interface Nothing {
  readonly kind: 'nothing';
}

export type Interaction = Press | Submission | Nothing;

export interface Expected {
  readonly appId: string;
  readonly teams: readonly string[];
}

const userForm = /^[UW][A-Z0-9]{2,24}$/;
const teamForm = /^[TE][A-Z0-9]{2,24}$/;
const channelForm = /^[CDG][A-Z0-9]{2,24}$/;
const nothing: Nothing = { kind: 'nothing' };

/** @throws Refusal for what is not of this app, not of these workspaces, or not as Slack documents it */
export function readInteraction(payloadText: string, { appId, teams }: Expected): Interaction {
  const payload = recordOf(parse(payloadText));
  const { type, api_app_id } = payload;
  if (typeof type !== 'string') throw malformed('a payload has a type');
  if (api_app_id !== appId) throw new Refusal(403, 'wrong_app', 'the payload is of another app');
  const found =
    type === 'block_actions' ? readPress(payload) : type === 'view_submission' ? readSubmission(payload) : nothing;
  if (found.kind !== 'nothing' && !teams.includes(found.person.team)) {
    throw new Refusal(403, 'wrong_team', 'the person is of another workspace');
  }
  return found;
}

function readPress(payload: Readonly<Record<string, unknown>>): Press | Nothing {
  const { actions, trigger_id, channel, container, message } = payload;
  if (!Array.isArray(actions) || actions.length !== 1) throw malformed('an interaction has one action');
  const { action_id, value } = recordOf(actions[0]);
  const action = (['approve', 'reject', 'edit'] as const).find((name) => actionIds[name] === action_id);
  if (action === undefined) return nothing;
  const target = readActionValue(value);
  const place = recordOf(channel)['id'] ?? recordOf(container)['channel_id'];
  if (target === undefined || typeof trigger_id !== 'string' || trigger_id.length > 512) {
    throw malformed('a button of ours has a value, and a trigger');
  }
  if (typeof place !== 'string' || !channelForm.test(place)) throw malformed('a button of ours is in a conversation');
  const person = readPerson(payload, undefined);
  return { kind: 'press', person, action, target, trigger: trigger_id, channel: place, summary: summaryOf(message) };
}

function readSubmission(payload: Readonly<Record<string, unknown>>): Submission | Nothing {
  const { callback_id, private_metadata, state, app_id } = recordOf(payload['view']);
  if (typeof callback_id !== 'string' || !callback_id.startsWith('countersign_')) return nothing;
  const form = readFormMetadata(private_metadata);
  if (form === undefined) throw malformed('a form of ours names its request');
  if (app_id !== undefined && app_id !== payload['api_app_id']) {
    throw new Refusal(403, 'wrong_app', 'the form is of another app');
  }
  const person = readPerson(payload, form.team);
  // A form is shown to whoever opened it, and to nobody else.
  if (person.user !== form.user || person.team !== form.team) throw malformed('the form was opened by somebody else');
  const { block, action } = inputs[form.action];
  const { value } = recordOf(recordOf(recordOf(recordOf(state)['values'])[block])[action]);
  if (value !== null && value !== undefined && typeof value !== 'string') throw malformed('an input is text');
  return { kind: 'submission', person, form, text: value ?? '' };
}

/** @param openedIn the workspace of whoever opened a form: Slack's own examples of a submission have none */
function readPerson(payload: Readonly<Record<string, unknown>>, openedIn: string | undefined): SlackPerson {
  const { id, team_id = openedIn } = recordOf(payload['user']);
  const enterprise = recordOf(payload['enterprise'])['id'];
  if (typeof id !== 'string' || !userForm.test(id) || typeof team_id !== 'string' || !teamForm.test(team_id)) {
    throw malformed('an interaction names its user and their workspace');
  }
  return { team: team_id, user: id, ...(typeof enterprise === 'string' ? { enterprise } : {}) };
}

function summaryOf(message: unknown): string {
  const { blocks } = recordOf(message);
  const texts = (Array.isArray(blocks) ? blocks : []).map(recordOf).flatMap(({ block_id, text }) => {
    const shown = recordOf(text)['text'];
    return typeof block_id === 'string' && block_id.startsWith(summaryBlock) && typeof shown === 'string'
      ? [shown]
      : [];
  });
  return decoded(texts.join(''));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw malformed('a payload is JSON');
  }
}
