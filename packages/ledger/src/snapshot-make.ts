/**
 * Makes a snapshot of the height at which a reader stands. The reader must keep standing there: on a node it is
 * a read transaction of the database, under which commits go on.
 *
 * One pass in the order of keys, then one in the order of the log. What was read waits until it is
 * known whether it fits into one chunk with its neighbours: at most `CHUNK_BYTES` and one item wait.
 */
import type { Bytes } from '@yilian/crypto/bytes';
import { halvesOf, type LeafRange, proveRange } from '@yilian/crypto/merkle-range';
import { getMeta } from './ledger-meta.ts';
import { logLeaf, logNodes } from './log.ts';
import {
  CHUNK_BYTES,
  encodeLogChunk,
  encodeStateChunk,
  type SnapshotManifest,
} from './snapshot-format.ts';
import { StateDamagedError } from './state-damaged-error.ts';
import type { SubtreeLeaf } from './state-proof.ts';
import type { StateReader } from './state-reader.ts';
import { provePrefix, treeNode, valueOf } from './state-tree.ts';
import { readerStore, type Store } from './store.ts';

const DIGITS = '0123456789abcdef';
/** Items read between two chances to do something else. */
const STEP_ITEMS = 64;
/** Leaves of the log that are not cut apart any more. */
const LEAVES_MIN = 16;

/** Everything under one node. */
interface Group<Name, Item> {
  readonly name: Name;
  readonly items: readonly Item[];
  readonly bytes: number;
}

/** A node whose children are being read. */
interface OpenNode<Name, Item> {
  readonly name: Name;
  /** It holds more than one chunk may: its children go alone. */
  isCut: boolean;
  groups: Group<Name, Item>[];
}

/** Decides which nodes are chunks. Nodes are opened and closed in depth-first order. */
class Cutter<Name, Item> {
  /** Complete chunks, to be taken away. */
  readonly ready: Group<Name, Item>[] = [];
  readonly #open: OpenNode<Name, Item>[] = [];
  /** Of what waits; all of it lies under the first open node that is not cut. */
  #bytes = 0;

  open(name: Name): void {
    this.#open.push({ name, isCut: false, groups: [] });
  }

  add(group: Group<Name, Item>): void {
    this.#bytes += group.bytes;
    this.#place(group);
    for (const node of this.#open) {
      if (this.#bytes <= CHUNK_BYTES) return;
      if (node.isCut) continue;
      node.isCut = true;
      for (const each of node.groups) this.#emit(each);
      node.groups = [];
    }
  }

  close(): void {
    const node = this.#open.pop();
    if (node === undefined || node.isCut) return;
    const { name, groups } = node;
    const bytes = groups.reduce((sum, group) => sum + group.bytes, 0);
    this.#place({ name, items: groups.flatMap(({ items }) => items), bytes });
  }

  #place(group: Group<Name, Item>): void {
    const parent = this.#open.at(-1);
    if (parent === undefined || parent.isCut) this.#emit(group);
    else parent.groups.push(group);
  }

  #emit(group: Group<Name, Item>): void {
    this.#bytes -= group.bytes;
    this.ready.push(group);
  }
}

type Cutting<Name, Item> = Generator<Group<Name, Item> | undefined, void>;

function* cutState(store: Store): Cutting<string, SubtreeLeaf> {
  const cutter = new Cutter<string, SubtreeLeaf>();
  let read = 0;
  function* walk(path: string): Cutting<string, SubtreeLeaf> {
    cutter.open(path);
    for (const [slot, child] of (treeNode(store, path) ?? []).entries()) {
      if (child === undefined) continue;
      const below = path + (DIGITS[slot] ?? '');
      if (child.leafKey === undefined) yield* walk(below);
      else {
        const keyHash = Uint8Array.from(child.leafKey);
        const value = valueOf(store, keyHash);
        const bytes = keyHash.length + value.length;
        cutter.add({ name: below, items: [{ keyHash, value }], bytes });
        if (++read % STEP_ITEMS === 0) yield undefined;
      }
      yield* cutter.ready.splice(0);
    }
    cutter.close();
    yield* cutter.ready.splice(0);
  }
  yield* walk('');
}

function* cutLog(store: Store, size: number): Cutting<LeafRange, Bytes> {
  const cutter = new Cutter<LeafRange, Bytes>();
  function* walk(range: LeafRange): Cutting<LeafRange, Bytes> {
    if (range.count <= LEAVES_MIN) {
      const items = Array.from({ length: range.count }, (_, i) => leafAt(store, range.start + i));
      const bytes = items.reduce((sum, leaf) => sum + leaf.length, 0);
      cutter.add({ name: range, items, bytes });
      if (range.start % STEP_ITEMS === 0) yield undefined;
    } else {
      cutter.open(range);
      for (const half of halvesOf(range)) yield* walk(half);
      cutter.close();
    }
    yield* cutter.ready.splice(0);
  }
  if (size > 0) yield* walk({ start: 0, count: size });
}

function leafAt(store: Store, index: number): Bytes {
  const leaf = logLeaf(store, index);
  if (leaf === undefined) throw new StateDamagedError('a log leaf is missing');
  return leaf;
}

/**
 * Yields the encoded chunks in order and, in between, `undefined` wherever the caller may pause; returns what
 * describes them. @throws StateDamagedError when the store has no committed block or has lost something
 */
export function* makeSnapshot(reader: StateReader): Generator<Bytes | undefined, SnapshotManifest> {
  const store = readerStore(reader);
  const meta = getMeta(store);
  if (meta === undefined) throw new StateDamagedError('a chain without a block has no snapshot');
  const { chainId, height, time, parts } = meta;
  const prefixes: string[] = [];
  const logCounts: number[] = [];
  for (const group of cutState(store)) {
    if (group !== undefined && group.items.length > 0) {
      const { name: prefix, items: leaves } = group;
      prefixes.push(prefix);
      yield encodeStateChunk({ prefix, leaves, proof: provePrefix(store, prefix) });
    }
    yield undefined;
  }
  for (const group of cutLog(store, parts.logSize)) {
    if (group !== undefined) {
      const { name: range, items: leaves } = group;
      logCounts.push(range.count);
      const path = proveRange(logNodes(store), range, parts.logSize);
      yield encodeLogChunk({ start: range.start, leaves, path });
    }
    yield undefined;
  }
  return { chainId, height, time, parts, prefixes, logCounts };
}
