/**
 * What a mail says. Our own lines come first and have fixed places; everything else is made inert.
 * @module
 */
import type { ApprovalNotice } from '@countersign/core';
import { escapeHtml, inert } from './inert.ts';

export interface MailCode {
  /** As it is shown, in groups. */
  readonly code: string;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

export interface MailContent {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

type Row = readonly [name: string, value: string];

const maxName = 200;
const maxInSubject = 60;
const maxSummary = 8_000;
const maxNames = 20;

/** The subject of a request stays the same to its end: some clients thread by it. */
export function openedMail(notice: ApprovalNotice, link: string, code: MailCode | undefined): MailContent {
  const codeRows: readonly Row[] =
    code === undefined
      ? []
      : [
          ['Your code', code.code],
          ['Good until', timeOf(code.until)],
        ];
  const advice =
    code === undefined
      ? 'The link decides nothing and signs nobody in.'
      : 'The link decides nothing and signs nobody in. Type the code there to sign in for this request alone, once. ' +
        'Whoever has the code can decide as you: do not forward this mail, and tell the code to nobody.';
  const lead = 'A request waits for your decision.';
  const rows = [...rowsOf(notice), ['Expires', timeOf(notice.expiresAt)], ['Digest', field(notice.digest)]] as const;
  return contentOf({ subject: subjectOf(notice), lead, link, codeRows, advice, rows });
}

export function closedMail(notice: ApprovalNotice, link: string): MailContent {
  const lead = `The request was ${endOf(notice)}.`;
  const advice = 'Nothing is left to be done.';
  return contentOf({ subject: `Re: ${subjectOf(notice)}`, lead, link, codeRows: [], advice, rows: rowsOf(notice) });
}

function endOf({ state, votes }: ApprovalNotice): string {
  if (state === 'approved' || state === 'rejected') {
    const verdict = state === 'approved' ? 'approve' : 'reject';
    const people = votes.filter((vote) => vote.verdict === verdict).map(({ approver }) => approver);
    return people.length === 0 ? state : `${state} by ${listOf(people)}`;
  }
  return state === 'expired' ? 'not decided in time: it has expired' : 'cancelled';
}

function subjectOf({ tool, risk }: ApprovalNotice): string {
  // A mail reader decodes what looks like an encoded word (RFC 2047), line breaks and all.
  const word = (text: string): string => inert(text, maxInSubject).replaceAll('=?', '=[?]');
  return `[Countersign] Decision needed: ${word(tool)} (risk ${word(risk)})`;
}

function rowsOf(notice: ApprovalNotice): readonly Row[] {
  const { groups, quorum } = notice;
  const who = groups.length === 0 ? 'any approver' : `one of ${listOf(groups)}`;
  return [
    ['Tool', `${field(notice.tool)} (${field(notice.source)})`],
    ['Capability', `${field(notice.capability)}, risk ${field(notice.risk)}`],
    ['For user', field(notice.requester)],
    ['Agent', field(notice.agent)],
    ['Decided by', quorum === 1 ? who : `${quorum} people, each ${who}`],
    ['Arguments, redacted', inert(notice.summary, maxSummary)],
  ];
}

function listOf(names: readonly string[]): string {
  const shown = names.slice(0, maxNames).map(field).join(', ');
  return names.length > maxNames ? `${shown}, and ${names.length - maxNames} more` : shown;
}

const field = (text: string): string => inert(text, maxName);

const timeOf = (time: number): string => `${new Date(time).toISOString().slice(0, 16).replace('T', ' ')} UTC`;

interface Parts {
  readonly subject: string;
  readonly lead: string;
  readonly link: string;
  readonly codeRows: readonly Row[];
  readonly advice: string;
  readonly rows: readonly Row[];
}

function contentOf({ subject, lead, link, codeRows, advice, rows }: Parts): MailContent {
  const lines = (of: readonly Row[]): string => of.map(([name, value]) => `${name}: ${value}\n`).join('');
  const code = codeRows.length === 0 ? '' : `${lines(codeRows)}\n`;
  const text = `${lead}\n\n${link}\n\n${code}${advice}\n\n${lines(rows)}`;
  return { subject, text, html: htmlOf({ lead, link, codeRows, advice, rows }) };
}

/** No image, no style sheet, no script, no remote address but the one link. The `meta` keeps some clients from adding links. */
function htmlOf({ lead, link, codeRows, advice, rows }: Omit<Parts, 'subject'>): string {
  const cells = (of: readonly Row[]): string =>
    of
      .map(
        ([name, value]) =>
          `<tr><th align="left" valign="top">${escapeHtml(name)}</th><td><code>${escapeHtml(value)}</code></td></tr>`,
      )
      .join('\n');
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8">',
    '<meta name="format-detection" content="telephone=no,date=no,address=no,email=no,url=no">',
    '</head><body>',
    `<p>${escapeHtml(lead)}</p>`,
    `<p><a href="${escapeHtml(link)}" rel="noreferrer">Look at the request</a></p>`,
    ...(codeRows.length === 0 ? [] : [`<table cellpadding="4">\n${cells(codeRows)}\n</table>`]),
    `<p>${escapeHtml(advice)}</p>`,
    `<table cellpadding="4">\n${cells(rows)}\n</table>`,
    '</body></html>',
    '',
  ].join('\n');
}
