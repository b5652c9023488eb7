/**
 * One stored node of the state tree. It contains the preimage of its own hash, so hashing copies nothing,
 * and a changed child is written into a copy of the bytes without taking the others apart.
 *
 *   leaf map (2) ‖ preimage: 0x01 ‖ bitmap (2) ‖ hash (32) per child ‖ key hash (32) per leaf child
 *
 * Both maps have bit s for child s, most significant byte first; leaf map ⊆ bitmap.
 */
import type { Bytes } from '@yilian/crypto/bytes';
import type { HashFunction } from '@yilian/crypto/merkle';
import { HASH_LENGTH, NODE_PREFIX } from './state-proof.ts';
import { StateDamagedError } from './state-damaged-error.ts';

/** What a tree node says of one child: the hash, and for a leaf the key. */
export interface Child {
  readonly hash: Bytes;
  readonly leafKey: Bytes | undefined;
}

/** Sixteen places. */
export type Children = readonly (Child | undefined)[];

/** What becomes of a child; a slot at most once. */
export interface ChildChange {
  readonly slot: number;
  readonly child: Child | undefined;
}

const PREIMAGE_OFFSET = 2;
const HASHES_OFFSET = 5;

function leafMapOf(node: Bytes): number {
  return ((node[0] ?? 0) << 8) | (node[1] ?? 0);
}

function bitmapOf(node: Bytes): number {
  return ((node[3] ?? 0) << 8) | (node[4] ?? 0);
}

function countBits(map: number): number {
  let count = 0;
  for (let rest = map; rest !== 0; rest &= rest - 1) count++;
  return count;
}

/** How many places of `map` come before `slot`. */
function rankOf(map: number, slot: number): number {
  return countBits(map & ((1 << slot) - 1));
}

function has(map: number, slot: number): boolean {
  return ((map >> slot) & 1) === 1;
}

function hashOffset(bitmap: number, slot: number): number {
  return HASHES_OFFSET + HASH_LENGTH * rankOf(bitmap, slot);
}

function keyOffset(bitmap: number, leafMap: number, slot: number): number {
  return HASHES_OFFSET + HASH_LENGTH * (countBits(bitmap) + rankOf(leafMap, slot));
}

function nodeLength(bitmap: number, leafMap: number): number {
  return HASHES_OFFSET + HASH_LENGTH * (countBits(bitmap) + countBits(leafMap));
}

/** @throws StateDamagedError */
function assertNode(node: Bytes): void {
  const bitmap = bitmapOf(node);
  const leafMap = leafMapOf(node);
  if (
    node[PREIMAGE_OFFSET] !== NODE_PREFIX ||
    (leafMap & ~bitmap) !== 0 ||
    node.length !== nodeLength(bitmap, leafMap)
  )
    throw new StateDamagedError('a tree node has another form');
}

function childOf(node: Bytes, slot: number): Child | undefined {
  const bitmap = bitmapOf(node);
  if (!has(bitmap, slot)) return undefined;
  const leafMap = leafMapOf(node);
  const offset = hashOffset(bitmap, slot);
  const hash = node.subarray(offset, offset + HASH_LENGTH);
  if (!has(leafMap, slot)) return { hash, leafKey: undefined };
  const start = keyOffset(bitmap, leafMap, slot);
  return { hash, leafKey: node.subarray(start, start + HASH_LENGTH) };
}

/** One child of a stored node. @throws StateDamagedError */
export function nodeChild(node: Bytes, slot: number): Child | undefined {
  assertNode(node);
  return childOf(node, slot);
}

/** All children of a stored node. @throws StateDamagedError */
export function decodeNode(node: Bytes): Children {
  assertNode(node);
  return Array.from({ length: 16 }, (_, slot) => childOf(node, slot));
}

/** The only child of a node, when it has one and that is a leaf. */
export function onlyLeaf(node: Bytes): Child | undefined {
  const bitmap = bitmapOf(node);
  if (countBits(bitmap) !== 1 || leafMapOf(node) !== bitmap) return undefined;
  return childOf(node, 31 - Math.clz32(bitmap));
}

export function isEmptyNode(node: Bytes): boolean {
  return bitmapOf(node) === 0;
}

export function hashStoredNode(node: Bytes, hash: HashFunction): Bytes {
  const end = HASHES_OFFSET + HASH_LENGTH * countBits(bitmapOf(node));
  return hash(node.subarray(PREIMAGE_OFFSET, end));
}

/** `node` (undefined: without children) after `changes`; a new array. */
export function changeChildren(node: Bytes | undefined, changes: readonly ChildChange[]): Bytes {
  const oldBitmap = node === undefined ? 0 : bitmapOf(node);
  const oldLeafMap = node === undefined ? 0 : leafMapOf(node);
  let bitmap = oldBitmap;
  let leafMap = oldLeafMap;
  for (const { slot, child } of changes) {
    const bit = 1 << slot;
    bitmap = child === undefined ? bitmap & ~bit : bitmap | bit;
    leafMap = child?.leafKey === undefined ? leafMap & ~bit : leafMap | bit;
  }
  const changed = new Uint8Array(nodeLength(bitmap, leafMap));
  if (node !== undefined) {
    if (bitmap === oldBitmap && leafMap === oldLeafMap) changed.set(node);
    else moveChildren(node, changed, bitmap, leafMap);
  }
  changed[0] = leafMap >> 8;
  changed[1] = leafMap & 0xff;
  changed[PREIMAGE_OFFSET] = NODE_PREFIX;
  changed[3] = bitmap >> 8;
  changed[4] = bitmap & 0xff;
  for (const { slot, child } of changes) {
    if (child === undefined) continue;
    changed.set(child.hash, hashOffset(bitmap, slot));
    if (child.leafKey !== undefined) changed.set(child.leafKey, keyOffset(bitmap, leafMap, slot));
  }
  return changed;
}

/** Copies what both nodes have, each to its new place. */
function moveChildren(from: Bytes, to: Uint8Array, bitmap: number, leafMap: number): void {
  const oldBitmap = bitmapOf(from);
  const oldLeafMap = leafMapOf(from);
  for (let rest = oldBitmap & bitmap; rest !== 0; rest &= rest - 1) {
    const slot = 31 - Math.clz32(rest & -rest);
    const source = hashOffset(oldBitmap, slot);
    to.set(from.subarray(source, source + HASH_LENGTH), hashOffset(bitmap, slot));
  }
  for (let rest = oldLeafMap & leafMap; rest !== 0; rest &= rest - 1) {
    const slot = 31 - Math.clz32(rest & -rest);
    const source = keyOffset(oldBitmap, oldLeafMap, slot);
    to.set(from.subarray(source, source + HASH_LENGTH), keyOffset(bitmap, leafMap, slot));
  }
}
