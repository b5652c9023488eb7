/**
 * Grants of threshold conditional proxy re-encryption: what the patient (or an agent holding D_ℓ) makes,
 * and what the grantee checks of it. What each node checks is in key-share.ts, the re-encryption itself
 * in proxy-re-encryption.ts, whose header has the theory and the notation of all three files.
 *
 * f(z) = 1/d + Σ f_j z^j · V_0 = P^{1/d}, V_j = P^{f_j} · D_{i,ℓ} = D_ℓ^{f(i)}
 *
 * QJ name: `createGrant` is RKGen.
 */
import { type Bytes, CodecError, type RandomBytes } from './bytes.ts';
import type { ChainContext, SuiteContext } from './context.ts';
import { type Curve, type G1, type G2, PointError, randomScalar } from './curve.ts';
import { checkGrantBody, type GrantBody, hashGrantBody } from './grant-body.ts';
import { deriveCopyKey, deriveGrantSalt, deriveTagSeed } from './grant-keys.ts';
import type { GranteeShare, NodeShare } from './grant-share.ts';
import { GRANT_ID_BYTES, toGrantId } from './ids.ts';
import { checkDistinct, type Label, labelPoint } from './label.ts';
import { checkIndices, evaluatePolynomial, randomPolynomial, ThresholdError } from './threshold.ts';

/** A label with the key that opens it; `tagNumber` is m, the first free index of its tags. */
export interface GrantedLabel {
  readonly label: Label;
  readonly conditionalKey: G2;
  readonly tagNumber: number;
}

export interface NewGrant {
  readonly body: GrantBody;
  readonly bodyHash: Bytes;
  readonly salt: Bytes;
  /** One per node, in the order given. */
  readonly nodeShares: readonly NodeShare[];
  readonly granteeShare: GranteeShare;
  /** Ed25519 seeds, one per label: every tag key signs the grant, any may narrow or revoke it. */
  readonly tagSeeds: readonly Bytes[];
  /** Seals her own copy of the body. */
  readonly copyKey: Bytes;
}

/**
 * A new grant. Everything secret in it comes from `randomBytes`: two grants, retries included, share no
 * coefficient. The rules on who may be a node and how large t must be are the ledger's.
 * @throws ThresholdError, LabelError, CodecError, PointError
 */
export function createGrant(input: {
  readonly curve: Curve;
  readonly context: SuiteContext;
  readonly patientKey: G1;
  readonly labels: readonly GrantedLabel[];
  readonly grantee: Bytes;
  readonly nodes: readonly { readonly index: number; readonly node: Bytes }[];
  readonly threshold: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly records: 'all' | readonly Bytes[];
  readonly purpose: string;
  readonly searchTokens?: readonly Bytes[];
  readonly randomBytes: RandomBytes;
}): NewGrant {
  const { curve, context, patientKey, labels, nodes, threshold, randomBytes } = input;
  checkDistinct(labels.map(({ label }) => label));
  const [firstLabel] = labels;
  if (firstLabel === undefined) throw new CodecError('malformed', 'a grant has a label');
  if (!Number.isSafeInteger(threshold) || threshold < 1 || threshold > nodes.length)
    throw new ThresholdError('threshold', 'the threshold lies between 1 and the number of nodes');
  checkIndices(nodes.map(({ index }) => index));
  if (curve.isIdentityG1(patientKey))
    throw new PointError('infinity', 'the patient key is the identity');

  const grantId = toGrantId(randomBytes(GRANT_ID_BYTES));
  const blinding = randomScalar(curve, randomBytes);
  const constant = curve.invertScalar(blinding);
  const coefficients = randomPolynomial(curve, constant, threshold, randomBytes);
  const commitments = coefficients.map((scalar) => curve.multiplyG1(patientKey, scalar));
  const points = labels.map(({ label }) => labelPoint(curve, context, label));
  const body: GrantBody = {
    grantId,
    grantee: input.grantee,
    commitments,
    nodes,
    fromMs: input.fromMs,
    toMs: input.toMs,
    points,
    records: input.records,
    purpose: input.purpose,
  };
  checkGrantBody(body);
  const salt = deriveGrantSalt(curve, context, firstLabel.conditionalKey, grantId);
  const nodeShares = nodes.map(({ index }) => {
    const value = evaluatePolynomial(curve, coefficients, index);
    if (curve.isZero(value)) throw new Error('a share of zero: the random source is broken');
    const keys = labels.map(({ conditionalKey }) => curve.multiplyG2(conditionalKey, value));
    curve.wipeScalar(value);
    return { index, salt, body, keys };
  });
  for (const coefficient of coefficients) curve.wipeScalar(coefficient);
  return {
    body,
    bodyHash: hashGrantBody(curve, context, salt, body),
    salt,
    nodeShares,
    granteeShare: {
      salt,
      body,
      blinding,
      patientKey,
      labels: labels.map(({ label }) => label),
      searchTokens: input.searchTokens ?? [],
    },
    tagSeeds: labels.map(({ conditionalKey, tagNumber }) =>
      deriveTagSeed({ curve, context, conditionalKey, tagNumber }),
    ),
    copyKey: deriveCopyKey(curve, context, firstLabel.conditionalKey, grantId),
  };
}

/** B's check: V_0^d = P, and the labels are those of the body. P is compared with the certificate by the caller. */
export function verifyGranteeShare(
  curve: Curve,
  context: ChainContext,
  share: GranteeShare,
): boolean {
  const [constant] = share.body.commitments;
  if (constant === undefined || curve.isIdentityG1(share.patientKey)) return false;
  if (share.labels.length !== share.body.points.length) return false;
  const labelled = share.labels.every((label, position) => {
    const point = share.body.points[position];
    return point !== undefined && curve.equalG2(labelPoint(curve, context, label), point);
  });
  return labelled && curve.equalG1(curve.multiplyG1(constant, share.blinding), share.patientKey);
}
