/**
 * What an interaction does: one question to the approvals service, or a form for the person.
 * @module
 */
import type { Approvals, Approver, ApproverSession } from '@countersign/core';
import { askDirectory } from '@countersign/core/channel';
import type { Target } from './actions.ts';
import { formOf } from './forms.ts';
import type { Press, SlackPerson, Submission } from './interaction.ts';
import { applyPatch, readPatch } from './merge-patch.ts';
import { Refusal } from './refusal.ts';
import type { SlackApi } from './slack-api.ts';

export interface Acting {
  readonly api: SlackApi;
  readonly approvals: Pick<Approvals, 'as'>;
  readonly tenant: string;
  readonly approverFor: (person: SlackPerson) => Approver | undefined | Promise<Approver | undefined>;
}

/** What was done, in words for the person; nothing where they see it for themselves. */
export type Done = string | undefined;

export async function act(acting: Acting, interaction: Press | Submission): Promise<Done> {
  return interaction.kind === 'press' ? press(acting, interaction) : submit(acting, interaction);
}

async function press(acting: Acting, { person, action, target, trigger, channel, summary }: Press): Promise<Done> {
  const session = await sessionOf(acting, person, target.approval);
  if (action === 'approve' && !target.reasonRequired) return decide(session, target, 'approve', '');
  const form = { ...target, action, team: person.team, user: person.user, channel };
  await acting.api('views.open', { trigger_id: trigger, view: formOf(form, action === 'edit' ? summary : '') });
  return undefined;
}

async function submit(acting: Acting, { person, form, text }: Submission): Promise<Done> {
  const session = await sessionOf(acting, person, form.approval);
  if (form.action !== 'edit') return decide(session, form, form.action, text);
  const patch = readPatch(text, form.approval);
  const shown = await session.show(form.approval).catch(() => undefined);
  // Of what was edited since, or is not there, nothing is asked but the service's own refusal, which it records.
  const edited = shown?.digest === form.digest ? applyPatch(shown.arguments, patch) : '';
  await session.edit({ id: form.approval, digest: form.digest, arguments: edited });
  return 'The arguments were changed. The request still waits for a decision.';
}

async function decide(
  session: ApproverSession,
  target: Target,
  verdict: 'approve' | 'reject',
  text: string,
): Promise<Done> {
  const reason = text.trim();
  const { approval: id, digest } = target;
  const { state } = await session.decide({ id, digest, verdict, ...(reason === '' ? {} : { reason }) });
  return state === 'pending' ? 'Your vote counts. Others have to agree.' : `The request is ${state}.`;
}

/** @throws Refusal when this is nobody who may decide in the tenant, whatever the request is */
async function sessionOf(acting: Acting, person: SlackPerson, approval: string): Promise<ApproverSession> {
  const { approverFor, approvals, tenant } = acting;
  const approver = await askDirectory(() => approverFor(person));
  if (approver?.tenant !== tenant) {
    throw new Refusal(403, 'unknown_person', 'nobody is known here under this account of Slack', approval);
  }
  return approvals.as(approver);
}
