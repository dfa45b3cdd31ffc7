/**
 * Merkle trees as in RFC 6962 §2.1 (unchanged in RFC 9162 §2.1): SHA-256, `0x00` in front of a leaf, `0x01` in front of
 * two nodes, so that no inner node can pass for a leaf.
 *
 * A tree is given by the hashes of its leaves, oldest first. Every function here is pure.
 * @module
 */
import { hash } from 'node:crypto';

/** Bytes of a hash. */
export const hashBytes = 32;

const leafPrefix = Buffer.of(0);
const nodePrefix = Buffer.of(1);

/** `MTH({d})`: the hash of a tree of one leaf. */
export function leafHash(data: Uint8Array): Buffer {
  return hash('sha256', Buffer.concat([leafPrefix, data]), 'buffer');
}

function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return hash('sha256', Buffer.concat([nodePrefix, left, right]), 'buffer');
}

/** `MTH(D)`. The root of the empty tree is the hash of nothing. */
export function rootOf(leaves: readonly Uint8Array[]): Buffer {
  if (leaves.length === 0) return hash('sha256', Buffer.alloc(0), 'buffer');
  let level: readonly Uint8Array[] = leaves;
  while (level.length > 1) level = levelAbove(level);
  return Buffer.from(level[0] ?? []);
}

/** A node without a neighbour goes up as it is: that is the split at the largest power of two. */
function levelAbove(level: readonly Uint8Array[]): readonly Uint8Array[] {
  const above: Uint8Array[] = [];
  for (let index = 0; index < level.length; index += 2) {
    const [left, right] = [level[index], level[index + 1]];
    if (left !== undefined) above.push(right === undefined ? left : nodeHash(left, right));
  }
  return above;
}

/** `PATH(m, D)` (§2.1.1): the siblings from the leaf up. Throws `RangeError` when there is no such leaf. */
export function inclusionPath(leaves: readonly Uint8Array[], index: number): readonly Buffer[] {
  if (!(Number.isInteger(index) && index >= 0 && index < leaves.length)) {
    throw new RangeError(`there is no leaf ${index} in a tree of ${leaves.length}`);
  }
  const path: Buffer[] = [];
  let level: readonly Uint8Array[] = leaves;
  for (let at = index; level.length > 1; at = Math.floor(at / 2)) {
    const sibling = level[at ^ 1];
    if (sibling !== undefined) path.push(Buffer.from(sibling));
    level = levelAbove(level);
  }
  return path;
}

/** The root that a path leads to (RFC 9162 §2.1.3.2), or `undefined` when it does not fit a tree of that size. */
export function rootOfPath(
  leaf: Uint8Array,
  index: number,
  size: number,
  path: readonly Uint8Array[],
): Buffer | undefined {
  if (!(Number.isSafeInteger(index) && Number.isSafeInteger(size) && index >= 0 && index < size)) return undefined;
  let node: Uint8Array = leaf;
  let [at, last] = [index, size - 1];
  for (const sibling of path) {
    if (last === 0 || sibling.length !== hashBytes) return undefined;
    if (at % 2 === 1 || at === last) {
      node = nodeHash(sibling, node);
      while (at % 2 === 0 && at !== 0) [at, last] = [half(at), half(last)];
    } else {
      node = nodeHash(node, sibling);
    }
    [at, last] = [half(at), half(last)];
  }
  return last === 0 ? Buffer.from(node) : undefined;
}

/** `PROOF(m, D)` (§2.1.2): shows that the tree of the first `oldSize` leaves is a beginning of this one. */
export function consistencyPath(leaves: readonly Uint8Array[], oldSize: number): readonly Buffer[] {
  if (!(Number.isInteger(oldSize) && oldSize >= 0 && oldSize <= leaves.length)) {
    throw new RangeError(`a tree of ${leaves.length} leaves never had ${oldSize}`);
  }
  return oldSize === 0 || oldSize === leaves.length ? [] : subproof(leaves, oldSize, true);
}

function subproof(leaves: readonly Uint8Array[], oldSize: number, whole: boolean): readonly Buffer[] {
  if (oldSize === leaves.length) return whole ? [] : [rootOf(leaves)];
  const split = 2 ** (Math.ceil(Math.log2(leaves.length)) - 1);
  if (oldSize <= split) {
    return [...subproof(leaves.slice(0, split), oldSize, whole), rootOf(leaves.slice(split))];
  }
  return [...subproof(leaves.slice(split), oldSize - split, false), rootOf(leaves.slice(0, split))];
}

interface TreeHead {
  readonly size: number;
  readonly root: Uint8Array;
}

/** Whether `path` shows that `older` is a beginning of `newer` (RFC 9162 §2.1.4.2). */
export function isConsistent(older: TreeHead, newer: TreeHead, path: readonly Uint8Array[]): boolean {
  if (!(Number.isSafeInteger(older.size) && Number.isSafeInteger(newer.size) && older.size >= 0)) return false;
  if (older.size > newer.size) return false;
  if (older.size === newer.size) return path.length === 0 && sameBytes(older.root, newer.root);
  if (older.size === 0) return path.length === 0 && sameBytes(older.root, rootOf([]));
  const nodes = isPowerOfTwo(older.size) ? [older.root, ...path] : path;
  const [first, ...rest] = nodes;
  if (path.length === 0 || first === undefined || nodes.some((node) => node.length !== hashBytes)) return false;
  let [at, last] = [older.size - 1, newer.size - 1];
  while (at % 2 === 1) [at, last] = [half(at), half(last)];
  let [oldRoot, newRoot] = [first, first];
  for (const node of rest) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      [oldRoot, newRoot] = [nodeHash(node, oldRoot), nodeHash(node, newRoot)];
      while (at % 2 === 0 && at !== 0) [at, last] = [half(at), half(last)];
    } else {
      newRoot = nodeHash(newRoot, node);
    }
    [at, last] = [half(at), half(last)];
  }
  return last === 0 && sameBytes(oldRoot, older.root) && sameBytes(newRoot, newer.root);
}

/** Not a shift: sizes may pass 32 bits. */
function half(value: number): number {
  return Math.floor(value / 2);
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value));
}

/** Roots are public: nothing is compared in secret here. */
export function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}
