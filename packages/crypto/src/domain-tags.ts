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
  validatorChange: 'YILIAN-V1-VALIDATOR-CHANGE', // [tag, chainId, epoch, mode, [[key, institution, operator, power, leads]…]]
  misbehaviour: 'YILIAN-V1-MISBEHAVIOUR', // [tag, chainId, institution, kind, height]
  certificateSignature: 'YILIAN-V1-CERTIFICATE-SIGNATURE', // [tag, chainId, certificate content]
  certificateRequest: 'YILIAN-V1-CERTIFICATE-REQUEST', // [tag, chainId, request content]
  certificateHash: 'YILIAN-V1-CERTIFICATE-HASH', // [tag, chainId, certificate bytes]
  patientCommitment: 'YILIAN-V1-PATIENT-COMMITMENT', // [tag, chainId, salt, certificate bytes]
  // consensus
  genesisId: 'YILIAN-V1-GENESIS-ID', // [tag, chainId, timeNs, [[key, power, leads]…], appState]
  validatorSet: 'YILIAN-V1-VALIDATOR-SET', // [tag, chainId, epoch, [[key, power, leads]…]]
  blockId: 'YILIAN-V1-BLOCK-ID', // [tag, header fields without the proposer's signature]
  blockProposal: 'YILIAN-V1-BLOCK-PROPOSAL', // [tag, chainId, blockId]
  blockCertificateHash: 'YILIAN-V1-BLOCK-CERTIFICATE-HASH', // [tag, chainId, block certificate]
  pbftPrePrepare: 'YILIAN-V1-PBFT-PRE-PREPARE', // [tag, chainId, epoch, view, height, blockId]
  pbftPrepare: 'YILIAN-V1-PBFT-PREPARE', // [tag, chainId, epoch, view, height, blockId]
  pbftCommit: 'YILIAN-V1-PBFT-COMMIT', // [tag, chainId, epoch, view, height, blockId, timeNs]
  pbftCheckpoint: 'YILIAN-V1-PBFT-CHECKPOINT', // [tag, chainId, epoch, height, blockId, appHash]
  pbftViewChange: 'YILIAN-V1-PBFT-VIEW-CHANGE', // [tag, chainId, epoch, view, height, parent certificate, prepared]
  pbftNewView: 'YILIAN-V1-PBFT-NEW-VIEW', // [tag, chainId, epoch, view, height, hash of the view changes]
  pbftViewChanges: 'YILIAN-V1-PBFT-VIEW-CHANGES', // [tag, chainId, signed view changes]
  trustCheckpoint: 'YILIAN-V1-TRUST-CHECKPOINT', // [tag, chainId, genesisId, height, blockId, timeNs, validatorsHash, nextValidatorsHash]
  // schemes: points
  labelPoint: 'YILIAN-V1-LABEL-BLS12381G2_XMD:SHA-256_SSWU_RO_', // H_lab: [tag, chainId, kind, name, hospitalId, period, beta]
  keywordPoint: 'YILIAN-V1-KEYWORD-BLS12381G2_XMD:SHA-256_SSWU_RO_', // H_kw: [tag, chainId, blinded keyword]
  secondGenerator: 'YILIAN-V1-GENERATOR-BLS12381G1_XMD:SHA-256_SSWU_RO_', // H_gen: [tag, chainId]
  // schemes: labels, visits (no suite: they name things, one record may differ from the next in suite)
  labelRoot: 'YILIAN-V1-LABEL-ROOT', // [tag, chainId, hospitalId, period]
  labelBeta: 'YILIAN-V1-LABEL-BETA', // [tag, chainId, kind, name]
  keywordSecret: 'YILIAN-V1-KEYWORD-SECRET', // kappa: [tag, chainId, hospitalId, month]
  visitSeed: 'YILIAN-V1-VISIT-SEED', // s_v: [tag, chainId, hospitalId, n]
  visitSigningSeed: 'YILIAN-V1-VISIT-SIGNING-SEED', // [tag, chainId]
  visitBeta: 'YILIAN-V1-VISIT-BETA', // [tag, chainId]
  identityTag: 'YILIAN-V1-IDENTITY-TAG', // h: [tag, chainId, ID, beta_v]
  possessionVisit: 'YILIAN-V1-POSSESSION-VISIT', // [tag, chainId, P, hospitalId, visitKey, R]
  possessionCertificate: 'YILIAN-V1-POSSESSION-CERTIFICATE', // [tag, chainId, P, requestHash, R]
  // schemes: re-encryption
  slotKey: 'YILIAN-V1-SLOT-KEY', // K_j: [tag, chainId, suite, recordId, P, label]
  packageKey: 'YILIAN-V1-PACKAGE-KEY', // [tag, chainId, suite, recordId]
  capsuleProof: 'YILIAN-V1-CAPSULE-PROOF', // [tag, chainId, suite, C, Cbar, R, Rbar, txc]
  proofNonce: 'YILIAN-V1-PROOF-NONCE', // [tag, chainId, suite if any, purpose, before, after]
  grantTag: 'YILIAN-V1-GRANT-TAG', // Ed25519 seed: [tag, chainId, m]
  grantSalt: 'YILIAN-V1-GRANT-SALT', // [tag, chainId, suite, grantId]
  grantBody: 'YILIAN-V1-GRANT-BODY', // bodyHash: [tag, chainId, suite, salt, body]
  grantCopyKey: 'YILIAN-V1-GRANT-COPY-KEY', // [tag, chainId, suite, grantId]
  grantNodeInfo: 'YILIAN-V1-GRANT-NODE', // HPKE info: [tag, chainId, suite, grantId, i, bodyHash]
  grantGranteeInfo: 'YILIAN-V1-GRANT-GRANTEE', // HPKE info: [tag, chainId, suite, grantId, B, bodyHash]
  accessKey: 'YILIAN-V1-ACCESS-KEY', // [tag, chainId, suite, grantId, nonce]
  shareProof: 'YILIAN-V1-SHARE-PROOF', // [tag, chainId, suite, grantId, number, recordId, i, Q, C, V(i), E, V', Chat, R1, R2]
  afghSlotKey: 'YILIAN-V1-AFGH-SLOT-KEY', // [tag, chainId, suite, recordId, level, public key]
  // schemes: search (no suite: an epoch serves records of every suite, its cipher is always AES-256)
  blindedKeyword: 'YILIAN-V1-BLINDED-KEYWORD', // [tag, chainId, type, normalised text]
  epochProof: 'YILIAN-V1-EPOCH-PROOF', // [tag, chainId, A, hospitalId, epoch, R]
  tagKey: 'YILIAN-V1-TAG-KEY', // pk: [tag, chainId, A]
  symmetricTagKey: 'YILIAN-V1-SYMMETRIC-TAG-KEY', // sym: [tag, chainId]
  locationKey: 'YILIAN-V1-LOCATION-KEY', // [tag, chainId, suite, recordId]
  // api and node services
  httpRequest: 'YILIAN-V1-HTTP-REQUEST', // [tag, chainId, receiver, "METHOD /path", timeSeconds, nonce, body]
  accessRequestCommitment: 'YILIAN-V1-ACCESS-REQUEST-COMMITMENT', // [tag, chainId, handle, sealed request]
  accessRequestInfo: 'YILIAN-V1-ACCESS-REQUEST', // HPKE info: [tag, chainId, handle]
  shareSignature: 'YILIAN-V1-SHARE-SIGNATURE', // [tag, chainId, grantId, number, node, share]
  narrowingKey: 'YILIAN-V1-NARROWING-KEY', // salt as ikm: [tag, chainId, grantId, nonce]
  searchTokensInfo: 'YILIAN-V1-SEARCH-TOKENS', // HPKE info: [tag, chainId, grantId, search node]
  sealedLocationInfo: 'YILIAN-V1-SEALED-LOCATION', // HPKE info: [tag, chainId, recordId]
  registrationAnswer: 'YILIAN-V1-REGISTRATION-ANSWER', // one-time secret as ikm: [tag, chainId]
  storePath: 'YILIAN-V1-STORE-PATH', // [tag, chainId, object key]
  // client
  keyringKey: 'YILIAN-V1-KEYRING-KEY', // [tag]
  patientSigningSeed: 'YILIAN-V1-PATIENT-SIGNING-SEED', // [tag, chainId]
  handleSeeds: 'YILIAN-V1-HANDLE-SEEDS', // [tag, chainId, n]
  visitCode: 'YILIAN-V1-VISIT-CODE', // [tag, chainId, package, identity, authorisation]
  objectKey: 'YILIAN-V1-OBJECT-KEY', // LK as ikm: [tag, chainId, recordId]
  // record envelope
  recordHeader: 'YILIAN-V1-RECORD-HEADER', // [tag, chainId, suite, recordId, …fields], see envelope/header.ts
  recordContext: 'YILIAN-V1-RECORD-CONTEXT', // [tag, chainId, suite, recordId, chunkBytes]: HKDF salt
  recordCommitment: 'YILIAN-V1-RECORD-COMMITMENT', // [tag, chainId, suite, recordId]
  sectionKey: 'YILIAN-V1-SECTION-KEY', // [tag, chainId, suite, recordId, path]
  sectionCommitment: 'YILIAN-V1-SECTION-COMMITMENT', // [tag, chainId, suite, recordId]
  sectionSalt: 'YILIAN-V1-SECTION-SALT', // [tag, chainId, suite, recordId]
  sectionContentKey: 'YILIAN-V1-SECTION-CONTENT-KEY', // [tag, chainId, suite, recordId]
  sectionDescriptor: 'YILIAN-V1-SECTION-DESCRIPTOR', // [tag, chainId, suite, recordId]: key and AAD
  sectionLeaf: 'YILIAN-V1-SECTION-LEAF', // [tag, chainId, suite, path, ciphertextRoot, commitment, salt]
  recordChunk: 'YILIAN-V1-RECORD-CHUNK', // [tag, chainId, suite, recordId, chunkBytes, path, index, final]
  recordSlot: 'YILIAN-V1-RECORD-SLOT', // [tag, chainId, suite, recordId]
  authorSlot: 'YILIAN-V1-AUTHOR-SLOT', // [tag, chainId, suite, recordId]
  recordAuthorship: 'YILIAN-V1-RECORD-AUTHORSHIP', // [tag, chainId, suite, recordId]: key and AAD
  // node
  peerHandshake: 'YILIAN-V1-PEER-HANDSHAKE', // [tag, chainId, side, dialer's hello, acceptor's hello]
  institutionRequest: 'YILIAN-V1-INSTITUTION-REQUEST', // [tag, chainId, description, name of the key that signs]
  institutionAnswer: 'YILIAN-V1-INSTITUTION-ANSWER', // [tag, chainId, answer without the signature]
  introduction: 'YILIAN-V1-INTRODUCTION', // [tag, chainId, introduction without the signature]
  outcomeReply: 'YILIAN-V1-OUTCOME-REPLY', // [tag, chainId, transactionId, height, index, 'ok' or code]
} as const;

export type DomainTag = (typeof DOMAIN_TAGS)[keyof typeof DOMAIN_TAGS];
