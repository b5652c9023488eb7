import { describe, expect, test } from 'vitest';
import { toHex, utf8 } from '../src/bytes.ts';
import { hkdf, ripemd160, sha256 } from '../src/hash.ts';
import { deriveLabel, deriveOwnLabel } from '../src/label.ts';
import { deriveKeywordSecret } from '../src/keyword.ts';
import { parseMonth } from '../src/period.ts';
import {
  createVisitPackage,
  decodeVisitPackage,
  deriveVisit,
  encodeVisitPackage,
  identityTag,
  pseudonymOf,
  VISIT_GAP_MAX,
  verifyPseudonymOpening,
  verifyVisitPackage,
  type VisitPackage,
} from '../src/pseudonym.ts';
import { bindChain } from '../src/context.ts';
import { DOMAIN_TAGS } from '../src/domain-tags.ts';
import { publicKey, sign, verifySignature } from '../src/signature.ts';
import { curves, fast } from './support/curves.ts';
import { codeOf } from './support/error-code.ts';
import { chain, createPatient, november, october, type Patient } from './support/patient.ts';
import { randomBytes } from './support/randomness.ts';

const hospitalId = Uint8Array.of(0xa);
const otherHospital = Uint8Array.of(0xb);
const identity = '110101195003071234';

function visit(patient: Patient, number: number, at = hospitalId): ReturnType<typeof deriveVisit> {
  return deriveVisit({ context: chain, patientSecret: patient.secret, hospitalId: at, number });
}

function packageFor(curve: (typeof curves)[number], patient: Patient, number = 0): VisitPackage {
  return createVisitPackage({
    curve,
    context: chain,
    patientSecret: patient.secret,
    patientScalar: patient.scalar,
    patientKey: patient.key,
    hospitalId,
    number,
    month: november,
    randomBytes,
  });
}

const curve = fast;
const patient = createPatient(curve);

describe('pseudonyms', () => {
  test('WW-5 PID = RIPEMD160(SHA256(visit key ‖ h)), 20 bytes', () => {
    const { visitKey, beta } = visit(patient, 0);
    const tag = identityTag(chain, identity, beta);
    const joined = Uint8Array.from([...visitKey, ...tag]);
    expect(pseudonymOf(visitKey, tag)).toEqual(ripemd160(sha256(joined)));
    expect(pseudonymOf(visitKey, tag)).toHaveLength(20);
  });

  test('QJ-3 visits of one patient share nothing: key, β, PID differ by number and hospital', () => {
    const visits = [visit(patient, 0), visit(patient, 1), visit(patient, 0, otherHospital)];
    const values = visits.flatMap(({ visitKey, beta, signingSeed }) => [
      toHex(visitKey),
      toHex(beta),
      toHex(signingSeed),
      toHex(pseudonymOf(visitKey, identityTag(chain, identity, beta))),
    ]);
    expect(new Set(values).size).toBe(12);
  });

  test('R3 K_patient alone finds the visits again, across gaps below the limit', () => {
    const used = [0, 1, 5, 24];
    const known = new Set(used.map((number) => toHex(visit(patient, number).visitKey)));
    const found: number[] = [];
    for (let number = 0, gap = 0; gap < VISIT_GAP_MAX; number++) {
      const hit = known.has(toHex(visit(patient, number).visitKey));
      gap = hit ? 0 : gap + 1;
      if (hit) found.push(number);
    }
    expect(found).toEqual(used);
  });

  test('an opening proves its own PID and no other', () => {
    const { visitKey, beta } = visit(patient, 0);
    const pid = pseudonymOf(visitKey, identityTag(chain, identity, beta));
    const opening = { context: chain, pid, visitKey, identity, beta };
    expect(verifyPseudonymOpening(opening)).toBe(true);
    expect(verifyPseudonymOpening({ ...opening, identity: '110101195003071235' })).toBe(false);
    expect(verifyPseudonymOpening({ ...opening, beta: visit(patient, 1).beta })).toBe(false);
    expect(verifyPseudonymOpening({ ...opening, beta: beta.subarray(1) })).toBe(false);
    expect(verifyPseudonymOpening({ ...opening, visitKey: visit(patient, 1).visitKey })).toBe(
      false,
    );
    expect(verifyPseudonymOpening({ ...opening, visitKey: visitKey.subarray(1) })).toBe(false);
    expect(verifyPseudonymOpening({ ...opening, pid: pid.subarray(1) })).toBe(false);
    expect(verifyPseudonymOpening({ ...opening, context: { chainId: 'another' } })).toBe(false);
  });

  test.each([-1, 1.5, Number.NaN, 2 ** 53])('visit number %d is refused', (number) => {
    expect(codeOf(() => visit(patient, number))).toBe('malformed');
  });

  test('F20 enumeration of identity numbers opens a plain hash, and not h', () => {
    const district = Array.from(
      { length: 2000 },
      (_, i) => `11010119500307${String(i).padStart(4, '0')}`,
    );
    const plain = toHex(sha256(utf8(identity)));
    expect(district.find((candidate) => toHex(sha256(utf8(candidate))) === plain)).toBe(identity);
    const { beta } = visit(patient, 0);
    const tag = toHex(identityTag(chain, identity, beta));
    // Without β the attacker can hash the identity with any β he knows: of other visits, or zeros.
    for (const guess of [
      new Uint8Array(32),
      visit(patient, 1).beta,
      visit(createPatient(curve), 0).beta,
    ])
      expect(
        district.find((candidate) => toHex(identityTag(chain, candidate, guess)) === tag),
      ).toBeUndefined();
  });
});

describe.each(curves)('the visit package on $backend', (backend) => {
  test('is verified by the hospital it is for, and survives encoding', () => {
    const owner = createPatient(backend);
    const bytes = encodeVisitPackage(backend, packageFor(backend, owner));
    const decoded = decodeVisitPackage(backend, bytes);
    expect(encodeVisitPackage(backend, decoded)).toEqual(bytes);
    const possessed = verifyVisitPackage(backend, chain, hospitalId, decoded);
    expect(possessed && backend.equalG1(possessed.patientKey, owner.key)).toBe(true);
  });
});

describe('what a visit package gives away', () => {
  const given = packageFor(curve, patient);
  const { signingSeed, visitKey, beta } = visit(patient, 0);
  const bytes = encodeVisitPackage(curve, given);
  const hex = toHex(bytes);

  test('F8 neither s_v nor the signing seed, K_patient or a is in it', () => {
    const seed = hkdf({
      ikm: patient.secret,
      info: bindChain(DOMAIN_TAGS.visitSeed, chain, hospitalId, 0),
      length: 32,
    });
    for (const secret of [seed, signingSeed, patient.secret, curve.encodeScalar(patient.scalar)]) {
      expect(hex).not.toContain(toHex(secret));
      expect(hex).not.toContain(toHex(secret.slice(0, 16)));
    }
    expect(hex).toContain(toHex(visitKey));
    expect(hex).toContain(toHex(beta));
  });

  test('F8 no key derived from what was opened signs for the visit', () => {
    const message = utf8('acknowledgeRecord');
    const own = sign(signingSeed, message);
    expect(verifySignature({ publicKey: visitKey, message, signature: own })).toBe(true);
    const info = bindChain(DOMAIN_TAGS.visitSigningSeed, chain);
    const opened = [given.beta, given.keywordSecret, given.monthRoot, given.quarterRoot];
    for (const ikm of opened)
      for (const seed of [ikm, hkdf({ ikm, info, length: 32 })]) {
        expect(publicKey(seed)).not.toEqual(visitKey);
        const signature = sign(seed, message);
        expect(verifySignature({ publicKey: visitKey, message, signature })).toBe(false);
      }
  });

  test('F4 its roots and κ serve this hospital, month and quarter only', () => {
    const at = { hospitalId, period: november };
    const name = { kind: 'class', resourceType: 'Observation', ...at } as const;
    expect(deriveLabel(chain, given.monthRoot, name)).toEqual(
      deriveOwnLabel(chain, patient.secret, name),
    );
    for (const elsewhere of [
      { ...name, hospitalId: otherHospital },
      { ...name, period: october },
    ])
      expect(deriveLabel(chain, given.monthRoot, elsewhere)).not.toEqual(
        deriveOwnLabel(chain, patient.secret, elsewhere),
      );
    const secrets = [
      { hospitalId, month: november },
      { hospitalId, month: october },
      { hospitalId: otherHospital, month: november },
    ].map((scope) =>
      toHex(deriveKeywordSecret({ context: chain, patientSecret: patient.secret, ...scope })),
    );
    expect(secrets[0]).toBe(toHex(given.keywordSecret));
    expect(new Set(secrets).size).toBe(3);
    expect(given.monthRoot).not.toEqual(given.quarterRoot);
    const next = packageFor(curve, patient, 1);
    expect(next.monthRoot).toEqual(given.monthRoot);
    expect(next.beta).not.toEqual(given.beta);
  });

  test('F19 a package for another hospital, with another visit’s proof or a rogue P is refused', () => {
    const refused = (changed: Partial<VisitPackage>, at = hospitalId): boolean =>
      verifyVisitPackage(curve, chain, at, { ...given, ...changed }) === undefined;
    expect(refused({})).toBe(false);
    expect(refused({}, otherHospital)).toBe(true);
    expect(refused({ hospitalId: otherHospital }, otherHospital)).toBe(true);
    expect(refused({ hospitalId: otherHospital })).toBe(true);
    expect(refused({ proof: packageFor(curve, patient, 1).proof })).toBe(true);
    expect(refused({ visitKey: visit(patient, 1).visitKey })).toBe(true);
    expect(refused({ patientKey: createPatient(curve).key })).toBe(true);
    expect(verifyVisitPackage(curve, { chainId: 'another' }, hospitalId, given)).toBeUndefined();
  });

  test('foreign bytes are refused', () => {
    expect(codeOf(() => decodeVisitPackage(curve, bytes.subarray(1)))).toBe('malformed');
    expect(codeOf(() => decodeVisitPackage(curve, new Uint8Array(0)))).toBe('malformed');
    const identityPoint = curve.multiplyG1(curve.g1, curve.scalarFromInteger(0n));
    const broken = encodeVisitPackage(curve, { ...given, patientKey: identityPoint });
    expect(codeOf(() => decodeVisitPackage(curve, broken))).toBe('infinity');
    const short = encodeVisitPackage(curve, { ...given, beta: given.beta.subarray(1) });
    expect(codeOf(() => decodeVisitPackage(curve, short))).toBe('malformed');
    const quarter = encodeVisitPackage(curve, { ...given, month: '2026-Q4' as typeof november });
    expect(codeOf(() => decodeVisitPackage(curve, quarter))).toBe('malformed');
    expect(parseMonth(given.month)).toBe('2026-11');
  });
});
