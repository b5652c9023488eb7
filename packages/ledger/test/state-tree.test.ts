import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Bytes, toHex } from '@yilian/crypto/bytes';
import { sha256 } from '@yilian/crypto/hash';
import { SUBTREE_LEAVES_MAX } from '../src/queries.ts';
import {
  encodeStateProof,
  parseStateProof,
  verifyStateProof,
  verifySubtree,
} from '../src/state-proof.ts';
import {
  emptyStateRoot,
  proveState,
  proveSubtree,
  updateStateTree,
  valueKey,
} from '../src/state-tree.ts';
import { Overlay, type Store } from '../src/store.ts';

/** A store in memory with one tree. */
class Tree implements Store {
  readonly map = new Map<string, Bytes>();
  root: Bytes = emptyStateRoot();
  reads = 0;
  writes = 0;

  get(key: string): Bytes | undefined {
    this.reads++;
    return this.map.get(key);
  }

  update(changes: readonly { readonly keyHash: Bytes; readonly value: Bytes | undefined }[]): this {
    const overlay = new Overlay(this);
    for (const { keyHash, value } of changes)
      if (value === undefined) overlay.delete(valueKey(keyHash));
      else overlay.put(valueKey(keyHash), value);
    this.root = updateStateTree(overlay, changes);
    for (const [key, value] of overlay.changes()) {
      this.writes++;
      if (value === undefined) this.map.delete(key);
      else this.map.set(key, value);
    }
    return this;
  }
}

function keyOf(n: number): Bytes {
  return sha256(Uint8Array.of(n & 255, (n >> 8) & 255, (n >> 16) & 255));
}

function valueOf(n: number): Bytes {
  return Uint8Array.of(n & 255, n >> 8, 7);
}

function treeOf(count: number): Tree {
  return new Tree().update(
    Array.from({ length: count }, (_, n) => ({ keyHash: keyOf(n), value: valueOf(n) })),
  );
}

/** Keys that share long prefixes, so that deep nodes come and go. */
const arbitraryKey = fc
  .tuple(
    fc.integer({ min: 0, max: 3 }),
    fc.integer({ min: 0, max: 31 }),
    fc.integer({ min: 0, max: 15 }),
  )
  .map(([first, at, last]) => {
    const key = new Uint8Array(32).fill(first === 0 ? 0 : 0x11);
    key[at] = (key[at] ?? 0) ^ last;
    return key;
  });
const arbitraryOperation = fc.record({
  keyHash: arbitraryKey,
  value: fc.option(fc.uint8Array({ minLength: 1, maxLength: 4 }), { nil: undefined }),
});

describe('state tree', () => {
  test('an empty tree proves the absence of everything', () => {
    const tree = new Tree();
    const { value, proof } = proveState(tree, keyOf(1));
    expect(value).toBeUndefined();
    expect(verifyStateProof({ root: tree.root, keyHash: keyOf(1), value, proof })).toBe(true);
  });

  test('the root depends on the set of keys alone, never on order or history', () => {
    fc.assert(
      fc.property(
        fc.array(arbitraryOperation, { maxLength: 60 }),
        fc.integer({ min: 1, max: 7 }),
        (operations, step) => {
          const grown = new Tree();
          for (let i = 0; i < operations.length; i += step) {
            const batch = new Map(
              operations.slice(i, i + step).map((each) => [toHex(each.keyHash), each]),
            );
            grown.update([...batch.values()]);
          }
          const final = new Map<string, { keyHash: Bytes; value: Bytes }>();
          for (const { keyHash, value } of operations)
            if (value === undefined) final.delete(toHex(keyHash));
            else final.set(toHex(keyHash), { keyHash, value });
          const fresh = new Tree().update([...final.values()].toReversed());
          expect(toHex(grown.root)).toBe(toHex(fresh.root));
          // Not a node more than a fresh tree has: nothing is left behind.
          expect([...grown.map.keys()].sort()).toEqual([...fresh.map.keys()].sort());
          for (const { keyHash } of operations) {
            const { value, proof } = proveState(grown, keyHash);
            expect(value).toEqual(final.get(toHex(keyHash))?.value);
            expect(verifyStateProof({ root: grown.root, keyHash, value, proof })).toBe(true);
            const lie = value === undefined ? Uint8Array.of(1) : undefined;
            expect(verifyStateProof({ root: grown.root, keyHash, value: lie, proof })).toBe(false);
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  test('subtrees prove all keys under a prefix, for every prefix of a key', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(arbitraryKey, { minLength: 0, maxLength: 40, selector: toHex }),
        arbitraryKey,
        fc.integer({ min: 0, max: 64 }),
        (keys, towards, digits) => {
          const tree = new Tree().update(keys.map((keyHash) => ({ keyHash, value: keyHash })));
          const prefix = toHex(towards).slice(0, digits);
          const subtree = proveSubtree(tree, prefix, 1_000);
          if (subtree === undefined) throw new Error('there are not so many keys');
          const expected = keys.map(toHex).filter((key) => key.startsWith(prefix));
          expect(subtree.leaves.map((leaf) => toHex(leaf.keyHash))).toEqual(expected.sort());
          expect(verifySubtree(tree.root, subtree)).toBe(true);
          if (subtree.leaves.length > 0) {
            const fewer = { ...subtree, leaves: subtree.leaves.slice(1) };
            expect(verifySubtree(tree.root, fewer)).toBe(false);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test('proofs of 20,000 keys: at most 3 KB, and any changed byte is noticed', () => {
    const tree = treeOf(20_000);
    for (const n of [0, 1, 77, 19_999, 20_001, 30_000]) {
      const keyHash = keyOf(n);
      const { value, proof } = proveState(tree, keyHash);
      expect(value).toEqual(n < 20_000 ? valueOf(n) : undefined);
      const bytes = encodeStateProof(proof);
      expect(bytes.length).toBeLessThan(3_000);
      const claim = { root: tree.root, keyHash, value };
      expect(verifyStateProof({ ...claim, proof: parseStateProof(bytes) })).toBe(true);
      for (let at = 0; at < bytes.length; at += 13) {
        const changed = Uint8Array.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ 1;
        let holds = false;
        try {
          holds = verifyStateProof({ ...claim, proof: parseStateProof(changed) });
        } catch {
          holds = false;
        }
        expect(holds).toBe(false);
      }
      expect(verifyStateProof({ ...claim, keyHash: keyOf(n + 1), proof })).toBe(false);
    }
  });

  test('a proof of a full level at ten million keys fits 3 KB by its form', () => {
    // Five full levels of 15 siblings and one of 9: the expected way at 16^5 · 10 keys.
    const full = { bitmap: 0xfffe, siblings: new Uint8Array(15 * 32) };
    const last = { bitmap: 0x03fe, siblings: new Uint8Array(9 * 32) };
    const proof = { levels: [full, full, full, full, full, last], other: null };
    expect(encodeStateProof(proof).length).toBeLessThanOrEqual(3_000);
  });

  test('R2 a subtree of at least 64 keys hides which one was asked for', () => {
    const tree = treeOf(5_000);
    const prefix = toHex(keyOf(42)).slice(0, 1);
    const subtree = proveSubtree(tree, prefix, 1_024);
    expect(subtree?.leaves.length).toBeGreaterThanOrEqual(64);
    expect(subtree !== undefined && verifySubtree(tree.root, subtree)).toBe(true);
    expect(proveSubtree(tree, '', 1_024)).toBeUndefined();
  });

  test('a subtree with another value, key, order or prefix is refused', () => {
    const tree = treeOf(500);
    const subtree = proveSubtree(tree, 'a', 1_000);
    const [first, second, ...rest] = subtree?.leaves ?? [];
    if (subtree === undefined || first === undefined || second === undefined)
      throw new Error('expected some keys');
    const other = { ...first, value: Uint8Array.of(9) };
    expect(verifySubtree(tree.root, { ...subtree, leaves: [other, second, ...rest] })).toBe(false);
    expect(verifySubtree(tree.root, { ...subtree, leaves: [second, first, ...rest] })).toBe(false);
    expect(verifySubtree(tree.root, { ...subtree, leaves: [first, first, second, ...rest] })).toBe(
      false,
    );
    expect(verifySubtree(tree.root, { ...subtree, prefix: 'b' })).toBe(false);
    expect(verifySubtree(sha256(tree.root), subtree)).toBe(false);
  });

  test('a batch of changes touches a way of nodes per key, not the tree', () => {
    const tree = treeOf(20_000);
    tree.reads = 0;
    tree.writes = 0;
    const changes = Array.from({ length: 100 }, (_, i) => ({
      keyHash: keyOf(i * 150),
      value: Uint8Array.of(i, 1),
    }));
    tree.update(changes);
    // log16(20,000) = 3.6: at most five nodes a key, the upper ones shared.
    expect(tree.writes).toBeLessThan(100 * 6);
    expect(tree.reads).toBeLessThan(100 * 7);
  });
});

describe('R2 the size of subtrees', () => {
  /** Keys under each prefix of so many digits. */
  function countsOf(keys: number, digits: number): readonly number[] {
    const counts = new Map<string, number>();
    for (let n = 0; n < keys; n++) {
      const prefix = toHex(keyOf(n)).slice(0, digits);
      counts.set(prefix, (counts.get(prefix) ?? 0) + 1);
    }
    return Array.from(
      { length: 16 ** digits },
      (_, i) => counts.get(digits === 0 ? '' : i.toString(16).padStart(digits, '0')) ?? 0,
    );
  }

  // Just enough keys that somebody's question overflows and prefixes grow by a digit.
  test.each([
    [SUBTREE_LEAVES_MAX + 1, 1],
    [2 * SUBTREE_LEAVES_MAX, 1],
    [32_000, 2],
    [40_000, 2],
  ])('with %i keys and prefixes of %i digits none falls under 64', (keys, digits) => {
    expect(Math.max(...countsOf(keys, digits - 1))).toBeGreaterThan(SUBTREE_LEAVES_MAX);
    expect(Math.min(...countsOf(keys, digits))).toBeGreaterThanOrEqual(64);
  });

  test('at the limit one answer has all; one key more and it is refused', () => {
    const tree = treeOf(SUBTREE_LEAVES_MAX);
    const all = proveSubtree(tree, '', SUBTREE_LEAVES_MAX);
    expect(all?.leaves).toHaveLength(SUBTREE_LEAVES_MAX);
    expect(all !== undefined && verifySubtree(tree.root, all)).toBe(true);
    const more = treeOf(SUBTREE_LEAVES_MAX + 1);
    expect(proveSubtree(more, '', SUBTREE_LEAVES_MAX)).toBeUndefined();
    const leaves = Array.from({ length: 16 }, (_, i) => i.toString(16)).map(
      (digit) => proveSubtree(more, digit, SUBTREE_LEAVES_MAX)?.leaves.length ?? 0,
    );
    expect(leaves.reduce((a, b) => a + b, 0)).toBe(SUBTREE_LEAVES_MAX + 1);
    expect(Math.min(...leaves)).toBeGreaterThanOrEqual(64);
  });
});
