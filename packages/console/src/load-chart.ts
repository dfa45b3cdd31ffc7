/**
 * Requests over time, stacked by how they ended: an SVG with no script and no style of its own, and the table behind it.
 * @module
 */
import type { ApprovalLoad, LoadBucket } from '@countersign/core';
import { html, type Html } from './html.ts';
import { wide } from './layout.ts';

const series = [
  ['approved', 'Approved'],
  ['rejected', 'Rejected'],
  ['expired', 'No answer'],
  ['other', 'Waiting or cancelled'],
] as const;

type Series = (typeof series)[number][0];

const width = 720;
const height = 220;
const plot = { left: 44, right: 8, top: 12, bottom: 30 } as const;
const hourMs = 3_600_000;

export function loadChart(load: ApprovalLoad): Html {
  const { buckets, requests, stepMs } = load;
  const step = stepMs < 24 * hourMs ? `${stepMs / hourMs} h` : `${stepMs / (24 * hourMs)} d`;
  return html`<figure class="chart">
    <figcaption id="chart-caption">
      Requests per ${step}, by how they ended. ${requests} in all, at most
      ${Math.max(0, ...buckets.map((each) => each.requests))} in one step. Times are UTC.
    </figcaption>
    <ul class="legend" aria-hidden="true">
      ${series.map(
        ([name, words]) =>
          html`<li>
            <svg width="14" height="14"><rect class="bar-${name}" width="14" height="14" rx="3" /></svg>${words}
          </li>`,
      )}
    </ul>
    ${wide(
      'Chart',
      html`<svg class="bars" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="chart-caption">
        ${gridOf(buckets)} ${barsOf(buckets)} ${timesOf(buckets, stepMs)}
      </svg>`,
    )}
    <details id="chart-numbers">
      <summary>The numbers behind it</summary>
      ${wide('Requests over time', tableOf(buckets))}
    </details>
  </figure>`;
}

function countOf(bucket: LoadBucket, name: Series): number {
  return name === 'other' ? bucket.pending + bucket.cancelled : bucket[name];
}

/** The next of 1, 2, 4, 6, 8, 10, 20, 40 … */
function niceTop(buckets: readonly LoadBucket[]): number {
  const most = Math.max(1, ...buckets.map(({ requests }) => requests));
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 4, 6, 8, 10].map((factor) => factor * power).find((top) => top >= most) ?? most;
}

const bottom = height - plot.bottom;
const round = (value: number): number => Math.round(value * 100) / 100;

function yOf(count: number, top: number): number {
  return round(bottom - ((bottom - plot.top) * count) / top);
}

function gridOf(buckets: readonly LoadBucket[]): Html {
  const top = niceTop(buckets);
  const marks = top === 1 ? [0, 1] : [0, top / 2, top];
  return html`${marks.map((count) => {
    const y = yOf(count, top);
    return html`<line class="grid" x1="${plot.left}" x2="${width - plot.right}" y1="${y}" y2="${y}" />
      <text class="axis" x="${plot.left - 8}" y="${y + 4}" text-anchor="end">${count}</text>`;
  })}`;
}

function barsOf(buckets: readonly LoadBucket[]): Html {
  const top = niceTop(buckets);
  const room = (width - plot.left - plot.right) / Math.max(1, buckets.length);
  return html`${buckets.map((bucket, index) => {
    let below = 0;
    return series.map(([name]) => {
      const count = countOf(bucket, name);
      if (count === 0) return undefined;
      const y = yOf(below + count, top);
      const rect = html`<rect
        class="bar-${name}"
        x="${round(plot.left + index * room + room * 0.12)}"
        y="${y}"
        width="${round(room * 0.76)}"
        height="${round(yOf(below, top) - y)}"
      />`;
      below += count;
      return rect;
    });
  })}`;
}

function timesOf(buckets: readonly LoadBucket[], stepMs: number): Html {
  const room = (width - plot.left - plot.right) / Math.max(1, buckets.length);
  // A day apart where a step is a part of one.
  const every = stepMs === 6 * hourMs ? 4 : Math.ceil(buckets.length / 6);
  return html`${buckets.map(
    ({ from }, index) =>
      index % every === 0 &&
      html`<text class="axis" x="${round(plot.left + (index + 0.5) * room)}" y="${height - 8}" text-anchor="middle">
        ${shortTime(from, stepMs)}
      </text>`,
  )}`;
}

function shortTime(time: number, stepMs: number): string {
  const iso = new Date(time).toISOString();
  return stepMs < 6 * hourMs ? iso.slice(11, 16) : iso.slice(5, 10);
}

function tableOf(buckets: readonly LoadBucket[]): Html {
  return html`<table>
    <thead>
      <tr>
        <th scope="col">From</th>
        <th scope="col" class="number">Requests</th>
        ${series.map(([, words]) => html`<th scope="col" class="number">${words}</th>`)}
      </tr>
    </thead>
    <tbody>
      ${buckets.map(
        (bucket) =>
          html`<tr>
            <th scope="row">${new Date(bucket.from).toISOString().slice(0, 16).replace('T', ' ')}</th>
            <td class="number">${bucket.requests}</td>
            ${series.map(([name]) => html`<td class="number">${countOf(bucket, name)}</td>`)}
          </tr>`,
      )}
    </tbody>
  </table>`;
}
