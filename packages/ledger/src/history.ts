/**
 * Proofs of the last heights. The tree keeps one version; each block leaves, beside it, what it
 * overwrote, for `HEIGHTS_KEPT` heights. Reading at an older height asks the blocks since then, oldest
 * first, and takes the current value when none of them touched the key.
 *
 * A key that a block made new leaves no entry: at older heights no tree node leads to it. So such a store
 * is to be read through the tree, from the root down.
 *
 * What a block overwrote is packed, in the order of keys, into pages of some 16 KB under `u`, with the
 * first key of each page under `U`: thousands of nodes cost a few hundred writes and, later, deletions.
 * (Versioned nodes would make every read a search and leave garbage to collect; a copy per height would
 * be the state itself.)
 *
 *   page = (key length (1) ‖ key ‖ value length (4) ‖ value)*      list = (key length (1) ‖ first key)*
 */
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import { type Overlay, type Store, bytesToKey, keyToBytes, numberKey } from './store.ts';

export const HEIGHTS_KEPT = 16;

/** Four pages of the database less its header. */
const PAGE_BYTES = 16_352;

function pageKey(height: number, page: number): string {
  return `u${numberKey(height)}${numberKey(page)}`;
}

function listKey(height: number): string {
  return `U${numberKey(height)}`;
}

function isVersioned(key: string): boolean {
  return key.startsWith('v') || key.startsWith('n');
}

interface UndoEntry {
  readonly key: string;
  readonly value: Bytes;
}

/** In the order of keys. */
function overwritten(overlay: Overlay): readonly UndoEntry[] {
  const entries: UndoEntry[] = [];
  for (const key of overlay.changes().keys()) {
    if (!isVersioned(key)) continue;
    const value = overlay.original(key);
    if (value !== undefined) entries.push({ key, value });
  }
  return entries.sort((left, right) => (left.key < right.key ? -1 : 1));
}

function entryLength({ key, value }: UndoEntry): number {
  return 1 + key.length + 4 + value.length;
}

function encodePage(entries: readonly UndoEntry[]): Bytes {
  const page = new Uint8Array(entries.reduce((sum, entry) => sum + entryLength(entry), 0));
  const view = new DataView(page.buffer);
  let offset = 0;
  for (const { key, value } of entries) {
    page[offset] = key.length;
    page.set(keyToBytes(key), offset + 1);
    offset += 1 + key.length;
    view.setUint32(offset, value.length);
    page.set(value, offset + 4);
    offset += 4 + value.length;
  }
  return page;
}

/** The value under `key` in a page. */
function findInPage(page: Bytes, key: Bytes): Bytes | undefined {
  const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
  let offset = 0;
  while (offset < page.length) {
    const start = offset + 1;
    const end = start + (page[offset] ?? 0);
    const valueEnd = end + 4 + view.getUint32(end);
    if (equalBytes(page.subarray(start, end), key)) return page.slice(end + 4, valueEnd);
    offset = valueEnd;
  }
  return undefined;
}

function encodeList(firstKeys: readonly string[]): Bytes {
  return keyToBytes(firstKeys.map((key) => String.fromCharCode(key.length) + key).join(''));
}

function decodeList(list: Bytes): readonly string[] {
  const keys: string[] = [];
  let offset = 0;
  while (offset < list.length) {
    const end = offset + 1 + (list[offset] ?? 0);
    keys.push(bytesToKey(list.subarray(offset + 1, end)));
    offset = end;
  }
  return keys;
}

/** Writes into `overlay` what block `height` overwrote in values and tree nodes. */
export function writeUndo(overlay: Overlay, height: number): void {
  const firstKeys: string[] = [];
  let page: UndoEntry[] = [];
  let length = 0;
  const close = (): void => {
    const [first] = page;
    if (first === undefined) return;
    overlay.putNew(pageKey(height, firstKeys.length), encodePage(page));
    firstKeys.push(first.key);
    page = [];
    length = 0;
  };
  for (const entry of overwritten(overlay)) {
    if (length + entryLength(entry) > PAGE_BYTES) close();
    page.push(entry);
    length += entryLength(entry);
  }
  close();
  if (firstKeys.length > 0) overlay.putNew(listKey(height), encodeList(firstKeys));
}

/** Forgets the undo entries of block `height`. */
export function dropUndo(overlay: Overlay, height: number): void {
  if (height < 1) return;
  const list = overlay.get(listKey(height));
  if (list === undefined) return;
  for (const page of decodeList(list).keys()) overlay.delete(pageKey(height, page));
  overlay.delete(listKey(height));
}

/** The number of the page in which `key` would stand. */
function pageOf(firstKeys: readonly string[], key: string): number | undefined {
  let low = 0;
  let high = firstKeys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((firstKeys[middle] ?? '') <= key) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? undefined : low - 1;
}

/** Values and tree nodes that the tree after block `height` leads to, given a store at block `latest`. */
export function storeAtHeight(store: Store, height: number, latest: number): Store {
  if (height === latest) return store;
  const undone: { readonly height: number; readonly firstKeys: readonly string[] }[] = [];
  for (let later = height + 1; later <= latest; later++) {
    const list = store.get(listKey(later));
    if (list !== undefined) undone.push({ height: later, firstKeys: decodeList(list) });
  }
  return {
    get(key) {
      if (!isVersioned(key)) return store.get(key);
      const bytes = keyToBytes(key);
      for (const { height: later, firstKeys } of undone) {
        const number = pageOf(firstKeys, key);
        const page = number === undefined ? undefined : store.get(pageKey(later, number));
        const undo = page === undefined ? undefined : findInPage(page, bytes);
        if (undo !== undefined) return undo;
      }
      return store.get(key);
    },
  };
}
