/**
 * One request in full, and the forms to decide on it.
 * @module
 */
import { describeRule, type ApprovalView } from '@countersign/core';
import { argumentsView, deceptionWarning, differenceView, editableJson } from './arguments-view.ts';
import { chainOf, describeEnd, missingVotes, whyNot } from './describe.ts';
import { html, type Html } from './html.ts';
import { riskBadge, shown, stateBadge, timeOf, tokenField } from './layout.ts';
import type { Session } from './sessions.ts';

export interface ApprovalPage {
  readonly base: string;
  readonly session: Session;
  readonly approval: ApprovalView;
  /** The newest earlier call of the same tool by the same agent that was approved. */
  readonly previous: ApprovalView | undefined;
  readonly now: number;
  /** Why what was just tried did not happen. */
  readonly problem?: string | undefined;
  /** What was typed when it did not happen, so that nobody types it again. */
  readonly typed?: { readonly reason?: string | undefined; readonly arguments?: string | undefined } | undefined;
}

export function approvalPage(page: ApprovalPage): Html {
  const { base, approval, now, session, problem } = page;
  const refusal = whyNot(approval, session.approver, now);
  return html`${session.only === undefined && html`<p><a href="${base}/">← Inbox</a></p>`}
    <h1>${shown(approval.tool)}</h1>
    <p class="badges">${riskBadge(approval)} ${stateBadge(approval)}</p>
    ${problem !== undefined && html`<p class="problem" role="alert"><b>Not done.</b> ${shown(problem)}</p>`}
    ${deceptionWarning(approval.arguments)}
    <section aria-labelledby="what-runs">
      <h2 id="what-runs">What would run</h2>
      ${argumentsView(approval.arguments)} ${editedBy(approval)} ${sincePrevious(page)}
    </section>
    <section aria-labelledby="decision">
      <h2 id="decision">Decision</h2>
      ${refusal === undefined ? forms(page) : html`<p class="lead">${shown(refusal)}</p>`} ${votesOf(approval, now)}
    </section>
    <section aria-labelledby="request">
      <h2 id="request">Request</h2>
      ${factsOf(approval, now)}
    </section>`;
}

function editedBy({ originalArguments, arguments: text }: ApprovalView): Html | undefined {
  if (originalArguments === undefined) return undefined;
  return html`<h3>An approver changed what the model had sent</h3>
    ${differenceView(originalArguments, text) ?? html`<p class="note">To the same arguments.</p>`}
    <details>
      <summary>What the model had sent</summary>
      ${argumentsView(originalArguments)}
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

function forms({ base, session, approval, typed }: ApprovalPage): Html {
  const { id, digest, rule } = approval;
  const hidden = html`${tokenField(session)}<input type="hidden" name="digest" value="${digest}" />`;
  const written = typed?.arguments;
  return html`${rule.quorum > 1 && html`<p>${missingVotes(approval)}</p>`}
    <form class="decide" method="post" action="${base}/approvals/${id}/decision">
      ${hidden}
      <label for="reason">Reason ${rule.reasonRequired ? '(required)' : '(optional, kept in the ledger)'}</label>
      <textarea id="reason" name="reason" rows="2" maxlength="1000" ${rule.reasonRequired ? html`required` : ''}>
${typed?.reason ?? ''}</textarea>
      <p class="actions">
        <button class="approve" name="verdict" value="approve">Approve</button>
        <button class="reject" name="verdict" value="reject">Reject</button>
      </p>
    </form>
    ${
      rule.edit &&
      approval.votes.length === 0 &&
      html`<details ${written === undefined ? '' : html`open`}>
        <summary>Change the arguments</summary>
        <form method="post" action="${base}/approvals/${id}/arguments">
          ${hidden}
          <label for="arguments">Arguments (JSON). Changing them approves nothing.</label>
          <textarea id="arguments" name="arguments" rows="10" spellcheck="false" autocomplete="off" required>
${written ?? editableJson(approval.arguments)}</textarea>
          <p class="actions"><button>Save the change</button></p>
        </form>
      </details>`
    }`;
}

function votesOf({ votes }: ApprovalView, now: number): Html | undefined {
  if (votes.length === 0) return undefined;
  return html`<h3>Votes</h3>
    <ul class="votes">
      ${votes.map(
        ({ approver, verdict, time, reason }) =>
          html`<li>
            <b>${shown(approver)}</b> voted to ${verdict},
            ${timeOf(time, now)}${reason !== undefined && html`: ${shown(reason)}`}
          </li>`,
      )}
    </ul>`;
}

function factsOf(approval: ApprovalView, now: number): Html {
  const { source, capability, requester, run, slot, mode, policyVersion, digest, id, createdAt, expiresAt } = approval;
  const rows: readonly (readonly [string, Html | string])[] = [
    ['State', shown(describeEnd(approval, now))],
    ['For user', shown(requester)],
    ['Agent', shown(chainOf(approval))],
    ['Tool source', shown(source)],
    ['Capability', shown(capability)],
    ['Decides', shown(describeRule(approval.rule))],
    ['Asked', timeOf(createdAt, now)],
    ['Expires', timeOf(expiresAt, now)],
    ['The agent', mode === 'blocking' ? 'waits for the decision' : 'goes on; the call runs later if approved'],
    ['Run', shown(`${run} ${slot}`)],
    ['Policy', shown(policyVersion)],
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
