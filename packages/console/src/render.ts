/**
 * A page of a signed-in person, with the pages around it that they may open.
 * @module
 */
import type { Policy } from '@countersign/core';
import type { Context } from 'hono';
import { layout, type Page, type PageLink } from './layout.ts';
import type { ConsoleEnvironment, Parts } from './parts.ts';

export type Asked = Context<ConsoleEnvironment>;

/** @param page `request`: the one that it is about. It hears of no other. */
export function render(
  context: Asked,
  parts: Parts,
  page: Pick<Page, 'title' | 'current' | 'main'> & { readonly request?: string },
  status: 200 | 409 = 200,
): Response | Promise<Response> {
  const { session } = context.var;
  const { request, ...shown } = page;
  const live = request === undefined ? '/events' : `/events?request=${request}`;
  return context.html(layout({ ...shown, base: parts.base, session, links: linksFor(context, parts), live }), status);
}

/** The policy that is in force for whoever is signed in; nobody sees that of another tenant. */
export function policyFor(context: Asked, { policies }: Parts): Policy | undefined {
  const { tenant } = context.var.session.approver;
  return policies.find(({ tenants }) => tenants.includes(tenant));
}

function linksFor(context: Asked, parts: Parts): readonly PageLink[] {
  if (context.var.session.only !== undefined) return [];
  return [
    { name: 'inbox', path: '/', text: 'Inbox' },
    { name: 'history', path: '/history', text: 'History' },
    ...(context.var.approvals.readsLedger ? [{ name: 'load', path: '/load', text: 'Load' } as const] : []),
    ...(policyFor(context, parts) === undefined ? [] : [{ name: 'policy', path: '/policy', text: 'Policy' } as const]),
  ];
}
