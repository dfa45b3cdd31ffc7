/**
 * What is governed and what is not, before anything runs.
 * @module
 */
import type { Authorizer } from '../authorize/authorize.ts';
import { ToolNotGovernable } from '../errors.ts';

/**
 * What a call does whose review blocks (high risk), on this path. `pauses`: the framework suspends the run and resumes it,
 * in any process. `waits`: the call stays open until the decision or its time-out. `pending`: it is answered as not yet
 * approved and the run goes on. `refused`: it is answered as refused. An asynchronous review (medium risk) is pending everywhere.
 */
export type ReviewPath = 'pauses' | 'waits' | 'pending' | 'refused';

/** A tool as an adapter found it. */
export interface InventoryTool {
  readonly name: string;
  readonly source: string;
  /** Why no gate can stand in front of it, where that is so: it runs at the provider, or in the client. */
  readonly ungovernable?: string;
  readonly review?: ReviewPath;
}

export interface InventoryEntry {
  readonly name: string;
  readonly source: string;
  /** `unmapped`: no policy entry, every call is denied. `ungovernable`: it runs past the gate. */
  readonly state: 'governed' | 'unmapped' | 'ungovernable';
  readonly detail?: string;
  /** Of a governed tool whose adapter says it. */
  readonly review?: ReviewPath;
}

export interface Inventory {
  readonly tools: readonly InventoryEntry[];
  readonly governed: readonly string[];
  readonly ungoverned: readonly string[];
}

export function inventory(authorizer: Authorizer, tenant: string, tools: readonly InventoryTool[]): Inventory {
  const mapped = new Set(authorizer.tools(tenant));
  const entries = tools.map(({ name, source, ungovernable, review }): InventoryEntry => {
    if (ungovernable !== undefined) return { name, source, state: 'ungovernable', detail: ungovernable };
    if (!mapped.has(name)) return { name, source, state: 'unmapped' };
    return { name, source, state: 'governed', ...(review === undefined ? {} : { review }) };
  });
  const names = (wanted: boolean): string[] =>
    entries.filter(({ state }) => (state === 'governed') === wanted).map(({ name }) => name);
  return { tools: entries, governed: names(true), ungoverned: names(false) };
}

const reviews: Readonly<Record<ReviewPath, string>> = {
  pauses: 'a review pauses the run',
  waits: 'a review waits inside the call',
  pending: 'a review is answered as pending',
  refused: 'a review is refused',
};

/**
 * The inventory as text, a line per tool, for an app to print when it starts.
 *
 * @param options `enforce`: refuse to start with a tool that is not governed. `except`: names of tools that may be so
 * @throws ToolNotGovernable when enforcing; its message is the listing of what is not governed
 */
export function listInventory(
  { tools }: Inventory,
  options: { readonly enforce: boolean; readonly except?: readonly string[] },
): string {
  const refused = tools.filter(({ name, state }) => state !== 'governed' && options.except?.includes(name) !== true);
  if (options.enforce && refused.length > 0)
    throw new ToolNotGovernable(`tools that are not governed:\n${refused.map(lineOf).join('\n')}`);
  return tools.map(lineOf).join('\n');
}

function lineOf({ name, source, state, detail, review }: InventoryEntry): string {
  const more = detail ?? (review === undefined ? undefined : reviews[review]);
  const note = state === 'unmapped' ? 'no policy entry: every call is denied' : more;
  // A name may come from an MCP server: it gets no line, and no colour, of its own making.
  return [
    state.padEnd('ungovernable'.length),
    JSON.stringify(name),
    JSON.stringify(source),
    ...(note === undefined ? [] : [note]),
  ].join('  ');
}
