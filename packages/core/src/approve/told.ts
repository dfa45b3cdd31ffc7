/**
 * What a channel was told of one request, as the entry of kind `notice` keeps it.
 * @module
 */
import type { StoredEntry } from '../store/store.ts';

export interface Told {
  /** Steps of the ladder that it knows of; -1: nothing yet. */
  readonly level: number;
  /** Of what it shows: the digest, and for a channel that follows votes their number too. */
  readonly shown?: string;
  readonly reference?: string;
  /** Failures in a row, and when to try again. */
  readonly failures: number;
  readonly retryAt: number;
}

/** Characters. */
const maxReference = 1_000;

export const untold: Told = { level: -1, failures: 0, retryAt: 0 };

/** One that was damaged begins anew: told twice is better than not at all. */
export function toldIn({ value }: StoredEntry): Told {
  try {
    const told = JSON.parse(value) as Partial<Told> | null;
    return typeof told?.level === 'number' && typeof told.retryAt === 'number' ? { ...untold, ...told } : untold;
  } catch {
    return untold;
  }
}

export function toldNow(now: { level: number; shown: string; reference: string | undefined }): Told {
  const { level, shown, reference } = now;
  return { ...{ level, shown, failures: 0, retryAt: 0 }, ...referenceOf(reference) };
}

/** One that is too long is none: a part of it would lead elsewhere. */
export function referenceOf(reference: string | undefined): { readonly reference?: string } {
  return reference === undefined || reference.length > maxReference ? {} : { reference };
}
