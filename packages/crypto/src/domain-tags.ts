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
  recordId: 'YILIAN-V1-RECORD-ID', // [tag, chainId, C]
  capsuleContext: 'YILIAN-V1-CAPSULE-CONTEXT', // [tag, chainId, type, body without proof and signatures, sender, nonce, expiry]
  visitAuthorisation: 'YILIAN-V1-VISIT-AUTHORISATION', // [tag, chainId, pid, institution]
  storageAttestation: 'YILIAN-V1-STORAGE-ATTESTATION', // [tag, chainId, headerHash, digest, length]
  authorSignature: 'YILIAN-V1-AUTHOR-SIGNATURE', // [tag, chainId, pid, sectionRoot, authorKey, time]
  certificateSignature: 'YILIAN-V1-CERTIFICATE-SIGNATURE', // [tag, chainId, certificate content]
  certificateRequest: 'YILIAN-V1-CERTIFICATE-REQUEST', // [tag, chainId, request content]
  certificateHash: 'YILIAN-V1-CERTIFICATE-HASH', // [tag, chainId, certificate bytes]
  patientCommitment: 'YILIAN-V1-PATIENT-COMMITMENT', // [tag, chainId, salt, certificate bytes]
  // consensus
  genesisId: 'YILIAN-V1-GENESIS-ID', // [tag, chainId, timeNs, [[key, power, leads]…], appState]
  validatorSet: 'YILIAN-V1-VALIDATOR-SET', // [tag, chainId, epoch, [[key, power, leads]…]]
  blockId: 'YILIAN-V1-BLOCK-ID', // [tag, header fields without the proposer's signature]
  blockProposal: 'YILIAN-V1-BLOCK-PROPOSAL', // [tag, chainId, blockId]
  certificateHash: 'YILIAN-V1-CERTIFICATE-HASH', // [tag, chainId, certificate]
  pbftPrePrepare: 'YILIAN-V1-PBFT-PRE-PREPARE', // [tag, chainId, epoch, view, height, blockId]
  pbftPrepare: 'YILIAN-V1-PBFT-PREPARE', // [tag, chainId, epoch, view, height, blockId]
  pbftCommit: 'YILIAN-V1-PBFT-COMMIT', // [tag, chainId, epoch, view, height, blockId, timeNs]
  pbftCheckpoint: 'YILIAN-V1-PBFT-CHECKPOINT', // [tag, chainId, epoch, height, blockId, appHash]
  pbftViewChange: 'YILIAN-V1-PBFT-VIEW-CHANGE', // [tag, chainId, epoch, view, height, parent certificate, prepared]
  pbftNewView: 'YILIAN-V1-PBFT-NEW-VIEW', // [tag, chainId, epoch, view, height, hash of the view changes]
  pbftViewChanges: 'YILIAN-V1-PBFT-VIEW-CHANGES', // [tag, chainId, signed view changes]
} as const;

export type DomainTag = (typeof DOMAIN_TAGS)[keyof typeof DOMAIN_TAGS];
