import { describe, expect, test } from 'vitest';
import { type Bytes, concatBytes, toHex } from '../src/bytes.ts';
import {
  conditionalSlotKey,
  deriveConditionalKey,
  deriveSlotKey,
  encapsulate,
  encodeCapsule,
  parseCapsule,
  secondGenerator,
  secretPackageKey,
  secretSlotKey,
  verifyCapsule,
  verifyConditionalKey,
} from '../src/capsule.ts';
import { deriveRecordId } from '../src/ids.ts';
import type { SuiteContext } from '../src/context.ts';
import { randomScalar } from '../src/curve.ts';
import { DOMAIN_TAGS } from '../src/domain-tags.ts';
import { sha256 } from '../src/hash.ts';
import { labelPoint } from '../src/label.ts';
import { encodeProof, parseProof, PROOF_BYTES, proveExponent } from '../src/proof.ts';
import { curves, fast } from './support/curves.ts';
import { codeOf, present } from './support/error-code.ts';
import {
  chain,
  createLabel,
  createPatient,
  november,
  sealRecord,
  visitLabel,
} from './support/patient.ts';
import { randomBytes, seededRandom } from './support/randomness.ts';

const curve = fast;
const otherChain: SuiteContext = { chainId: 'another', suite: 'intl' };
const txc = sha256(Uint8Array.of(1));

const stuck = (length: number): Bytes => new Uint8Array(length).fill(7);

function sealed(): {
  readonly patient: ReturnType<typeof createPatient>;
  readonly record: ReturnType<typeof sealRecord>;
  readonly label: ReturnType<typeof visitLabel>;
} {
  const patient = createPatient(curve);
  const label = visitLabel(patient);
  return { patient, label, record: sealRecord(curve, patient, [label]) };
}

describe.each(curves)('a capsule on $backend', (backend) => {
  test('opens for the patient and for whoever holds D of its label, and verifies', () => {
    const patient = createPatient(backend);
    const label = visitLabel(patient);
    const record = sealRecord(backend, patient, [label]);
    const proof = parseProof(backend, encodeProof(backend, record.prove(txc)));
    const capsule = parseCapsule(backend, encodeCapsule(backend, record.capsule));
    expect(verifyCapsule({ curve: backend, context: chain, capsule, proof, txc })).toBe(true);
    const conditionalKey = deriveConditionalKey({
      curve: backend,
      context: chain,
      patientScalar: patient.scalar,
      label,
      randomBytes,
    });
    const shared = { curve: backend, context: chain, capsule, label, patientKey: patient.key };
    expect(secretSlotKey({ ...shared, patientScalar: patient.scalar, randomBytes })).toEqual(
      record.slotKeys[0],
    );
    expect(conditionalSlotKey({ ...shared, conditionalKey })).toEqual(record.slotKeys[0]);
    const opened = secretPackageKey({ ...shared, patientScalar: patient.scalar, randomBytes });
    expect(opened).toEqual(record.packageKey);
  });
});

describe('keys', () => {
  test('every label, patient, record, chain and suite has its own slot key', () => {
    const patient = createPatient(curve);
    const first = visitLabel(patient);
    const second = createLabel(patient, {
      kind: 'class',
      resourceType: 'Observation',
      hospitalId: Uint8Array.of(1),
      period: november,
    });
    const keys = [
      ...sealRecord(curve, patient, [first, second], seededRandom('one')).slotKeys,
      ...sealRecord(curve, patient, [first], seededRandom('two')).slotKeys,
      ...sealRecord(curve, createPatient(curve), [first], seededRandom('one')).slotKeys,
      ...[otherChain, { ...chain, suite: 'paper' } as const].flatMap(
        (context) =>
          encapsulate({
            curve,
            context,
            patientKey: patient.key,
            labels: [first],
            randomBytes: seededRandom('one'),
          }).slotKeys,
      ),
    ];
    expect(keys).toHaveLength(6);
    expect(new Set(keys.map((key) => toHex(key))).size).toBe(6);
  });

  test('from one pairing value, another record, patient, label, chain or suite gives another key', () => {
    const { patient, record, label } = sealed();
    const input = {
      curve,
      context: chain,
      recordId: record.recordId,
      patientKey: patient.key,
      label,
    };
    const keys = [
      input,
      { ...input, recordId: sealed().record.recordId },
      { ...input, patientKey: createPatient(curve).key },
      { ...input, label: visitLabel(patient) },
      { ...input, context: otherChain },
      { ...input, context: { ...chain, suite: 'paper' } as const },
    ].map((variant) => toHex(deriveSlotKey({ ...variant, secret: new Uint8Array(576).fill(1) })));
    expect(new Set(keys).size).toBe(6);
    const secret = new Uint8Array(576).fill(1);
    deriveSlotKey({ ...input, secret });
    expect(secret.every((byte) => byte === 0)).toBe(true);
  });

  test('D of another label, of another patient or of another chain opens nothing', () => {
    const { patient, record, label } = sealed();
    const other = visitLabel(patient);
    const stranger = createPatient(curve);
    const wrongKeys = [
      { context: chain, patientScalar: patient.scalar, label: other },
      { context: chain, patientScalar: stranger.scalar, label },
      { context: otherChain, patientScalar: patient.scalar, label },
    ].map((input) => deriveConditionalKey({ curve, ...input, randomBytes }));
    for (const conditionalKey of wrongKeys) {
      const { capsule } = record;
      const patientKey = patient.key;
      expect(
        conditionalSlotKey({ curve, context: chain, conditionalKey, patientKey, capsule, label }),
      ).not.toEqual(record.slotKeys[0]);
      expect(
        verifyConditionalKey({ curve, context: chain, patientKey, label, conditionalKey }),
      ).toBe(false);
    }
    expect(new Set(wrongKeys.map((key) => toHex(curve.encodeG2(key)))).size).toBe(3);
  });

  test('a conditional key is checked against P, and never against an identity', () => {
    const { patient, label } = sealed();
    const { key: patientKey, scalar: patientScalar } = patient;
    const key = deriveConditionalKey({ curve, context: chain, patientScalar, label, randomBytes });
    const input = { curve, context: chain, patientKey, label, conditionalKey: key };
    expect(verifyConditionalKey(input)).toBe(true);
    const zero = curve.scalarFromInteger(0n);
    expect(
      verifyConditionalKey({
        ...input,
        patientKey: curve.multiplyG1(patientKey, zero),
        conditionalKey: curve.multiplyG2(key, zero),
      }),
    ).toBe(false);
  });

  test('the identity as patient key is refused', () => {
    const { label } = sealed();
    const patientKey = curve.multiplyG1(curve.g1, curve.scalarFromInteger(0n));
    expect(
      codeOf(() =>
        encapsulate({ curve, context: chain, patientKey, labels: [label], randomBytes }),
      ),
    ).toBe('infinity');
  });
});

describe('F1 what replicas see does not depend on the patient', () => {
  test('F1 two patients, the same coins: capsule, record id and proof are byte-identical', () => {
    const material = [createPatient(curve), createPatient(curve)].map((patient) => {
      const record = sealRecord(curve, patient, [visitLabel(patient)], seededRandom('coins'));
      const proof = encodeProof(curve, record.prove(txc));
      return {
        chain: toHex(concatBytes(encodeCapsule(curve, record.capsule), record.recordId, proof)),
        key: toHex(present(record.slotKeys[0])),
      };
    });
    expect(material[0]?.chain).toBe(material[1]?.chain);
    expect(material[0]?.key).not.toBe(material[1]?.key);
  });

  test('F1 a candidate P can be tested neither by the proof equation nor by a pairing with public values', () => {
    const { patient, record } = sealed();
    const proof = record.prove(txc);
    const candidates = [patient, createPatient(curve), createPatient(curve)];
    // The first design hashed P: the distinguisher that attributed 40 of 40 records then.
    const attributed = candidates.filter(({ key }) =>
      verifyCapsule({
        curve,
        context: chain,
        capsule: record.capsule,
        proof,
        txc: sha256(concatBytes(txc, curve.encodeG1(key))),
      }),
    );
    expect(attributed).toHaveLength(0);
    // e(C, g2) = e(P, X) has no solution among what is public: C and C̄ are powers of generators alone.
    for (const { key } of candidates)
      for (const point of [record.capsule.c, record.capsule.cBar])
        expect(
          curve.pairingsEqual([{ g1: point, g2: curve.g2 }], [{ g1: key, g2: curve.g2 }]),
        ).toBe(false);
  });
});

describe('F2 a capsule belongs to one transaction', () => {
  test('F2 verbatim copy under a new sender or body is refused (txc differs)', () => {
    const { record } = sealed();
    const proof = record.prove(txc);
    const { capsule } = record;
    for (let bit = 0; bit < 256; bit += 37) {
      const changed = txc.slice();
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(verifyCapsule({ curve, context: chain, capsule, proof, txc: changed })).toBe(false);
    }
    const shortened = txc.subarray(0, 31);
    expect(verifyCapsule({ curve, context: chain, capsule, proof, txc: shortened })).toBe(false);
  });

  test('F2 a capsule of one chain is refused on another, and of one suite under another', () => {
    const { record } = sealed();
    const proof = record.prove(txc);
    const { capsule } = record;
    for (const context of [otherChain, { ...chain, suite: 'paper' } as const])
      expect(verifyCapsule({ curve, context, capsule, proof, txc })).toBe(false);
    expect(deriveRecordId(otherChain, curve.encodeG1(capsule.c))).not.toEqual(record.recordId);
  });

  test('F2 the same C has the same record id under every suite, so a copy is a duplicate', () => {
    const patient = createPatient(curve);
    const [intl, paper] = (['intl', 'paper'] as const).map((suite) =>
      encapsulate({
        curve,
        context: { ...chain, suite },
        patientKey: patient.key,
        labels: [visitLabel(patient)],
        randomBytes: seededRandom('repeated'),
      }),
    );
    expect(present(paper).recordId).toEqual(present(intl).recordId);
  });

  test('F2 a repeating random source repeats the record id, which the ledger refuses', () => {
    const patient = createPatient(curve);
    const first = sealRecord(curve, patient, [visitLabel(patient)], stuck);
    const second = sealRecord(curve, patient, [visitLabel(patient)], stuck);
    expect(second.recordId).toEqual(first.recordId);
    // And its two proofs do not share a nonce, so k does not follow from them.
    const proofs = [first.prove(txc), second.prove(sha256(txc))];
    const nonces = proofs.map(({ challenge, response }) =>
      toHex(
        curve.encodeG1(
          curve.sumG1([
            { point: curve.g1, scalar: response },
            { point: first.capsule.c, scalar: curve.negateScalar(challenge) },
          ]),
        ),
      ),
    );
    expect(nonces[0]).not.toBe(nonces[1]);
  });

  test('F2 (C^s, C̄^s) with the old proof is refused', () => {
    const { record } = sealed();
    const proof = record.prove(txc);
    const s = randomScalar(curve, randomBytes);
    const capsule = {
      c: curve.multiplyG1(record.capsule.c, s),
      cBar: curve.multiplyG1(record.capsule.cBar, s),
    };
    expect(verifyCapsule({ curve, context: chain, capsule, proof, txc })).toBe(false);
    // Nor with the response scaled to match.
    const scaled = { ...proof, response: curve.multiplyScalars(proof.response, s) };
    expect(verifyCapsule({ curve, context: chain, capsule, proof: scaled, txc })).toBe(false);
  });

  test('F2 F16 C̄ of any other exponent is refused', () => {
    const { record } = sealed();
    const other = sealed().record.capsule.cBar;
    const proof = record.prove(txc);
    const generator = secondGenerator(curve, chain);
    for (const cBar of [
      other,
      generator,
      curve.g1,
      record.capsule.c,
      curve.negateG1(record.capsule.cBar),
    ]) {
      const capsule = { c: record.capsule.c, cBar };
      expect(verifyCapsule({ curve, context: chain, capsule, proof, txc })).toBe(false);
    }
  });

  test('F16 a prover who knows two different exponents cannot make a proof', () => {
    const k = randomScalar(curve, randomBytes);
    const other = randomScalar(curve, randomBytes);
    const generator = secondGenerator(curve, chain);
    const capsule = {
      c: curve.multiplyG1(curve.g1, k),
      cBar: curve.multiplyG1(generator, other),
    };
    const before = [curve.encodeG1(capsule.c), curve.encodeG1(capsule.cBar)];
    const tag = DOMAIN_TAGS.capsuleProof;
    const statement = { tag, context: chain, suite: chain.suite, before, after: [txc] };
    for (const secret of [k, other]) {
      const bases = [curve.g1, generator];
      const proof = proveExponent({ curve, statement, bases, secret, randomBytes });
      expect(verifyCapsule({ curve, context: chain, capsule, proof, txc })).toBe(false);
    }
  });

  test('F2 a proof relative to a chosen base is refused (U := C of another record)', () => {
    const victim = sealed().record.capsule.c;
    const s = randomScalar(curve, randomBytes);
    const generator = secondGenerator(curve, chain);
    const capsule = {
      c: curve.multiplyG1(victim, s),
      cBar: curve.multiplyG1(generator, s),
    };
    const before = [curve.encodeG1(capsule.c), curve.encodeG1(capsule.cBar)];
    const tag = DOMAIN_TAGS.capsuleProof;
    const statement = { tag, context: chain, suite: chain.suite, before, after: [txc] };
    const bases = [victim, generator];
    const proof = proveExponent({ curve, statement, bases, secret: s, randomBytes });
    expect(verifyCapsule({ curve, context: chain, capsule, proof, txc })).toBe(false);
  });

  test('F2 C or C̄ = O is refused, parsed or computed', () => {
    const { record } = sealed();
    const proof = record.prove(txc);
    const identity = curve.multiplyG1(curve.g1, curve.scalarFromInteger(0n));
    for (const capsule of [
      { c: identity, cBar: record.capsule.cBar },
      { c: record.capsule.c, cBar: identity },
      { c: identity, cBar: identity },
    ]) {
      expect(verifyCapsule({ curve, context: chain, capsule, proof, txc })).toBe(false);
      expect(codeOf(() => parseCapsule(curve, encodeCapsule(curve, capsule)))).toBe('infinity');
    }
    // The forgery that the missing check would allow: k = 0 and a proof that is true of it.
    const capsule = { c: identity, cBar: identity };
    const before = [curve.encodeG1(identity), curve.encodeG1(identity)];
    const tag = DOMAIN_TAGS.capsuleProof;
    const statement = { tag, context: chain, suite: chain.suite, before, after: [txc] };
    const bases = [curve.g1, secondGenerator(curve, chain)];
    const secret = curve.scalarFromInteger(0n);
    const forged = proveExponent({ curve, statement, bases, secret, randomBytes });
    expect(verifyCapsule({ curve, context: chain, capsule, proof: forged, txc })).toBe(false);
  });

  test('a capsule or proof of another length or with a scalar out of range is refused', () => {
    const { record } = sealed();
    const bytes = encodeCapsule(curve, record.capsule);
    for (const wrong of [
      bytes.subarray(1),
      concatBytes(bytes, Uint8Array.of(0)),
      new Uint8Array(0),
    ])
      expect(codeOf(() => parseCapsule(curve, wrong))).toBe('length');
    const proof = encodeProof(curve, record.prove(txc));
    expect(proof).toHaveLength(PROOF_BYTES);
    expect(codeOf(() => parseProof(curve, proof.subarray(1)))).toBe('length');
    expect(codeOf(() => parseProof(curve, new Uint8Array(64).fill(0xff)))).toBe('scalar');
    expect(codeOf(() => parseProof(curve, new Uint8Array(64)))).toBe('scalar');
  });

  test('changing any byte of a proof makes it refused', () => {
    const { record } = sealed();
    const proof = encodeProof(curve, record.prove(txc));
    for (let i = 0; i < PROOF_BYTES; i += 5) {
      const changed = proof.slice();
      changed[i] = (changed[i] ?? 0) ^ 1;
      const { capsule } = record;
      const parsed = parseProof(curve, changed);
      expect(verifyCapsule({ curve, context: chain, capsule, proof: parsed, txc })).toBe(false);
    }
  });

  test('k is erased by the first proof', () => {
    const { record } = sealed();
    record.prove(txc);
    expect(() => record.prove(sha256(txc))).toThrow('erased');
    const unused = sealed().record;
    unused.erase();
    expect(() => unused.prove(txc)).toThrow('erased');
  });
});

describe('F10 hash domains', () => {
  test('F10 the three points of one message differ, whatever the message', () => {
    for (const text of ['', 'class|lab', '2026-11']) {
      const message = sha256(Uint8Array.from(text, (letter) => letter.codePointAt(0) ?? 0));
      const lab = curve.hashToG2(DOMAIN_TAGS.labelPoint, message);
      const kw = curve.hashToG2(DOMAIN_TAGS.keywordPoint, message);
      expect(curve.equalG2(lab, kw)).toBe(false);
    }
    expect(new Set(Object.values(DOMAIN_TAGS)).size).toBe(Object.values(DOMAIN_TAGS).length);
  });

  test('F2 H_lab and the second generator differ from chain to chain', () => {
    const { label } = sealed();
    const points = [chain, otherChain].map((context) => labelPoint(curve, context, label));
    expect(curve.equalG2(present(points[0]), present(points[1]))).toBe(false);
    const generators = [chain, otherChain].map((context) => secondGenerator(curve, context));
    expect(curve.equalG1(present(generators[0]), present(generators[1]))).toBe(false);
  });
});
