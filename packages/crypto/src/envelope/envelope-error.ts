/**
 * Why a record was not opened, or could not be sealed. Thrown (and not returned), because a stream of
 * plaintext can end early in no other way. Nothing that failed a check is ever handed out before.
 */
export class EnvelopeError extends Error {
  readonly code: EnvelopeErrorCode;

  constructor(code: EnvelopeErrorCode, message: string) {
    super(message);
    this.name = 'EnvelopeError';
    this.code = code;
  }
}

export type EnvelopeErrorCode =
  /** Header bytes do not parse, or parse to something outside the format. */
  | 'headerMalformed'
  /** Header is not the one on chain. */
  | 'headerHash'
  /** Header is for another chain or record than the caller asked for. */
  | 'otherRecord'
  /** The suite is not one that the caller allows. */
  | 'suiteNotAllowed'
  /** Chunk hashes, header and digest on chain do not belong together. */
  | 'digest'
  /** Chunk hashes and a section's ciphertext root do not belong together. */
  | 'ciphertextRoot'
  /** The key is not the one that the record commits to. */
  | 'commitment'
  /** The section's key, path and ciphertext are not the ones that the section tree commits to. */
  | 'sectionCommitment'
  /** A chunk is not the one whose hash is in the tree. */
  | 'chunkHash'
  /** A chunk with the right hash does not decrypt: sealed wrongly by its author. */
  | 'chunkSealed'
  /** Descriptor or manifest do not decrypt, do not parse, or contradict header or each other. */
  | 'descriptor'
  /** The record has no such section. */
  | 'noSuchSection'
  /** What the caller wants to seal is outside the format. */
  | 'notSealable';
