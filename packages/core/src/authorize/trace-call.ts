/**
 * The provenance of one call's arguments, from what its gate was told and what this process saw.
 * @module
 */
import type { PreparedCall } from '../execute/prepare-call.ts';
import type { GateContext } from '../gate-context.ts';
import { textsOf } from './heard.ts';
import { traceValues, type ObservedSource, type ValueOrigin } from './provenance.ts';

const traced = new WeakMap<PreparedCall, readonly ValueOrigin[] | undefined>();

/** Computed when it is first asked for. `undefined` when it cannot be: then nothing is trusted. */
export function traceCall(context: GateContext, call: PreparedCall): readonly ValueOrigin[] | undefined {
  if (traced.has(call)) return traced.get(call);
  let origins: readonly ValueOrigin[] | undefined;
  try {
    origins = traceValues(call.arguments.view, sourcesOf(context, call));
  } catch {
    // What could not be read was not observed.
  }
  traced.set(call, origins);
  return origins;
}

function sourcesOf(context: GateContext, call: PreparedCall): readonly ObservedSource[] {
  const { heard, principal, runtime } = context;
  const said = typeof heard === 'function' ? heard() : heard;
  // A delegate's user messages are written by the agent above it.
  const seen = principal.delegation.length === 0 ? call.observed?.() : undefined;
  const { results, complete } = runtime.results.of(call.facts);
  const answered = results.map(({ tool, text, given }): ObservedSource => ({
    ...{ origin: 'tool', form: 'json', tool, text, given },
    // Without all that was stored, nobody knows what is only read back.
    trusted: complete && trusts(context, tool),
  }));
  return [
    ...textsOf(said?.system).map((text): ObservedSource => ({ origin: 'system', form: 'text', text, trusted: true })),
    ...[...textsOf(seen?.user), ...textsOf(said?.user)].map((text): ObservedSource => ({
      origin: 'user',
      form: 'text',
      text,
      trusted: true,
    })),
    ...answered,
  ];
}

/** What the policy in force now says of a tool. */
function trusts(
  { runtime, principal }: GateContext,
  tool: { readonly name: string; readonly source: string },
): boolean {
  return runtime.asked.authorizer.trusts?.(principal.tenant, tool) === true;
}
