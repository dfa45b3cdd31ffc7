/**
 * Authorization: may this principal run this tool with these arguments, and at what risk?
 * @module
 */
import type { Decision, ToolIdentity } from '../call.ts';
import type { ValueOrigin } from './provenance.ts';

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
  decide(subject: Subject, tool: ToolIdentity, args: unknown, provenance?: Provenance): Decision | Promise<Decision>;
  /** Whether the results of this tool are a source that may choose values. Absent: no tool's are. */
  trusts?(tenant: string, tool: Pick<ToolIdentity, 'name' | 'source'>): boolean;
  /** Version of the rules in force for a tenant; `undefined` when the tenant is unknown. */
  version(tenant: string): string | undefined;
  /** The tool names with a policy entry, for the inventory. */
  tools(tenant: string): readonly string[];
  /** Whether the agent, its delegation and the user exist in this tenant: asked before arguments matter. */
  permittedTools(subject: Subject): readonly string[];
}

/**
 * Where the values of the arguments came from. Costs time proportional to the conversation, so ask only for a rule that
 * needs it. `undefined`: it is not known, and no value may count as anybody's but the model's.
 */
export type Provenance = () => readonly ValueOrigin[] | undefined;

/** Optional source of truth about users, asked on every call (cache for seconds at most). A throw denies. */
export interface UserDirectory {
  /** Whether the user exists, is active, and belongs to this tenant. */
  active(tenant: string, user: string): boolean | Promise<boolean>;
}
