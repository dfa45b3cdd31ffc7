/**
 * Authorization: may this principal run this tool with these arguments, and at what risk?
 * @module
 */
import type { Decision, ToolIdentity } from '../call.ts';

/** Who asks, in plain data. The gate builds it from an opaque principal. */
export interface Subject {
  readonly tenant: string;
  readonly user: string;
  readonly agent: string;
  /** Agents above this one, outermost first. Each must be permitted too; a link never adds a permission. */
  readonly delegation: readonly string[];
}

/** Something that decides. Built in: a compiled policy. A throw, a rejection or a time-out of it is a denial. */
export interface Authorizer {
  /** Pure: no side effect, the same answer for the same question under the same version. */
  decide(subject: Subject, tool: ToolIdentity, args: unknown): Decision | Promise<Decision>;
  /** Version of the rules in force for a tenant; `undefined` when the tenant is unknown. */
  version(tenant: string): string | undefined;
  /** The tool names with a policy entry, for the inventory. */
  tools(tenant: string): readonly string[];
  /** Whether the agent, its delegation and the user exist in this tenant: asked before arguments matter. */
  permittedTools(subject: Subject): readonly string[];
}

/** Optional source of truth about users, asked on every call (cache for seconds at most). A throw denies. */
export interface UserDirectory {
  /** Whether the user exists, is active, and belongs to this tenant. */
  active(tenant: string, user: string): boolean | Promise<boolean>;
}
