/**
 * The pages beside requests: the ledger of a run, the load of approvals, the policy.
 * @module
 */
import type { Hono } from 'hono';
import { loadPage, loadWindows } from './load-page.ts';
import type { ConsoleEnvironment, Parts } from './parts.ts';
import { policyPage } from './policy-page.ts';
import { Problem } from './problem.ts';
import { policyFor, render, type Asked } from './render.ts';
import { runPage } from './run-page.ts';

const runForm = /^[A-Za-z0-9][A-Za-z0-9._@:+-]{0,127}$/;
const approvalForm = /^apr\.[A-Za-z0-9._-]{1,100}$/;

export function oversightRoutes(app: Hono<ConsoleEnvironment>, parts: Parts): void {
  app.get('/runs/:run', (context) => run(context, parts));
  app.get('/load', (context) => load(context, parts));
  app.get('/policy', (context) => policy(context, parts));
}

async function run(context: Asked, parts: Parts) {
  const id = context.req.param('run') ?? '';
  const { after, from, request } = context.req.query();
  const time = from === undefined ? undefined : Number(from);
  if (!runForm.test(id) || (time !== undefined && !(time >= 0 && Number.isSafeInteger(time)))) {
    throw new Problem(404, 'Not found', 'There is no such run.');
  }
  const timeline = await context.var.approvals.timeline(id, {
    ...(after === undefined ? {} : { after }),
    ...(time === undefined ? {} : { from: time }),
  });
  const back = request !== undefined && approvalForm.test(request) ? request : undefined;
  const main = runPage({ base: parts.base, timeline, now: parts.now(), back, continued: after !== undefined });
  return render(context, parts, { title: `Run ${id}`, main });
}

async function load(context: Asked, parts: Parts) {
  const asked = context.req.query('window') ?? '7d';
  const window = loadWindows.find(({ name }) => name === asked);
  if (window === undefined) throw new Problem(404, 'Not found', 'There is no such window.');
  const found = await context.var.approvals.load({ windowMs: window.ms });
  const main = loadPage({ base: parts.base, load: found, window });
  return render(context, parts, { title: 'Load', current: 'load', main });
}

async function policy(context: Asked, parts: Parts) {
  const found = policyFor(context, parts);
  if (found === undefined) throw new Problem(404, 'Not found', 'This console was given no policy for your tenant.');
  const approvers = await context.var.approvals.approvers();
  const { tenant } = context.var.session.approver;
  const main = policyPage({ policy: found, tenant, approvers });
  return render(context, parts, { title: 'Policy', current: 'policy', main });
}
