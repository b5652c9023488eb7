import type { Bytes } from '@yilian/crypto/bytes';
import { sha256 } from '@yilian/crypto/hash';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type ChildChange,
  type Children,
  changeChildren,
  decodeNode,
  hashStoredNode,
  isEmptyNode,
  nodeChild,
  onlyLeaf,
} from '../src/state-node.ts';
import { hashStateNode } from '../src/state-proof.ts';

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const child = fc.record({ hash: bytes32, leafKey: fc.option(bytes32, { nil: undefined }) });
const change = fc.record({
  slot: fc.integer({ min: 0, max: 15 }),
  child: fc.option(child, { nil: undefined }),
});
const changes = fc.uniqueArray(change, { selector: ({ slot }) => slot, maxLength: 16 });

/** What `changes` make of `children`, without any bytes. */
function changed(children: Children, list: readonly ChildChange[]): Children {
  const result = [...children];
  for (const { slot, child: next } of list) result[slot] = next;
  return result;
}

const none: Children = Array.from({ length: 16 });

describe('a stored node', () => {
  test('holds the children it was given, through any changes', () => {
    fc.assert(
      fc.property(fc.array(changes, { minLength: 1, maxLength: 4 }), (steps) => {
        let node: Bytes | undefined;
        let known = none;
        for (const step of steps) {
          node = changeChildren(node, step);
          known = changed(known, step);
          expect(decodeNode(node)).toEqual(known);
          for (const [slot, expected] of known.entries())
            expect(nodeChild(node, slot)).toEqual(expected);
          expect(isEmptyNode(node)).toBe(known.every((each) => each === undefined));
        }
      }),
    );
  });

  test('depends on its children alone, not on the way to them', () => {
    fc.assert(
      fc.property(changes, changes, (first, second) => {
        const stepwise = changeChildren(changeChildren(undefined, first), second);
        const final = changed(changed(none, first), second);
        const atOnce = final.map((each, slot) => ({ slot, child: each }));
        expect(stepwise).toEqual(changeChildren(undefined, atOnce));
      }),
    );
  });

  test('contains the preimage of the hash that a proof computes', () => {
    fc.assert(
      fc.property(changes, (list) => {
        const node = changeChildren(undefined, list);
        const hashes = decodeNode(node).map((each) => each?.hash);
        expect(hashStoredNode(node, sha256)).toEqual(hashStateNode(hashes));
      }),
    );
  });

  test('leaves the bytes it was made from alone', () => {
    fc.assert(
      fc.property(changes, changes, (first, second) => {
        const node = changeChildren(undefined, first);
        const before = node.slice();
        changeChildren(node, second);
        expect(node).toEqual(before);
      }),
    );
  });

  test('tells when a single leaf is all it has', () => {
    const hash = new Uint8Array(32).fill(1);
    const leafKey = new Uint8Array(32).fill(2);
    for (let slot = 0; slot < 16; slot++) {
      const leaf = { hash, leafKey };
      const other = (slot + 1) % 16;
      const inner = { hash, leafKey: undefined };
      expect(onlyLeaf(changeChildren(undefined, [{ slot, child: leaf }]))).toEqual(leaf);
      expect(onlyLeaf(changeChildren(undefined, [{ slot, child: inner }]))).toBeUndefined();
      const two = changeChildren(undefined, [
        { slot, child: leaf },
        { slot: other, child: inner },
      ]);
      expect(onlyLeaf(two)).toBeUndefined();
    }
    expect(onlyLeaf(changeChildren(undefined, []))).toBeUndefined();
  });

  test('of another length, prefix or leaf map is damage', () => {
    const node = changeChildren(undefined, [
      { slot: 3, child: { hash: new Uint8Array(32), leafKey: new Uint8Array(32) } },
      { slot: 9, child: { hash: new Uint8Array(32), leafKey: undefined } },
    ]);
    const with1 = (at: number, value: number): Bytes => {
      const copy = node.slice();
      copy[at] = value;
      return copy;
    };
    const damaged = expect.objectContaining({ code: 'stateDamaged' });
    for (let length = 0; length < node.length; length++)
      expect(() => decodeNode(node.subarray(0, length)), `${length} bytes`).toThrow(damaged);
    for (const bytes of [
      new Uint8Array([...node, 0]),
      with1(2, 0),
      // A leaf where no child is, fewer children than there are hashes.
      with1(1, 0x0a),
      with1(4, 0x00),
    ]) {
      expect(() => decodeNode(bytes)).toThrow(damaged);
      expect(() => nodeChild(bytes, 3)).toThrow(damaged);
    }
  });
});
