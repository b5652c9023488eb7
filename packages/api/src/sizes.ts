/** Sizes and limits of the contract, in bytes unless the name says otherwise. */
export const SIZES = {
  recordId: 32,
  memberId: 32,
  transactionId: 32,
  grantId: 16,
  pid: 20,
  key: 32,
  signature: 64,
  hash: 32,
  nonce: 16,
  g1: 48,
  g2: 96,
  scalar: 32,
  share: 256,
  objectKey: 32,
  locationKey: 16,
} as const;

export const LIMITS = {
  /** Any JSON or CBOR body. */
  bodyBytesMax: 262_144,
  transactionBytesMax: 65_536,
  /** As an engine ordered it: a bundle of client transactions of 64 KiB, with its heads. */
  blockTransactionBytesMax: 66_048,
  blobBytesMax: 65_536,
  answerBytesMax: 8_388_608,
  /** Default of a setting: the largest ciphertext a store takes. */
  ciphertextBytesMax: 4_294_967_296,
  /** Sealed access request in the inbox. */
  sealedRequestBytesMax: 16_384,
  certificateBytesMax: 4_096,
  /** A checkpoint with its validator set of at most 256. */
  checkpointBytesMax: 16_384,
  /** How far the sender's clock may be from the node's, and how long nonces are remembered. */
  requestAgeSecondsMax: 60,
  /** Longest wait of a request for a height or a transaction, in milliseconds. */
  waitMsMax: 10_000,
  headersPerAnswerMax: 100,
  searchTokensMax: 512,
  hitsPerTokenMax: 4096,
  labelsPerGrantMax: 16,
  holdersPerGrantMax: 32,
  recordsPerGrantMax: 256,
} as const;
