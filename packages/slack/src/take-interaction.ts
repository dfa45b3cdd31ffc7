/**
 * Does what was asked, answers Slack in time, and tells the person what became of it.
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Approvals } from '@countersign/core';
import { problemResponse, RequestRefused, statusOfError, tellListener, within } from '@countersign/core/channel';
import { act, type Acting, type Done } from './act.ts';
import { acknowledged, formProblem, wordsOf } from './answers.ts';
import { inputs } from './forms.ts';
import type { Press, Submission } from './interaction.ts';
import { PatchError } from './merge-patch.ts';
import type { OpenWork } from './open-work.ts';
import { plainText } from './plain-text.ts';
import { Refusal } from './refusal.ts';

interface Taking {
  readonly acting: Acting;
  readonly approvals: Pick<Approvals, 'recordRefused'>;
  readonly name: string;
  readonly onFailure: ((error: unknown) => unknown) | undefined;
  readonly open: OpenWork;
}

export interface Taker {
  /**
   * Answers as soon as it is done, or once Slack has to be answered. Rejects only when there is too much to do.
   * @param answerBy of `performance.now()`
   */
  take(interaction: Press | Submission, answerBy: number): Promise<Response>;
  /** Writes down what was refused before the approvals service was asked; what that refuses it records by itself. */
  record(error: unknown): Promise<void>;
}

const workTimeoutMs = 30_000;
const recordTimeoutMs = 1_000;
const maxOpen = 500;

type Outcome = { readonly done: Done } | { readonly error: unknown };

export function createTaker({ acting, approvals, name, onFailure, open }: Taking): Taker {
  async function record(error: unknown): Promise<void> {
    const reason =
      error instanceof PatchError ? 'edit_invalid' : error instanceof RequestRefused ? error.reason : undefined;
    if (reason === undefined) return;
    const approval = error instanceof Refusal || error instanceof PatchError ? error.approval : undefined;
    const refused = { tenant: acting.tenant, channel: name, reason, ...(approval === undefined ? {} : { approval }) };
    await within(approvals.recordRefused(refused), recordTimeoutMs).catch(() => undefined);
  }

  function tell(interaction: Press | Submission, text: string): void {
    const channel = interaction.kind === 'press' ? interaction.channel : interaction.form.channel;
    const blocks = [{ type: 'section', text: plainText(text, 3_000) }];
    const message = { channel, user: interaction.person.user, text: 'About your decision', blocks };
    const sent = acting.api('chat.postEphemeral', { ...message, parse: 'none', link_names: false });
    open.add(sent.catch((error: unknown) => tellListener(onFailure, error)));
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

  function answerTo(interaction: Press | Submission, outcome: Outcome): Response {
    if (!('error' in outcome)) return acknowledged();
    const { error } = outcome;
    const refused = error instanceof RequestRefused;
    if (interaction.kind === 'submission' && !refused) {
      return formProblem(inputs[interaction.form.action].block, wordsOf(error));
    }
    tell(interaction, wordsOf(error));
    // For anything but a 200 Slack shows a failure, which the person would take for one of ours.
    return refused || statusOfError(error) >= 500 ? problemResponse(error) : acknowledged();
  }

  return {
    record,
    async take(interaction, answerBy) {
      if (open.size >= maxOpen) throw new RequestRefused(503, 'too much is being decided at once');
      const work = settle(interaction);
      open.add(work);
      const timer = new AbortController();
      const late = sleep(Math.max(0, answerBy - performance.now()), undefined, { signal: timer.signal }).catch(
        () => undefined,
      );
      const outcome = await Promise.race([work, late]);
      timer.abort();
      if (outcome !== undefined) return answerTo(interaction, outcome);
      const told = work.then((known) => {
        const words = 'error' in known ? wordsOf(known.error) : known.done;
        if (words !== undefined) tell(interaction, words);
      });
      open.add(told);
      return acknowledged();
    },
  };
}
