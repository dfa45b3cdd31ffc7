/**
 * The routes of the approvals API: what is dispatched, checked and documented, kept once.
 * @module
 */
import type { ApprovalState } from '../call.ts';
import { ApprovalNotFound, StoreError } from '../errors.ts';
import type { ApprovalQuery, ApproverSession } from './approver-session.ts';
import type { ApprovalView } from './approve.ts';
import {
  approvalId,
  approvalState,
  text,
  type DecisionBody,
  type EditBody,
  type SchemaName,
  type SchemaNode,
} from './http-schemas.ts';
import { RequestRefused } from './signed-request.ts';

export interface Asked {
  /** From the path, decoded; empty where the path has none. */
  readonly id: string;
  /** Checked against the route's schema. */
  readonly query: Readonly<Record<string, unknown>>;
  readonly body: unknown;
}

/** Which limit a request counts against. */
export type LimitName = 'reads' | 'decisions';

export interface Route {
  readonly method: 'GET' | 'POST';
  /** With `{id}` for one segment. */
  readonly path: string;
  readonly operation: string;
  readonly summary: string;
  readonly query: Readonly<Record<string, SchemaNode>>;
  readonly body?: { readonly schema: SchemaName; readonly maxBytes: number };
  readonly answer: SchemaName;
  /** Statuses of this route besides those that every route of approvers has. */
  readonly errors: readonly number[];
  readonly limit: LimitName;
  readonly act: (session: ApproverSession, asked: Asked) => Promise<unknown>;
}

const maxDecisionBytes = 16_384;
/** Edited arguments may be as long as a model's. */
const maxEditBytes = 4_194_304;
const defaultLimit = 100;
const maxLimit = 200;
/** Read at a time, so that long arguments of many requests are not held at once. */
const chunkLength = 20;
/** UTF-16 units of arguments after which a page ends early. */
const maxPageLength = 4_000_000;

const errorsOfBody = [400, 403, 404, 408, 409, 413, 415] as const;

export const routes: readonly Route[] = [
  {
    method: 'GET',
    path: '/approvals',
    operation: 'listApprovals',
    summary: 'Requests of your tenant, page by page.',
    query: {
      state: approvalState,
      run: { ...text, minLength: 1, maxLength: 256 },
      order: { type: 'string', enum: ['oldest', 'newest'], default: 'oldest', description: 'Which come first.' },
      after: { ...approvalId, description: 'Only requests that were opened after this one.' },
      before: { ...approvalId, description: 'Only requests that were opened before this one.' },
      limit: { type: 'integer', minimum: 1, maximum: maxLimit, default: defaultLimit },
    },
    answer: 'ApprovalPage',
    errors: [400],
    limit: 'reads',
    act: listPage,
  },
  {
    method: 'GET',
    path: '/approvals/{id}',
    operation: 'showApproval',
    summary: 'One request, with the arguments that would run.',
    query: {},
    answer: 'Approval',
    errors: [400, 404, 409],
    limit: 'reads',
    act: (session, { id }) => session.show(id),
  },
  {
    method: 'POST',
    path: '/approvals/{id}/decision',
    operation: 'decideApproval',
    summary: 'Approve or reject, for good.',
    query: {},
    body: { schema: 'Decision', maxBytes: maxDecisionBytes },
    answer: 'Approval',
    errors: errorsOfBody,
    limit: 'decisions',
    act: (session, { id, body }) => session.decide({ id, ...(body as DecisionBody) }),
  },
  {
    method: 'POST',
    path: '/approvals/{id}/arguments',
    operation: 'editApproval',
    summary: 'Change the arguments of a request that nobody has voted on. It approves nothing, and gives a new digest.',
    query: {},
    body: { schema: 'Edit', maxBytes: maxEditBytes },
    answer: 'Approval',
    errors: [...errorsOfBody, 422],
    limit: 'decisions',
    act: (session, { id, body }) => session.edit({ id, ...(body as EditBody) }),
  },
];

/** Every route that asks for an approver may answer with these. */
export const commonErrors: readonly number[] = [401, 429, 500, 503];

interface PageQuery {
  readonly state?: ApprovalState;
  readonly run?: string;
  readonly order?: 'oldest' | 'newest';
  readonly after?: string;
  readonly before?: string;
  readonly limit?: number;
}

interface Page {
  readonly approvals: readonly ApprovalView[];
  readonly next?: string;
}

async function listPage(session: ApproverSession, asked: Asked): Promise<Page> {
  const { order, limit = defaultLimit, ...filter } = asked.query as PageQuery;
  for (const cursor of [filter.after, filter.before]) if (cursor !== undefined) await requireKnown(session, cursor);
  const newestFirst = order === 'newest';
  const approvals: ApprovalView[] = [];
  let query: ApprovalQuery = { ...filter, newestFirst };
  let length = 0;
  for (;;) {
    // One more than wanted tells whether there are more.
    const wanted = Math.min(chunkLength, limit - approvals.length + 1);
    const chunk = await session.list({ ...query, limit: wanted });
    for (const approval of chunk) {
      const last = approvals.at(-1);
      if (last !== undefined && (approvals.length === limit || length > maxPageLength))
        return { approvals, next: last.id };
      approvals.push(approval);
      length += approval.arguments.length + (approval.originalArguments?.length ?? 0);
    }
    const last = approvals.at(-1);
    if (last === undefined || chunk.length < wanted) return { approvals };
    query = { ...query, ...(newestFirst ? { before: last.id } : { after: last.id }) };
  }
}

/** A cursor that names nothing would look like the end of the list. */
async function requireKnown(session: ApproverSession, cursor: string): Promise<void> {
  try {
    await session.show(cursor);
  } catch (error) {
    if (error instanceof StoreError) throw error;
    // One that cannot be shown is there all the same.
    if (error instanceof ApprovalNotFound) throw new RequestRefused(400, 'the page begins at no approval of yours');
  }
}
