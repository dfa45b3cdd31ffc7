/**
 * Approvers kept in a file: ids and SHA-256 digests of their bearer tokens, mode 0600. Tokens are random (256 bits),
 * so a plain digest is enough: there is nothing to guess (NIST SP 800-63B, look-up secrets of 112 bits and more).
 * @module
 */
import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { ApproverError } from '../errors.ts';
import { requireId } from '../identify/principal.ts';
import type { Approver, ApproverDirectory } from './approve.ts';

/** One person in the file, which is a JSON list of them. */
export interface ApproverEntry {
  readonly tenant: string;
  readonly id: string;
  /** `sha256:` and the digest in hexadecimal. */
  readonly token: string;
  readonly groups?: readonly (string | LentGroup)[];
}

/** A membership that a member handed on for a time. */
export interface LentGroup {
  readonly group: string;
  /** RFC 3339. */
  readonly until: string;
}

/**
 * A new bearer token and the entry to keep for it.
 * @throws IdentifierError for a tenant or an id that is none
 */
export function createApproverToken(
  tenant: string,
  id: string,
): { readonly token: string; readonly entry: ApproverEntry } {
  requireId('tenant', tenant);
  requireId('user', id);
  const token = `csa_${randomBytes(32).toString('base64url')}`;
  return { token, entry: { tenant, id, token: `sha256:${hash('sha256', token, 'hex')}` } };
}

/**
 * Reads the file on every authentication, so that removing an approver takes effect at once. A file that is missing, not of
 * mode 0600 or not a list of entries makes `authenticate` and `list` throw, which proves nobody.
 */
export function approverFile(path: string): ApproverDirectory {
  return {
    authenticate(credential) {
      const presented = Buffer.from(`sha256:${hash('sha256', String(credential), 'hex')}`);
      const match = readApprovers(path).find((entry) => {
        const known = Buffer.from(entry.token);
        return known.length === presented.length && timingSafeEqual(known, presented);
      });
      return match && approverOf(match);
    },
    list: (tenant) =>
      readApprovers(path)
        .filter((entry) => entry.tenant === tenant)
        .map(approverOf),
  };
}

function approverOf({ tenant, id, groups = [] }: ApproverEntry): Approver {
  return { tenant, id, groups: groupsOf(groups, Date.now()) };
}

function readApprovers(path: string): readonly ApproverEntry[] {
  const mode = statSync(path).mode & 0o777;
  if ((mode & 0o077) !== 0) {
    throw new ApproverError(`the approver file must have mode 0600, got 0${mode.toString(8)}; remedy: chmod 600`);
  }
  const entries: unknown = JSON.parse(readFileSync(path, 'utf8'));
  if (!Array.isArray(entries)) throw new ApproverError('the approver file must hold a JSON array');
  return entries.map((entry: Partial<ApproverEntry>) => {
    if (typeof entry?.token !== 'string' || !/^sha256:[0-9a-f]{64}$/.test(entry.token)) {
      throw new ApproverError('an approver needs a token of the form sha256:<64 hexadecimal digits>');
    }
    const { token, groups = [] } = entry;
    groupsOf(groups, 0);
    return { tenant: requireId('tenant', entry.tenant), id: requireId('user', entry.id), token, groups };
  });
}

/** @throws ApproverError for anything but names, and names with the time until which they count */
function groupsOf(groups: readonly (string | LentGroup)[], now: number): readonly string[] {
  if (!Array.isArray(groups)) throw new ApproverError('the groups of an approver must be a list');
  return groups.flatMap((entry: string | Partial<LentGroup> | null) => {
    if (typeof entry === 'string' && entry !== '') return [entry];
    const { group, until } = (entry ?? {}) as Partial<LentGroup>;
    const time = Date.parse(until ?? '');
    if (typeof group !== 'string' || group === '' || Number.isNaN(time)) {
      throw new ApproverError('a group of an approver is a name, or { "group": name, "until": RFC 3339 time }');
    }
    return now < time ? [group] : [];
  });
}
