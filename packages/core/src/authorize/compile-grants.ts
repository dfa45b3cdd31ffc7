/**
 * Compiles who holds what. Holders with equal lists share one table, equal grants are compiled once: a policy with
 * 100,000 agents of a few kinds is no larger than its kinds.
 * @module
 */
import type { PolicyIssue } from '../errors.ts';
import { compileConditions } from './compile-tools.ts';
import type { Compilation } from './compilation.ts';
import { digestOf } from './compiled-policy.ts';
import type { CompiledGrant, GrantTable, HeldCapability } from './compiled-policy.ts';
import { pointer } from './plain-document.ts';
import type { AgentEntry, GrantEntry, UserEntry } from './policy-document.ts';

/** A grant, or the issues with which it was refused, at paths below its own. */
interface Interned {
  readonly capability: string;
  readonly held: HeldCapability;
  readonly issues: readonly PolicyIssue[];
}

export interface GrantCompiler {
  /** The table of an agent or a user at `path`. Reports unknown includes and refused schemas. */
  tableOf(holder: AgentEntry | UserEntry, path: string): GrantTable;
}

export function createGrantCompiler(compilation: Compilation): GrantCompiler {
  const lists = compileLists(compilation);
  const tables = new Map<string, GrantTable>();
  const grants = new Map<string, Interned>();

  return {
    tableOf(holder, path) {
      const key = JSON.stringify([holder.include ?? [], holder.capabilities ?? []]);
      const known = tables.get(key);
      if (known !== undefined) return known;
      const before = compilation.issues.length;
      const included = (holder.include ?? []).map((name, index) => {
        const list = lists.get(name);
        const message = `there is no list ${JSON.stringify(name)} under grants`;
        if (list === undefined) compilation.issues.push({ path: `${path}/include/${index}`, message });
        return list ?? [];
      });
      const own = internAll(compilation, grants, holder.capabilities ?? [], 'capabilities', `${path}/capabilities`);
      const table = merge([...included.flat(), ...own]);
      // A refused list is not shared, so that each holder of it is named.
      if (compilation.issues.length === before) tables.set(key, table);
      return table;
    },
  };
}

function compileLists(compilation: Compilation): Map<string, readonly Interned[]> {
  const lists = new Map<string, readonly Interned[]>();
  for (const [name, entries] of Object.entries(compilation.document.grants ?? {})) {
    const path = pointer('/grants', name);
    lists.set(name, internAll(compilation, new Map(), entries, path.slice(1), path));
  }
  return lists;
}

function internAll(
  compilation: Compilation,
  grants: Map<string, Interned>,
  entries: readonly GrantEntry[],
  origin: string,
  path: string,
): Interned[] {
  return entries.map((entry, index) => {
    const key = `${index} ${JSON.stringify(entry)}`;
    const interned = grants.get(key) ?? compileGrant(compilation, entry, `${origin}/${index}`);
    grants.set(key, interned);
    for (const issue of interned.issues) {
      compilation.issues.push({ path: `${path}/${index}${issue.path}`, message: issue.message });
    }
    return interned;
  });
}

function compileGrant({ document, schemas }: Compilation, entry: GrantEntry, origin: string): Interned {
  const issues: PolicyIssue[] = [];
  const { capability, arguments: constraint, when } = typeof entry === 'string' ? { capability: entry } : entry;
  const permits = constraint && schemas.compile(constraint, 'constraint', '/arguments', issues);
  const owner = `the grant ${origin} of ${capability}`;
  const conditions = compileConditions({ document, schemas, issues }, when, '', owner);
  const digest = digestOf('grant', [capability, constraint ?? null, when ?? []]);
  return { capability, held: hold([{ origin, permits, conditions, digest }]), issues };
}

function merge(interned: readonly Interned[]): GrantTable {
  const table = new Map<string, HeldCapability>();
  for (const { capability, held } of interned) {
    const earlier = table.get(capability);
    table.set(capability, earlier === undefined ? held : hold([...earlier.grants, ...held.grants]));
  }
  return table;
}

function hold(grants: readonly CompiledGrant[]): HeldCapability {
  const [first] = grants;
  const digests = grants.map(({ digest }) => digest).toSorted();
  return {
    grants,
    plain: grants.every(({ permits, conditions }) => permits === undefined && conditions.length === 0),
    digest: first !== undefined && grants.length === 1 ? first.digest : digestOf('held', digests),
  };
}
