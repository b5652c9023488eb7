/**
 * AFGH06: the paper-faithful baseline of the QJ profile. Ateniese–Fu–Green–Hohenberger, "Improved proxy
 * re-encryption schemes", TISSEC 9(1), 2006, §3.3 (third attempt), moved to a type 3 pairing.
 *
 * Notation: Z = e(g1, g2) · sk = (a1, a2), pk = (A1, A2) = (g1^{a1}, g2^{a2}) · k fresh ·
 * second level: c = g1^k, K = KDF(Z^{a1 k}) · rk_{A→B} = B2^{a1} = g2^{b2 a1} ·
 * re-encrypted: E = rk^u, Ĉ = c^{1/u}, e(Ĉ, E) = Z^{a1 b2 k} · first level: c = A1^k, K = KDF(Z^k).
 *
 * Promises: unidirectional, single hop, non-interactive (rk needs B's public key only), CPA security.
 * Does not promise: threshold (one proxy re-encrypts alone), scope (rk opens every second-level ciphertext
 * of A), proof of honest re-encryption, CCA security. One rk and its grantee together learn g2^{a1}, hence
 * all of A's second-level ciphertexts. Off unless the patient's certificate allows it; its keys are types
 * of their own, so that a of the threshold scheme cannot be used here (F23).
 *
 * Leaves the paper: used as a key encapsulation (no c2); A1 in G1 instead of Z^{a1}; the proxy's answer is
 * blinded into (E, Ĉ) so that, as everywhere, no element of GT is received.
 *
 * QJ names: Setup = `createMclCurve`, KeyGen = `createAfghKeyPair`, MDEnc = `afghEncapsulate`,
 * RKGen = `createAfghReEncryptionKey`, ReEnc = `afghReEncrypt`, Dec = `afghOpen…`.
 */
import { type Brand } from './brand.ts';
import { type Bytes, concatBytes, type RandomBytes } from './bytes.ts';
import { bindSuite, type SuiteContext } from './context.ts';
import {
  type Curve,
  type G1,
  G1_BYTES,
  type G2,
  G2_BYTES,
  multiplySecretG1,
  multiplySecretG2,
  PointError,
  randomScalar,
  type Scalar,
} from './curve.ts';
import { DOMAIN_TAGS } from './domain-tags.ts';
import { hkdf } from './hash.ts';

export type AfghSecretKey = Brand<{ readonly a1: Scalar; readonly a2: Scalar }, 'AfghSecretKey'>;

export interface AfghPublicKey {
  readonly a1: G1;
  readonly a2: G2;
}

export interface AfghKeyPair {
  readonly secretKey: AfghSecretKey;
  readonly publicKey: AfghPublicKey;
}

/** rk_{A→B} */
export type AfghReEncryptionKey = Brand<{ readonly point: G2 }, 'AfghReEncryptionKey'>;

/** The proxy's answer: E ‖ Ĉ, 144 bytes. */
export interface AfghReEncrypted {
  readonly e: G2;
  readonly c: G1;
}

export function createAfghKeyPair(curve: Curve, randomBytes: RandomBytes): AfghKeyPair {
  const a1 = randomScalar(curve, randomBytes);
  const a2 = randomScalar(curve, randomBytes);
  return {
    secretKey: { a1, a2 } as unknown as AfghSecretKey,
    publicKey: { a1: curve.multiplyG1(curve.g1, a1), a2: curve.multiplyG2(curve.g2, a2) },
  };
}

/** A1 ‖ A2, 144 bytes. */
export function encodeAfghPublicKey(curve: Curve, key: AfghPublicKey): Bytes {
  return concatBytes(curve.encodeG1(key.a1), curve.encodeG2(key.a2));
}

/** @throws PointError */
export function parseAfghPublicKey(curve: Curve, bytes: Bytes): AfghPublicKey {
  if (bytes.length !== G1_BYTES + G2_BYTES)
    throw new PointError('length', `an AFGH public key has ${G1_BYTES + G2_BYTES} bytes`);
  return {
    a1: curve.parseG1(bytes.subarray(0, G1_BYTES)),
    a2: curve.parseG2(bytes.subarray(G1_BYTES)),
  };
}

function deriveKey(input: {
  readonly curve: Curve;
  readonly context: SuiteContext;
  readonly recordId: Bytes;
  readonly level: 1 | 2;
  readonly publicKey: AfghPublicKey;
  readonly secret: Bytes;
}): Bytes {
  const { curve, context, recordId, level, publicKey, secret } = input;
  const encodedKey = encodeAfghPublicKey(curve, publicKey);
  const info = bindSuite(DOMAIN_TAGS.afghSlotKey, context, recordId, level, encodedKey);
  const key = hkdf({ ikm: secret, info, length: 32 });
  secret.fill(0);
  return key;
}

/**
 * Level 2 can be re-encrypted, level 1 never. `recordId` is the record's own (from its capsule).
 * @returns c and the 32-byte slot key
 */
export function afghEncapsulate(input: {
  readonly curve: Curve;
  readonly context: SuiteContext;
  readonly publicKey: AfghPublicKey;
  readonly recordId: Bytes;
  readonly level: 1 | 2;
  readonly randomBytes: RandomBytes;
}): { readonly c: G1; readonly slotKey: Bytes } {
  const { curve, publicKey, level, randomBytes } = input;
  const k = randomScalar(curve, randomBytes);
  const own = curve.multiplyG1(publicKey.a1, k);
  const plain = curve.multiplyG1(curve.g1, k);
  curve.wipeScalar(k);
  const [c, shared] = level === 2 ? [plain, own] : [own, plain];
  const secret = curve.pairingBytes([{ g1: shared, g2: curve.g2 }]);
  return { c, slotKey: deriveKey({ ...input, secret }) };
}

/** rk_{A→B} = B2^{a1}. */
export function createAfghReEncryptionKey(input: {
  readonly curve: Curve;
  readonly from: AfghSecretKey;
  readonly to: AfghPublicKey;
  readonly randomBytes: RandomBytes;
}): AfghReEncryptionKey {
  const { curve, from, to, randomBytes } = input;
  const point = multiplySecretG2(curve, to.a2, from.a1, randomBytes);
  return { point } as unknown as AfghReEncryptionKey;
}

/** 96 bytes: what the proxy is sent, sealed. */
export function encodeAfghReEncryptionKey(curve: Curve, key: AfghReEncryptionKey): Bytes {
  return curve.encodeG2(key.point);
}

/** @throws PointError */
export function parseAfghReEncryptionKey(curve: Curve, bytes: Bytes): AfghReEncryptionKey {
  return { point: curve.parseG2(bytes) } as unknown as AfghReEncryptionKey;
}

/** The proxy's part, for a second-level c. */
export function afghReEncrypt(input: {
  readonly curve: Curve;
  readonly key: AfghReEncryptionKey;
  readonly c: G1;
  readonly randomBytes: RandomBytes;
}): AfghReEncrypted {
  const { curve, key, c, randomBytes } = input;
  if (curve.isIdentityG1(c)) throw new PointError('infinity', 'c is the identity');
  const u = randomScalar(curve, randomBytes);
  const inverse = curve.invertScalar(u);
  const answer = { e: curve.multiplyG2(key.point, u), c: curve.multiplyG1(c, inverse) };
  curve.wipeScalar(u);
  curve.wipeScalar(inverse);
  return answer;
}

export function encodeAfghReEncrypted(curve: Curve, answer: AfghReEncrypted): Bytes {
  return concatBytes(curve.encodeG2(answer.e), curve.encodeG1(answer.c));
}

/** @throws PointError */
export function parseAfghReEncrypted(curve: Curve, bytes: Bytes): AfghReEncrypted {
  if (bytes.length !== G1_BYTES + G2_BYTES)
    throw new PointError('length', `an AFGH answer has ${G1_BYTES + G2_BYTES} bytes`);
  return {
    e: curve.parseG2(bytes.subarray(0, G2_BYTES)),
    c: curve.parseG1(bytes.subarray(G2_BYTES)),
  };
}

/** The owner's slot key: level 2 from e(c^{a1}, g2), level 1 from e(c^{1/a1}, g2). */
export function afghOpenOwn(input: {
  readonly curve: Curve;
  readonly context: SuiteContext;
  readonly keyPair: AfghKeyPair;
  readonly recordId: Bytes;
  readonly level: 1 | 2;
  readonly c: G1;
  readonly randomBytes: RandomBytes;
}): Bytes {
  const { curve, keyPair, level, c, randomBytes } = input;
  const { secretKey, publicKey } = keyPair;
  const exponent = level === 2 ? secretKey.a1 : curve.invertScalar(secretKey.a1);
  const shared = multiplySecretG1(curve, c, exponent, randomBytes);
  const secret = curve.pairingBytes([{ g1: shared, g2: curve.g2 }]);
  return deriveKey({ ...input, publicKey, secret });
}

/** B's slot key of A's record: e(Ĉ^{1/b2}, E) = Z^{a1 k}. */
export function afghOpenReEncrypted(input: {
  readonly curve: Curve;
  readonly context: SuiteContext;
  /** B's */
  readonly secretKey: AfghSecretKey;
  /** A's */
  readonly publicKey: AfghPublicKey;
  readonly recordId: Bytes;
  readonly answer: AfghReEncrypted;
  readonly randomBytes: RandomBytes;
}): Bytes {
  const { curve, secretKey, answer, randomBytes } = input;
  const exponent = curve.invertScalar(secretKey.a2);
  const g1 = multiplySecretG1(curve, answer.c, exponent, randomBytes);
  const secret = curve.pairingBytes([{ g1, g2: answer.e }]);
  return deriveKey({ ...input, level: 2, secret });
}
