/** txc of cryptography.md §2: what binds a capsule's proof to one transaction of one sender. */
import type { Bytes } from '@yilian/crypto/bytes';
import { bindChain } from '@yilian/crypto/context';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { sha256 } from '@yilian/crypto/hash';
import type { Envelope } from './contract.ts';
import { type RecordStatement, contextItems } from './contracts/records/record-entry.ts';
import type { RecordId } from '@yilian/crypto/ids';

/** A record before its proof and inner signatures exist. */
export type CapsuleContextBody = RecordStatement &
  ({ readonly type: 'issueRecord' } | { readonly type: 'amendRecord'; readonly amends: RecordId });

/**
 * SHA-256 over `[tag, chainId, type, body without proof and signatures, sender, nonce, expiryHeight]`.
 * It names the sender, so that nobody re-signs another's record as his own (F2). Attestations are left
 * out, so that the exponent can be erased before a long upload.
 */
export function capsuleContext(envelope: Envelope, body: CapsuleContextBody): Bytes {
  const items = contextItems(body);
  const preimage = bindChain(
    DOMAIN_TAGS.capsuleContext,
    envelope,
    body.type,
    body.type === 'amendRecord' ? [body.amends, ...items] : items,
    envelope.sender,
    envelope.nonce,
    envelope.expiryHeight,
  );
  return sha256(preimage);
}
