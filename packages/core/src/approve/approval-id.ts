/**
 * Approval ids: `apr.<tenant>.<random>`. The tenant in it only says where to look; it grants nothing.
 * @module
 */
import { randomBytes } from 'node:crypto';
import { ApprovalNotFound } from '../errors.ts';

const form = /^apr\.([A-Za-z0-9][A-Za-z0-9_-]{0,63})\.[A-Za-z0-9_-]{22}$/;

export function newApprovalId(tenant: string): string {
  return `apr.${tenant}.${randomBytes(16).toString('base64url')}`;
}

export function isApprovalId(id: unknown): id is string {
  return typeof id === 'string' && form.test(id);
}

/** @throws ApprovalNotFound when the text is not an approval id. */
export function tenantOfApproval(id: string): string {
  const tenant = typeof id === 'string' ? form.exec(id)?.[1] : undefined;
  if (tenant === undefined) throw new ApprovalNotFound('an approval id has the form apr.<tenant>.<22 characters>');
  return tenant;
}
