/** What the last heights overwrote, on blocks large enough to fill many pages. */
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { dropUndo, HEIGHTS_KEPT, storeAtHeight, writeUndo } from '../src/history.ts';
import { Overlay, type Store } from '../src/store.ts';

/** Blocks on a map; every height is remembered whole, for comparison. */
class Blocks {
  readonly entries = new Map<string, Bytes>();
  readonly heights: ReadonlyMap<string, Bytes>[] = [new Map()];
  readonly store: Store = { get: (key) => this.entries.get(key) };

  get latest(): number {
    return this.heights.length - 1;
  }

  run(changes: Iterable<readonly [string, Bytes | undefined]>): void {
    const height = this.heights.length;
    const overlay = new Overlay(this.store);
    for (const [key, value] of changes)
      if (value === undefined) overlay.delete(key);
      else overlay.put(key, value);
    writeUndo(overlay, height);
    dropUndo(overlay, height - HEIGHTS_KEPT);
    for (const [key, value] of overlay.changes())
      if (value === undefined) this.entries.delete(key);
      else this.entries.set(key, value);
    this.heights.push(new Map([...this.entries].filter(([key]) => /^[vn]/.test(key))));
  }

  expectHeight(height: number): void {
    const then = storeAtHeight(this.store, height, this.latest);
    const wrong = [...(this.heights[height] ?? [])].filter(([key, value]) => {
      const read = then.get(key);
      return read === undefined || !equalBytes(read, value);
    });
    expect(wrong.map(([key]) => key)).toEqual([]);
  }
}

function valueOf(length: number, fill: number): Bytes {
  return new Uint8Array(length).fill(fill);
}

test('every height that is kept is read as it was, over many pages and large values', () => {
  const blocks = new Blocks();
  const keys = Array.from({ length: 300 }, (_, i) => `${i % 2 === 0 ? 'v' : 'n'}${i * 7919}`);
  for (let height = 1; height <= HEIGHTS_KEPT + 3; height++) {
    blocks.run(
      keys
        .filter((_, i) => height === 1 || (i + height) % 3 === 0)
        .map((key, i) => [key, valueOf(i === 30 ? 40_000 : 200 + i, height)] as const),
    );
    const oldest = Math.max(1, height - HEIGHTS_KEPT);
    for (const at of [oldest, height - 1, height]) if (at >= 1) blocks.expectHeight(at);
  }
  const pages = [...blocks.entries].filter(([key]) => key.startsWith('u'));
  expect(pages.length).toBeGreaterThan(HEIGHTS_KEPT * 2);
  const large = pages.filter(([, page]) => page.length > 16_352);
  expect(large.length, 'only a value larger than a page makes a larger page').toBeLessThan(
    HEIGHTS_KEPT + 1,
  );
});

test('any small history, with deletions and keys that are prefixes of each other', () => {
  const key = fc.constantFrom('n', 'n0', 'n00', 'n01', 'v', 'va', 'vab', 'v\u00ff', 'i', 'l1');
  const value = fc.option(fc.uint8Array({ maxLength: 20_000, size: 'large' }), { nil: undefined });
  fc.assert(
    fc.property(
      fc.array(fc.uniqueArray(fc.tuple(key, value), { selector: ([name]) => name }), {
        maxLength: 6,
      }),
      (history) => {
        const blocks = new Blocks();
        for (const changes of history) blocks.run(changes);
        for (let height = 0; height <= blocks.latest; height++) blocks.expectHeight(height);
      },
    ),
    { numRuns: 40 },
  );
});

test('what is too old is forgotten to the last entry', () => {
  const blocks = new Blocks();
  for (let i = 0; i < 3; i++)
    blocks.run(Array.from({ length: 100 }, (_, j) => [`n${j}`, valueOf(500, i)] as const));
  const undoEntries = (): number =>
    [...blocks.entries.keys()].filter((key) => /^[uU]/.test(key)).length;
  expect(undoEntries()).toBeGreaterThan(6);
  for (let i = 0; i < HEIGHTS_KEPT; i++) blocks.run([]);
  expect(undoEntries()).toBe(0);
});

test('a block that overwrites nothing leaves nothing', () => {
  const blocks = new Blocks();
  blocks.run([
    ['v1', valueOf(1, 1)],
    ['n1', valueOf(1, 1)],
    ['i1', valueOf(1, 1)],
  ]);
  blocks.run([['i1', valueOf(1, 2)]]);
  expect([...blocks.entries.keys()].some((key) => /^[uU]/.test(key))).toBe(false);
});
