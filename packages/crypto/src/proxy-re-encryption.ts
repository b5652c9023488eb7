/**
 * Threshold conditional proxy re-encryption (QJ-5, QJ-7, QJ-11): nodes turn a capsule of the patient into
 * shares that one doctor can combine, under one label, while the chain says that she allowed it.
 *
 * Sources: Boneh–Franklin 2001 (identity-based keys; here identity = label, authority = patient),
 * Tang 2008 "Type-based proxy re-encryption" (re-encryption per type), Baek–Zheng 2004 "Identity-based
 * threshold decryption" §4 (an identity key shared in the exponent), Shoup–Gennaro 1998 TDH2 (validity of
 * ciphertexts), Chaum–Pedersen 1992 (equality of logarithms). Ours: the blinding d, and the share that is
 * verified without any element of GT on the wire.
 *
 * Notation: P = g1^a patient key · Q_ℓ = H_lab(ℓ), D_ℓ = Q_ℓ^a conditional key · C = g1^k capsule ·
 * d blinding, known to the grantee only · f with f(0) = 1/d · V(i) = P^{f(i)} verification key of node i ·
 * D_i = D_ℓ^{f(i)} its share. For one access, with fresh u, s:
 *   E = D_i^u, V′ = V(i)^u, Ĉ = C^{1/u},
 *   h = Hash(grantId, number, recordId, i, Q, C, V(i), E, V′, Ĉ, V(i)^s, Ĉ^s), y = s + h·u.
 * Verify: h recomputed with V(i)^y V′^{−h} and Ĉ^y C^{−h}, and e(V′, Q) = e(g1, E).
 * Open: S = ∏ e(Ĉ_i^{λ_i d}, E_i) = ∏ e(C, D_i)^{λ_i d} = e(C, D_ℓ).
 *
 * Promises: nodes without the grantee learn nothing, all of them together; the grantee with t − 1 nodes
 * learns only what was served, over any number of grants; the grantee with t nodes learns D_ℓ of the labels
 * of that grant and of no other. A share belongs to one access (grant, number, record, node); a wrong share
 * is attributed to the node that made it, an honest one never is.
 * Assumes: co-BDH with g2^a, DDH in G1, random oracle, static corruption; grants sealed by an IND-CCA HPKE.
 * Does not promise: a bad quorum of t nodes is not stopped by revocation on the chain; nothing is hidden
 * from an agent who holds D_ℓ; nodes see Q and the capsule, so they link what one grant covers.
 *
 * Leaves the papers: Baek–Zheng's decryption shares and proofs are elements of GT; a lazily checked one
 * of small order leaks d bit by bit, an exactly checked one costs seven times more. Splitting the pairing
 * e(C, D_i) into e(C^{1/u}, D_i^u) keeps all values in G1 and G2, where the subgroup is checked at the door.
 *
 * QJ names: RKGen = `createGrant` (grant.ts), ReEnc = `reEncrypt`, Dec = `combineShares` + `deriveSlotKey`.
 */
import { type Bytes, concatBytes, equalBytes, type RandomBytes } from './bytes.ts';
import { deriveRecordId, type GrantId } from './ids.ts';
import type { SuiteContext } from './context.ts';
import {
  type Curve,
  type G1,
  G1_BYTES,
  type G2,
  G2_BYTES,
  PointError,
  randomScalar,
  type Scalar,
} from './curve.ts';
import { DOMAIN_TAGS } from './domain-tags.ts';
import type { KeyShare } from './key-share.ts';
import {
  encodeProof,
  type ExponentProof,
  parseProof,
  proveExponent,
  type Statement,
  verifyExponent,
} from './proof.ts';
import { lagrangeCoefficients, ThresholdError } from './threshold.ts';

/** The access a share is made for; `number` is the ledger's, counted within the grant. */
export interface Access {
  readonly grantId: GrantId;
  readonly number: number;
  readonly recordId: Bytes;
}

/** One node's answer to one access: 256 bytes. */
export interface ReEncryptedShare {
  /** D_i^u */
  readonly e: G2;
  /** V(i)^u */
  readonly v: G1;
  /** C^{1/u} */
  readonly c: G1;
  /** (h, y) */
  readonly proof: ExponentProof;
}

export const SHARE_BYTES = 256;

/** E ‖ V′ ‖ Ĉ ‖ h ‖ y. */
export function encodeShare(curve: Curve, share: ReEncryptedShare): Bytes {
  return concatBytes(
    curve.encodeG2(share.e),
    curve.encodeG1(share.v),
    curve.encodeG1(share.c),
    encodeProof(curve, share.proof),
  );
}

/** Strict: length, points in their groups and not the identity, scalars canonical. @throws PointError */
export function parseShare(curve: Curve, bytes: Bytes): ReEncryptedShare {
  if (bytes.length !== SHARE_BYTES)
    throw new PointError('length', `a share has ${SHARE_BYTES} bytes`);
  const afterE = G2_BYTES;
  const afterV = afterE + G1_BYTES;
  const afterC = afterV + G1_BYTES;
  return {
    e: curve.parseG2(bytes.subarray(0, afterE)),
    v: curve.parseG1(bytes.subarray(afterE, afterV)),
    c: curve.parseG1(bytes.subarray(afterV, afterC)),
    proof: parseProof(curve, bytes.subarray(afterC)),
  };
}

function shareStatement(input: {
  readonly curve: Curve;
  readonly context: SuiteContext;
  readonly access: Access;
  readonly index: number;
  readonly point: G2;
  readonly capsule: G1;
  readonly verificationKey: G1;
  readonly share: Omit<ReEncryptedShare, 'proof'>;
}): Statement {
  const { curve, context, access, index, point, capsule, verificationKey, share } = input;
  return {
    tag: DOMAIN_TAGS.shareProof,
    context,
    suite: context.suite,
    before: [
      access.grantId,
      access.number,
      access.recordId,
      index,
      curve.encodeG2(point),
      curve.encodeG1(capsule),
      curve.encodeG1(verificationKey),
      curve.encodeG2(share.e),
      curve.encodeG1(share.v),
      curve.encodeG1(share.c),
    ],
    after: [],
  };
}

/**
 * A node's share of one access. Everything the node must check about the chain comes before:
 * this function only computes. `labelKey` is one of `keyShare.keys`.
 */
export function reEncrypt(input: {
  readonly curve: Curve;
  readonly context: SuiteContext;
  readonly keyShare: KeyShare;
  readonly labelKey: KeyShare['keys'][number];
  /** C of the record, as the chain has it. */
  readonly capsule: G1;
  readonly access: Access;
  readonly randomBytes: RandomBytes;
}): ReEncryptedShare {
  const { curve, context, keyShare, labelKey, capsule, access, randomBytes } = input;
  if (curve.isIdentityG1(capsule)) throw new PointError('infinity', 'C is the identity');
  // The log names a record, the computation a capsule: they must be one, else a read leaves a false trace.
  if (!equalBytes(access.recordId, deriveRecordId(context, curve.encodeG1(capsule))))
    throw new Error('the access names another record than the capsule');
  if (!equalBytes(access.grantId, keyShare.grantId))
    throw new Error('the access belongs to another grant than the share');
  const { index, verificationKey } = keyShare;
  const u = randomScalar(curve, randomBytes);
  const inverse = curve.invertScalar(u);
  const share = {
    e: curve.multiplyG2(labelKey.key, u),
    v: curve.multiplyG1(verificationKey, u),
    c: curve.multiplyG1(capsule, inverse),
  };
  const { point } = labelKey;
  const statement = shareStatement({
    curve,
    context,
    access,
    index,
    point,
    capsule,
    verificationKey,
    share,
  });
  const bases = [verificationKey, share.c];
  const proof = proveExponent({ curve, statement, bases, secret: u, randomBytes });
  curve.wipeScalar(u);
  curve.wipeScalar(inverse);
  return { ...share, proof };
}

/** What anybody needs to judge a share: `point` is Q, `verificationKey` V(i), `capsule` C. */
export interface ShareClaim {
  readonly access: Access;
  readonly index: number;
  readonly point: G2;
  readonly verificationKey: G1;
  readonly capsule: G1;
  readonly share: ReEncryptedShare;
}

/** Whether node `index` answered this access honestly. */
export function verifyShare(curve: Curve, context: SuiteContext, claim: ShareClaim): boolean {
  const { access, index, point, verificationKey, capsule, share } = claim;
  if (curve.isIdentityG2(share.e) || curve.isIdentityG2(point)) return false;
  const statement = shareStatement({
    curve,
    context,
    access,
    index,
    point,
    capsule,
    verificationKey,
    share,
  });
  const terms = [
    { base: verificationKey, image: share.v },
    { base: share.c, image: capsule },
  ];
  return (
    verifyExponent({ curve, statement, terms, proof: share.proof }) &&
    curve.pairingsEqual([{ g1: share.v, g2: point }], [{ g1: curve.g1, g2: share.e }])
  );
}

/** The indices of the nodes whose shares are wrong: the evidence is the signed share itself. */
export function findBadShares(
  curve: Curve,
  context: SuiteContext,
  claims: readonly ShareClaim[],
): readonly number[] {
  return claims.filter((claim) => !verifyShare(curve, context, claim)).map(({ index }) => index);
}

/**
 * S = e(C, D_ℓ), 576 bytes for `deriveSlotKey`, from exactly the shares given: more than t are harmless,
 * fewer give another value. Shares are not verified here: a wrong one shows when no slot opens.
 * @throws ThresholdError for no share, index 0 or an index given twice
 */
export function combineShares(input: {
  readonly curve: Curve;
  /** d */
  readonly blinding: Scalar;
  readonly shares: readonly { readonly index: number; readonly share: ReEncryptedShare }[];
}): Bytes {
  const { curve, blinding, shares } = input;
  if (shares.length === 0) throw new ThresholdError('tooFew', 'no share is given');
  const coefficients = lagrangeCoefficients(
    curve,
    shares.map(({ index }) => index),
  );
  const pairs = shares.map(({ share }, position) => {
    const coefficient = coefficients[position] ?? curve.scalarFromInteger(0n);
    const exponent = curve.multiplyScalars(coefficient, blinding);
    const g1 = curve.multiplyG1(share.c, exponent);
    curve.wipeScalar(exponent);
    return { g1, g2: share.e };
  });
  return curve.pairingBytes(pairs);
}
