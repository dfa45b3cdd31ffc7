/**
 * Who decides on a request, from when on, and how far it has come.
 * @module
 */
import { isWithinHours, type ApprovalView, type Approver } from '@countersign/core';
import { samePerson } from '@countersign/core/channel';
import { describeHours, missingVotes } from './describe.ts';
import { html, type Html } from './html.ts';
import { shown, timeOf } from './layout.ts';

interface RulePart {
  readonly approval: ApprovalView;
  readonly approver: Approver;
  readonly now: number;
}

/** On whose behalf: the user, the agents from the outermost on, the tool. */
export function chainView({ requester, delegation, agent, tool }: ApprovalView): Html {
  const links = [['user', requester], ...[...delegation, agent].map((id) => ['agent', id]), ['tool', tool]] as const;
  return html`<ol class="chain" aria-label="On whose behalf">
    ${links.map(([kind, name]) => html`<li><small>${kind}</small> <b>${shown(name ?? '')}</b></li>`)}
  </ol>`;
}

export function rulePart(part: RulePart): Html {
  const { approval, now } = part;
  const { rule, state } = approval;
  const open = isWithinHours(rule.hours, now);
  const terms = [
    ...(rule.reasonRequired ? ['A decision needs a reason.'] : []),
    ...(rule.edit ? ['An approver may edit the arguments until somebody has voted.'] : []),
  ];
  return html`<section aria-labelledby="who">
    <h2 id="who">Who decides</h2>
    ${progress(approval)} ${ladder(part)}
    ${
      rule.hours !== undefined &&
      html`<p class="hours">
        Decisions are taken ${describeHours(rule.hours)}.
        ${state === 'pending' && html`<b>${open ? 'That is now.' : 'Not now: the time to expiry goes on.'}</b>`}
      </p>`
    }
    ${terms.length > 0 && html`<p class="note">${terms.join(' ')}</p>`} ${votes(part)}
  </section>`;
}

function progress(approval: ApprovalView): Html | undefined {
  const { rule, state } = approval;
  const agreed = approval.votes.filter(({ verdict }) => verdict === 'approve').length;
  if (rule.quorum <= 1) return undefined;
  return html`<p class="quorum">
    <meter min="0" max="${rule.quorum}" value="${agreed}" aria-label="Approvals so far">
      ${agreed} of ${rule.quorum}
    </meter>
    <b>${agreed} of ${rule.quorum}</b> approvals. ${state === 'pending' && missingVotes(approval)}
  </p>`;
}

/** The steps of the escalation, and which of them have been reached. */
function ladder({ approval, now }: RulePart): Html {
  const { rule, createdAt, state, tenant } = approval;
  if (rule.groups.length === 0) return html`<p>Any approver of ${shown(tenant)}, except who asked.</p>`;
  const steps = [{ afterMs: 0, groups: rule.groups }, ...rule.escalation];
  return html`<ol class="ladder">
    ${steps.map(({ afterMs, groups }) => {
      const from = createdAt + afterMs;
      const reached = from <= now;
      return html`<li class="${reached ? 'reached' : ''}">
        <b>${shown(groups.join(', '))}</b>
        ${afterMs === 0 ? 'from the start' : html`${reached ? 'since' : state === 'pending' ? 'too,' : 'would have been asked'} ${timeOf(from, now)}`}
      </li>`;
    })}
  </ol>`;
}

function votes({ approval, approver, now }: RulePart): Html | undefined {
  if (approval.votes.length === 0) return undefined;
  return html`<h3>Votes</h3>
    <ul class="votes">
      ${approval.votes.map((vote) => {
        const mine = samePerson(vote.approver, approver.id);
        return html`<li>
          <b>${shown(vote.approver)}</b>${mine && ' (you)'} voted to ${vote.verdict},
          ${timeOf(vote.time, now)}${vote.reason !== undefined && html`: ${shown(vote.reason)}`}
        </li>`;
      })}
    </ul>`;
}
