/**
 * Remembers keys in a fixed size, and never forgets one: a Bloom filter (1970). It may take a key for one that was added,
 * the more often the more there are: of 2²⁵ bits, one in a hundred after three and a half million keys.
 * @module
 */
import { hash } from 'node:crypto';

export interface LostRuns {
  add(key: string): void;
  /** `false`: it was never added. */
  has(key: string): boolean;
}

const probes = 7;

/** @param bits a power of two, at least 32 */
export function createLostRuns(bits: number): LostRuns {
  let words: Uint32Array | undefined;
  const placesOf = (key: string): readonly number[] => {
    const digest = hash('sha256', key, 'buffer');
    return Array.from({ length: probes }, (_, probe) => digest.readUInt32LE(4 * probe) % bits);
  };
  return {
    add(key) {
      words ??= new Uint32Array(bits / 32);
      for (const place of placesOf(key)) words[place >>> 5] = (words[place >>> 5] ?? 0) | (1 << (place & 31));
    },
    has(key) {
      const known = words;
      return known !== undefined && placesOf(key).every((place) => ((known[place >>> 5] ?? 0) >>> (place & 31)) & 1);
    },
  };
}
