/**
 * From a document to a compiled policy, or to everything that is wrong with it.
 * @module
 */
import type { PolicyIssue } from '../errors.ts';
import { createSchemaCompiler } from './argument-schema.ts';
import { checkStructure } from './check-structure.ts';
import { compileFunctions } from './compile-functions.ts';
import { createGrantCompiler } from './compile-grants.ts';
import { compileTools } from './compile-tools.ts';
import type { Compilation } from './compilation.ts';
import { digestOf } from './compiled-policy.ts';
import type { CompiledPolicy, CompiledUser, GrantTable } from './compiled-policy.ts';
import { copyPlain, pointer } from './plain-document.ts';
import type { PolicyDocument } from './policy-document.ts';

export interface CompileResult {
  /** Present when there is no issue. */
  readonly policy: CompiledPolicy | undefined;
  readonly issues: readonly PolicyIssue[];
}

/** Never throws. Nothing of a document with an issue comes into force. */
export function compilePolicy(source: unknown): CompileResult {
  const copy = copyPlain(source);
  const formIssues = [...copy.issues, ...checkStructure(copy.value)];
  const document = wellFormedPart(copy.value, formIssues);
  if (document === undefined) return { policy: undefined, issues: formIssues };

  const compilation: Compilation = { document, schemas: createSchemaCompiler(), issues: [...formIssues] };
  const tools = compileTools(compilation);
  const holders = compileHolders(compilation);
  const issues = compilation.issues;
  if (issues.length > 0) return { policy: undefined, issues };

  const digest = digestOf('policy', document);
  const policy: CompiledPolicy = {
    name: document.name,
    policyVersion: `${document.version}+${digest.slice(0, 12)}`,
    digest,
    tenants: new Set(document.tenants),
    tools,
    functions: compileFunctions(compilation, { tools, ...holders }),
    ...holders,
  };
  return { policy, issues };
}

function compileHolders(compilation: Compilation): Pick<CompiledPolicy, 'agents' | 'users'> {
  const { document, issues } = compilation;
  const grants = createGrantCompiler(compilation);
  const agents = new Map<string, GrantTable>();
  for (const [id, agent] of Object.entries(document.agents)) {
    const path = pointer('/agents', id);
    if ((agent.include ?? []).length + (agent.capabilities ?? []).length === 0) {
      issues.push({ path, message: 'an agent needs at least one capability, in "capabilities" or by "include"' });
    }
    agents.set(id, grants.tableOf(agent, path));
  }
  const users = new Map<string, CompiledUser>();
  for (const [id, user] of Object.entries(document.users)) {
    users.set(id, { active: user.active ?? true, held: grants.tableOf(user, pointer('/users', id)) });
  }
  return { agents, users };
}

const sections = ['tools', 'capabilities', 'grants', 'agents', 'users'] as const;

/** The document without its malformed entries, so that one pass reports the mistakes in all the others too. */
function wellFormedPart(value: unknown, issues: readonly PolicyIssue[]): PolicyDocument | undefined {
  if (issues.length === 0) return value as PolicyDocument;
  if (!isRecord(value)) return undefined;
  const malformed = new Set(issues.map(({ path }) => path.split('/').slice(0, 3).join('/')));
  const parts = sections.map((section) => {
    const entries = isRecord(value[section]) ? Object.entries(value[section]) : [];
    const kept = entries.flatMap(([name, entry]): [string, unknown][] => {
      if (!malformed.has(pointer(`/${section}`, name))) return [[name, entry]];
      // A malformed list still has its name: including it is no second mistake.
      return section === 'grants' ? [[name, []]] : [];
    });
    return [section, Object.fromEntries(kept)];
  });
  return { ...value, ...Object.fromEntries(parts) } as PolicyDocument;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
