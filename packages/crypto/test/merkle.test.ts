import * as fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { at } from './at.ts';
import { type Bytes, fromHex, toHex } from '../src/bytes.ts';
import {
  appendLeafHash,
  EMPTY_FRONTIER,
  emptyRoot,
  encodeFrontier,
  frontierRoot,
  type Frontier,
  hashLeaf,
  hashNode,
  merkleRoot,
  nodesOf,
  parseFrontier,
  proveConsistency,
  proveInclusion,
  rootAt,
  rootOfLeafHashes,
  verifyConsistency,
  verifyInclusion,
} from '../src/merkle.ts';
import { readVectors } from './vectors.ts';

interface ReferenceTree {
  emptyRoot: string;
  leaves: string[];
  roots: string[];
  inclusion: { index: number; size: number; path: string[] }[];
  consistency: { oldSize: number; newSize: number; path: string[] }[];
}

const reference = readVectors('rfc9162/reference-tree.json') as ReferenceTree;
const referenceHashes = reference.leaves.map((leaf) => hashLeaf(fromHex(leaf)));

function leafHashes(count: number): Bytes[] {
  return Array.from({ length: count }, (_, i) => hashLeaf(Uint8Array.of(i & 255, i >> 8)));
}

function frontierOf(hashes: readonly Bytes[]): Frontier {
  let frontier = EMPTY_FRONTIER;
  for (const hash of hashes) frontier = appendLeafHash(frontier, hash);
  return frontier;
}

/** A tree too large to hold, whose nodes are made up when asked for. */
const imaginaryNodes = (level: number, index: number): Bytes =>
  hashLeaf(new TextEncoder().encode(`${level}:${index}`));

const list = fc.array(fc.uint8Array({ maxLength: 8 }), { maxLength: 24 });

describe('RFC 9162 reference tree', () => {
  it('has the root of nothing', () => {
    expect(toHex(emptyRoot())).toBe(reference.emptyRoot);
    expect(toHex(merkleRoot([]))).toBe(reference.emptyRoot);
  });

  test.each(reference.roots.map((root, i) => [i + 1, root] as const))(
    'has the known root at size %i',
    (size, root) => {
      expect(toHex(rootOfLeafHashes(referenceHashes.slice(0, size)))).toBe(root);
      expect(toHex(frontierRoot(frontierOf(referenceHashes.slice(0, size))))).toBe(root);
    },
  );

  test.each(reference.inclusion)(
    'has the known inclusion path of leaf $index of $size',
    (known) => {
      const path = proveInclusion(nodesOf(referenceHashes), known.index, known.size);
      expect(path.map(toHex)).toEqual(known.path);
    },
  );

  test.each(reference.consistency)('has the known path from $oldSize to $newSize', (known) => {
    const path = proveConsistency(nodesOf(referenceHashes), known.oldSize, known.newSize);
    expect(path.map(toHex)).toEqual(known.path);
  });
});

describe('a root has one list', () => {
  it('[a, b, c] and [a, b, c, c] have different roots', () => {
    const [a, b, c] = [Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(3)] as const;
    expect(merkleRoot([a, b, c])).not.toEqual(merkleRoot([a, b, c, c]));
  });

  it('distinct lists have distinct roots, and equal lists equal ones', () => {
    fc.assert(
      fc.property(list, list, (left, right) => {
        const same = JSON.stringify(left.map(toHex)) === JSON.stringify(right.map(toHex));
        expect(toHex(merkleRoot(left)) === toHex(merkleRoot(right))).toBe(same);
      }),
    );
  });

  it('an inner node passed off as a leaf gives another root', () => {
    const [a, b] = leafHashes(2) as [Bytes, Bytes];
    const inner = new Uint8Array([...a, ...b]);
    expect(merkleRoot([inner])).not.toEqual(hashNode(a, b));
  });
});

describe('frontier', () => {
  it('equals the root of the list at every size', () => {
    const hashes = leafHashes(70);
    let frontier = EMPTY_FRONTIER;
    for (const [i, hash] of hashes.entries()) {
      frontier = appendLeafHash(frontier, hash);
      expect(frontierRoot(frontier)).toEqual(rootOfLeafHashes(hashes.slice(0, i + 1)));
    }
  });

  it('hands out every complete subtree, which then serve all proofs', () => {
    const hashes = leafHashes(45);
    const kept = new Map<string, Bytes>();
    let frontier = EMPTY_FRONTIER;
    for (const hash of hashes)
      frontier = appendLeafHash(frontier, hash, undefined, (level, index, node) => {
        kept.set(`${level}/${index}`, node);
      });
    const stored = (level: number, index: number): Bytes => {
      const node = kept.get(`${level}/${index}`);
      if (node === undefined) throw new Error(`missing ${level}/${index}`);
      return node;
    };
    const computed = nodesOf(hashes);
    for (let size = 1; size <= 45; size++) {
      expect(rootAt(stored, size)).toEqual(rootAt(computed, size));
      for (let index = 0; index < size; index += 7)
        expect(proveInclusion(stored, index, size)).toEqual(proveInclusion(computed, index, size));
      for (let old = 0; old <= size; old += 5)
        expect(proveConsistency(stored, old, size)).toEqual(proveConsistency(computed, old, size));
    }
  });

  it('survives encoding at every size', () => {
    for (let size = 0; size <= 33; size++) {
      const frontier = frontierOf(leafHashes(size));
      expect(parseFrontier(encodeFrontier(frontier))).toEqual(frontier);
    }
  });

  test.each([
    ['a peak missing', encodeFrontier({ size: 3, peaks: leafHashes(1) })],
    ['a peak too many', encodeFrontier({ size: 4, peaks: leafHashes(2) })],
    ['a short peak', encodeFrontier({ size: 1, peaks: [new Uint8Array(31)] })],
    ['a negative size', encodeFrontier({ size: -1, peaks: [] })],
    ['no array', Uint8Array.of(1)],
    ['nothing', new Uint8Array(0)],
    ['trailing bytes', new Uint8Array([...encodeFrontier(EMPTY_FRONTIER), 0])],
  ])('%s is refused', (_, bytes) => {
    expect(parseFrontier(bytes)).toBeNull();
  });
});

describe('inclusion', () => {
  it('is proved for every leaf of every size up to 40, and for that leaf and index only', () => {
    for (let size = 1; size <= 40; size++) {
      const hashes = leafHashes(size);
      const root = rootOfLeafHashes(hashes);
      const nodes = nodesOf(hashes);
      for (const [index, leafHash] of hashes.entries()) {
        const path = proveInclusion(nodes, index, size);
        expect(verifyInclusion({ leafHash, index, size, path, root })).toBe(true);
        const other = (index + 1) % size;
        if (size > 1) {
          expect(verifyInclusion({ leafHash, index: other, size, path, root })).toBe(false);
          const wrong = at(hashes, other);
          expect(verifyInclusion({ leafHash: wrong, index, size, path, root })).toBe(false);
        }
      }
    }
  });

  it('any changed, dropped or added path element is refused', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 60 }),
        fc.nat(),
        fc.nat(),
        fc.constantFrom('flip', 'drop', 'add', 'shorten'),
        (size, pick, place, how) => {
          const hashes = leafHashes(size);
          const index = pick % size;
          const path = [...proveInclusion(nodesOf(hashes), index, size)];
          const position = place % path.length;
          if (how === 'flip') {
            const changed = at(path, position).slice();
            changed[place % 32] = (changed[place % 32] ?? 0) ^ 1;
            path[position] = changed;
          } else if (how === 'drop') path.splice(position, 1);
          else if (how === 'add') path.splice(position, 0, new Uint8Array(32));
          else path[position] = at(path, position).subarray(0, 31);
          const claim = { leafHash: at(hashes, index), index, size, path };
          expect(verifyInclusion({ ...claim, root: rootOfLeafHashes(hashes) })).toBe(false);
        },
      ),
    );
  });

  test.each([
    ['index = size', { index: 5, size: 5 }],
    ['negative index', { index: -1, size: 5 }],
    ['fractional index', { index: 0.5, size: 5 }],
    ['empty tree', { index: 0, size: 0 }],
    ['size beyond 2^53', { index: 0, size: 2 ** 60 }],
  ])('%s is refused', (_, place) => {
    const hashes = leafHashes(5);
    const path = proveInclusion(nodesOf(hashes), 0, 5);
    const claim = { leafHash: at(hashes, 0), path, root: rootOfLeafHashes(hashes) };
    expect(verifyInclusion({ ...claim, ...place })).toBe(false);
  });

  it('a path too short or too long for the claimed size is refused', () => {
    const hashes = leafHashes(2);
    const claim = {
      leafHash: at(hashes, 0),
      index: 0,
      path: proveInclusion(nodesOf(hashes), 0, 2),
      root: rootOfLeafHashes(hashes),
    };
    expect(verifyInclusion({ ...claim, size: 2 })).toBe(true);
    for (const size of [1, 3, 4, 5, 100]) expect(verifyInclusion({ ...claim, size })).toBe(false);
  });

  it('works for a tree of more than 2^32 leaves', () => {
    const size = 2 ** 40 + 1;
    const root = rootAt(imaginaryNodes, size);
    const leafHash = imaginaryNodes(0, size - 1);
    const path = proveInclusion(imaginaryNodes, size - 1, size);
    expect(verifyInclusion({ leafHash, index: size - 1, size, path, root })).toBe(true);
    expect(verifyInclusion({ leafHash, index: 0, size, path, root })).toBe(false);
  });

  it('cannot be made for a leaf that is not there', () => {
    expect(() => proveInclusion(nodesOf(leafHashes(3)), 3, 3)).toThrow(RangeError);
  });
});

describe('consistency', () => {
  it('is proved between all sizes up to 34, and never for another old root', () => {
    const hashes = leafHashes(34);
    const nodes = nodesOf(hashes);
    const roots = Array.from({ length: 35 }, (_, size) => rootAt(nodes, size));
    for (let newSize = 0; newSize <= 34; newSize++)
      for (let oldSize = 0; oldSize <= newSize; oldSize++) {
        const path = proveConsistency(nodes, oldSize, newSize);
        const claim = { oldSize, newSize, newRoot: at(roots, newSize), path };
        expect(verifyConsistency({ ...claim, oldRoot: at(roots, oldSize) })).toBe(true);
        expect(verifyConsistency({ ...claim, oldRoot: new Uint8Array(32) })).toBe(false);
        if (oldSize > 0 && oldSize < newSize)
          expect(
            verifyConsistency({
              ...claim,
              oldRoot: at(roots, oldSize),
              newRoot: new Uint8Array(32),
            }),
          ).toBe(false);
      }
  });

  it('a rewritten leaf is refused', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 1, max: 30 }),
        fc.nat(),
        (oldSize, more, at) => {
          const hashes = leafHashes(oldSize + more);
          const rewritten = [...hashes];
          rewritten[at % oldSize] = hashLeaf(Uint8Array.of(9, 9, 9));
          const newSize = hashes.length;
          expect(
            verifyConsistency({
              oldSize,
              oldRoot: rootOfLeafHashes(hashes.slice(0, oldSize)),
              newSize,
              newRoot: rootOfLeafHashes(rewritten),
              path: proveConsistency(nodesOf(rewritten), oldSize, newSize),
            }),
          ).toBe(false);
        },
      ),
    );
  });

  test.each([
    ['a shrinking tree', { oldSize: 8, newSize: 5 }],
    ['a negative size', { oldSize: -1, newSize: 5 }],
    ['a path for the empty tree', { oldSize: 0, newSize: 8 }],
    ['a path for equal sizes', { oldSize: 8, newSize: 8 }],
  ])('%s is refused', (_, sizes) => {
    const nodes = nodesOf(referenceHashes);
    const root = rootAt(nodes, 8);
    const path = proveConsistency(nodes, 5, 8);
    expect(verifyConsistency({ ...sizes, oldRoot: root, newRoot: root, path })).toBe(false);
  });
});
