/**
 * What a token may do: repositories by name, and a level for each permission.
 * @module
 */
import { LeaseError } from '@countersign/core';

export interface TokenScope {
  /** Names without owner; an installation has one owner. Never empty: that would mean all of them. */
  readonly repositories: readonly string[];
  /** For example `{ contents: 'read' }`. Never empty: that would mean all that the App has. */
  readonly permissions: Readonly<Record<string, Level>>;
}

const levels = ['read', 'write', 'admin'] as const;
export type Level = (typeof levels)[number];

const isLevel = (value: unknown): value is Level => levels.some((level) => level === value);
const repositoryName = /^(?!\.{1,2}$)[A-Za-z0-9_.-]{1,100}$/;
const permissionName = /^[a-z][a-z_]{1,60}$/;

/** Throws `LeaseError` for a scope that is not exactly `repositories` and `permissions`. */
export function readScope(what: string, scope: Readonly<Record<string, unknown>>): TokenScope {
  const { repositories, permissions, ...others } = scope;
  const named =
    Array.isArray(repositories) &&
    repositories.length > 0 &&
    repositories.length <= 500 &&
    repositories.every((name) => typeof name === 'string' && repositoryName.test(name));
  const entries = typeof permissions === 'object' && permissions !== null ? Object.entries(permissions) : [];
  const levelled = entries.length > 0 && entries.every(([name, level]) => permissionName.test(name) && isLevel(level));
  if (Object.keys(others).length === 0 && named && levelled) {
    return {
      repositories: repositories as string[],
      permissions: Object.fromEntries(entries) as Record<string, Level>,
    };
  }
  throw new LeaseError(
    `${what}: expected a scope of exactly repositories (names without owner) and permissions (read, write or admin), neither empty`,
  );
}

/** Whether what GitHub granted lies within what was asked for. It adds `metadata: read` to every token. */
export function isWithin(granted: Readonly<Record<string, unknown>>, asked: TokenScope): boolean {
  const { permissions, repositories, repository_selection: selection } = granted;
  if (selection !== 'selected' || !Array.isArray(repositories)) return false;
  const wanted = new Set(asked.repositories.map((name) => name.toLowerCase()));
  const within = repositories.every((repository: unknown) => {
    const name: unknown =
      typeof repository === 'object' && repository !== null ? Reflect.get(repository, 'name') : undefined;
    return typeof name === 'string' && wanted.has(name.toLowerCase());
  });
  const entries = typeof permissions === 'object' && permissions !== null ? Object.entries(permissions) : undefined;
  return within && entries !== undefined && entries.every(([name, level]) => isAtMost(name, level, asked.permissions));
}

function isAtMost(name: string, level: unknown, asked: TokenScope['permissions']): boolean {
  if (name === 'metadata' && level === 'read') return true;
  const most = Object.hasOwn(asked, name) ? asked[name] : undefined;
  return isLevel(level) && most !== undefined && levels.indexOf(level) <= levels.indexOf(most);
}
