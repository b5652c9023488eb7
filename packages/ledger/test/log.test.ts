import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Bytes } from '@yilian/crypto/bytes';
import { hashLeaf, merkleRoot, verifyConsistency, verifyInclusion } from '@yilian/crypto/merkle';
import {
  appendToLog,
  logLeaf,
  logRoot,
  proveLogConsistency,
  proveLogInclusion,
} from '../src/log.ts';
import { StateDamagedError } from '../src/state-damaged-error.ts';
import { numberKey, Overlay, type Store } from '../src/store.ts';

const NO_LEAF = new Uint8Array(0);
const NOTHING: Store = { get: () => undefined };

function leavesOf(count: number): readonly Bytes[] {
  return Array.from({ length: count }, (_, i) => Uint8Array.of(i & 255, i >> 8));
}

test('the log is the tree of RFC 9162 however its leaves come in blocks', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 20 }), (blocks) => {
      const store = new Overlay(NOTHING);
      const all = leavesOf(blocks.reduce((sum, each) => sum + each, 0));
      let size = 0;
      for (const count of blocks) {
        const root = appendToLog(store, size, all.slice(size, size + count));
        const oldSize = size;
        size += count;
        expect(root).toEqual(merkleRoot(all.slice(0, size)));
        const path = proveLogConsistency(store, oldSize, size);
        const claim = {
          oldSize,
          oldRoot: logRoot(store, oldSize),
          newSize: size,
          newRoot: root,
          path,
        };
        expect(verifyConsistency(claim)).toBe(true);
      }
    }),
    { numRuns: 60 },
  );
});

test('every leaf is proved against every later size', () => {
  const store = new Overlay(NOTHING);
  const all = leavesOf(33);
  appendToLog(store, 0, all);
  for (let size = 1; size <= 33; size++)
    for (let index = 0; index < size; index++) {
      const leaf = logLeaf(store, index);
      if (leaf === undefined) throw new Error('a leaf is missing');
      const path = proveLogInclusion(store, index, size);
      const claim = { leafHash: hashLeaf(leaf), index, size, path, root: logRoot(store, size) };
      expect(verifyInclusion(claim)).toBe(true);
      expect(verifyInclusion({ ...claim, leafHash: hashLeaf(Uint8Array.of(1, 2, 3)) })).toBe(false);
      if (index > 0) expect(verifyInclusion({ ...claim, index: index - 1 })).toBe(false);
    }
});

test('a proof of an old leaf reads O(log n) hashes', () => {
  const store = new Overlay(NOTHING);
  appendToLog(store, 0, leavesOf(5_000));
  let reads = 0;
  const counting: Store = {
    get(key) {
      reads++;
      return store.get(key);
    },
  };
  proveLogInclusion(counting, 17, 5_000);
  expect(reads).toBeLessThan(40);
});

test('a leaf hash that an older database holds is as good as the leaf; without either the log is damaged', () => {
  const store = new Overlay(NOTHING);
  const all = leavesOf(3);
  appendToLog(store, 0, all);
  const proven = proveLogInclusion(store, 0, 3);
  store.delete(`L${numberKey(1)}`);
  expect(() => proveLogInclusion(store, 0, 3)).toThrow(StateDamagedError);
  store.put(`l\0${numberKey(1)}`, hashLeaf(all[1] ?? NO_LEAF));
  expect(proveLogInclusion(store, 0, 3)).toEqual(proven);
  store.delete(`l${String.fromCharCode(1)}${numberKey(0)}`);
  expect(() => logRoot(store, 2)).toThrow(StateDamagedError);
});
