import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ClinicalRecord, clinicalClassesOf } from '../src/content/clinical-record.ts';
import { describeResource } from '../src/content/describe.ts';
import { parseBundle } from '../src/content/fhir-bundle.ts';
import type { JsonObject } from '../src/content/json.ts';
import { wordsOf } from '../src/content/keywords.ts';
import { generateSampleCase } from '../src/content/sample-bundle.ts';
import { splitBundle } from '../src/content/split-bundle.ts';

const ADMISSION = Date.parse('2026-03-31T22:30:00Z');

function split(entries: readonly JsonObject[], type = 'transaction'): readonly ClinicalRecord[] {
  const entry = [{ resourceType: 'Patient', id: 'p' }, ...entries].map((resource) => ({
    resource,
  }));
  return splitBundle(parseBundle(JSON.stringify({ resourceType: 'Bundle', type, entry })));
}

const encounter = (id: string, start: string): JsonObject => ({
  resourceType: 'Encounter',
  id,
  period: { start },
});
const at = (id: string): JsonObject => ({ encounter: { reference: `Encounter/${id}` } });
const idsIn = (record: ClinicalRecord | undefined, path: string): readonly unknown[] =>
  record?.sections
    .find((section) => section.path === path)
    ?.resources.map((resource) => resource['id']) ?? [];

describe('splitBundle', () => {
  test('R10 a result that arrives a month after admission lies under the admission month', () => {
    const [record] = split([
      encounter('e', '2020-04-30T23:30:00+00:00'),
      {
        resourceType: 'Observation',
        id: 'late',
        ...at('e'),
        effectiveDateTime: '2020-06-02T08:00:00Z',
      },
    ]);
    expect(record?.month).toBe('2020-04');
    expect(idsIn(record, 'Observation')).toEqual(['late']);
  });

  test('the month is that of UTC, not of the hospital clock', () => {
    expect(split([encounter('e', '2020-04-30T23:30:00-05:00')])[0]?.month).toBe('2020-05');
  });

  test('a Goal follows its CarePlan and an ExplanationOfBenefit its Claim', () => {
    const records = split([
      encounter('a', '2020-01-01'),
      encounter('b', '2021-01-01'),
      { resourceType: 'CarePlan', id: 'plan', ...at('b'), goal: [{ reference: 'Goal/goal' }] },
      { resourceType: 'Goal', id: 'goal' },
      { resourceType: 'Claim', id: 'claim', item: [{ encounter: [{ reference: 'Encounter/a' }] }] },
      { resourceType: 'ExplanationOfBenefit', id: 'benefit', claim: { reference: 'Claim/claim' } },
    ]);
    expect(idsIn(records[1], 'Goal')).toEqual(['goal']);
    expect(idsIn(records[0], 'ExplanationOfBenefit')).toEqual(['benefit']);
  });

  test('what names no visit goes to the last one that began before it, else to the last', () => {
    const records = split([
      encounter('a', '2020-01-01'),
      encounter('b', '2021-01-01'),
      { resourceType: 'Observation', id: 'between', effectiveDateTime: '2020-06-01' },
      { resourceType: 'Observation', id: 'before', effectiveDateTime: '2010-06-01' },
      { resourceType: 'Observation', id: 'timeless' },
    ]);
    expect(idsIn(records[0], 'Observation')).toEqual(['between', 'before']);
    expect(idsIn(records[1], 'Observation')).toEqual(['timeless']);
  });

  test('a doctor is copied into each visit that names her, and into no other', () => {
    const doctor = { resourceType: 'Practitioner', id: 'd' };
    const by = { participant: [{ individual: { reference: 'Practitioner/d' } }] };
    const records = split([
      { ...encounter('a', '2020-01-01'), ...by },
      { ...encounter('b', '2020-02-01'), ...by },
      encounter('c', '2020-03-01'),
      doctor,
    ]);
    expect(records.map((record) => idsIn(record, 'Practitioner'))).toEqual([['d'], ['d'], []]);
  });

  test('references in a circle end', () => {
    const [record] = split([
      { ...encounter('a', '2020-01-01'), serviceProvider: { reference: 'Organization/o' } },
      { resourceType: 'Organization', id: 'o', partOf: { reference: 'Organization/q' } },
      { resourceType: 'Organization', id: 'q', partOf: { reference: 'Organization/o' } },
    ]);
    expect(new Set(idsIn(record, 'Organization'))).toEqual(new Set(['o', 'q']));
  });

  test('a bundle without encounters is one document of its latest time', () => {
    const records = split([
      { resourceType: 'Observation', id: 'x', effectiveDateTime: '2022-02-01' },
      { resourceType: 'Observation', id: 'y', effectiveDateTime: '2022-03-01' },
    ]);
    expect(records.map(({ kind, month }) => [kind, month])).toEqual([['document', '2022-03']]);
  });

  test.each([
    ['an encounter without time', [{ resourceType: 'Encounter', id: 'e' }]],
    ['an encounter whose time is no time', [encounter('e', 'yesterday')]],
    ['a document in which nothing has a time', [{ resourceType: 'Observation', id: 'x' }]],
  ])('refuses %s', (_, entries) => {
    expect(() => split(entries)).toThrowError(expect.objectContaining({ code: 'noTime' }));
  });

  test('each clinical resource lies in exactly one record, whatever it refers to', () => {
    const entries = fc.array(
      fc.record({
        visit: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined }),
        link: fc.option(fc.integer({ min: 0, max: 19 }), { nil: undefined }),
        year: fc.option(fc.integer({ min: 1990, max: 2030 }), { nil: undefined }),
      }),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(entries, fc.integer({ min: 1, max: 3 }), (drawn, visits) => {
        const records = split([
          ...Array.from({ length: visits }, (_, i) => encounter(`e${i}`, `20${10 + i}-01-01`)),
          ...drawn.map(({ visit, link, year }, i): JsonObject => ({
            resourceType: 'Observation',
            id: `o${i}`,
            ...(visit === undefined ? {} : at(`e${visit}`)),
            ...(link === undefined ? {} : { hasMember: [{ reference: `Observation/o${link}` }] }),
            ...(year === undefined ? {} : { effectiveDateTime: String(year) }),
          })),
        ]);
        const ids = records.flatMap((record) => idsIn(record, 'Observation'));
        expect(ids).toHaveLength(drawn.length);
        expect(new Set(ids)).toEqual(new Set(drawn.map((_, i) => `o${i}`)));
        expect(records).toHaveLength(visits);
      }),
    );
  });
});

describe('keywords', () => {
  test('English words and Chinese terms are found inside sentences', () => {
    expect(wordsOf('头颅CT：未见脑出血。Head CT: no haemorrhage')).toEqual(
      expect.arrayContaining(['脑出血', 'head', 'haemorrhage']),
    );
  });

  test('full-width and upper-case letters give the same words', () => {
    expect(wordsOf('ＮＩＨＳＳ Stroke')).toEqual(wordsOf('nihss sTROKE'));
  });

  test('are distinct and never more than asked for', () => {
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 40 }), fc.integer(), (keywordsMax, seed) => {
        const { visits } = generateSampleCase({ seed, admissionTimeMs: ADMISSION });
        for (const record of splitBundle(parseBundle(JSON.stringify(visits)), { keywordsMax })) {
          const names = record.keywords.map(({ type, text }) => `${type}|${text}`);
          expect(new Set(names).size).toBe(names.length);
          expect(names.length).toBeLessThanOrEqual(keywordsMax);
        }
      }),
      { numRuns: 30 },
    );
  });
});

describe('the sample case', () => {
  const sample = generateSampleCase({ seed: 7, admissionTimeMs: ADMISSION });

  test('is the same for the same seed and differs for another', () => {
    expect(generateSampleCase({ seed: 7, admissionTimeMs: ADMISSION })).toEqual(sample);
    expect(generateSampleCase({ seed: 8, admissionTimeMs: ADMISSION })).not.toEqual(sample);
  });

  test('gives a community visit with NIHSS and blood pressure, and a secondary one with CT, labs and medication', () => {
    const [community, secondary, ...more] = splitBundle(parseBundle(JSON.stringify(sample.visits)));
    expect(more).toEqual([]);
    expect(community?.setting).toBe('ambulatory');
    expect(secondary?.setting).toBe('inpatient');
    expect(community?.keywords).toEqual(
      expect.arrayContaining([
        { type: 'text', text: '卒中' },
        { type: 'code', text: 'snomed#230690007' },
      ]),
    );
    expect(secondary?.keywords).toEqual(
      expect.arrayContaining([
        { type: 'code', text: 'icd10#I63.9' },
        { type: 'text', text: '缺血性卒中' },
      ]),
    );
    if (community === undefined || secondary === undefined) throw new Error('two visits expected');
    expect(clinicalClassesOf(community)).toEqual(['Condition', 'Observation', 'ServiceRequest']);
    expect(clinicalClassesOf(secondary)).toEqual(
      expect.arrayContaining([
        'Condition',
        'DiagnosticReport',
        'ImagingStudy',
        'MedicationRequest',
        'Observation',
        'Procedure',
      ]),
    );
  });

  test('marks its people as samples wherever they are named', () => {
    for (const seed of [0, 1, 2, 3, 0xffffffff]) {
      const { person, visits, summary } = generateSampleCase({ seed, admissionTimeMs: ADMISSION });
      expect(person.name.zh).toContain('示例');
      expect(person.healthCardNumber).toMatch(/^SAMPLE-\d{10}$/);
      for (const bundle of [visits, summary])
        expect(JSON.stringify(bundle)).toContain('not a real patient');
    }
  });

  test('includes a patient summary of the same person', () => {
    const records = splitBundle(parseBundle(JSON.stringify(sample.summary)));
    expect(records.map(({ kind }) => kind)).toEqual(['summary']);
    expect(JSON.stringify(sample.summary)).toContain(sample.person.healthCardNumber);
  });

  test('every resource can be shown in one line', () => {
    for (const bundle of [sample.visits, sample.summary])
      for (const { resourceType, body } of parseBundle(JSON.stringify(bundle)).resources)
        if (!['Patient', 'Practitioner', 'Encounter'].includes(resourceType))
          expect(describeResource(body).title).not.toBe('');
  });
});
