/**
 * What a button and a form carry: which request, as it was shown. Neither is authority; who acts is what Slack signs.
 * @module
 */
import type { ApprovalNotice } from '@countersign/core';
import { recordOf } from './record-of.ts';

export const actionIds = {
  approve: 'countersign_approve',
  reject: 'countersign_reject',
  edit: 'countersign_edit',
  /** A link. Slack tells of it all the same. */
  open: 'countersign_open',
} as const;

export type ActionName = keyof typeof actionIds;

/** Blocks of a card that hold its summary begin so. */
export const summaryBlock = 'countersign_summary_';

/** The request, and what of it the person saw. */
export interface Target {
  readonly approval: string;
  readonly digest: string;
  /** Whether to ask for a reason. The service demands one, whatever stands here. */
  readonly reasonRequired: boolean;
}

export function actionValue({ id, digest, reasonRequired }: ApprovalNotice): string {
  return JSON.stringify({ a: id, d: digest, ...(reasonRequired === true ? { r: 1 } : {}) });
}

export function readActionValue(value: unknown): Target | undefined {
  const { a, d, r } = recordOf(parse(value));
  return isShort(a) && isShort(d) ? { approval: a, digest: d, reasonRequired: r === 1 } : undefined;
}

/** A form that was opened, and for whom. */
export interface Form extends Target {
  readonly action: 'approve' | 'reject' | 'edit';
  readonly team: string;
  readonly user: string;
  /** Of Slack, where the person pressed the button. */
  readonly channel: string;
}

export function formMetadata({ action, approval, digest, reasonRequired, team, user, channel }: Form): string {
  return JSON.stringify({ f: action, a: approval, d: digest, r: reasonRequired ? 1 : 0, t: team, u: user, c: channel });
}

export function readFormMetadata(text: unknown): Form | undefined {
  const { f, t, u, c } = recordOf(parse(text));
  const target = readActionValue(text);
  if (target === undefined || (f !== 'approve' && f !== 'reject' && f !== 'edit')) return undefined;
  return isShort(t) && isShort(u) && isShort(c) ? { ...target, action: f, team: t, user: u, channel: c } : undefined;
}

function isShort(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 256;
}

function parse(text: unknown): unknown {
  try {
    return typeof text === 'string' ? JSON.parse(text) : undefined;
  } catch {
    return undefined;
  }
}
