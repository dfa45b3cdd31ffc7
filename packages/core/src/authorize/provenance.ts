/**
 * Where the values of a call's arguments came from: each is looked for, literally, in what this server itself saw. What is
 * found nowhere is the model's. `docs/policy.md` has the rules of matching; the reasons are in decision 0026.
 *
 * Pure, and bounded whatever it is given: values and sources beyond the limits stay without an origin that could be
 * trusted.
 * @module
 */
import { once } from './find-text.ts';
import { createMatcher, wantedOf, type Wanted } from './literal-match.ts';
import { pointer } from './plain-document.ts';
import { createRepetitions } from './repetition.ts';

/** `approver`: somebody who decides on the call wrote it. Nothing that was observed: `model`. */
export type OriginKind = 'user' | 'system' | 'tool' | 'approver' | 'model';

export interface ValueOrigin {
  /** RFC 6901, of a value that is no object and no array. */
  readonly pointer: string;
  readonly origin: OriginKind;
  /** Whose result it was in. */
  readonly tool?: { readonly name: string; readonly source: string };
  /** Whether the source may choose values. Never for `model`. */
  readonly trusted: boolean;
}

/** Something that the server saw. `text`: what somebody wrote. `json`: a tool's result, of which only the values count. */
export type ObservedSource = { readonly text: string; readonly trusted: boolean } & (
  | { readonly origin: 'user' | 'system'; readonly form: 'text' }
  | {
      readonly origin: 'tool';
      readonly form: 'json';
      readonly tool: { readonly name: string; readonly source: string };
      /** JSON of what the tool was called with: what it merely repeats did not come from it. */
      readonly given: string;
    }
);

interface TraceLimits {
  /** Values that get an origin, in the order of the arguments. */
  readonly maxValues: number;
  /** UTF-16 units of all sources of one rank. A source that does not fit is left out whole: half of it would say something else. */
  readonly maxText: number;
  /** UTF-16 units that are compared in all. */
  readonly maxWork: number;
}

export const traceLimits: TraceLimits = { maxValues: 200, maxText: 262_144, maxWork: 8_000_000 };
/** UTF-16 units of a pointer; a longer one has no origin. With the number of values it bounds what an approval keeps. */
export const maxPointer = 128;

/** The user's own word first: that somebody else repeats a value does not make it theirs. */
const ranks = ['user', 'system', 'trusted tool', 'untrusted tool'] as const;
type Rank = (typeof ranks)[number];

/**
 * An origin for each of the first values of `args`. A value in several sources has that of the first rank.
 * @param args plain data
 * @param sources newest last
 * @param work units of comparison that are left for it
 */
export function traceValues(
  args: unknown,
  sources: readonly ObservedSource[],
  limits: TraceLimits = traceLimits,
  work: { left: number } = { left: limits.maxWork },
): readonly ValueOrigin[] {
  const leaves = leavesOf(args, limits.maxValues).map((leaf) => ({ ...leaf, wanted: wantedOf(leaf.value, work) }));
  const found = new Map<Leaf, ObservedSource>();
  // Mostly the user's words suffice, and nobody asks what calls were given.
  const calls = once(() => callsOf(sources, work));
  for (const rank of ranks) {
    for (const source of fitting(sources, rank, limits.maxText)) {
      const open = leaves.filter((leaf) => !found.has(leaf));
      if (open.length === 0 || work.left <= 0) break;
      for (const leaf of matching(open, source, calls, work)) found.set(leaf, source);
    }
  }
  return leaves.map((leaf) => originOf(leaf, found.get(leaf)));
}

export interface Leaf {
  readonly pointer: string;
  readonly value: unknown;
}

/** The first `limit` values in the order of the arguments. Those too deep for a short pointer are left out. */
export function leavesOf(args: unknown, limit: number, longest: number = maxPointer): readonly Leaf[] {
  const leaves: Leaf[] = [];
  const visit = (value: unknown, place: string): void => {
    if (leaves.length >= limit || place.length > longest) return;
    if (typeof value !== 'object' || value === null) return void leaves.push({ pointer: place, value });
    for (const [name, member] of Object.entries(value)) {
      if (leaves.length >= limit) return;
      visit(member, pointer(place, name));
    }
  };
  visit(args, '');
  return leaves;
}

/** The newest sources of a rank that fit together. */
function fitting(sources: readonly ObservedSource[], rank: Rank, maxText: number): readonly ObservedSource[] {
  let left = maxText;
  return sources.toReversed().filter((source) => {
    if (source.text === '' || rankOf(source) !== rank || source.text.length > left) return false;
    left -= source.text.length;
    return true;
  });
}

function rankOf({ origin, trusted }: ObservedSource): Rank {
  if (origin !== 'tool') return origin;
  return trusted ? 'trusted tool' : 'untrusted tool';
}

function matching<Sought extends Leaf & { readonly wanted: Wanted }>(
  leaves: readonly Sought[],
  source: ObservedSource,
  calls: () => Calls,
  work: { left: number },
): readonly Sought[] {
  const matcher = createMatcher(source, work);
  return leaves.filter(
    ({ wanted }) => matcher.holds(wanted) && (source.origin !== 'tool' || !calls().repeatedBy(source, wanted.value)),
  );
}

interface Calls {
  repeatedBy(result: ObservedSource, value: unknown): boolean;
}

/** What was stored by one call may be read by a later one: so a result repeats what any call up to its own was given. */
function callsOf(sources: readonly ObservedSource[], work: { left: number }): Calls {
  const tools = sources.flatMap((source) => (source.origin === 'tool' ? [source] : []));
  const begun = new Map<ObservedSource, number>(tools.map((source, place) => [source, place + 1]));
  const given = createRepetitions(
    tools.map((source) => source.given),
    work,
  );
  return { repeatedBy: (result, value) => given.among(value, begun.get(result) ?? tools.length) };
}

function originOf({ pointer: place }: Leaf, source: ObservedSource | undefined): ValueOrigin {
  if (source === undefined) return { pointer: place, origin: 'model', trusted: false };
  const { origin, trusted } = source;
  return { pointer: place, origin, trusted, ...(source.origin === 'tool' ? { tool: source.tool } : {}) };
}
