/**
 * A wrong share, with all that convicts the node which signed it. It goes to the regulator and not on
 * chain, where only its hash stands: it names Q and the record (R11).
 */
import { type Bytes, CodecError, equalBytes } from '@yilian/crypto/bytes';
import { deriveRecordId, toGrantId } from '@yilian/crypto/ids';
import type { SuiteContext } from '@yilian/crypto/context';
import { type Curve, PointError } from '@yilian/crypto/curve';
import { sha256 } from '@yilian/crypto/hash';
import { parseShare, type ShareClaim, verifyShare } from '@yilian/crypto/proxy-re-encryption';
import type { SignatureVerifier } from '@yilian/crypto/signature';
import { evaluateCommitments, ThresholdError } from '@yilian/crypto/threshold';
import { type Codec, encodeMessage, fields, fixedBytes, list, text, uint } from './codec.ts';
import { shareMessage } from './messages-access.ts';
import { LIMITS, SIZES } from './sizes.ts';

export interface ShareEvidence {
  readonly chainId: string;
  readonly grantId: Bytes;
  readonly number: number;
  readonly recordId: Bytes;
  /** Index of the node in the grant. */
  readonly index: number;
  /** Member id of the node, and the key it signed by. */
  readonly node: Bytes;
  readonly nodeKey: Bytes;
  /** Q, C, V_0 … V_{t−1}, as the grant's body and the chain have them. */
  readonly point: Bytes;
  readonly capsule: Bytes;
  readonly commitments: readonly Bytes[];
  readonly share: Bytes;
  readonly signature: Bytes;
}

/** `postEvidence`, and what its hash on chain is of. */
export const shareEvidence: Codec<ShareEvidence> = fields<ShareEvidence>({
  chainId: text(64, /^[\x20-\x7e]+$/),
  grantId: fixedBytes(SIZES.grantId),
  number: uint(),
  recordId: fixedBytes(SIZES.recordId),
  index: uint(),
  node: fixedBytes(SIZES.memberId),
  nodeKey: fixedBytes(SIZES.key),
  point: fixedBytes(SIZES.g2),
  capsule: fixedBytes(SIZES.g1),
  commitments: list(fixedBytes(SIZES.g1), LIMITS.holdersPerGrantMax),
  share: fixedBytes(SIZES.share),
  signature: fixedBytes(SIZES.signature),
});

/** What `recordVerdict` puts on chain. */
export function shareEvidenceHash(evidence: ShareEvidence): Bytes {
  return sha256(encodeMessage(shareEvidence, evidence));
}

/**
 * Whether the evidence convicts: the node signed these bytes for this access, this record and this point,
 * and they are not an honest share. Whatever else in the evidence is wrong convicts nobody: it was put
 * there by the accuser. The caller compares the commitments and the index with the grant on chain, and
 * the key with the node's.
 */
export function convicts(
  curve: Curve,
  context: SuiteContext,
  evidence: ShareEvidence,
  verifySignature: SignatureVerifier,
): boolean {
  const isSigned = verifySignature({
    publicKey: evidence.nodeKey,
    message: shareMessage(context, evidence),
    signature: evidence.signature,
  });
  if (!isSigned || evidence.chainId !== context.chainId) return false;
  const claim = parseClaim(curve, context, evidence);
  return claim !== null && !isHonest(curve, context, claim, evidence.share);
}

type AccusersClaim = Omit<ShareClaim, 'share'>;

/** What the accuser says, or null when it does not parse or its capsule is not the record's. */
function parseClaim(
  curve: Curve,
  context: SuiteContext,
  evidence: ShareEvidence,
): AccusersClaim | null {
  try {
    const commitments = evidence.commitments.map((point) => curve.parseG1(point));
    const capsule = curve.parseG1(evidence.capsule);
    if (!equalBytes(deriveRecordId(context, curve.encodeG1(capsule)), evidence.recordId))
      return null;
    return {
      access: {
        grantId: toGrantId(evidence.grantId),
        number: evidence.number,
        recordId: evidence.recordId,
      },
      index: evidence.index,
      point: curve.parseG2(evidence.point),
      verificationKey: evaluateCommitments(curve, commitments, evidence.index),
      capsule,
    };
  } catch (error) {
    const isForm =
      error instanceof PointError || error instanceof CodecError || error instanceof ThresholdError;
    if (isForm) return null;
    throw error;
  }
}

function isHonest(
  curve: Curve,
  context: SuiteContext,
  claim: AccusersClaim,
  encodedShare: Bytes,
): boolean {
  try {
    return verifyShare(curve, context, { ...claim, share: parseShare(curve, encodedShare) });
  } catch (error) {
    if (error instanceof PointError) return false;
    throw error;
  }
}
