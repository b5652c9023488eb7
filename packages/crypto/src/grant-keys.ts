/** Keys of one grant that follow from D_ℓ or its salt, and what its sealed blobs are bound to. */
import type { Bytes } from './bytes.ts';
import { bindChain, bindSuite, type ChainContext, type SuiteContext } from './context.ts';
import type { Curve, G2 } from './curve.ts';
import { DOMAIN_TAGS } from './domain-tags.ts';
import { hkdf } from './hash.ts';
import type { GrantId } from './ids.ts';

/** The Ed25519 seed of the m-th tag of a label, from D_ℓ. 32 bytes. */
export function deriveTagSeed(input: {
  readonly curve: Curve;
  readonly context: ChainContext;
  readonly conditionalKey: G2;
  readonly tagNumber: number;
}): Bytes {
  const { curve, context, conditionalKey, tagNumber } = input;
  const info = bindChain(DOMAIN_TAGS.grantTag, context, tagNumber);
  return hkdf({ ikm: curve.encodeG2(conditionalKey), info, length: 32 });
}

/** HKDF(D_ℓ1, ["salt", grantId]). 32 bytes. */
export function deriveGrantSalt(
  curve: Curve,
  context: SuiteContext,
  conditionalKey: G2,
  grantId: GrantId,
): Bytes {
  const info = bindSuite(DOMAIN_TAGS.grantSalt, context, grantId);
  return hkdf({ ikm: curve.encodeG2(conditionalKey), info, length: 32 });
}

/** HKDF(D_ℓ1, ["copy", grantId]): the key of the patient's copy of the body. 32 bytes. */
export function deriveCopyKey(
  curve: Curve,
  context: SuiteContext,
  conditionalKey: G2,
  grantId: GrantId,
): Bytes {
  const info = bindSuite(DOMAIN_TAGS.grantCopyKey, context, grantId);
  return hkdf({ ikm: curve.encodeG2(conditionalKey), info, length: 32 });
}

/** HKDF(salt, [grantId, nonce]): seals [recordId, label, purpose] of one access. 32 bytes. */
export function deriveAccessKey(
  context: SuiteContext,
  salt: Bytes,
  grantId: GrantId,
  nonce: Bytes,
): Bytes {
  return hkdf({
    ikm: salt,
    info: bindSuite(DOMAIN_TAGS.accessKey, context, grantId, nonce),
    length: 32,
  });
}

/** HPKE info of node i's blob. */
export function nodeInfo(
  context: SuiteContext,
  grantId: GrantId,
  index: number,
  bodyHash: Bytes,
): Bytes {
  return bindSuite(DOMAIN_TAGS.grantNodeInfo, context, grantId, index, bodyHash);
}

/** HPKE info of B's blob. */
export function granteeInfo(
  context: SuiteContext,
  grantId: GrantId,
  grantee: Bytes,
  bodyHash: Bytes,
): Bytes {
  return bindSuite(DOMAIN_TAGS.grantGranteeInfo, context, grantId, grantee, bodyHash);
}
