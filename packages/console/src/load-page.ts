/**
 * What approvals ask of people, and how they answer.
 * @module
 */
import type { ApprovalLoad, VoteCounts } from '@countersign/core';
import { describeDuration } from './describe.ts';
import { html, type Html } from './html.ts';
import { shown, wide } from './layout.ts';
import { loadChart } from './load-chart.ts';

interface LoadWindow {
  readonly name: string;
  readonly words: string;
  readonly ms: number;
}

export const loadWindows: readonly LoadWindow[] = [
  { name: '24h', words: '24 hours', ms: 86_400_000 },
  { name: '7d', words: '7 days', ms: 7 * 86_400_000 },
  { name: '30d', words: '30 days', ms: 30 * 86_400_000 },
];

export interface LoadPage {
  readonly base: string;
  readonly load: ApprovalLoad;
  readonly window: LoadWindow;
}

export function loadPage({ base, load, window }: LoadPage): Html {
  return html`<h1>Load</h1>
    <p class="lead">What approvals ask of people, and how they answer: requests opened in the last ${window.words}.</p>
    <nav class="tabs" aria-label="Window">
      <ul>
        ${loadWindows.map(
          ({ name, words }) =>
            html`<li>
              <a href="${base}/load?window=${name}" ${name === window.name ? html`aria-current="true"` : ''}
                >${words}</a
              >
            </li>`,
        )}
      </ul>
    </nav>
    ${figures(load)} ${caveats(load)}
    <section aria-labelledby="over-time">
      <h2 id="over-time">Over time</h2>
      ${loadChart(load)}
    </section>
    <section aria-labelledby="per-approver">
      <h2 id="per-approver">Per approver</h2>
      ${load.approvers.length === 0 ? html`<p class="note">Nobody has voted.</p>` : approverTable(load)}
    </section>
    <section aria-labelledby="per-tool">
      <h2 id="per-tool">Per tool</h2>
      ${load.tools.length === 0 ? html`<p class="note">Nothing was asked.</p>` : toolTable(load)}
    </section>`;
}

function figures(load: ApprovalLoad): Html {
  const { requests, perHour, approved, rejected, expired, pending, toDecision, votes, quick, quickMs } = load;
  const decided = approved + rejected;
  const tiles: readonly (readonly [name: string, value: string, note: string, look: string | undefined])[] = [
    ['Requests', String(requests), `${perHour.toFixed(2)} an hour, ${pending} still waiting`, undefined],
    ['Approve rate', rate(approved, decided), `${approved} of ${decided} decided`, undefined],
    ['Median to decision', toDecision === undefined ? '–' : describeDuration(toDecision.median), p95(load), undefined],
    [
      'No answer',
      String(expired),
      `${rate(expired, requests)} of requests expired`,
      expired > 0 ? 'medium' : undefined,
    ],
    [
      `Under ${quickMs / 1000} seconds`,
      String(quick),
      `${rate(quick, votes)} of ${votes} votes: too fast to have read it`,
      quick > 0 ? 'high' : undefined,
    ],
  ];
  return html`<dl class="tiles">
    ${tiles.map(
      ([name, value, note, look]) =>
        html`<div class="${look === undefined ? '' : `tile-${look}`}">
          <dt>${name}</dt>
          <dd><b>${value}</b> <span>${note}</span></dd>
        </div>`,
    )}
  </dl>`;
}

function p95({ toDecision }: ApprovalLoad): string {
  return toDecision === undefined ? 'nothing was decided' : `95 % within ${describeDuration(toDecision.p95)}`;
}

function caveats({ complete, backwards, unreadEdits }: ApprovalLoad): Html | undefined {
  const said = [
    ...(complete ? [] : ['There were more requests than are counted here: these are the newest.']),
    ...(backwards === 0
      ? []
      : [`${backwards} votes lie before their request: a clock was set back. No time counts them.`]),
    ...(unreadEdits === 0 ? [] : [`Of ${unreadEdits} edited requests the time of the edit was not found.`]),
  ];
  return said.length === 0 ? undefined : html`<p class="warning" role="note">${said.join(' ')}</p>`;
}

function approverTable(load: ApprovalLoad): Html {
  return wide(
    'Votes of each approver',
    html`<table>
      <thead>
        <tr>
          <th scope="col">Approver</th>
          ${voteHeads(load)}
        </tr>
      </thead>
      <tbody>
        ${load.approvers.map(
          (each) =>
            html`<tr>
              <th scope="row">${shown(each.approver)}</th>
              ${voteCells(each)}
            </tr>`,
        )}
      </tbody>
    </table>`,
  );
}

function toolTable(load: ApprovalLoad): Html {
  return wide(
    'Requests of each tool',
    html`<table>
      <thead>
        <tr>
          <th scope="col">Tool</th>
          <th scope="col" class="number">Requests</th>
          <th scope="col" class="number">No answer</th>
          ${voteHeads(load)}
        </tr>
      </thead>
      <tbody>
        ${load.tools.map(
          (each) =>
            html`<tr>
              <th scope="row">
                ${shown(each.tool)}${each.source !== 'local' && html` <small>${shown(each.source)}</small>`}
              </th>
              <td class="number">${each.requests}</td>
              <td class="number">${each.expired}</td>
              ${voteCells(each)}
            </tr>`,
        )}
      </tbody>
    </table>`,
  );
}

function voteHeads({ quickMs }: ApprovalLoad): Html {
  return html`${['Votes', 'Approve rate', 'Median', '95 %', `Under ${quickMs / 1_000} s`].map(
    (name) => html`<th scope="col" class="number">${name}</th>`,
  )}`;
}

function voteCells({ votes, approvals, quick, delay }: VoteCounts): Html {
  const [median, p95th] = delay === undefined ? ['–', '–'] : [delay.median, delay.p95].map(describeDuration);
  return html`<td class="number">${votes}</td>
    <td class="number">${rate(approvals, votes)}</td>
    <td class="number">${median}</td>
    <td class="number">${p95th}</td>
    <td class="number">${quick > 0 ? html`<strong class="quick">${quick}</strong>` : '0'}</td>`;
}

function rate(part: number, whole: number): string {
  return whole === 0 ? '–' : `${Math.round((part / whole) * 100)} %`;
}
