/**
 * Every domain separation tag of Yilian, one per purpose, in one file. A tag is the first item of a
 * canonical CBOR array (see context.ts); the comment gives the items that follow it.
 * Add a tag for each new purpose; never use one for two.
 */
export const DOMAIN_TAGS = {
  // ledger
  transactionId: 'YILIAN-V1-TRANSACTION-ID', // [tag, chainId, type, body, sender, nonce, expiry]
  transactionSignature: 'YILIAN-V1-TRANSACTION-SIGNATURE', // [tag, chainId, transactionId]
  memberId: 'YILIAN-V1-MEMBER-ID', // [tag, chainId, first Ed25519 key]
} as const;

export type DomainTag = (typeof DOMAIN_TAGS)[keyof typeof DOMAIN_TAGS];
