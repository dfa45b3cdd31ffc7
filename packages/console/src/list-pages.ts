/**
 * Inbox and history: lists of requests.
 * @module
 */
import { describeRule, type ApprovalView, type Approver } from '@countersign/core';
import { samePerson } from '@countersign/core/channel';
import { countDeceptive } from './deceptive-text.ts';
import { chainOf, describeEnd, describeHours, whyNot } from './describe.ts';
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
/** Characters of one request that a list looks through: many long ones would hold the console up for everybody. */
const maxLooked = 20_000;

/** @param page.missed what expired lately without the answer that was needed; `more` whether there are more than the page shows */
export function inboxPage(page: ListPage & { readonly missed: readonly ApprovalView[]; readonly more: boolean }): Html {
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
    ${page.more && html`<p class="note">These are the oldest ${approvals.length}; more wait behind them.</p>`}
    ${page.missed.length > 0 && missedPart(page)}`;
}

function missedPart({
  base,
  missed,
  now,
}: Pick<ListPage, 'base' | 'now'> & { readonly missed: readonly ApprovalView[] }): Html {
  return html`<section class="missed" aria-labelledby="missed">
    <h2 id="missed">Expired without an answer</h2>
    <p class="note">In the last 24 hours. Silence was a denial: the calls did not run.</p>
    <ul>
      ${missed.map(
        ({ id, tool, requester, expiresAt, risk }) =>
          html`<li>
            <a href="${base}/approvals/${id}">${shown(tool)}</a> ${riskBadge({ risk })}
            <span class="facts">for ${shown(requester)}, ${timeOf(expiresAt, now)}</span>
          </li>`,
      )}
    </ul>
  </section>`;
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
  const { id, tool, source, requester, createdAt, expiresAt, state } = approval;
  const heading = `request-${id}`;
  const pending = state === 'pending';
  const refusal = pending ? whyNot(approval, approver, now) : undefined;
  return html`<li class="request ${pending && refusal === undefined ? 'mine' : ''}">
    <article aria-labelledby="${heading}">
      <h2 id="${heading}"><a href="${base}/approvals/${id}">${shown(tool)}</a></h2>
      <p class="badges">${marksOf(approval, approver)} ${riskBadge(approval)} ${!pending && stateBadge(approval)}</p>
      <p class="summary"><code>${shown(summaryOf(approval))}</code></p>
      <p class="facts">
        For <b>${shown(requester)}</b> by <b>${shown(chainOf(approval))}</b>,
        ${timeOf(createdAt, now)}${
          source !== 'local' && html`, from ${shown(source)}`
        }${pending && html`. Expires <b>${timeOf(expiresAt, now)}</b>.`}
      </p>
      ${pending ? pendingFacts(approval, refusal, now) : html`<p class="facts">${shown(describeEnd(approval, now))}</p>`}
    </article>
  </li>`;
}

/** What to know before one opens it. */
function marksOf({ votes, originalArguments, arguments: text }: ApprovalView, approver: Approver): Html {
  const { hidden, alike } = countDeceptive(text.slice(0, maxLooked));
  return html`${votes.some((vote) => samePerson(vote.approver, approver.id)) && html`<span class="badge">you voted</span>`}
  ${originalArguments !== undefined && html`<span class="badge">edited</span>`}
  ${hidden + alike > 0 && html`<span class="badge look-medium">deceptive text</span>`}
  ${text.length > maxLooked && html`<span class="badge look-medium">long arguments</span>`}`;
}

function pendingFacts(approval: ApprovalView, refusal: string | undefined, now: number): Html {
  const { rule, votes, createdAt } = approval;
  const agreed = votes.filter(({ verdict }) => verdict === 'approve').length;
  const next = rule.escalation.find(({ afterMs }) => createdAt + afterMs > now);
  return html`<p class="facts">
    ${refusal ?? `Decides: ${describeRule({ ...rule, escalation: [] })}.`}
    ${rule.quorum > 1 && html`<b>${agreed} of ${rule.quorum}</b> approvals so far.`}
    ${rule.groups.length > 0 && next !== undefined && html`${shown(next.groups.join(', '))} too, ${timeOf(createdAt + next.afterMs, now)}.`}
    ${rule.hours !== undefined && refusal === undefined && `Decisions are taken ${describeHours(rule.hours)}.`}
  </p>`;
}

function summaryOf({ arguments: text }: ApprovalView): string {
  const characters = Array.from(text.slice(0, maxSummary * 2));
  return characters.length > maxSummary ? `${characters.slice(0, maxSummary).join('')} …` : characters.join('');
}
