/**
 * What the light client asks of an engine. Headers, certificates and validator sets come as bytes in the
 * form of the engine that the genesis document names; here they become what all engines have in common, and
 * everything about trust (trust.ts, verify-header.ts, light-client.ts, trust-checkpoint.ts) is one code.
 */
import type { Bytes } from '@yilian/crypto/bytes';
import type { Genesis } from '../application.ts';
import type { CertificateRefusal } from '../certificate.ts';
import type { SignatureVerifier } from '../signature.ts';
import type { ValidatorSet } from '../validator-set.ts';
import type { CometValidatorSet } from './cometbft/validator-set.ts';

export type EngineName = 'pbft' | 'cometbft';

/** Both have `validators` of key and power in the order by which certificates name them, and a `hash`. */
export type LightValidatorSet = ValidatorSet | CometValidatorSet;

export interface LightHeader {
  readonly chainId: string;
  readonly height: bigint;
  /** Computed from the header's bytes. */
  readonly blockId: Bytes;
  /** Id of the block below; at height 1 the genesis id (PBFT) or null (CometBFT). */
  readonly previousId: Bytes | null;
  readonly timeNs: bigint;
  /** RFC 9162 root over SHA-256(transaction), of the transactions as the engine ordered them. */
  readonly transactionsRoot: Bytes;
  /** After the block below. */
  readonly appHash: Bytes;
  readonly validatorsHash: Bytes;
  readonly nextValidatorsHash: Bytes;
  /** Who made the block: a consensus key of 32 bytes (PBFT) or an address of 20 (CometBFT). */
  readonly proposer: Bytes;
}

export type CertificateVerdict =
  /** `signers`: positions in the set whose signatures were checked and hold. */
  | { readonly ok: true; readonly signers: readonly number[] }
  | { readonly ok: false; readonly code: CertificateRefusal };

export interface CertificateCheck {
  readonly validators: LightValidatorSet;
  readonly verifySignature: SignatureVerifier;
  /** Asked of those whose signatures hold, where an engine would stop at two thirds of the power. */
  readonly isEnough?: (signers: readonly number[]) => boolean;
}

/** A header with its certificate, decoded; nothing of it is believed yet. */
export interface CertifiedHeader {
  readonly header: LightHeader;
  /** Whether this code knows what a header of its version means. */
  readonly isVersionKnown: boolean;
  /** Positions in the set of those who voted for the block, by the certificate's own word. */
  readonly signers: readonly number[];
  /** More than two thirds of the set's power signed this very header. */
  readonly verifyCertificate: (check: CertificateCheck) => CertificateVerdict;
  /** Whether the proposer signed it, where an engine's headers carry that signature beside the certificate. */
  readonly isProposed: (verifySignature: SignatureVerifier) => boolean;
}

/** What a light client downloads of a block: no transactions. */
export interface LightBlock extends CertifiedHeader {
  /** The set whose hash the header names. */
  readonly validators: LightValidatorSet;
}

/** As nodes store, send and keep them. */
export interface EncodedHeader {
  readonly header: Bytes;
  readonly certificate: Bytes;
}

export interface LightEngine {
  readonly name: EngineName;
  /** @throws CodecError */
  readonly decodeHeader: (encoded: EncodedHeader) => CertifiedHeader;
  /** @throws CodecError, ValidatorSetError */
  readonly decodeValidators: (bytes: Bytes) => LightValidatorSet;
  /** Client transactions out of the engine's, in order: the root in a header is over the latter. */
  readonly clientTransactions: (transactions: readonly Bytes[]) => readonly Bytes[];
  /** The set of height 1. @throws ValidatorSetError */
  readonly genesisValidators: (genesis: Genesis) => LightValidatorSet;
}
