/**
 * What is governed and what is not, before anything runs.
 * @module
 */
import type { Authorizer } from '../authorize/authorize.ts';

/** A tool as an adapter found it. */
export interface InventoryTool {
  readonly name: string;
  readonly source: string;
  /** Why no gate can stand in front of it, where that is so: it runs at the provider, or in the client. */
  readonly ungovernable?: string;
}

export interface InventoryEntry {
  readonly name: string;
  readonly source: string;
  /** `unmapped`: no policy entry, every call is denied. `ungovernable`: it runs past the gate. */
  readonly state: 'governed' | 'unmapped' | 'ungovernable';
  readonly detail?: string;
}

export interface Inventory {
  readonly tools: readonly InventoryEntry[];
  readonly governed: readonly string[];
  readonly ungoverned: readonly string[];
}

export function inventory(authorizer: Authorizer, tenant: string, tools: readonly InventoryTool[]): Inventory {
  const mapped = new Set(authorizer.tools(tenant));
  const entries = tools.map(({ name, source, ungovernable }): InventoryEntry => {
    if (ungovernable !== undefined) return { name, source, state: 'ungovernable', detail: ungovernable };
    return { name, source, state: mapped.has(name) ? 'governed' : 'unmapped' };
  });
  const names = (wanted: boolean): string[] =>
    entries.filter(({ state }) => (state === 'governed') === wanted).map(({ name }) => name);
  return { tools: entries, governed: names(true), ungoverned: names(false) };
}
