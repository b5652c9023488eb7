import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { toHex } from '@yilian/crypto/bytes';
import { primariesOf, type Turn } from '../src/rotation.ts';
import { createValidatorSet } from '../src/validator-set.ts';

function keyOf(index: number): Uint8Array {
  const key = new Uint8Array(32);
  key[0] = index + 1;
  return key;
}

/** Power 0: a verification node (of power 1). */
function turnOf(powers: readonly number[]): (height: bigint) => Turn {
  const validators = createValidatorSet({
    chainId: 'rotation',
    epoch: 0,
    validators: powers.map((power, i) => ({
      key: keyOf(i),
      power: BigInt(Math.max(1, power)),
      leads: power > 0,
    })),
  });
  return (height) => ({ height, validators, skipped: [] });
}

function firstLeaders(powers: readonly number[], turns: number, from = 0): readonly number[] {
  const turn = turnOf(powers);
  return Array.from({ length: turns }, (_, i) => {
    const [first] = primariesOf(turn(BigInt(from + i)), 1);
    return (first?.[0] ?? 0) - 1;
  });
}

const stakes = fc
  .array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 8 })
  .filter((powers) => powers.some((power) => power > 0));

test('PB-22 in as many turns as there is power, each leads exactly as often as its power says', () => {
  fc.assert(
    fc.property(stakes, fc.integer({ min: 0, max: 10_000 }), (powers, from) => {
      const total = powers.reduce((sum, power) => sum + power, 0);
      const turns = firstLeaders(powers, total, from);
      const counts = powers.map((_, i) => turns.filter((leader) => leader === i).length);
      const isEqual = new Set(powers.filter((power) => power > 0)).size === 1;
      const leads = powers.filter((power) => power > 0).length;
      const expected = isEqual ? powers.map((power) => (power > 0 ? total / leads : 0)) : powers;
      expect(counts).toEqual(expected);
    }),
    { numRuns: 200 },
  );
});

test('PB-22 turns are spread: in any stretch of them nobody leads much more or less than its share', () => {
  const powers = [500, 300, 150, 50];
  for (const from of [0, 17, 12_345]) {
    const turns = firstLeaders(powers, 100, from);
    for (const [i, power] of powers.entries()) {
      const count = turns.filter((leader) => leader === i).length;
      expect(Math.abs(count - power / 10)).toBeLessThanOrEqual(5);
    }
  }
});

test('PB-22 equal powers take turns in the order of keys, whatever the power is', () => {
  expect(firstLeaders([1, 1, 1, 0], 6)).toEqual([0, 1, 2, 0, 1, 2]);
  expect(firstLeaders([7, 7, 7, 0], 6)).toEqual([0, 1, 2, 0, 1, 2]);
});

test('PB-22 with unequal powers, too, the views of a height go through all that lead, and no others', () => {
  fc.assert(
    fc.property(stakes, fc.bigInt({ min: 0n, max: 1n << 40n }), (powers, height) => {
      const primaries = primariesOf(turnOf(powers)(height), 3).map((key) => toHex(key));
      const leaders = powers.flatMap((power, i) => (power > 0 ? [toHex(keyOf(i))] : []));
      expect([...primaries].sort()).toEqual(leaders.sort());
    }),
    { numRuns: 100 },
  );
});

test('PB-22 powers as large as a set may have need no rounding', () => {
  const largest = 2 ** 47;
  const turns = firstLeaders([largest, largest - 1, 1, 0], 200, 2 ** 40);
  expect(new Set(turns)).toEqual(new Set([0, 1]));
});
