import type { Requirement } from '../requirements.ts';

/** Which file cites which id. */
export interface Citation {
  id: string;
  file: string;
}

/** The ids that a test file cites in `verifies('CAP-1', …)` or `verifies(['CAP-1', 'CAP-3'], …)`, without running it. */
export function citationsIn(file: string, source: string): { citations: Citation[]; problems: string[] } {
  const citations: Citation[] = [];
  const problems: string[] = [];
  for (const [call, first = ''] of withoutComments(source).matchAll(/\bverifies\(\s*(\[[^\]]*\]|'[^']*'|[^,)]*)/g)) {
    const ids = [...first.matchAll(/'([^']*)'/g)].map(([, id = '']) => id);
    if (ids.length === 0) problems.push(`${file}: write the ids as literals in \`${call.replaceAll(/\s+/g, ' ')}\``);
    for (const id of ids) citations.push({ id, file });
  }
  return { citations, problems };
}

function withoutComments(source: string): string {
  return source.replaceAll(/^\s*\/\*[\s\S]*?\*\//gm, '').replaceAll(/^\s*\/\/.*$/gm, '');
}

/** Every way in which the list of requirements and the tests disagree, each named. An empty list means they agree. */
export function checkRequirements(
  requirements: Readonly<Record<string, Requirement>>,
  citations: readonly Citation[],
  pinnedCount: number,
): string[] {
  const problems: string[] = [];
  const ids = Object.keys(requirements);
  if (ids.length !== pinnedCount) problems.push(`${ids.length} requirements are listed, ${pinnedCount} are pinned`);
  for (const { id, file } of citations) {
    if (!Object.hasOwn(requirements, id)) problems.push(`${id}: cited in ${file}, but not a requirement`);
  }
  const cited = new Map(citations.map(({ id, file }) => [id, file]));
  for (const [id, requirement] of Object.entries(requirements))
    problems.push(...checkOne(id, requirement, cited.get(id)));
  return problems;
}

function checkOne(id: string, { status, missing }: Requirement, citedIn: string | undefined): string[] {
  const problems: string[] = [];
  if (status === 'planned' && citedIn !== undefined) problems.push(`${id}: planned, but ${citedIn} verifies it`);
  if (status !== 'planned' && citedIn === undefined) problems.push(`${id}: ${status}, but no test verifies it`);
  if (status === 'partial' && !missing?.trim()) problems.push(`${id}: partial, but does not say what is missing`);
  if (status === 'built' && missing !== undefined) problems.push(`${id}: built, but says that something is missing`);
  return problems;
}
