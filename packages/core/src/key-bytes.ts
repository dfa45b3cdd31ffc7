/**
 * Keys come as bytes or as a `KeyObject`, which prints no secret.
 * @module
 */
import type { KeyObject } from 'node:crypto';
import { KeyError } from './errors.ts';

/** The bytes of a symmetric key. @throws KeyError unless it has exactly `length` bytes. */
export function keyBytes(key: KeyObject | Uint8Array, length: number): Uint8Array {
  if (key instanceof Uint8Array) return ofLength(key, length);
  if (key?.type !== 'secret') throw new KeyError(`expected a symmetric key of ${length} bytes`);
  return ofLength(key.export(), length);
}

function ofLength(bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length === length) return bytes;
  throw new KeyError(`expected a key of ${length} bytes, got ${bytes.length}`);
}
