/**
 * Paths in Vault, made of checked parts only: nothing that comes with a request can leave the folder it belongs in.
 * @module
 */
import { ConfigurationError, LeaseError } from '@countersign/core';
import type { LeaseRequest } from '@countersign/core';

/** Ids of a request that a path or a role may contain, written `{tenant}`, `{user}` and `{agent}`. */
type Ids = Pick<LeaseRequest, 'tenant' | 'agent'> & { readonly user?: string };

/** No separator, no dot, nothing to encode: `..`, `/`, `%2f` and their relatives cannot be written. */
const id = /^[A-Za-z0-9_-]{1,128}$/;
/** What an operator writes may have single dots inside, as in `api.example.com`. */
const literal = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/;
const placeholder = /\{(tenant|user|agent)\}/g;

/** A path from the configuration, for example the mount `team/database`. Throws `ConfigurationError`. */
export function checkPath(what: string, path: string): string {
  const parts = typeof path === 'string' && path.length <= 512 ? path.split('/') : [];
  if (parts.length > 0 && parts.every((part) => literal.test(part))) return path;
  throw new ConfigurationError(
    `${what}: expected parts of letters, digits, _ and - (a dot only inside), joined by /, got ${JSON.stringify(path)}`,
  );
}

/** A path that may have placeholders, for example `agents/{tenant}/{agent}/tickets`. Throws `ConfigurationError`. */
export function checkTemplate(what: string, template: string): void {
  checkPath(what, typeof template === 'string' ? template.replaceAll(placeholder, 'x') : template);
}

/** The template with the ids of a request in their places. Throws `LeaseError` for an id that is no plain name. */
export function fillPath(template: string, ids: Ids): string {
  return template.replaceAll(placeholder, (_whole, name: keyof Ids) => {
    const value = ids[name];
    if (typeof value === 'string' && id.test(value)) return value;
    throw new LeaseError(`${name} id: expected 1 to 128 letters, digits, _ and - to use it in a path of Vault`);
  });
}

/** Whether requests of two tenants can never get the same path. */
export function separatesTenants(template: string): boolean {
  return template.includes('{tenant}');
}
