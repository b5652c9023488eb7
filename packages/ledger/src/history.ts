/**
 * Proofs of the last heights. The tree keeps one version; each block leaves, beside it, what it
 * overwrote, for `HEIGHTS_KEPT` heights. Reading at an older height asks the blocks since then, oldest
 * first, and takes the current value when none of them touched the key.
 *
 * A key that a block made new leaves no entry: at older heights no tree node leads to it. So such a store
 * is to be read through the tree, from the root down.
 *
 * (Versioned nodes would make every read a search and leave garbage to collect; a copy per height would
 * be the state itself. An undo entry costs what the overwritten node did, is written once and deleted by
 * key.)
 */
import { type Bytes, concatBytes } from '@yilian/crypto/bytes';
import { type Overlay, type Store, bytesToKey, keyToBytes, numberKey } from './store.ts';

export const HEIGHTS_KEPT = 16;

function undoKey(height: number, key: string): string {
  return `u${numberKey(height)}${key}`;
}

function listKey(height: number): string {
  return `U${numberKey(height)}`;
}

function isVersioned(key: string): boolean {
  return key.startsWith('v') || key.startsWith('n');
}

/** Writes into `overlay` what block `height` overwrote in values and tree nodes. */
export function writeUndo(overlay: Overlay, height: number): void {
  const list: Bytes[] = [];
  const changed = [...overlay.changes().keys()];
  for (const key of changed) {
    if (!isVersioned(key)) continue;
    const old = overlay.original(key);
    if (old === undefined) continue;
    overlay.putNew(undoKey(height, key), old);
    list.push(Uint8Array.of(key.length), keyToBytes(key));
  }
  if (list.length > 0) overlay.putNew(listKey(height), concatBytes(...list));
}

/** Forgets the undo entries of block `height`. */
export function dropUndo(overlay: Overlay, height: number): void {
  if (height < 1) return;
  const list = overlay.get(listKey(height));
  if (list === undefined) return;
  let offset = 0;
  while (offset < list.length) {
    const length = list[offset] ?? 0;
    const key = bytesToKey(list.subarray(offset + 1, offset + 1 + length));
    overlay.delete(undoKey(height, key));
    offset += 1 + length;
  }
  overlay.delete(listKey(height));
}

/** Values and tree nodes that the tree after block `height` leads to, given a store at block `latest`. */
export function storeAtHeight(store: Store, height: number, latest: number): Store {
  if (height === latest) return store;
  const touched: number[] = [];
  for (let later = height + 1; later <= latest; later++)
    if (store.get(listKey(later)) !== undefined) touched.push(later);
  return {
    get(key) {
      if (isVersioned(key))
        for (const later of touched) {
          const undo = store.get(undoKey(later, key));
          if (undo !== undefined) return undo;
        }
      return store.get(key);
    },
  };
}
