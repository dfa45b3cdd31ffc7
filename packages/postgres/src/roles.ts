/**
 * Who may do what, as data: the migration turns it into GRANT and CREATE POLICY statements.
 *
 * The roles hold privileges and cannot log in; a login is made a member of those that it needs.
 * @module
 */
import type { EntryKind } from '@countersign/core/store-kit';

/**
 * `runtime` agents · `worker` a runtime that also finds approved calls of every tenant · `approver` writes votes ·
 * `sealer` seals and delivers · `maintenance` sweeps, erases and prunes, across tenants · `reader` audits.
 */
export const roles = ['runtime', 'worker', 'approver', 'sealer', 'maintenance', 'reader'] as const;

export type Role = (typeof roles)[number];

export const roleName = (role: Role): string => `countersign_${role}`;

type Privilege = 'SELECT' | 'INSERT' | 'DELETE' | `UPDATE (${string})`;

type Grants = Readonly<Partial<Record<Privilege, readonly Role[]>>>;

const agents = ['runtime', 'worker'] as const;

const lifecycle = 'state, decisions, approval, claimed_at, claim, status, sealed, settled_at';

/** By table. What is not listed is not granted; nobody is granted TRUNCATE, REFERENCES or TRIGGER. */
export const grants: Readonly<Record<string, Grants>> = {
  installation: { SELECT: roles, 'UPDATE (epoch)': ['maintenance'] },
  migrations: { SELECT: roles },
  calls: {
    SELECT: [...agents, 'approver', 'maintenance', 'reader'],
    INSERT: agents,
    [`UPDATE (${lifecycle})`]: agents,
  },
  approvals: {
    SELECT: [...agents, 'approver', 'maintenance', 'reader'],
    INSERT: agents,
    'UPDATE (state)': [...agents, 'approver', 'maintenance'],
    'UPDATE (consumed_at)': agents,
    'UPDATE (digest, edited_digest, edited_arguments)': ['approver'],
  },
  votes: { SELECT: [...agents, 'approver', 'maintenance', 'reader'], INSERT: ['approver'] },
  leases: {
    SELECT: [...agents, 'maintenance'],
    INSERT: agents,
    'UPDATE (state, sealed_handle, expires_at)': [...agents, 'maintenance'],
  },
  subjects: {
    SELECT: [...agents, 'approver', 'maintenance', 'reader'],
    INSERT: [...agents, 'approver', 'maintenance'],
    DELETE: ['maintenance'],
  },
  // Written by a trigger alone.
  writers: { SELECT: roles },
  // Agents append and do nothing else, not even read.
  records: {
    SELECT: ['sealer', 'maintenance', 'reader'],
    INSERT: [...agents, 'approver', 'sealer', 'maintenance'],
    DELETE: ['maintenance'],
  },
  // Which kinds: see below.
  entries: {
    SELECT: roles,
    INSERT: [...agents, 'approver', 'sealer', 'maintenance'],
    'UPDATE (version, value, updated_at)': [...agents, 'approver', 'sealer', 'maintenance'],
    DELETE: [...agents, 'approver', 'sealer', 'maintenance'],
  },
};

/** Tables with a tenant in each row, and who may read them across tenants when the transaction asks for it. */
export const tenantTables: Readonly<Record<string, readonly Role[]>> = {
  calls: ['maintenance', 'reader'],
  approvals: ['worker', 'maintenance', 'reader'],
  votes: ['maintenance', 'reader'],
  leases: ['maintenance'],
  subjects: ['maintenance', 'reader'],
  writers: ['maintenance', 'reader'],
  records: ['maintenance', 'reader'],
  entries: ['maintenance', 'reader'],
};

/** Entries of one kind: all of them, or those whose id starts so. */
export type EntryRight = EntryKind | { readonly kind: EntryKind; readonly startsWith: readonly string[] };

interface EntryRights {
  readonly insert: readonly EntryRight[];
  readonly replace: readonly EntryRight[];
  readonly remove: readonly EntryRight[];
}

const all = (rights: readonly EntryRight[]): EntryRights => ({ insert: rights, replace: rights, remove: rights });

// Not `cursor`: an agent could say of its own records that they were delivered. Not `notice`: that people were told.
const ofAgents: readonly EntryRight[] = [
  ...(['consent', 'token', 'credential', 'budget'] as const),
  { kind: 'lock', startsWith: ['rotation/', 'oauth.', 'provider/'] },
];

// Anybody may stop the work; only people behind `approver` and `maintenance` let it go on.
const agentEntries: EntryRights = { ...all(ofAgents), insert: [...ofAgents, 'hold'] };

const ofOutbox: readonly EntryRight[] = ['cursor', { kind: 'lock', startsWith: ['outbox/'] }];
// What was set aside stays written down.
const setAside: EntryRight = { kind: 'notice', startsWith: ['outbox/'] };
const ofSealer: readonly EntryRight[] = ['checkpoint', 'segment', setAside, ...ofOutbox];

/** Which entries a role may create, replace and remove. All of them read every kind. */
export const entryRights: Readonly<Record<Exclude<Role, 'reader'>, EntryRights>> = {
  runtime: agentEntries,
  worker: agentEntries,
  approver: all(['hold', { kind: 'lock', startsWith: ['notices'] }, 'notice', 'consent', 'token']),
  sealer: { insert: ofSealer, replace: ofSealer, remove: ofOutbox },
  maintenance: all(['consent', 'token', 'credential', 'lock', 'budget', 'notice', 'cursor', 'hold', 'segment']),
};

/** Who may ask for the names of all tenants. */
export const namesTenants: readonly Role[] = ['approver', 'sealer', 'maintenance', 'reader'];
