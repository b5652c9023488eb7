import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ContentError } from '../src/content/content-error.ts';
import { DEFAULT_BUNDLE_LIMITS, parseBundle } from '../src/content/fhir-bundle.ts';
import { parseFhirTime } from '../src/content/fhir-time.ts';
import { parseJson } from '../src/content/json.ts';

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof ContentError) return error.code;
    throw error;
  }
  return 'taken';
}

const PATIENT = { resource: { resourceType: 'Patient', id: 'p' } };
const bundleText = (body: object): string =>
  JSON.stringify({ resourceType: 'Bundle', type: 'transaction', ...body });

describe('parseJson', () => {
  test('reads every JSON value as JSON.parse does', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 8 }), (text) => {
        expect(parseJson(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  test.each([
    ['the same name twice', '{"a":1,"a":2}', 'duplicateKey'],
    ['the same name twice, once escaped', '{"a":1,"\\u0061":2}', 'duplicateKey'],
    ['the same name twice, deep inside', '{"b":[{"c":{"a":1, "a" :2}}]}', 'duplicateKey'],
    ['an open string', '{"a', 'malformed'],
    ['an open array', '[1', 'malformed'],
    ['a trailing comma', '[1,]', 'malformed'],
    ['nothing', '', 'malformed'],
    ['two values', '1 2', 'malformed'],
    ['a comment', '{} // x', 'malformed'],
    ['brackets beyond the limit', '['.repeat(65) + ']'.repeat(65), 'tooDeep'],
    ['a million brackets', '['.repeat(1_000_000), 'tooDeep'],
  ])('refuses %s', (_, text, code) => {
    expect(codeOf(() => parseJson(text))).toBe(code);
  });

  test('one name in two objects is no duplicate, nor a value equal to a name', () => {
    expect(parseJson('[{"a":"a"},{"a":{"a":["a","a"]}}]')).toEqual([
      { a: 'a' },
      { a: { a: ['a', 'a'] } },
    ]);
  });

  test('refuses a text over the limit before it looks inside', () => {
    expect(codeOf(() => parseJson('['.repeat(11), { lengthMax: 10, depthMax: 64 }))).toBe(
      'tooLarge',
    );
  });
});

describe('parseBundle', () => {
  test('takes the smallest transaction', () => {
    expect(parseBundle(bundleText({ entry: [PATIENT] })).patient.resourceType).toBe('Patient');
  });

  test.each([
    ['another resource', JSON.stringify({ resourceType: 'Patient' }), 'notABundle'],
    ['an array', '[]', 'notABundle'],
    ['a history', bundleText({ type: 'history', entry: [PATIENT] }), 'unsupportedBundle'],
    ['no type', JSON.stringify({ resourceType: 'Bundle', entry: [PATIENT] }), 'unsupportedBundle'],
    ['no entries', bundleText({}), 'noPatient'],
    [
      'no patient',
      bundleText({ entry: [{ resource: { resourceType: 'Encounter' } }] }),
      'noPatient',
    ],
    ['two patients', bundleText({ entry: [PATIENT, PATIENT] }), 'severalPatients'],
    ['entries that are an object', bundleText({ entry: {} }), 'malformed'],
    ['an entry that is a text', bundleText({ entry: ['x'] }), 'malformed'],
    ['a resource that is a number', bundleText({ entry: [{ resource: 7 }] }), 'malformed'],
    ['a resource without type', bundleText({ entry: [PATIENT, { resource: {} }] }), 'malformed'],
    [
      'a type that is a path',
      bundleText({ entry: [PATIENT, { resource: { resourceType: 'A/../b' } }] }),
      'malformed',
    ],
  ])('refuses %s', (_, text, code) => {
    expect(codeOf(() => parseBundle(text))).toBe(code);
  });

  test('refuses more entries than the limit', () => {
    const text = bundleText({ entry: [PATIENT, {}, {}] });
    expect(codeOf(() => parseBundle(text, { ...DEFAULT_BUNDLE_LIMITS, entriesMax: 2 }))).toBe(
      'tooLarge',
    );
  });

  test('throws nothing but ContentError, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.json().map((inner) => bundleText({ entry: inner })),
        ),
        (text) => {
          expect(codeOf(() => parseBundle(text))).not.toBe('');
        },
      ),
    );
  });
});

describe('parseFhirTime', () => {
  test('reads what toISOString writes', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date('1900-01-01'), max: new Date('2099-12-31'), noInvalidDate: true }),
        (date) => {
          expect(parseFhirTime(date.toISOString())).toBe(date.getTime());
        },
      ),
    );
  });

  test.each([
    ['2020-04-30T23:30:00-05:00', '2020-05-01T04:30:00.000Z'],
    ['2024-10-28T11:57:11.269+11:00', '2024-10-28T00:57:11.269Z'],
    ['2020-05', '2020-05-01T00:00:00.000Z'],
    ['2019', '2019-01-01T00:00:00.000Z'],
  ])('%s is %s', (text, expected) => {
    expect(new Date(parseFhirTime(text) ?? Number.NaN).toISOString()).toBe(expected);
  });

  test.each([
    '',
    '2020-13',
    '2021-02-29',
    '2020-04-31T10:00:00Z',
    '2020-04-30T25:00:00Z',
    '30.4.2020',
    '2020-04-30T10:00:00+99:00',
    'now',
  ])('does not read "%s"', (text) => {
    expect(parseFhirTime(text)).toBeUndefined();
  });
});
