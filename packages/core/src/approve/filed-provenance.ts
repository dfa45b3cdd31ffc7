/**
 * The provenance of an approval's arguments: computed when it was filed, sealed under the subject's key, and under the
 * approval's digest, so that it can neither be changed, nor moved to another approval, nor taken away unnoticed.
 * @module
 */
import { traceCall } from '../authorize/trace-call.ts';
import { originsOfEdited } from '../authorize/edited-values.ts';
import type { OriginKind, ValueOrigin } from '../authorize/provenance.ts';
import { prepareArguments, restoreArguments } from '../execute/arguments.ts';
import { digestApproval } from '../execute/digest.ts';
import type { PreparedCall } from '../execute/prepare-call.ts';
import type { GateContext } from '../gate-context.ts';
import type { SubjectKey } from '../record/sealing.ts';
import type { StoredApproval } from '../store/store.ts';
import { argumentsContext, argumentsOf } from './filed-arguments.ts';
import type { ShownOrigin } from './approve.ts';

function provenanceContext(approval: string): string {
  return `approval|${approval}|provenance`;
}

/** What is sealed. Tools are named once: a result is often the source of many values. */
interface Filed {
  readonly tools: readonly (readonly [name: string, source: string])[];
  readonly values: readonly (readonly [pointer: string, origin: OriginKind, trusted: 0 | 1, tool?: number])[];
}

/** To be filed with a call; `undefined` when its provenance cannot be computed. */
export function sealProvenance(context: GateContext, call: PreparedCall, approval: string): string | undefined {
  const origins = traceCall(context, call);
  if (origins === undefined) return undefined;
  const tools: [string, string][] = [];
  const indexOf = ({ name, source }: NonNullable<ValueOrigin['tool']>): number => {
    const known = tools.findIndex((tool) => tool[0] === name && tool[1] === source);
    return known === -1 ? tools.push([name, source]) - 1 : known;
  };
  const values = origins.map(({ pointer, origin, trusted, tool }): Filed['values'][number] =>
    tool === undefined ? [pointer, origin, trusted ? 1 : 0] : [pointer, origin, trusted ? 1 : 0, indexOf(tool)],
  );
  return context.key.seal(JSON.stringify({ tools, values } satisfies Filed), provenanceContext(approval));
}

function openProvenance({ id, sealedProvenance }: StoredApproval, key: SubjectKey): readonly ValueOrigin[] | undefined {
  if (sealedProvenance === undefined) return undefined;
  try {
    const { tools, values } = JSON.parse(key.open(sealedProvenance, provenanceContext(id))) as Filed;
    return values.map(([pointer, origin, trusted, index]) => {
      const [name, source] = tools[index ?? -1] ?? [];
      const tool = name === undefined || source === undefined ? {} : { tool: { name, source } };
      return { pointer, origin, trusted: trusted === 1, ...tool };
    });
  } catch {
    return undefined;
  }
}

/**
 * Where the values came from that would run: as it was when the call was filed, and what an approver wrote since is the
 * approver's. `undefined`: not known. Only for an approval whose digest was verified.
 */
export function filedOrigins(approval: StoredApproval, key: SubjectKey): readonly ValueOrigin[] | undefined {
  if (approval.edit === undefined) return openProvenance(approval, key);
  try {
    return editedOrigins(approval, key, prepareArguments(restoreArguments(argumentsOf(approval, key))).view);
  } catch {
    return undefined;
  }
}

/** The same for arguments that an approver is about to write. */
export function editedOrigins(
  approval: StoredApproval,
  key: SubjectKey,
  edited: unknown,
): readonly ValueOrigin[] | undefined {
  const sent = prepareArguments(restoreArguments(key.open(approval.sealedArguments, argumentsContext(approval.id))));
  return originsOfEdited(sent.view, openProvenance(approval, key), edited);
}

/** What is known of this very call since it was filed. For a process that did not see what the first one saw. */
export async function originsAtFiling(
  { runtime, key }: GateContext,
  { facts }: PreparedCall,
): Promise<readonly ValueOrigin[] | undefined> {
  try {
    const known = await runtime.store.call(facts);
    if (known?.approval === undefined) return undefined;
    const approval = await runtime.store.approval(facts.tenant, known.approval);
    if (approval === undefined || digestApproval(facts, approval) !== approval.digest) return undefined;
    return openProvenance(approval, key);
  } catch {
    return undefined;
  }
}

/** For people. */
export function shownOrigins(origins: readonly ValueOrigin[]): readonly ShownOrigin[] {
  return origins.map(({ pointer, origin, tool, trusted }) => ({
    pointer,
    origin,
    ...(tool === undefined ? {} : { tool: tool.name }),
    trusted,
  }));
}
