/**
 * How long to wait after so many failures in a row.
 * @module
 */

export interface BackOffLimits {
  /** After the first failure, in milliseconds; twice as long after each further one. */
  readonly firstMs: number;
  readonly longestMs: number;
}

/** @param failures from 1 on */
export function backOff(failures: number, { firstMs, longestMs }: BackOffLimits): number {
  return Math.min(longestMs, firstMs * 2 ** Math.min(failures - 1, 20));
}
