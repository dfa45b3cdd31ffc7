/**
 * The header `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date.
 * @module
 */

/** Milliseconds from `now` on; `undefined` when the header says nothing. */
export function retryAfterMs(header: string | null, now: number): number | undefined {
  const text = header?.trim() ?? '';
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const time = /^[A-Z][a-z]{2}/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(time) ? undefined : Math.max(0, time - now);
}
