/**
 * What every page has around it, and the small pieces that several have.
 * @module
 */
import type { ApprovalView } from '@countersign/core';
import { visible } from '@countersign/core';
import { deceptivePieces, type Room, type TextPiece } from './deceptive-text.ts';
import { describeAge } from './describe.ts';
import { html, type Html } from './html.ts';
import type { Session } from './sessions.ts';

export interface PageLink {
  readonly name: 'inbox' | 'history' | 'load' | 'policy';
  readonly path: string;
  readonly text: string;
}

export interface Page {
  /** Path of the console on its host, without a slash at the end. */
  readonly base: string;
  readonly title: string;
  /** Whose page it is; nobody's before sign-in. */
  readonly session?: Session | undefined;
  readonly current?: PageLink['name'];
  /** The pages that this person may open. */
  readonly links?: readonly PageLink[];
  /** Where it hears of what others do, below `base`. */
  readonly live?: string;
  /** Where the browser goes on to by itself. */
  readonly onward?: string;
  readonly main: Html;
}

export function layout({ base, title, session, current, links = [], live, onward, main }: Page): Html {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        ${onward !== undefined && html`<meta http-equiv="refresh" content="0; url=${onward}" />`}
        <title>${visible(title)} · Countersign</title>
        <link rel="icon" href="${base}/icon.svg" type="image/svg+xml" />
        <link rel="stylesheet" href="${base}/console.css" />
        ${live !== undefined && html`<script src="${base}/console.js" data-events="${base}${live}" defer></script>`}
      </head>
      <body>
        <a class="skip" href="#main">Skip to content</a>
        <header>
          <a class="brand" href="${base}/">Countersign</a>
          ${session && navigation(base, session, links, current)}
        </header>
        <p id="live" role="status"></p>
        <main id="main" tabindex="-1">${main}</main>
      </body>
    </html>`;
}

function navigation(base: string, session: Session, links: readonly PageLink[], current: Page['current']): Html {
  return html`${
      links.length > 0 &&
      html`<nav aria-label="Pages">
        <ul>
          ${links.map(
            ({ name, path, text }) =>
              html`<li><a href="${base}${path}" ${current === name ? html`aria-current="page"` : ''}>${text}</a></li>`,
          )}
        </ul>
      </nav>`
    }
    <form class="who" method="post" action="${base}/sign-out">
      ${tokenField(session)}
      <span>${shown(session.approver.id)} <small>${shown(session.approver.tenant)}</small></span>
      <button class="quiet">Sign out</button>
    </form>`;
}

export function tokenField(session: Session): Html {
  return html`<input type="hidden" name="token" value="${session.formToken}" />`;
}

/** Text from a model or a stranger: what is hidden is shown, what looks like something else is marked. */
export function shown(text: string, room?: Room): Html {
  return html`<bdi
    >${deceptivePieces(text, room).map((piece) =>
      piece.mark === undefined
        ? piece.text
        : html`<mark class="${piece.mark}" title="${titleOf(piece)}">${piece.text}</mark>`,
    )}</bdi
  >`;
}

function titleOf({ mark, codes, count = 1 }: TextPiece): string {
  if (count === 1) return `${codes} ${mark === 'hidden' ? 'is hidden' : 'looks like another letter'}`;
  return `${codes}: ${count} characters, ${mark === 'hidden' ? 'hidden' : 'that look like other letters'}`;
}

export function riskBadge({ risk }: Pick<ApprovalView, 'risk'>): Html {
  return html`<span class="badge risk-${risk}">${risk} risk</span>`;
}

export function stateBadge({ state }: Pick<ApprovalView, 'state'>): Html {
  return html`<span class="badge state-${state}">${state}</span>`;
}

export function timeOf(time: number, now: number): Html {
  const iso = isoOf(time);
  if (iso === undefined) return noTime(time);
  return html`<time datetime="${iso}" title="${iso}">${describeAge(now - time)}</time>`;
}

/** To the millisecond, in UTC: what stands in the ledger. */
export function exactTime(time: number): Html {
  const iso = isoOf(time);
  if (iso === undefined) return noTime(time);
  return html`<time datetime="${iso}">${iso.slice(0, 10)} <b>${iso.slice(11, 23)}</b> UTC</time>`;
}

/** `undefined` for what is beyond all dates: one such row must not take the page from the others. */
function isoOf(time: number): string | undefined {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}

function noTime(time: number): Html {
  return html`<mark class="hidden">at no time (${String(time)})</mark>`;
}

/** What is too wide for a phone scrolls by itself, also by keyboard. */
export function wide(label: string, content: Html): Html {
  return html`<div class="wide" role="region" aria-label="${label}" tabindex="0">${content}</div>`;
}
