/**
 * Keeps what a guarded call was given and what it answered, for the provenance of later calls.
 * @module
 */
import type { ToolRule } from '../call.ts';
import type { GateContext } from '../gate-context.ts';
import type { PreparedCall } from '../execute/prepare-call.ts';

/** Before the body is entered here, and where it may be entered elsewhere. */
export function noteBegun({ runtime }: GateContext, { facts, arguments: args }: PreparedCall): void {
  runtime.results.began(facts, args.canonical);
}

/**
 * Where nobody is ever asked, only results that can count are kept.
 * @param text the result as JSON; `undefined` when it has no such form
 */
export function noteResult(
  { runtime }: GateContext,
  { facts }: PreparedCall,
  rule: ToolRule,
  text: string | undefined,
): void {
  if (text === undefined || (runtime.approvals === undefined && rule.trusted !== true)) return;
  runtime.results.ended(facts, text);
}
