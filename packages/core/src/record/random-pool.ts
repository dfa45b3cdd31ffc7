/**
 * Random bytes, asked of the operating system for many uses at once: one request costs more than a whole seal.
 * @module
 */
import { randomBytes } from 'node:crypto';

const usesPerFill = 256;

/** Answers a function that gives `size` fresh random bytes each time. What was given once is never overwritten. */
export function createRandomPool(size: number): () => Buffer {
  let pool = Buffer.alloc(0);
  let offset = 0;
  return function nextRandomBytes() {
    if (offset >= pool.length) {
      pool = randomBytes(size * usesPerFill);
      offset = 0;
    }
    const bytes = pool.subarray(offset, offset + size);
    offset += size;
    return bytes;
  };
}
