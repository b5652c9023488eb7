import { describe, expect, test } from 'vitest';
import { toHex } from '../src/bytes.ts';
import { decode, encode } from '../src/cbor.ts';
import { encapsulate } from '../src/capsule.ts';
import {
  checkDistinct,
  decodeLabel,
  deriveLabel,
  deriveLabelRoot,
  deriveOwnLabel,
  encodeLabel,
  type Label,
  type LabelName,
  labelPoint,
} from '../src/label.ts';
import { monthOfTime, parseMonth, parseQuarter, quarterOfMonth } from '../src/period.ts';
import { fast as curve } from './support/curves.ts';
import { codeOf, present } from './support/error-code.ts';
import { chain, createPatient, november, october, visitLabel } from './support/patient.ts';
import { randomBytes } from './support/randomness.ts';

const secret = randomBytes(32);
const hospitalId = Uint8Array.of(1, 2, 3);
const otherHospital = Uint8Array.of(1, 2, 4);
const visitKey = randomBytes(32);
const quarter = parseQuarter('2026-Q4');

const names: readonly LabelName[] = [
  { kind: 'visit', visitKey, hospitalId, period: november },
  { kind: 'class', resourceType: 'Observation', hospitalId, period: november },
  { kind: 'section', visitKey, path: 'imaging/1', hospitalId, period: november },
  { kind: 'summary', hospitalId, period: quarter },
];
const labels = names.map((name) => deriveOwnLabel(chain, secret, name));

describe('labels', () => {
  test.each(labels)('a $kind label survives encoding', (label) => {
    expect(decodeLabel(encodeLabel(label))).toEqual(label);
  });

  test('the hospital, from the root it was given, makes the label that the patient makes', () => {
    for (const name of names) {
      const { period } = name;
      const root = deriveLabelRoot({ context: chain, patientSecret: secret, hospitalId, period });
      expect(deriveLabel(chain, root, name)).toEqual(deriveOwnLabel(chain, secret, name));
    }
  });

  test('F4 the root of one hospital or month recognises no label of another', () => {
    const theirs = present(names[1]);
    const own = deriveOwnLabel(chain, secret, theirs);
    const roots = [
      { hospitalId: otherHospital, period: november },
      { hospitalId, period: october },
      { hospitalId, period: quarter },
    ].map((scope) => deriveLabelRoot({ context: chain, patientSecret: secret, ...scope }));
    const guesses = roots.map((root) => deriveLabel(chain, root, theirs));
    const points = [own, ...guesses].map((label) =>
      toHex(curve.encodeG2(labelPoint(curve, chain, label))),
    );
    expect(new Set(points).size).toBe(4);
  });

  test('labels that differ in one item have different points', () => {
    const variants: Label[] = [
      ...labels,
      { ...present(labels[0]), beta: randomBytes(16) },
      deriveOwnLabel(chain, secret, {
        kind: 'visit',
        visitKey: randomBytes(32),
        hospitalId,
        period: november,
      }),
      deriveOwnLabel(chain, secret, {
        kind: 'class',
        resourceType: 'Condition',
        hospitalId,
        period: november,
      }),
      deriveOwnLabel(chain, secret, {
        kind: 'class',
        resourceType: 'Observation',
        hospitalId,
        period: october,
      }),
      deriveOwnLabel(chain, secret, {
        kind: 'class',
        resourceType: 'Observation',
        hospitalId: otherHospital,
        period: november,
      }),
      deriveOwnLabel(chain, secret, {
        kind: 'section',
        visitKey,
        path: 'imaging/2',
        hospitalId,
        period: november,
      }),
      deriveOwnLabel({ chainId: 'another' }, secret, present(names[0])),
      deriveOwnLabel(chain, randomBytes(32), present(names[0])),
    ];
    const points = variants.map((label) => toHex(curve.encodeG2(labelPoint(curve, chain, label))));
    expect(new Set(points).size).toBe(variants.length);
  });
});

describe('F3 no label without hospital and period', () => {
  const valid = present(labels[1]);
  const broken: readonly (readonly [string, unknown, string])[] = [
    ['no period', { ...valid, period: undefined }, 'noPeriod'],
    ['an empty period', { ...valid, period: '' }, 'noPeriod'],
    ['a year as period', { ...valid, period: '2026' }, 'noPeriod'],
    ['an impossible month', { ...valid, period: '2026-13' }, 'noPeriod'],
    ['a class by quarter', { ...valid, period: '2026-Q4' }, 'noPeriod'],
    ['a summary by month', { ...present(labels[3]), period: '2026-11' }, 'noPeriod'],
    ['no hospital', { ...valid, hospitalId: undefined }, 'noHospital'],
    ['an empty hospital', { ...valid, hospitalId: new Uint8Array(0) }, 'noHospital'],
    ['an overlong hospital', { ...valid, hospitalId: new Uint8Array(65) }, 'malformed'],
    ['no name', { ...valid, resourceType: '' }, 'malformed'],
    ['a short visit key', { ...present(labels[0]), visitKey: new Uint8Array(31) }, 'malformed'],
    ['a short β', { ...valid, beta: new Uint8Array(15) }, 'malformed'],
  ];
  test.each(broken)('F3 sealing under a label with %s throws', (_, label, code) => {
    const { key: patientKey } = createPatient(curve);
    const seal = (): unknown =>
      encapsulate({ curve, context: chain, patientKey, labels: [label as Label], randomBytes });
    expect(codeOf(seal)).toBe(code);
    expect(codeOf(() => encodeLabel(label as Label))).toBe(code);
  });

  test('F3 there is no emergency label', () => {
    const bytes = encode(['emergency', '', hospitalId, '2026-Q4', randomBytes(16)]);
    expect(codeOf(() => decodeLabel(bytes))).toBe('malformed');
  });

  test('F2 a duplicate label in one record throws, an empty set too', () => {
    const patient = createPatient(curve);
    const label = visitLabel(patient);
    expect(codeOf(() => checkDistinct([label, { ...label }]))).toBe('duplicate');
    expect(codeOf(() => checkDistinct([]))).toBe('empty');
    const seal = (): unknown =>
      encapsulate({
        curve,
        context: chain,
        patientKey: patient.key,
        labels: [label, label],
        randomBytes,
      });
    expect(codeOf(seal)).toBe('duplicate');
  });
});

describe('foreign label bytes', () => {
  const items = decode(encodeLabel(present(labels[0]))) as readonly (string | Uint8Array)[];
  const wrong: readonly (readonly [string, Uint8Array])[] = [
    ['four items', encode(items.slice(0, 4))],
    ['six items', encode([...items, 'x'])],
    ['text for a key', encode(['visit', 'key', hospitalId, '2026-11', randomBytes(16)])],
    ['a key for a class', encode(['class', visitKey, hospitalId, '2026-11', randomBytes(16)])],
    ['a summary with a name', encode(['summary', 'x', hospitalId, '2026-Q4', randomBytes(16)])],
    ['a number for a period', encode(['visit', visitKey, hospitalId, 2026, randomBytes(16)])],
    ['no array', encode('visit')],
    ['nothing', new Uint8Array(0)],
  ];
  test.each(wrong)('%s is refused', (_, bytes) => {
    expect(codeOf(() => decodeLabel(bytes))).toBe('malformed');
  });
});

describe('periods', () => {
  test.each([
    [0, '1970-01'],
    [951_782_399_999, '2000-02'],
    [951_868_800_000, '2000-03'],
    [1_798_761_599_999, '2026-12'],
    [1_798_761_600_000, '2027-01'],
    [1_709_164_800_000, '2024-02'],
    [4_107_542_400_000, '2100-03'],
  ])('%i ms lies in %s', (timeMs, month) => {
    expect(monthOfTime(timeMs)).toBe(month);
    expect(month).toBe(new Date(timeMs).toISOString().slice(0, 7));
  });

  test.each([
    ['2026-01', '2026-Q1'],
    ['2026-03', '2026-Q1'],
    ['2026-04', '2026-Q2'],
    ['2026-09', '2026-Q3'],
    ['2026-12', '2026-Q4'],
  ])('%s lies in %s', (month, expected) => {
    expect(quarterOfMonth(parseMonth(month))).toBe(expected);
  });

  test.each(['2026-1', '26-01', '2026-00', '2026-13', '2026-11 ', '2026-11\n', '', '２０２６-11'])(
    '%j is no month',
    (text) => {
      expect(codeOf(() => parseMonth(text))).toBe('malformed');
    },
  );

  test('R10 a result that arrives a month later is labelled under the month of admission', () => {
    const admitted = monthOfTime(Date.UTC(2026, 9, 31, 23));
    const label = deriveOwnLabel(chain, secret, {
      kind: 'class',
      resourceType: 'DiagnosticReport',
      hospitalId,
      period: admitted,
    });
    expect(label.period).toBe('2026-10');
    expect(label.beta).not.toEqual(
      deriveOwnLabel(chain, secret, {
        ...label,
        period: november,
        kind: 'class',
        resourceType: 'DiagnosticReport',
      }).beta,
    );
  });
});
