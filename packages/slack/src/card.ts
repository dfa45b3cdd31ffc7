/**
 * A request as a message of Slack's Block Kit. Every text is `plain_text`: nothing in a card is parsed for markup.
 * @module
 */
import type { ActionsBlock, Button, KnownBlock, PlainTextElement } from '@slack/types';
import type { ApprovalNotice } from '@countersign/core';
import { actionIds, actionValue, summaryBlock, type ActionName } from './actions.ts';
import { labelled, plainText, plainTexts } from './plain-text.ts';

export interface Card {
  /** What notifications show. */
  readonly text: string;
  readonly blocks: readonly KnownBlock[];
}

const maxHeader = 150;
const maxField = 300;
/** Of a section. Two of them hold a summary in whole, unless much of it is escaped. */
const maxSection = 3000;
const summarySections = 2;
const shownDigest = 24;

const headings: Readonly<Record<ApprovalNotice['state'], string>> = {
  pending: 'Approval needed',
  approved: 'Approved',
  rejected: 'Rejected',
  expired: 'Expired',
  cancelled: 'Cancelled',
};

/** @param consoleUrl where the full view is, behind a sign-in */
export function cardOf(notice: ApprovalNotice, consoleUrl: string | undefined): Card {
  const { state, tool, risk, summary } = notice;
  const buttons = state === 'pending' ? decisionButtons(notice) : [];
  const elements = [...buttons, ...consoleButton(notice, consoleUrl)];
  const actions: ActionsBlock = { type: 'actions', block_id: 'countersign_actions', elements };
  return {
    text: notificationOf(notice),
    blocks: [
      { type: 'header', text: plainText(`${headings[state]}: ${tool} (${risk} risk)`, maxHeader) },
      ...(state === 'pending' ? [] : [{ type: 'section' as const, text: plainText(endOf(notice), maxSection) }]),
      { type: 'section', fields: [...fieldsOf(notice)] },
      ...plainTexts(summary, maxSection, summarySections).map((text, index) => ({
        ...{ type: 'section' as const, block_id: `${summaryBlock}${index}`, text },
      })),
      ...(elements.length === 0 ? [] : [actions]),
    ],
  };
}

/** Names that could be taken for a link, a mention or a picture stay out of it: its text has no form that is never parsed. */
function notificationOf({ state, agent, tool, risk }: ApprovalNotice): string {
  const name = (text: string, otherwise: string): string => (/^[A-Za-z0-9_-]{1,64}$/.test(text) ? text : otherwise);
  return `${headings[state]} (${risk} risk): ${name(agent, 'an agent')} asks for ${name(tool, 'a tool')}`;
}

function fieldsOf(notice: ApprovalNotice): readonly PlainTextElement[] {
  const { tool, source, capability, risk, mode, agent, requester, groups, digest, expiresAt } = notice;
  const fields: readonly (readonly [label: string, value: string])[] = [
    ['Asked for', requester],
    ['By agent', agent],
    ['Tool', `${tool} (${source})`],
    ['Capability', capability],
    ['Risk', `${risk}; ${mode === 'blocking' ? 'the agent waits' : 'runs once it may'}`],
    ['Who decides', groups.length === 0 ? 'any approver' : groups.join(', ')],
    ['Votes', votesOf(notice)],
    ['Expires', `${new Date(expiresAt).toISOString().slice(0, 16).replace('T', ' ')} UTC`],
    ['Digest', digest.length > shownDigest ? `${digest.slice(0, shownDigest)}…` : digest],
  ];
  return fields.map(([label, value]) => labelled(label, value, maxField));
}

function votesOf({ votes, quorum }: ApprovalNotice): string {
  const agreed = votes.filter(({ verdict }) => verdict === 'approve').length;
  const each = votes.map(({ approver, verdict }) => `${approver}: ${verdict}`);
  return [`${agreed} of ${quorum} needed`, ...each].join('; ');
}

function endOf({ state, votes }: ApprovalNotice): string {
  const by = (verdict: string): string => {
    const names = votes.filter((vote) => vote.verdict === verdict).map(({ approver }) => approver);
    return names.length === 0 ? '' : ` by ${names.join(', ')}`;
  };
  if (state === 'approved') return `Approved${by('approve')}.`;
  if (state === 'rejected') return `Rejected${by('reject')}.`;
  return state === 'expired' ? 'Expired: it was not decided in time.' : 'Cancelled: there is nothing left to decide.';
}

function decisionButtons(notice: ApprovalNotice): readonly Button[] {
  const button = (name: ActionName, text: string, more: Partial<Button> = {}): Button => ({
    ...{ type: 'button', action_id: actionIds[name], text: plainText(text, 75), value: actionValue(notice) },
    ...more,
  });
  const confirm = {
    title: plainText('Approve a high risk?', 100),
    text: plainText('It runs once, with exactly the arguments of this request.', 300),
    confirm: plainText('Approve', 30),
    deny: plainText('Back', 30),
  };
  const asks = notice.risk === 'high' && notice.reasonRequired !== true;
  return [
    button('approve', 'Approve', { style: 'primary', ...(asks ? { confirm } : {}) }),
    button('reject', 'Reject', { style: 'danger' }),
    ...(notice.edit === true ? [button('edit', 'Edit')] : []),
  ];
}

function consoleButton({ id }: ApprovalNotice, consoleUrl: string | undefined): readonly Button[] {
  if (consoleUrl === undefined) return [];
  const url = `${consoleUrl}/approvals/${encodeURIComponent(id)}`;
  return [{ type: 'button', action_id: actionIds.open, text: plainText('Open in the console', 75), url }];
}
