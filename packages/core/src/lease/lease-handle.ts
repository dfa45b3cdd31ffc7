/**
 * What the store keeps of an issued lease, sealed: how to revoke its credential, and how long it may work.
 * @module
 */

export interface LeaseHandle {
  readonly credentialId: string;
  /** Milliseconds since the epoch. */
  readonly validUntil: number;
}

/** Context under which the handle of a lease is sealed: a handle moved to another lease opens nothing. */
export function handleContext(leaseId: string): string {
  return `lease|${leaseId}|handle`;
}

export function sealHandle(handle: LeaseHandle): string {
  return JSON.stringify(handle);
}

/** Of text that {@link sealHandle} wrote: it was authenticated when it was opened. */
export function openHandle(text: string): LeaseHandle {
  return JSON.parse(text) as LeaseHandle;
}

const until = 'valid until ';

/** The detail of a record about a credential that outlives its lease. */
export function residualDetail(residualUntil: number): string {
  return `${until}${new Date(residualUntil).toISOString()}`;
}

/** The time in such a detail. */
export function residualFrom(detail: string | undefined): number | undefined {
  const time = detail?.startsWith(until) === true ? Date.parse(detail.slice(until.length)) : Number.NaN;
  return Number.isFinite(time) ? time : undefined;
}
