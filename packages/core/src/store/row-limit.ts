import { StoreError } from '../errors.ts';

/** A number of rows; SQL would read a negative limit as none at all. */
export function maxRows(limit: number): number {
  if (Number.isSafeInteger(limit) && limit >= 0) return limit;
  throw new StoreError(`a limit must be a whole number of rows, got ${limit}`);
}
