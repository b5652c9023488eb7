import { readFileSync } from 'node:fs';
import { generateSampleCase } from '@yilian/client/content/sample-bundle';
import { describe, expect, test } from 'vitest';

const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../samples/${name}`, import.meta.url), 'utf8'));

describe('the samples of the README', () => {
  const sample = generateSampleCase({
    seed: 1,
    admissionTimeMs: Date.parse('2026-03-02T08:00:00Z'),
  });

  test('stroke-visits.json is what the generator makes, so nobody real is in it', () => {
    expect(read('stroke-visits.json')).toEqual(sample.visits);
  });

  test('patient-summary.json is what the generator makes', () => {
    expect(read('patient-summary.json')).toEqual(sample.summary);
  });
});
