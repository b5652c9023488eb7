/**
 * The capsule: what locks a record to its patient, and the proof that replicas check.
 *
 * Sources: the key encapsulation of Boneh–Franklin 2001 ("BasicIdent", §4.1) with the patient as
 * authority; the validity proof of TDH2 (Shoup–Gennaro 1998, §4.1: a second generator and equality of
 * logarithms).
 *
 * Notation: a patient's scalar, P = g1^a · k fresh scalar, C = g1^k, C̄ = ḡ^k with ḡ = H_gen([chainId]) ·
 * Q_ℓ label point · K_ℓ = KDF(e(P^k, Q_ℓ), [recordId, P, ℓ]) slot key · txc hash of everything else in
 * the transaction · (c, z) proof.
 *
 * Promises: a capsule reveals nothing about P, not even as a test (F1: no function here that a replica
 * runs takes P). A proof belongs to one transaction of one sender on one chain; a capsule of another
 * record, raised to a power, re-based or copied under another body, does not verify (F2).
 * Does not promise: anything once `a` is lost, or that the slots in the record's header open (the patient's
 * client tries them when she acknowledges). A capsule made twice with one k is caught by the ledger
 * (same recordId), not here.
 *
 * Leaves the papers: k is shared over several labels (safe in the random oracle model as the labels are
 * distinct); C̄ and the proof are TDH2's, moved to a pairing group; P is inside the key derivation only.
 *
 * QJ names: `encapsulate` is the key part of MDEnc; `secretSlotKey` the patient's side of Dec.
 */
import { type Bytes, concatBytes, type RandomBytes } from './bytes.ts';
import { bindChain, bindSuite, type ChainContext, type SuiteContext } from './context.ts';
import {
  type Curve,
  type G1,
  G1_BYTES,
  type G2,
  multiplySecretG1,
  multiplySecretG2,
  PointError,
  randomScalar,
  type Scalar,
} from './curve.ts';
import { DOMAIN_TAGS } from './domain-tags.ts';
import { hkdf } from './hash.ts';
import { deriveRecordId, type RecordId } from './ids.ts';
import { checkDistinct, encodeLabel, type Label, labelPoint } from './label.ts';
import { type ExponentProof, proveExponent, type Statement, verifyExponent } from './proof.ts';

/** What the chain stores of a record's lock. */
export interface Capsule {
  readonly c: G1;
  readonly cBar: G1;
}

export const CAPSULE_BYTES = 96;

/** What the writer of a record holds between encapsulating and proving. */
export interface Encapsulation {
  readonly capsule: Capsule;
  readonly recordId: RecordId;
  /** One 32-byte key per label, in the order of the labels. */
  readonly slotKeys: readonly Bytes[];
  /** KDF(P^k, [recordId]): seals a visit package that the hospital drew for a patient without device. */
  readonly packageKey: Bytes;
  /** Binds the capsule to its transaction. Works once: k is erased. */
  prove(txc: Bytes): ExponentProof;
  /** Erases k without a proof. */
  erase(): void;
}

/** ḡ per backend and chain: a replica would hash it anew for every record it checks. */
const secondGenerators = new WeakMap<Curve, Map<string, G1>>();

/** ḡ = H_gen([chainId]): a generator whose logarithm nobody knows. */
export function secondGenerator(curve: Curve, context: ChainContext): G1 {
  const known = secondGenerators.get(curve) ?? new Map<string, G1>();
  secondGenerators.set(curve, known);
  const cached = known.get(context.chainId);
  if (cached !== undefined) return cached;
  const message = bindChain(DOMAIN_TAGS.secondGenerator, context);
  const generator = curve.hashToG1(DOMAIN_TAGS.secondGenerator, message);
  known.set(context.chainId, generator);
  return generator;
}

/** 96 bytes: C ‖ C̄. */
export function encodeCapsule(curve: Curve, capsule: Capsule): Bytes {
  return concatBytes(curve.encodeG1(capsule.c), curve.encodeG1(capsule.cBar));
}

/** @throws PointError */
export function parseCapsule(curve: Curve, bytes: Bytes): Capsule {
  if (bytes.length !== CAPSULE_BYTES)
    throw new PointError('length', `a capsule has ${CAPSULE_BYTES} bytes`);
  return {
    c: curve.parseG1(bytes.subarray(0, G1_BYTES)),
    cBar: curve.parseG1(bytes.subarray(G1_BYTES)),
  };
}

/**
 * A new capsule for `patientKey` under `labels`.
 * @throws LabelError when labels are missing, repeated or without hospital and period
 */
export function encapsulate(input: {
  readonly curve: Curve;
  readonly context: SuiteContext;
  readonly patientKey: G1;
  readonly labels: readonly Label[];
  readonly randomBytes: RandomBytes;
}): Encapsulation {
  const { curve, context, patientKey, labels, randomBytes } = input;
  checkDistinct(labels);
  if (curve.isIdentityG1(patientKey))
    throw new PointError('infinity', 'the patient key is the identity');
  const k = randomScalar(curve, randomBytes);
  const generator = secondGenerator(curve, context);
  const capsule = { c: curve.multiplyG1(curve.g1, k), cBar: curve.multiplyG1(generator, k) };
  const recordId = deriveRecordId(context, curve.encodeG1(capsule.c));
  const shared = curve.multiplyG1(patientKey, k);
  const slotKeys = labels.map((label) => {
    const pairs = [{ g1: shared, g2: labelPoint(curve, context, label) }];
    const secret = curve.pairingBytes(pairs);
    return deriveSlotKey({ curve, context, recordId, patientKey, label, secret });
  });
  const packageKey = derivePackageKey(curve, context, recordId, shared);
  let open = true;
  const erase = (): void => {
    open = false;
    curve.wipeScalar(k);
  };
  return {
    capsule,
    recordId,
    slotKeys,
    packageKey,
    erase,
    prove: (txc: Bytes): ExponentProof => {
      if (!open) throw new Error('the exponent of this capsule is erased');
      const statement = capsuleStatement(curve, context, capsule, txc);
      const bases = [curve.g1, generator];
      const proof = proveExponent({ curve, statement, bases, secret: k, randomBytes });
      erase();
      return proof;
    },
  };
}

function capsuleStatement(
  curve: Curve,
  context: SuiteContext,
  capsule: Capsule,
  txc: Bytes,
): Statement {
  const before = [curve.encodeG1(capsule.c), curve.encodeG1(capsule.cBar)];
  return { tag: DOMAIN_TAGS.capsuleProof, context, suite: context.suite, before, after: [txc] };
}

/** What every replica runs on a record: one exponent lies in C and C̄, and was proved for this transaction. */
export function verifyCapsule(input: {
  readonly curve: Curve;
  readonly context: SuiteContext;
  readonly capsule: Capsule;
  readonly proof: ExponentProof;
  readonly txc: Bytes;
}): boolean {
  const { curve, context, capsule, proof, txc } = input;
  const statement = capsuleStatement(curve, context, capsule, txc);
  const terms = [
    { base: curve.g1, image: capsule.c },
    { base: secondGenerator(curve, context), image: capsule.cBar },
  ];
  return verifyExponent({ curve, statement, terms, proof });
}

/** K_ℓ from the 576 bytes of e(P^k, Q_ℓ) = e(C^a, Q_ℓ) = e(C, D_ℓ). Erases `secret`. 32 bytes. */
export function deriveSlotKey(input: {
  readonly curve: Curve;
  readonly context: SuiteContext;
  readonly recordId: RecordId;
  readonly patientKey: G1;
  readonly label: Label;
  readonly secret: Bytes;
}): Bytes {
  const { curve, context, recordId, patientKey, label, secret } = input;
  const info = bindSuite(
    DOMAIN_TAGS.slotKey,
    context,
    recordId,
    curve.encodeG1(patientKey),
    encodeLabel(label),
  );
  const key = hkdf({ ikm: secret, info, length: 32 });
  secret.fill(0);
  return key;
}

function derivePackageKey(
  curve: Curve,
  context: SuiteContext,
  recordId: RecordId,
  shared: G1,
): Bytes {
  const ikm = curve.encodeG1(shared);
  const info = bindSuite(DOMAIN_TAGS.packageKey, context, recordId);
  const key = hkdf({ ikm, info, length: 32 });
  ikm.fill(0);
  return key;
}

/** The patient's own way to a slot key: e(C^a, Q_ℓ). */
export function secretSlotKey(input: {
  readonly curve: Curve;
  readonly context: SuiteContext;
  /** a */
  readonly patientScalar: Scalar;
  readonly patientKey: G1;
  readonly capsule: Pick<Capsule, 'c'>;
  readonly label: Label;
  readonly randomBytes: RandomBytes;
}): Bytes {
  const { curve, context, patientScalar, patientKey, capsule, label, randomBytes } = input;
  const shared = multiplySecretG1(curve, capsule.c, patientScalar, randomBytes);
  const secret = curve.pairingBytes([{ g1: shared, g2: labelPoint(curve, context, label) }]);
  const recordId = deriveRecordId(context, curve.encodeG1(capsule.c));
  return deriveSlotKey({ curve, context, recordId, patientKey, label, secret });
}

/** The key of a sealed visit package, from C^a. */
export function secretPackageKey(input: {
  readonly curve: Curve;
  readonly context: SuiteContext;
  readonly patientScalar: Scalar;
  readonly capsule: Pick<Capsule, 'c'>;
  readonly randomBytes: RandomBytes;
}): Bytes {
  const { curve, context, patientScalar, capsule, randomBytes } = input;
  const shared = multiplySecretG1(curve, capsule.c, patientScalar, randomBytes);
  return derivePackageKey(
    curve,
    context,
    deriveRecordId(context, curve.encodeG1(capsule.c)),
    shared,
  );
}

/** D_ℓ = Q_ℓ^a: the right to open everything under one label (Boneh–Franklin "Extract"). */
export function deriveConditionalKey(input: {
  readonly curve: Curve;
  readonly context: ChainContext;
  readonly patientScalar: Scalar;
  readonly label: Label;
  readonly randomBytes: RandomBytes;
}): G2 {
  const { curve, context, patientScalar, label, randomBytes } = input;
  return multiplySecretG2(curve, labelPoint(curve, context, label), patientScalar, randomBytes);
}

/** Whether D_ℓ belongs to P: e(g1, D_ℓ) = e(P, Q_ℓ). An agent checks what the patient gave. */
export function verifyConditionalKey(input: {
  readonly curve: Curve;
  readonly context: ChainContext;
  readonly patientKey: G1;
  readonly label: Label;
  readonly conditionalKey: G2;
}): boolean {
  const { curve, context, patientKey, label, conditionalKey } = input;
  if (curve.isIdentityG1(patientKey) || curve.isIdentityG2(conditionalKey)) return false;
  const point = labelPoint(curve, context, label);
  return curve.pairingsEqual(
    [{ g1: patientKey, g2: point }],
    [{ g1: curve.g1, g2: conditionalKey }],
  );
}

/** An agent's way to a slot key: e(C, D_ℓ). */
export function conditionalSlotKey(input: {
  readonly curve: Curve;
  readonly context: SuiteContext;
  readonly conditionalKey: G2;
  readonly patientKey: G1;
  readonly capsule: Pick<Capsule, 'c'>;
  readonly label: Label;
}): Bytes {
  const { curve, context, conditionalKey, patientKey, capsule, label } = input;
  const secret = curve.pairingBytes([{ g1: capsule.c, g2: conditionalKey }]);
  const recordId = deriveRecordId(context, curve.encodeG1(capsule.c));
  return deriveSlotKey({ curve, context, recordId, patientKey, label, secret });
}
