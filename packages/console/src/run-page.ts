/**
 * What the ledger says of one run.
 * @module
 */
import type { CallProgress, RunTimeline, TimelineCall, TimelineRecord } from '@countersign/core';
import { argumentsView } from './arguments-view.ts';
import { createRoom, type Room } from './deceptive-text.ts';
import { describeDuration } from './describe.ts';
import { html, type Html } from './html.ts';
import { exactTime, riskBadge, shown, timeOf, wide } from './layout.ts';

export interface RunPage {
  readonly base: string;
  readonly timeline: RunTimeline;
  readonly now: number;
  /** The request from which one came. */
  readonly back: string | undefined;
  /** Whether an earlier page came before it. */
  readonly continued: boolean;
}

/** How far an earlier look goes back: a day before the first record of this one. */
const backMs = 24 * 3_600_000;

const states: Readonly<Record<CallProgress, readonly [look: string, words: string]>> = {
  permitted: ['plain', 'permitted, not run'],
  denied: ['high', 'denied'],
  waiting: ['medium', 'waiting'],
  approved: ['low', 'approved, not run'],
  rejected: ['high', 'rejected'],
  expired: ['plain', 'expired'],
  cancelled: ['plain', 'cancelled'],
  unknown: ['medium', 'no outcome known'],
  released: ['plain', 'given back'],
  suspended: ['plain', 'suspended'],
  completed: ['low', 'completed'],
  failed: ['high', 'failed'],
};

export function runPage({ base, timeline, now, back, continued }: RunPage): Html {
  const { run, records, calls, from, next } = timeline;
  const names = new Map(calls.map(({ key }, index) => [key, index + 1]));
  const here = `${base}/runs/${run}`;
  const room = createRoom();
  const query = (pairs: Record<string, string>): string =>
    `${here}?${new URLSearchParams({ ...pairs, ...(back === undefined ? {} : { request: back }) }).toString()}`;
  return html`<p class="back">
      <a href="${back === undefined ? `${base}/` : `${base}/approvals/${back}`}"
        >← ${back === undefined ? 'Inbox' : 'Request'}</a
      >
    </p>
    <h1>Run ${shown(run)}</h1>
    <p class="lead">
      What the ledger holds of it ${continued ? 'from here on' : html`since ${timeOf(from, now)}`}, oldest first.
    </p>
    ${integrity(timeline)}
    ${
      calls.length > 0 &&
      html`<section aria-labelledby="calls">
        <h2 id="calls">Calls</h2>
        ${wide('Calls of this run', callTable(base, calls))}
        ${next !== undefined && html`<p class="note">As of the records on this page; more may follow.</p>`}
      </section>`
    }
    <section aria-labelledby="records">
      <h2 id="records">Records</h2>
      ${records.length === 0 && html`<p class="note">None in this part of the ledger.</p>`}
      <ol class="timeline">
        ${records.map((record) => entry({ base, room }, record, record.call === undefined ? undefined : names.get(record.call)))}
      </ol>
      <p class="actions">
        ${!continued && html`<a class="button" href="${query({ from: String(Math.max(0, from - backMs)) })}">Look a day further back</a>`}
        ${next !== undefined && html`<a class="button" rel="next" href="${query({ after: next })}">Go on</a>`}
      </p>
    </section>`;
}

function integrity({ looked, broken }: RunTimeline): Html {
  if (broken > 0) {
    return html`<p class="problem" role="note">
      <b>The chain is broken.</b> ${broken} of the ${looked} records read for this page do not follow from the one
      before, or cannot be read. Somebody changed or removed what stood there: run
      <code>countersign audit verify</code>.
    </p>`;
  }
  return html`<p class="note">
    Each of the ${looked} records read for this page follows from the one before it. That nothing was cut off is proven
    by
    <code>countersign audit verify</code> alone.
  </p>`;
}

function callTable(base: string, calls: readonly TimelineCall[]): Html {
  return html`<table>
    <thead>
      <tr>
        <th scope="col">Call</th>
        <th scope="col">State</th>
        <th scope="col">Risk</th>
        <th scope="col">Agent</th>
        <th scope="col">Capability</th>
        <th scope="col" class="number">Took</th>
      </tr>
    </thead>
    <tbody>
      ${calls.map(({ key, state, tool, agent, capability, risk, approval, durationMs }, index) => {
        const [look, words] = states[state];
        const name = html`${index + 1}. ${shown(tool ?? 'unknown')}`;
        return html`<tr id="call-${key}">
          <th scope="row">
            ${approval === undefined ? name : html`<a href="${base}/approvals/${approval}">${name}</a>`}
          </th>
          <td><span class="badge look-${look}">${words}</span></td>
          <td>${risk === undefined ? '' : riskBadge({ risk })}</td>
          <td>${shown(agent ?? '')}</td>
          <td>${shown(capability ?? '')}</td>
          <td class="number">${durationMs === undefined ? '' : describeDuration(durationMs)}</td>
        </tr>`;
      })}
    </tbody>
  </table>`;
}

interface Place {
  readonly base: string;
  /** For the arguments of all records together. */
  readonly room: Room;
}

function entry({ base, room }: Place, record: TimelineRecord, call: number | undefined): Html {
  const { kind, event, tool, verdict, time, id, linked, writer, seq } = record;
  return html`<li class="${linked ? '' : 'broken'}" id="${id}">
    <div class="when">
      ${exactTime(time)}
      <span class="badge look-${lookOf(record)}"
        >${kind}: ${shown(verdict === undefined || kind !== 'decision' ? event : verdict)}</span
      >
      <small>${writer.slice(0, 8)}… ${seq}</small>
    </div>
    <div class="what">
      ${tool !== undefined && html`<p><b>${call !== undefined && `${call}. `}${shown(tool)}</b></p>`}
      ${!linked && html`<p class="problem">This record does not follow from the one before it.</p>`}
      ${facts(base, record)}
      ${
        record.arguments !== undefined &&
        html`<details id="arguments-${id}">
          <summary>Arguments, redacted</summary>
          ${argumentsView(JSON.stringify(record.arguments), `Arguments of record ${id}`, room)}
        </details>`
      }
    </div>
  </li>`;
}

const looks: Readonly<Record<string, string>> = {
  allow: 'low',
  deny: 'high',
  review: 'medium',
  refused: 'high',
  approved: 'low',
  rejected: 'high',
  expired: 'plain',
  opened: 'medium',
  completed: 'low',
  failed: 'high',
};

function lookOf({ verdict, event, kind }: TimelineRecord): string {
  return looks[kind === 'decision' ? (verdict ?? event) : event] ?? 'plain';
}

function facts(base: string, record: TimelineRecord): Html {
  const { user, agent, delegation = [], approver, detail, code, capability, risk, source } = record;
  const { kind, approval, service, lease, durationMs, policyVersion, sealedState } = record;
  // What follows a decision has its capability, risk and policy.
  const decided = kind === 'decision';
  const sealed = { erased: 'erased with the key of its user', damaged: 'cannot be opened: verify the ledger' } as const;
  const rows: readonly (readonly [string, Html | string | undefined])[] = [
    ['By', approver === undefined ? undefined : shown(approver)],
    ['For user', user === undefined ? undefined : shown(user)],
    ['Agent', agent === undefined ? undefined : shown([...delegation, agent].join(' → '))],
    ['Why', [code, detail].every((each) => each === undefined) ? undefined : reasonOf(code, detail)],
    ['Capability', !decided || capability === undefined ? undefined : shown(capability)],
    ['Risk', decided ? risk : undefined],
    ['Tool source', source === undefined || source === 'local' ? undefined : shown(source)],
    ['Request', approval === undefined ? undefined : html`<a href="${base}/approvals/${approval}">open it</a>`],
    ['Credential', service === undefined ? undefined : shown(`${service}${lease === undefined ? '' : `, ${lease}`}`)],
    ['Took', durationMs === undefined ? undefined : describeDuration(durationMs)],
    ['Policy', !decided || policyVersion === undefined ? undefined : shown(policyVersion)],
    ['Sealed part', sealedState === 'erased' || sealedState === 'damaged' ? sealed[sealedState] : undefined],
  ];
  return html`<dl class="facts-row">
    ${rows.map(
      ([name, value]) =>
        value !== undefined &&
        html`<div>
          <dt>${name}</dt>
          <dd>${value}</dd>
        </div>`,
    )}
  </dl>`;
}

function reasonOf(code: string | undefined, detail: string | undefined): Html {
  return html`${code !== undefined && html`<code>${shown(code)}</code>`} ${detail !== undefined && shown(detail)}`;
}
