import { expect, test } from 'vitest';
import { simulate } from '../src/simulate.ts';

const SEEDS = Array.from({ length: 36 }, (_, index) => 100 + index);
const EVENTS = 2_000;

test('S1 S2 S3 S4 S5 S6 S7 S9 S12 S19 S20 S21 L1 L2 hold on every seed, and every kind of trouble occurs', () => {
  const totals = new Map<string, number>();
  for (const seed of SEEDS) {
    const { counts } = simulate({ seed, events: EVENTS });
    for (const [what, hits] of counts) totals.set(what, (totals.get(what) ?? 0) + hits);
  }
  // A fault that never happens has tested nothing.
  for (const what of [
    'block committed after a view change',
    'newView with a prepared certificate',
    'newView without one',
    'vote repeated',
    'blocks served',
    'checkpoint stable',
    'crash',
    'torn write cut',
    'partition',
    'epoch changed',
  ])
    expect(totals.get(what) ?? 0, what).toBeGreaterThan(0);
  expect(totals.get('equivocation reported') ?? 0).toBe(0);
});

test('S1 S2 S3 S4 S6 S9 S12 S18 S21 L1 L2 hold beside a member that lies in every way it can, to the end', () => {
  const totals = new Map<string, number>();
  for (let seed = 0; seed < 18; seed++) {
    const { counts } = simulate({ seed, events: 1_500, byzantine: true });
    for (const [what, hits] of counts) totals.set(what, (totals.get(what) ?? 0) + hits);
  }
  for (const what of [
    'lie: prePrepare',
    'lie: prepare',
    'lie: commit',
    'lie: viewChange',
    'lie: newView',
    'lie: checkpoint',
    'lie: status',
    'lie: blocks',
    'lie: old words again',
    'equivocation reported',
    'newView with a prepared certificate',
  ])
    expect(totals.get(what) ?? 0, what).toBeGreaterThan(0);
});

test('one seed gives one run: the trace of every message and block is the same', () => {
  for (const seed of [7, 8]) {
    const first = simulate({ seed, events: 1_500 });
    const second = simulate({ seed, events: 1_500 });
    expect(second).toEqual(first);
  }
  expect(simulate({ seed: 7, events: 1_500 }).traceHash).not.toBe(
    simulate({ seed: 13, events: 1_500 }).traceHash,
  );
});
