import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { alignedRanges } from '../src/log-walk.ts';

const size = fc.integer({ min: 0, max: 3_000 });

test('aligned ranges make up the log without a gap or an overlap', () => {
  fc.assert(
    fc.property(size, size, (a, b) => {
      const [from, end] = [Math.min(a, b), Math.max(a, b)];
      let at = from;
      for (const { level, index } of alignedRanges(from, end)) {
        expect(index * 2 ** level).toBe(at);
        expect(Number.isInteger(index)).toBe(true);
        expect(level).toBeLessThanOrEqual(8);
        at += 2 ** level;
      }
      expect(at).toBe(end);
    }),
  );
});

test('a long log is read in few questions', () => {
  expect(alignedRanges(0, 256 * 40)).toHaveLength(40);
  expect(alignedRanges(0, 256 * 40 + 255)).toHaveLength(48);
});

test('nothing is asked of an empty log, or beyond its end', () => {
  expect(alignedRanges(0, 0)).toEqual([]);
  expect(alignedRanges(5, 5)).toEqual([]);
  expect(alignedRanges(6, 5)).toEqual([]);
});
