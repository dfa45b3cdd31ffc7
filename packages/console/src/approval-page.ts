/**
 * One request in full, and the forms to decide on it.
 * @module
 */
import type { ApprovalView } from '@countersign/core';
import { argumentsView, deceptionWarning, differenceView, editableJson, originsView } from './arguments-view.ts';
import { createRoom, type Room } from './deceptive-text.ts';
import { describeEnd, whyNot } from './describe.ts';
import { html, type Html } from './html.ts';
import { exactTime, riskBadge, shown, stateBadge, timeOf, tokenField } from './layout.ts';
import { chainView, rulePart } from './rule-part.ts';
import type { Session } from './sessions.ts';

export interface ApprovalPage {
  readonly base: string;
  readonly session: Session;
  readonly approval: ApprovalView;
  /** The newest earlier call of the same tool by the same agent that was approved. */
  readonly previous: ApprovalView | undefined;
  readonly now: number;
  /** Whether this person may open the run. */
  readonly readsLedger: boolean;
  /** Why what was just tried did not happen. */
  readonly problem?: string | undefined;
  /** What was typed when it did not happen, so that nobody types it again. */
  readonly typed?: { readonly reason?: string | undefined; readonly arguments?: string | undefined } | undefined;
}

/** Of HTML, for what would not run. */
const maxOriginal = 500_000;
/** What was typed and is longer is not written again: the browser has it. */
const maxTyped = 200_000;

function meanwhile({ mode }: ApprovalView): string {
  return mode === 'blocking'
    ? 'The agent waits for the decision.'
    : 'The agent goes on; the call runs later if approved.';
}

export function approvalPage(page: ApprovalPage): Html {
  const { base, approval, now, session, problem } = page;
  const refusal = whyNot(approval, session.approver, now);
  const { createdAt, expiresAt, state } = approval;
  const room = createRoom();
  const what = argumentsOf(approval, room);
  return html`${session.only === undefined && html`<p class="back"><a href="${base}/">← Inbox</a></p>`}
    <h1>${shown(approval.tool)}</h1>
    <p class="badges">${riskBadge(approval)} ${stateBadge(approval)}</p>
    ${chainView(approval)}
    <p class="lead">
      Asked
      ${timeOf(createdAt, now)}${state === 'pending' ? html`, expires ${timeOf(expiresAt, now)}. ${meanwhile(approval)}` : '.'}
    </p>
    ${problem !== undefined && html`<p class="problem" role="alert"><b>Not done.</b> ${shown(problem)}</p>`}
    ${deceptionWarning(approval.arguments, room)}
    <div class="columns">
      <section aria-labelledby="what-runs">
        <h2 id="what-runs">What would run</h2>
        ${what} ${editedBy(approval)} ${sincePrevious(page)}
      </section>
      <div>
        <section aria-labelledby="decision">
          <h2 id="decision">Decision</h2>
          ${refusal === undefined ? forms(page, room.cut) : html`<p class="lead">${shown(refusal)}</p>`}
        </section>
        ${rulePart({ approval, approver: session.approver, now })}
      </div>
    </div>
    <section aria-labelledby="request">
      <h2 id="request">Request</h2>
      ${factsOf(page)}
    </section>`;
}

function argumentsOf({ arguments: text, provenance }: ApprovalView, room: Room): Html {
  if (provenance !== undefined) return originsView(text, provenance, room);
  return html`${argumentsView(text, 'Arguments', room)}
    <p class="note">Where these values came from is not known.</p>`;
}

/** Whether its page shows all that would run. What somebody could not read there, they cannot approve there. */
export function isShownWhole(approval: ApprovalView): boolean {
  const room = createRoom();
  void argumentsOf(approval, room);
  return !room.cut;
}

function editedBy({ originalArguments, arguments: text }: ApprovalView): Html | undefined {
  if (originalArguments === undefined) return undefined;
  return html`<h3>An approver changed what the model had sent</h3>
    ${differenceView(originalArguments, text) ?? html`<p class="note">To the same arguments.</p>`}
    <details id="original">
      <summary>What the model had sent</summary>
      ${argumentsView(originalArguments, 'What the model had sent', createRoom(maxOriginal))}
    </details>`;
}

function sincePrevious({ approval, previous, base, now, session }: ApprovalPage): Html | undefined {
  if (session.only !== undefined) return undefined;
  if (previous === undefined) {
    return html`<p class="note">No earlier call of this tool by this agent was found that somebody approved.</p>`;
  }
  const link = html`<a href="${base}/approvals/${previous.id}">the last approved call</a>`;
  const difference = differenceView(previous.arguments, approval.arguments);
  if (difference === undefined) {
    return html`<p class="note">The same arguments as ${link} of this tool by this agent.</p>`;
  }
  return html`<h3>Difference from ${link}, opened ${timeOf(previous.createdAt, now)}</h3>
    ${difference}`;
}

function forms({ base, session, approval, typed }: ApprovalPage, cut: boolean): Html {
  const { id, digest, rule } = approval;
  const hidden = html`${tokenField(session)}<input type="hidden" name="digest" value="${digest}" />`;
  return html`<form class="decide" method="post" action="${base}/approvals/${id}/decision">
      ${hidden}
      ${
        cut &&
        html`<p class="problem" role="note">
          <b>Not all of it is shown here, so it cannot be approved here.</b>
          <code>countersign approvals show ${id}</code> prints the whole.
        </p>`
      }
      <label for="reason">Reason ${rule.reasonRequired ? '(required)' : '(optional, kept in the ledger)'}</label>
      <textarea id="reason" name="reason" rows="2" maxlength="1000" ${rule.reasonRequired ? html`required` : ''}>
${typed?.reason ?? ''}</textarea>
      <p class="actions">
        ${!cut && html`<button class="approve" name="verdict" value="approve">Approve</button>`}
        <button class="reject" name="verdict" value="reject">Reject</button>
      </p>
    </form>
    ${rule.edit && approval.votes.length === 0 && editForm(base, approval, hidden, typed?.arguments)}`;
}

function editForm(base: string, { id, arguments: text }: ApprovalView, hidden: Html, typed: string | undefined): Html {
  const written = typed !== undefined && typed.length <= maxTyped ? typed : undefined;
  const value = written ?? editableJson(text);
  if (value === undefined) {
    return html`<p class="note">
      The arguments are too long to be changed here: <code>countersign approvals edit ${id}</code> does it.
    </p>`;
  }
  return html`<details ${written === undefined ? '' : html`open`}>
    <summary>Change the arguments</summary>
    <form method="post" action="${base}/approvals/${id}/arguments">
      ${hidden}
      <label for="arguments">Arguments (JSON). Changing them approves nothing.</label>
      <textarea id="arguments" name="arguments" rows="10" spellcheck="false" autocomplete="off" required>
${value}</textarea>
      <p class="actions"><button>Save the change</button></p>
    </form>
  </details>`;
}

function factsOf({ approval, base, now, readsLedger }: ApprovalPage): Html {
  const { source, capability, run, slot, policyVersion, digest, id, createdAt, expiresAt } = approval;
  const rows: readonly (readonly [string, Html | string])[] = [
    ['State', shown(describeEnd(approval, now))],
    ['Capability', shown(capability)],
    ['Tool source', shown(source)],
    ['Asked', exactTime(createdAt)],
    ['Expires', exactTime(expiresAt)],
    [
      'Run',
      readsLedger
        ? html`<a href="${base}/runs/${run}?request=${id}">${shown(run)}</a>: what the ledger holds of it`
        : shown(run),
    ],
    ['Place in the run', html`<code>${slot}</code>`],
    ['Policy', html`<code>${policyVersion}</code>`],
    ['Digest', html`<code>${digest}</code>`],
    ['Approval', html`<code>${id}</code>`],
  ];
  return html`<dl>
    ${rows.map(
      ([name, value]) =>
        html`<div>
          <dt>${name}</dt>
          <dd>${value}</dd>
        </div>`,
    )}
  </dl>`;
}
