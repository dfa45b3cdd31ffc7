/**
 * Inbox and history: lists of requests.
 * @module
 */
import { describeRule, type ApprovalView, type Approver } from '@countersign/core';
import { chainOf, describeEnd, missingVotes, whyNot } from './describe.ts';
import { html, type Html } from './html.ts';
import { riskBadge, shown, stateBadge, timeOf } from './layout.ts';

export interface ListPage {
  readonly base: string;
  readonly approver: Approver;
  readonly approvals: readonly ApprovalView[];
  readonly now: number;
}

const ranks: Readonly<Record<ApprovalView['risk'], number>> = { high: 0, medium: 1, low: 2 };
const maxSummary = 140;

/** @param more whether there are more than the page shows */
export function inboxPage(page: ListPage & { readonly more: boolean }): Html {
  const { approvals, approver, now } = page;
  const mine = (approval: ApprovalView): boolean => whyNot(approval, approver, now) === undefined;
  const sorted = approvals.toSorted(
    (left, right) =>
      Number(mine(right)) - Number(mine(left)) ||
      ranks[left.risk] - ranks[right.risk] ||
      left.expiresAt - right.expiresAt,
  );
  const waiting = approvals.filter(mine).length;
  return html`<h1>Inbox</h1>
    <p class="lead" id="waiting">
      ${waiting === 0 ? 'Nothing waits for you.' : `${waiting} ${waiting === 1 ? 'request waits' : 'requests wait'} for you.`}
    </p>
    ${
      sorted.length > 0 &&
      html`<ol class="requests">
        ${sorted.map((approval) => card(page, approval))}
      </ol>`
    }
    ${page.more && html`<p class="note">These are the oldest ${approvals.length}; more wait behind them.</p>`}`;
}

/** @param before id with which the next page begins, if there is one */
export function historyPage(page: ListPage & { readonly before: string | undefined }): Html {
  const { approvals, base, before } = page;
  return html`<h1>History</h1>
    ${
      approvals.length === 0
        ? html`<p class="lead">Nothing was decided ${before === undefined ? 'yet' : 'here'}.</p>`
        : html`<ol class="requests">
            ${approvals.map((approval) => card(page, approval))}
          </ol>`
    }
    ${before !== undefined && html`<p><a class="button" rel="next" href="${base}/history?before=${before}">Older</a></p>`}`;
}

function card({ base, approver, now }: ListPage, approval: ApprovalView): Html {
  const { id, tool, source, requester, createdAt, expiresAt, state, rule } = approval;
  const heading = `request-${id}`;
  const pending = state === 'pending';
  return html`<li class="request">
    <article aria-labelledby="${heading}">
      <h2 id="${heading}"><a href="${base}/approvals/${id}">${shown(tool)}</a></h2>
      <p class="badges">${riskBadge(approval)} ${!pending && stateBadge(approval)}</p>
      <p class="summary"><code>${shown(summaryOf(approval))}</code></p>
      <p class="facts">
        For <b>${shown(requester)}</b> by <b>${shown(chainOf(approval))}</b>, ${timeOf(createdAt, now)}, from
        ${shown(source)}
      </p>
      <p class="facts">
        ${
          pending
            ? html`${whyNot(approval, approver, now) ?? `Decides: ${describeRule(rule)}.`}
              ${rule.quorum > 1 && missingVotes(approval)} Expires ${timeOf(expiresAt, now)}.`
            : shown(describeEnd(approval, now))
        }
      </p>
    </article>
  </li>`;
}

function summaryOf({ arguments: text }: ApprovalView): string {
  const characters = Array.from(text.slice(0, maxSummary * 2));
  return characters.length > maxSummary ? `${characters.slice(0, maxSummary).join('')} …` : characters.join('');
}
