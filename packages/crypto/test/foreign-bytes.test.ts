import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Bytes, CodecError, concatBytes } from '../src/bytes.ts';
import { decode, encode } from '../src/cbor.ts';
import { parseCapsule } from '../src/capsule.ts';
import { PointError } from '../src/curve.ts';
import {
  decodeGranteeShare,
  decodeNodeShare,
  encodeGranteeShare,
  encodeNodeShare,
} from '../src/grant-share.ts';
import { decodeGrantBody, encodeGrantBody } from '../src/grant-body.ts';
import { encodeKeyShare, restoreKeyShare } from '../src/key-share.ts';
import { toGrantId } from '../src/ids.ts';
import { decodeLabel, encodeLabel, LabelError } from '../src/label.ts';
import { encodeShare, parseShare } from '../src/proxy-re-encryption.ts';
import { createVisitPackage, decodeVisitPackage, encodeVisitPackage } from '../src/pseudonym.ts';
import {
  createDecoyToken,
  decodeSearchToken,
  encodeSearchToken,
} from '../src/searchable-encryption.ts';
import { ThresholdError } from '../src/threshold.ts';
import { fast as curve } from './support/curves.ts';
import { present } from './support/error-code.ts';
import {
  answer,
  chain,
  createPatient,
  grantLabels,
  november,
  sealRecord,
  shareOfNode,
  visitLabel,
} from './support/patient.ts';
import { randomBytes } from './support/randomness.ts';

const patient = createPatient(curve);
const label = visitLabel(patient);
const record = sealRecord(curve, patient, [label]);
const grant = grantLabels(curve, patient, [label]);
const visitPackage = createVisitPackage({
  curve,
  context: chain,
  patientSecret: patient.secret,
  patientScalar: patient.scalar,
  patientKey: patient.key,
  hospitalId: Uint8Array.of(1),
  number: 0,
  month: november,
  randomBytes,
});
const token = createDecoyToken({
  curve,
  context: chain,
  grantId: toGrantId(randomBytes(16)),
  hospitalId: Uint8Array.of(1),
  month: november,
  mode: 'pk',
  randomBytes,
});
const share = answer({ curve, grant, record, index: 1 });

/** Every way from foreign bytes into these schemes: [name, honest bytes, decode and encode again]. */
const doors: readonly (readonly [string, Bytes, (bytes: Bytes) => Bytes])[] = [
  ['label', encodeLabel(label), (bytes) => encodeLabel(decodeLabel(bytes))],
  [
    'grant body',
    encodeGrantBody(curve, grant.body),
    (bytes) => encodeGrantBody(curve, decodeGrantBody(curve, bytes)),
  ],
  [
    'node share',
    encodeNodeShare(curve, present(grant.nodeShares[0])),
    (bytes) => encodeNodeShare(curve, decodeNodeShare(curve, bytes)),
  ],
  [
    'grantee share',
    encodeGranteeShare(curve, grant.granteeShare),
    (bytes) => encodeGranteeShare(curve, decodeGranteeShare(curve, bytes)),
  ],
  [
    'stored key share',
    encodeKeyShare(curve, shareOfNode(curve, grant, 1)),
    (bytes) => encodeKeyShare(curve, restoreKeyShare(curve, bytes)),
  ],
  [
    're-encrypted share',
    encodeShare(curve, share.share),
    (bytes) => encodeShare(curve, parseShare(curve, bytes)),
  ],
  [
    'capsule',
    concatBytes(curve.encodeG1(record.capsule.c), curve.encodeG1(record.capsule.cBar)),
    (bytes) => {
      const { c, cBar } = parseCapsule(curve, bytes);
      return concatBytes(curve.encodeG1(c), curve.encodeG1(cBar));
    },
  ],
  [
    'visit package',
    encodeVisitPackage(curve, visitPackage),
    (bytes) => encodeVisitPackage(curve, decodeVisitPackage(curve, bytes)),
  ],
  [
    'search token',
    encodeSearchToken(curve, token),
    (bytes) => encodeSearchToken(curve, decodeSearchToken(curve, bytes)),
  ],
];

const typed = [CodecError, PointError, LabelError, ThresholdError];

/** Either a typed refusal, or a value whose only encoding is what came in. */
function isStrict(door: (bytes: Bytes) => Bytes, bytes: Bytes): boolean {
  let again: Bytes;
  try {
    again = door(bytes);
  } catch (error) {
    if (typed.some((kind) => error instanceof kind)) return true;
    throw error;
  }
  expect(again).toEqual(bytes);
  return true;
}

describe.each(doors)('foreign bytes of a %s', (_, honest, door) => {
  test('honest bytes come back the same', () => {
    expect(door(honest)).toEqual(honest);
  });

  test('changed, cut, extended or random bytes are refused with a typed error or mean themselves', () => {
    const changed = fc
      .tuple(fc.nat(honest.length - 1), fc.integer({ min: 1, max: 255 }))
      .map(([position, difference]) => {
        const bytes = honest.slice();
        bytes[position] = (bytes[position] ?? 0) ^ difference;
        return bytes;
      });
    const cut = fc.nat(honest.length - 1).map((length) => honest.slice(0, length));
    const extended = fc
      .uint8Array({ minLength: 1, maxLength: 4 })
      .map((tail) => concatBytes(honest, tail));
    const foreign = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(fc.oneof(changed, changed, cut, extended, foreign), (bytes) =>
        isStrict(door, bytes),
      ),
      { numRuns: 60 },
    );
  });
});

describe('sizes are bounded before any curve arithmetic', () => {
  test.each([
    ['commitments', 2, 256],
    ['nodes', 3, 256],
    ['points', 6, 17],
    ['records', 7, 10_001],
  ])('a body with too many %s is refused', (_, position, count) => {
    const items = decode(encodeGrantBody(curve, grant.body));
    if (!Array.isArray(items)) throw new Error('a body is an array');
    // Not one of the items is a point: if any were read first, the refusal would be about it.
    const crowded = encode(
      items.with(
        position,
        Array.from({ length: count }, () => 0),
      ),
    );
    expect(() => decodeGrantBody(curve, crowded)).toThrow(`expected 0 to ${count - 1} items`);
  });
});
