import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  consistencyPath,
  inclusionPath,
  isConsistent,
  leafHash,
  rootOf,
  rootOfPath,
} from '../../../src/record/notary/merkle.ts';
import { verifies } from '../../../../../test/verifies.ts';

/**
 * The leaves and roots that implementations of RFC 6962 are compared by: `LeafInputs` and `RootHashes` in
 * `testonly/constants.go` of github.com/transparency-dev/merkle.
 */
const leafInputs = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
const roots = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

function leavesOf(count: number, seed = 0): Buffer[] {
  return Array.from({ length: count }, (_, index) => leafHash(Buffer.from(`${seed}/${index}`)));
}

verifies('AUD-4', 'the roots are those that RFC 6962 implementations are tested with', () => {
  const leaves = leafInputs.map((input) => leafHash(Buffer.from(input, 'hex')));
  expect(roots.map((_, size) => rootOf(leaves.slice(0, size)).toString('hex'))).toEqual(roots);
});

test('an inner node cannot pass for a leaf', () => {
  const [left, right] = leavesOf(2);
  const inner = rootOf([left ?? Buffer.alloc(0), right ?? Buffer.alloc(0)]);
  const forged = leafHash(Buffer.concat([left ?? Buffer.alloc(0), right ?? Buffer.alloc(0)]));
  expect(forged.equals(inner)).toBe(false);
});

const size = fc.integer({ min: 1, max: 70 });

describe('whatever the size of the tree', () => {
  verifies('AUD-4', 'each leaf is proven, and at no other place, in no other tree, by no other leaf', () => {
    fc.assert(
      fc.property(size, fc.nat(), fc.nat(), (count, pick, other) => {
        const leaves = leavesOf(count);
        const index = pick % count;
        const path = inclusionPath(leaves, index);
        const root = rootOf(leaves);
        const leaf = leaves[index] ?? Buffer.alloc(0);
        expect(rootOfPath(leaf, index, count, path)).toEqual(root);
        const wrong = (index + 1 + (other % count)) % count;
        if (wrong !== index) {
          expect(rootOfPath(leaf, wrong, count, path)?.equals(root) ?? false).toBe(false);
          expect(rootOfPath(leaves[wrong] ?? leaf, index, count, path)).not.toEqual(root);
        }
        for (const [at, of] of [
          [-1, count],
          [count, count],
          [0.5, count],
          [index, 0],
        ] as const) {
          expect(rootOfPath(leaf, at, of, path)).toBeUndefined();
        }
        expect(rootOfPath(leaf, index, count, [...path, root])).toBeUndefined();
        if (path.length > 0) expect(rootOfPath(leaf, index, count, path.slice(1))).not.toEqual(root);
      }),
    );
  });

  verifies('AUD-4', 'each beginning of a log is consistent with it, and no other log is', () => {
    fc.assert(
      fc.property(size, fc.nat(), fc.nat(), (count, pick, change) => {
        const leaves = leavesOf(count);
        const oldSize = pick % (count + 1);
        const older = { size: oldSize, root: rootOf(leaves.slice(0, oldSize)) };
        const newer = { size: count, root: rootOf(leaves) };
        const path = consistencyPath(leaves, oldSize);
        expect(isConsistent(older, newer, path)).toBe(true);
        expect(isConsistent(older, newer, [...path, newer.root])).toBe(false);
        expect(isConsistent(newer, { size: count - 1, root: newer.root }, path)).toBe(false);
        for (const place of path.keys()) {
          expect(isConsistent(older, newer, path.toSpliced(place, 1, Buffer.alloc(32)))).toBe(false);
        }
        if (oldSize === 0) return;
        const forked = leaves.toSpliced(change % oldSize, 1, leafHash(Buffer.from('another')));
        const other = { size: count, root: rootOf(forked) };
        expect(isConsistent(older, other, consistencyPath(forked, oldSize))).toBe(false);
      }),
    );
  });
});
