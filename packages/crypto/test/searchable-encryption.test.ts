import { createCipheriv } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Bytes, concatBytes, toHex } from '../src/bytes.ts';
import { bindChain } from '../src/context.ts';
import type { Curve, G1, G2 } from '../src/curve.ts';
import { randomScalar } from '../src/curve.ts';
import { DOMAIN_TAGS } from '../src/domain-tags.ts';
import { toGrantId } from '../src/ids.ts';
import {
  blindKeyword,
  type BlindedKeyword,
  deriveKeywordSecret,
  type Keyword,
  normaliseKeyword,
} from '../src/keyword.ts';
import { labelPoint } from '../src/label.ts';
import type { Month } from '../src/period.ts';
import { provePossession, verifyPossessedKey } from '../src/possession.ts';
import { purePrimitives } from '../src/primitives.ts';
import {
  createDecoyToken,
  createEpochKey,
  createIndexTags,
  decodeSearchToken,
  deriveLocationKey,
  deriveSymmetricTagKey,
  deriveTagKey,
  deriveTrapdoor,
  encodeSearchToken,
  type EpochIndex,
  type EpochSecret,
  packEpochIndex,
  searchEpoch,
  shareEpochSecret,
  TAG_BYTES,
  type TagKey,
  trapdoorTagKey,
  verifyEpochKey,
} from '../src/searchable-encryption.ts';
import { curves, fast } from './support/curves.ts';
import { codeOf, present } from './support/error-code.ts';
import {
  chain,
  createPatient,
  november,
  october,
  type Patient,
  sealRecord,
  visitLabel,
} from './support/patient.ts';
import { guessKeyword, plainPeks, plainTest, plainTrapdoor } from './support/plain-peks.ts';
import { randomBytes } from './support/randomness.ts';

const hospitalA = Uint8Array.of(0xa);
const hospitalB = Uint8Array.of(0xb);
const stroke: Keyword = { type: 'code', text: 'icd10:I63.9' };
const encryptBlocks = (key: Bytes, blocks: Bytes): Bytes =>
  purePrimitives.encryptBlocks(key, blocks);

/** Native AES-256 in ECB mode, as a node would inject it. */
function nativeBlocks(key: Bytes, blocks: Bytes): Bytes {
  const cipher = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false);
  return Uint8Array.from(Buffer.concat([cipher.update(blocks), cipher.final()]));
}

function secretOf(patient: Patient, hospitalId = hospitalA, month: Month = november): Bytes {
  return deriveKeywordSecret({ context: chain, patientSecret: patient.secret, hospitalId, month });
}

function blinded(
  patient: Patient,
  keyword: Keyword,
  hospitalId = hospitalA,
  month: Month = november,
): BlindedKeyword {
  return blindKeyword(chain, secretOf(patient, hospitalId, month), keyword);
}

function epochOf(curve: Curve, hospitalId = hospitalA, epoch = '2026-11-21'): EpochSecret {
  return createEpochKey({ curve, context: chain, hospitalId, epoch, randomBytes });
}

function sharedPoint(curve: Curve, epoch: EpochSecret, patient: Patient): G1 {
  const { hospitalId } = epoch.key;
  const visitKey = randomBytes(32);
  const { scalar: patientScalar, key: patientKey } = patient;
  const purpose = { kind: 'visit', hospitalId, visitKey } as const;
  const proof = provePossession({
    curve,
    context: chain,
    patientScalar,
    patientKey,
    purpose,
    randomBytes,
  });
  const possessed = verifyPossessedKey({
    curve,
    context: chain,
    patientKey,
    hospitalId,
    visitKey,
    proof,
  });
  return shareEpochSecret(curve, epoch, present(possessed));
}

function writerKey(
  curve: Curve,
  epoch: EpochSecret,
  patient: Patient,
  keyword: BlindedKeyword,
): TagKey {
  return deriveTagKey({
    curve,
    context: chain,
    epochPoint: epoch.key.point,
    sharedPoint: sharedPoint(curve, epoch, patient),
    keyword,
  });
}

function trapdoorOf(curve: Curve, patient: Patient, keyword: BlindedKeyword): G2 {
  const patientScalar = patient.scalar;
  return deriveTrapdoor({ curve, context: chain, patientScalar, keyword, randomBytes });
}

function indexOf(
  records: readonly {
    readonly recordId: Bytes;
    readonly keys: readonly TagKey[];
    readonly locationSecret: Bytes;
  }[],
): EpochIndex {
  return packEpochIndex(
    records.map(({ recordId, keys, locationSecret }) => ({
      recordId,
      tags: createIndexTags({
        tagKeys: keys,
        recordId,
        locationSecret,
        count: 8,
        encryptBlocks,
        randomBytes,
      }),
    })),
  );
}

describe.each(curves)('search on $backend', (curve) => {
  test('QJ-4 a trapdoor finds the record and unseals its location', () => {
    const patient = createPatient(curve);
    const epoch = epochOf(curve);
    expect(verifyEpochKey(curve, chain, epoch.key)).toBe(true);
    const keyword = blinded(patient, stroke);
    const key = writerKey(curve, epoch, patient, keyword);
    const trapdoor = trapdoorOf(curve, patient, keyword);
    const prepared = curve.prepareG2(trapdoor);
    const epochPoint = epoch.key.point;
    for (const right of [trapdoor, prepared])
      expect(trapdoorTagKey({ curve, context: chain, epochPoint, trapdoor: right })).toEqual(key);
    curve.freePreparedG2(prepared);
    const locationSecret = randomBytes(16);
    const index = indexOf([{ recordId: randomBytes(32), keys: [key], locationSecret }]);
    expect(searchEpoch(key, index, encryptBlocks)).toEqual([{ position: 0, locationSecret }]);
  });
});

const curve = fast;

const record = (tags: readonly Bytes[]): { recordId: Bytes; tags: readonly Bytes[] } => ({
  recordId: randomBytes(32),
  tags,
});

describe('an epoch index', () => {
  const patient = createPatient(curve);
  const stranger = createPatient(curve);
  const epoch = epochOf(curve);
  const keyword = blinded(patient, stroke);
  const key = writerKey(curve, epoch, patient, keyword);
  const other = writerKey(curve, epoch, stranger, blinded(stranger, stroke));

  test('only the planted records are found among many, each with its own location secret', () => {
    const planted = new Map([3, 77, 199].map((position) => [position, randomBytes(16)]));
    const records = Array.from({ length: 200 }, (_, position) => {
      const locationSecret = planted.get(position) ?? randomBytes(16);
      return {
        recordId: randomBytes(32),
        keys: planted.has(position) ? [other, key] : [other],
        locationSecret,
      };
    });
    const index = indexOf(records);
    for (const cipher of [encryptBlocks, nativeBlocks]) {
      const matches = searchEpoch(key, index, cipher);
      expect(new Map(matches.map((match) => [match.position, match.locationSecret]))).toEqual(
        planted,
      );
    }
  });

  test('the injected native cipher and the pure one are the same function', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.array(fc.uint8Array({ minLength: 16, maxLength: 16 }), { minLength: 1, maxLength: 20 }),
        (aesKey, blocks) => {
          const joined = concatBytes(...blocks);
          expect(encryptBlocks(aesKey, joined)).toEqual(nativeBlocks(aesKey, joined));
        },
      ),
      { numRuns: 20 },
    );
  });

  test('F19 duplicate keywords give one tag, and every record the fixed count', () => {
    const recordId = randomBytes(32);
    const locationSecret = randomBytes(16);
    const make = (tagKeys: readonly TagKey[]): readonly Bytes[] =>
      createIndexTags({ tagKeys, recordId, locationSecret, count: 8, encryptBlocks, randomBytes });
    for (const tagKeys of [[], [key], [key, key, key], [key, other]]) {
      const tags = make(tagKeys);
      expect(tags).toHaveLength(8);
      expect(tags.every((tag) => tag.length === TAG_BYTES)).toBe(true);
      const index = packEpochIndex([{ recordId, tags }]);
      expect(searchEpoch(key, index, encryptBlocks)).toHaveLength(tagKeys.includes(key) ? 1 : 0);
    }
    const differing = { type: 'code', text: '  ICD10:i63.9 ' } as const;
    expect(blinded(patient, differing)).toEqual(keyword);
    const nine = Array.from({ length: 9 }, () => randomBytes(32) as TagKey);
    expect(codeOf(() => make(nine))).toBe('tooLarge');
    expect(
      codeOf(() =>
        createIndexTags({
          tagKeys: [],
          recordId,
          locationSecret: randomBytes(32),
          count: 8,
          encryptBlocks,
          randomBytes,
        }),
      ),
    ).toBe('malformed');
  });

  test('F19 before a trapdoor, no two tags are equal: not of one keyword, nor of one record', () => {
    const seen = new Set<string>();
    for (let i = 0; i < 300; i++) {
      const recordId = randomBytes(32);
      const locationSecret = new Uint8Array(16);
      const tags = createIndexTags({
        tagKeys: [key, other],
        recordId,
        locationSecret,
        count: 4,
        encryptBlocks,
        randomBytes,
      });
      for (const tag of tags) {
        seen.add(toHex(tag.subarray(0, 8)));
        seen.add(toHex(tag.subarray(8)));
      }
    }
    expect(seen.size).toBe(300 * 4 * 2);
  });

  test('R5 a wrong token finds nothing, and forced on a record unseals nothing', () => {
    const recordId = randomBytes(32);
    const locationSecret = randomBytes(16);
    const index = indexOf([{ recordId, keys: [key], locationSecret }]);
    expect(searchEpoch(other, index, encryptBlocks)).toEqual([]);
    // Even a holder of the tags who skips the comparison gets another secret from each of them.
    const flipped = recordId.slice(0, 16);
    flipped[15] = (flipped[15] ?? 0) ^ 1;
    const mask = encryptBlocks(other, flipped);
    for (let offset = 0; offset < index.tags.length; offset += TAG_BYTES) {
      const candidate = index.tags
        .subarray(offset + 8, offset + TAG_BYTES)
        .map((byte, i) => byte ^ present(mask[i]));
      expect(candidate).not.toEqual(locationSecret);
    }
    const keys = [
      deriveLocationKey(chain, locationSecret, recordId),
      deriveLocationKey(chain, locationSecret, randomBytes(32)),
      deriveLocationKey({ ...chain, suite: 'paper' }, locationSecret, recordId),
    ].map((bytes) => toHex(bytes));
    expect(new Set(keys).size).toBe(3);
  });

  test('packing refuses ragged records and tags of another length', () => {
    const tag = randomBytes(TAG_BYTES);
    expect(codeOf(() => packEpochIndex([record([tag]), record([tag, tag])]))).toBe('malformed');
    expect(codeOf(() => packEpochIndex([record([randomBytes(23)])]))).toBe('malformed');
    expect(codeOf(() => packEpochIndex([{ recordId: new Uint8Array(8), tags: [tag] }]))).toBe(
      'malformed',
    );
    expect(searchEpoch(key, packEpochIndex([]), encryptBlocks)).toEqual([]);
  });
});

describe('F7 F10 what the search node has and lacks', () => {
  const patient = createPatient(curve);
  const epoch = epochOf(curve);

  test('F7 A and T alone give the writer’s key: no P', () => {
    const keyword = blinded(patient, stroke);
    const trapdoor = trapdoorOf(curve, patient, keyword);
    const input = { curve, context: chain, epochPoint: epoch.key.point, trapdoor };
    expect('patientKey' in input).toBe(false);
    expect(trapdoorTagKey(input)).toEqual(writerKey(curve, epoch, patient, keyword));
  });

  test('F10 a trapdoor for the text of a label does not open the label', () => {
    const label = visitLabel(patient);
    const record = sealRecord(curve, patient, [label]);
    // The worst case: the blinded keyword equals the very bytes that H_lab hashes for the label.
    const trapdoor = deriveTrapdoor({
      curve,
      context: chain,
      patientScalar: patient.scalar,
      keyword: bindChain(DOMAIN_TAGS.labelPoint, chain, 'class', 'lab') as BlindedKeyword,
      randomBytes,
    });
    const conditional = curve.multiplyG2(labelPoint(curve, chain, label), patient.scalar);
    expect(curve.equalG2(trapdoor, conditional)).toBe(false);
    const opened = curve.pairingBytes([{ g1: record.capsule.c, g2: trapdoor }]);
    expect(opened).not.toEqual(curve.pairingBytes([{ g1: record.capsule.c, g2: conditional }]));
  });

  test('F10 A without its proof, with that of another hospital or epoch, or A := C of a capsule is refused', () => {
    const { key } = epoch;
    const record = sealRecord(curve, patient, [visitLabel(patient)]);
    const identity = curve.multiplyG1(curve.g1, curve.scalarFromInteger(0n));
    const wrong = [
      { ...key, hospitalId: hospitalB },
      { ...key, epoch: '2026-11-22' },
      { ...key, point: epochOf(curve).key.point },
      { ...key, proof: epochOf(curve).key.proof },
      { ...key, point: record.capsule.c },
      { ...key, point: record.capsule.c, proof: record.prove(randomBytes(32)) },
      { ...key, point: identity },
    ];
    for (const candidate of wrong) expect(verifyEpochKey(curve, chain, candidate)).toBe(false);
    expect(verifyEpochKey(curve, { chainId: 'another' }, key)).toBe(false);
    expect(verifyEpochKey(curve, chain, key)).toBe(true);
  });
});

describe('F19 R6 what a token reaches', () => {
  const patient = createPatient(curve);

  test('F19 R10 a token of October finds nothing in November, one of hospital A nothing of B', () => {
    const epochs = { a: epochOf(curve, hospitalA), b: epochOf(curve, hospitalB) };
    const written = writerKey(curve, epochs.a, patient, blinded(patient, stroke));
    const found = (keyword: BlindedKeyword, epoch: EpochSecret): boolean => {
      const trapdoor = trapdoorOf(curve, patient, keyword);
      const key = trapdoorTagKey({ curve, context: chain, epochPoint: epoch.key.point, trapdoor });
      return toHex(key) === toHex(written);
    };
    expect(found(blinded(patient, stroke), epochs.a)).toBe(true);
    expect(found(blinded(patient, stroke, hospitalA, october), epochs.a)).toBe(false);
    expect(found(blinded(patient, stroke, hospitalB), epochs.a)).toBe(false);
    expect(found(blinded(patient, stroke), epochs.b)).toBe(false);
    expect(found(blinded(patient, { type: 'text', text: stroke.text }), epochs.a)).toBe(false);
    expect(found(blinded(createPatient(curve), stroke), epochs.a)).toBe(false);
  });

  test('sym: the token is K, and scopes are those of κ', () => {
    const tokens = [
      blinded(patient, stroke),
      blinded(patient, stroke, hospitalA, october),
      blinded(patient, stroke, hospitalB),
      blinded(createPatient(curve), stroke),
    ].map((keyword) => deriveSymmetricTagKey(chain, keyword));
    expect(new Set(tokens.map((token) => toHex(token))).size).toBe(4);
    const locationSecret = randomBytes(16);
    const index = indexOf([
      { recordId: randomBytes(32), keys: [present(tokens[0])], locationSecret },
    ]);
    expect(tokens.map((token) => searchEpoch(token, index, encryptBlocks).length)).toEqual([
      1, 0, 0, 0,
    ]);
  });

  test('R6 a token names its grant, hospital and month, and survives encoding', () => {
    const grantId = toGrantId(randomBytes(16));
    const scope = { grantId, hospitalId: hospitalA, month: november };
    const keyword = blinded(patient, stroke);
    const pk = { ...scope, mode: 'pk', trapdoor: trapdoorOf(curve, patient, keyword) } as const;
    const sym = { ...scope, mode: 'sym', tagKey: deriveSymmetricTagKey(chain, keyword) } as const;
    for (const token of [pk, sym]) {
      const bytes = encodeSearchToken(curve, token);
      expect(encodeSearchToken(curve, decodeSearchToken(curve, bytes))).toEqual(bytes);
      const decoy = createDecoyToken({
        curve,
        context: chain,
        ...scope,
        mode: token.mode,
        randomBytes,
      });
      expect(encodeSearchToken(curve, decoy)).toHaveLength(bytes.length);
      expect(codeOf(() => decodeSearchToken(curve, bytes.subarray(0, bytes.length - 1)))).toBe(
        'malformed',
      );
    }
    const identity = curve.multiplyG2(curve.g2, curve.scalarFromInteger(0n));
    const broken = encodeSearchToken(curve, { ...pk, trapdoor: identity });
    expect(codeOf(() => decodeSearchToken(curve, broken))).toBe('infinity');
  });
});

describe('F19 keyword guessing, in all its outcomes', () => {
  const dictionary = ['icd10:i10', 'icd10:e11.9', 'icd10:i63.9', 'icd10:j45.0', 'icd10:g40.9'];
  const patient = createPatient(curve);
  const keyword = blinded(patient, stroke);
  const epoch = epochOf(curve);
  const trapdoor = trapdoorOf(curve, patient, keyword);
  const recordId = randomBytes(32);
  const tags = createIndexTags({
    tagKeys: [writerKey(curve, epoch, patient, keyword)],
    recordId,
    locationSecret: randomBytes(16),
    count: 8,
    encryptBlocks,
    randomBytes,
  });
  const index = packEpochIndex([{ recordId, tags }]);

  /** Everybody's best attack on our trapdoor: guess the keyword, blind it with the κ one has, compare. */
  function guessBlinded(secret: Bytes): string | undefined {
    return dictionary.find((text) => {
      const guess = blindKeyword(chain, secret, { type: 'code', text });
      const message = bindChain(DOMAIN_TAGS.keywordPoint, chain, guess);
      const g2 = curve.hashToG2(DOMAIN_TAGS.keywordPoint, message);
      return curve.pairingsEqual([{ g1: patient.key, g2 }], [{ g1: curve.g1, g2: trapdoor }]);
    });
  }

  test('F19 it succeeds on plain PEKS for anybody who knows P', () => {
    const plain = plainTrapdoor(curve, patient.scalar, 'icd10:i63.9');
    const ciphertext = plainPeks(curve, patient.key, 'icd10:i63.9', randomBytes);
    expect(plainTest(curve, ciphertext, plain)).toBe(true);
    expect(plainTest(curve, ciphertext, plainTrapdoor(curve, patient.scalar, 'icd10:i10'))).toBe(
      false,
    );
    expect(guessKeyword(curve, patient.key, plain, dictionary)).toBe('icd10:i63.9');
  });

  test('F19 it fails for an outsider, also one who knows P and the chain', () => {
    expect(guessBlinded(new Uint8Array(32))).toBeUndefined();
    expect(guessBlinded(curve.encodeG1(patient.key).subarray(0, 32))).toBeUndefined();
    expect(guessKeyword(curve, patient.key, trapdoor, dictionary)).toBeUndefined();
  });

  test('F19 it fails for the search node, which holds A, T and all tags', () => {
    const key = trapdoorTagKey({ curve, context: chain, epochPoint: epoch.key.point, trapdoor });
    expect(searchEpoch(key, index, encryptBlocks)).toHaveLength(1);
    for (const text of dictionary) {
      const guess = blindKeyword(chain, key, { type: 'code', text });
      expect(searchEpoch(deriveSymmetricTagKey(chain, guess), index, encryptBlocks)).toHaveLength(
        0,
      );
    }
    expect(guessBlinded(key)).toBeUndefined();
  });

  test('F19 it fails for another hospital with its own κ, and for the same one a month later', () => {
    expect(guessBlinded(secretOf(patient, hospitalB))).toBeUndefined();
    expect(guessBlinded(secretOf(patient, hospitalA, october))).toBeUndefined();
  });

  test('F19 it succeeds for the hospital that wrote the record: it knows the content anyway', () => {
    expect(guessBlinded(secretOf(patient))).toBe('icd10:i63.9');
  });
});

describe('F19 possession of P', () => {
  const patient = createPatient(curve);
  const visitKey = randomBytes(32);
  const purpose = { kind: 'visit', hospitalId: hospitalA, visitKey } as const;
  const { scalar: patientScalar, key: patientKey } = patient;
  const proof = provePossession({
    curve,
    context: chain,
    patientScalar,
    patientKey,
    purpose,
    randomBytes,
  });
  const accepts = (changed: Partial<Parameters<typeof verifyPossessedKey>[0]>): boolean =>
    verifyPossessedKey({
      curve,
      context: chain,
      patientKey,
      hospitalId: hospitalA,
      visitKey,
      proof,
      ...changed,
    }) !== undefined;

  test('F19 holds for its own hospital and visit only', () => {
    expect(accepts({})).toBe(true);
    expect(accepts({ hospitalId: hospitalB })).toBe(false);
    expect(accepts({ visitKey: randomBytes(32) })).toBe(false);
    expect(accepts({ context: { chainId: 'another' } })).toBe(false);
  });

  test('F19 a rogue P^s is refused with the honest proof and with a scaled one', () => {
    const s = randomScalar(curve, randomBytes);
    const rogue = curve.multiplyG1(patientKey, s);
    expect(accepts({ patientKey: rogue })).toBe(false);
    const response = curve.multiplyScalars(proof.response, s);
    expect(accepts({ patientKey: rogue, proof: { ...proof, response } })).toBe(false);
    expect(accepts({ patientKey: curve.negateG1(patientKey) })).toBe(false);
  });

  test('F19 the identity is refused, although 0 proves it', () => {
    const zero = curve.scalarFromInteger(0n);
    const identity = curve.multiplyG1(curve.g1, zero);
    const forged = provePossession({
      curve,
      context: chain,
      patientScalar: zero,
      patientKey: identity,
      purpose,
      randomBytes,
    });
    expect(accepts({ patientKey: identity, proof: forged })).toBe(false);
  });

  test('F19 a proof for a certificate does not serve a visit', () => {
    const certificate = { kind: 'certificate', requestHash: visitKey } as const;
    const other = provePossession({
      curve,
      context: chain,
      patientScalar,
      patientKey,
      purpose: certificate,
      randomBytes,
    });
    expect(accepts({ proof: other })).toBe(false);
  });

  test('F19 the index service takes no key that was shown to another hospital', () => {
    const possessed = present(
      verifyPossessedKey({
        curve,
        context: chain,
        patientKey,
        hospitalId: hospitalA,
        visitKey,
        proof,
      }),
    );
    expect(() => shareEpochSecret(curve, epochOf(curve, hospitalB), possessed)).toThrow(
      'another hospital',
    );
    expect(curve.isIdentityG1(shareEpochSecret(curve, epochOf(curve, hospitalA), possessed))).toBe(
      false,
    );
  });
});

describe('keywords have one spelling', () => {
  test.each([
    ['Ｓｔｒｏｋｅ', 'stroke'],
    ['  STROKE\tunit ', 'stroke unit'],
    ['脑梗死', '脑梗死'],
    ['ﬁbrillation', 'fibrillation'],
    ['ICD10：I63.9', 'icd10:i63.9'],
    ['Å', 'å'],
    ['A\u030a', 'å'],
  ])('%j becomes %j', (text, expected) => {
    expect(normaliseKeyword({ type: 'text', text }).text).toBe(expected);
  });

  test.each(['', '   ', '\n', 'x'.repeat(257)])('%j is refused', (text) => {
    expect(codeOf(() => normaliseKeyword({ type: 'text', text }))).toBe('malformed');
  });

  test('normalising twice changes nothing', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 60, unit: 'grapheme' }), (text) => {
        fc.pre(text.normalize('NFKC').trim().length > 0);
        const once = normaliseKeyword({ type: 'text', text });
        expect(normaliseKeyword(once)).toEqual(once);
      }),
    );
  });
});
