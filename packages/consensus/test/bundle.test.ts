/** Bundles: framing and nothing else. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Bytes, concatBytes } from '@yilian/crypto/bytes';
import { encode } from '@yilian/crypto/cbor';
import {
  BUNDLE_BYTES_MAX,
  BUNDLE_COUNT_MAX,
  encodeBundle,
  flatten,
  isBundle,
  parseBundle,
} from '../src/bundle.ts';

const TAG = 'yilian/bundle/1';
const item = fc.uint8Array({ maxLength: 200 }).filter((bytes) => !isBundle(bytes));
const items = fc.array(item, { minLength: 1, maxLength: BUNDLE_COUNT_MAX });

describe('flattening', () => {
  test('gives the same client transactions however they are framed', () => {
    fc.assert(
      fc.property(
        fc.array(items, { maxLength: 5 }),
        fc.infiniteStream(fc.boolean()),
        (groups, alone) => {
          const framed = groups.flatMap((group) =>
            alone.next().value === true ? group : [encodeBundle(group)],
          );
          expect(flatten(framed).txs).toEqual(groups.flat());
          expect(flatten(groups.flat()).txs).toEqual(groups.flat());
        },
      ),
    );
  });

  test('says of each engine transaction how many it gave', () => {
    const one = Uint8Array.of(1);
    const broken = encodeBundle([one]).slice(0, -1);
    const { txs, framings } = flatten([one, encodeBundle([one, one]), broken, new Uint8Array(0)]);
    expect(txs.length).toBe(4);
    expect(framings).toEqual([
      { ok: true, count: 1 },
      { ok: true, count: 2 },
      { ok: false },
      { ok: true, count: 1 },
    ]);
  });

  test('a broken bundle gives no client transaction, and costs its neighbours nothing', () => {
    fc.assert(
      fc.property(items, fc.nat(), fc.nat({ max: 255 }), (group, at, byte) => {
        const spoiled = Uint8Array.from(encodeBundle(group));
        const position = 17 + (at % (spoiled.length - 17));
        if (spoiled[position] === byte) return;
        spoiled[position] = byte;
        const neighbour = Uint8Array.of(9);
        const { txs, framings } = flatten([neighbour, spoiled, neighbour]);
        const given = framings[1]?.ok ? framings[1].count : 0;
        expect(txs.length).toBe(2 + given);
        if (framings[1]?.ok) expect(encodeBundle(txs.slice(1, -1))).toEqual(spoiled);
      }),
    );
  });
});

describe('strictness', () => {
  test('what parses encodes to the same bytes again, and any other bytes do not parse', () => {
    fc.assert(
      fc.property(items, (group) => {
        const bytes = encodeBundle(group);
        expect(isBundle(bytes)).toBe(true);
        expect(parseBundle(bytes)).toEqual({ ok: true, items: group });
        expect(parseBundle(concatBytes(bytes, Uint8Array.of(0))).ok).toBe(false);
        expect(parseBundle(bytes.slice(0, -1)).ok).toBe(false);
      }),
    );
  });

  const big = (length: number): Bytes => new Uint8Array(length).fill(0x87);
  test.each([
    ['no item', [TAG, []], 'empty'],
    ['65 items', [TAG, Array.from({ length: 65 }, () => big(1))], 'tooManyItems'],
    ['more than 64 KiB', [TAG, [big(BUNDLE_BYTES_MAX), big(1)]], 'tooManyBytes'],
    ['far more than 64 KiB', [TAG, [big(2 * BUNDLE_BYTES_MAX)]], 'tooManyBytes'],
    ['a bundle within', [TAG, [big(3), encodeBundle([big(1)])]], 'nested'],
    ['a broken bundle within', [TAG, [encodeBundle([big(1)]).slice(0, -1)]], 'nested'],
    ['text as item', [TAG, ['x']], 'notCanonical'],
    ['a list as item', [TAG, [[big(1)]]], 'notCanonical'],
    ['no list', [TAG, big(4)], 'notCanonical'],
  ] as const)('%s is refused', (_, value, fault) => {
    expect(parseBundle(encode(value))).toEqual({ ok: false, fault });
  });

  test('64 items and 64 KiB are taken', () => {
    const full = Array.from({ length: 64 }, () => big(1_024));
    expect(parseBundle(encodeBundle(full))).toEqual({ ok: true, items: full });
  });

  test('encodeBundle makes nothing that parseBundle refuses', () => {
    expect(() => encodeBundle([])).toThrow(/empty/);
    expect(() => encodeBundle(Array.from({ length: 65 }, () => big(1)))).toThrow(/tooManyItems/);
    expect(() => encodeBundle([big(BUNDLE_BYTES_MAX + 1)])).toThrow(/tooManyBytes/);
    expect(() => encodeBundle([encodeBundle([big(1)])])).toThrow(/nested/);
  });

  test('a longer form of the same value is refused', () => {
    const bytes = encodeBundle([big(3)]);
    const head = bytes.slice(0, -5);
    const longer = concatBytes(head, Uint8Array.of(0x98, 0x01), bytes.slice(-4));
    expect(isBundle(longer)).toBe(true);
    expect(parseBundle(longer)).toEqual({ ok: false, fault: 'notCanonical' });
  });
});
