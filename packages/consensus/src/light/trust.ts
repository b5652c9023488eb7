/**
 * What a light client believes and why. Trust begins with an anchor that came with the member's
 * certificate or a QR code, and moves from header to header by signatures alone.
 */
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { Fields } from '@yilian/crypto/fields';
import type { Genesis } from '../application.ts';
import { genesisId } from '../genesis.ts';
import type { SignatureVerifier } from '../signature.ts';
import type { LightValidatorSet } from './light-engine.ts';
import {
  isSetOfChain,
  lightEngineOf,
  lightValidatorsFromCbor,
  lightValidatorsToCbor,
} from './light-engines.ts';

export interface TrustAnchor {
  readonly chainId: string;
  /** 32 bytes, see `genesisId`. */
  readonly genesisId: Bytes;
  /** Ed25519 key of the regulatory centre: vouches for a checkpoint after a long absence. */
  readonly regulatorKey: Bytes;
}

/** A block whose header is believed. Height 0 is genesis. */
export interface TrustedBlock {
  readonly chainId: string;
  readonly height: bigint;
  readonly blockId: Bytes;
  readonly timeNs: bigint;
  /** App hash after the block *below*, as the header carries it; null at genesis. */
  readonly appHash: Bytes | null;
  /** The set of this height. */
  readonly validators: LightValidatorSet;
  /** Hash of the set of the next height. */
  readonly nextValidatorsHash: Bytes;
}

/** LC-1. The beginning of trust, or null when the document is not the one that the anchor names. */
export function trustGenesis(anchor: TrustAnchor, genesis: Genesis): TrustedBlock | null {
  if (genesis.chainId !== anchor.chainId) return null;
  if (!equalBytes(genesisId(genesis), anchor.genesisId)) return null;
  const validators = lightEngineOf(genesis).genesisValidators(genesis);
  return {
    chainId: anchor.chainId,
    height: 0n,
    blockId: anchor.genesisId,
    timeNs: genesis.timeNs,
    appHash: null,
    validators,
    nextValidatorsHash: validators.hash,
  };
}

/** A point signed by the regulator, for clients whose trust has grown old. */
export interface TrustCheckpoint {
  readonly chainId: string;
  readonly genesisId: Bytes;
  readonly height: bigint;
  readonly blockId: Bytes;
  readonly timeNs: bigint;
  readonly validators: LightValidatorSet;
  readonly nextValidatorsHash: Bytes;
  readonly signature: Bytes;
}

/** What the regulator signs. */
export function trustCheckpointBody(checkpoint: Omit<TrustCheckpoint, 'signature'>): Bytes {
  return encode([
    DOMAIN_TAGS.trustCheckpoint,
    checkpoint.chainId,
    checkpoint.genesisId,
    checkpoint.height,
    checkpoint.blockId,
    checkpoint.timeNs,
    checkpoint.validators.hash,
    checkpoint.nextValidatorsHash,
  ]);
}

/** LC-5. The trusted block of a checkpoint, or null when it is not the regulator's word about this chain. */
export function trustCheckpoint(
  anchor: TrustAnchor,
  checkpoint: TrustCheckpoint,
  verifySignature: SignatureVerifier,
): TrustedBlock | null {
  const { chainId, height, blockId, timeNs, validators, nextValidatorsHash } = checkpoint;
  if (chainId !== anchor.chainId || !isSetOfChain(validators, chainId)) return null;
  if (!equalBytes(checkpoint.genesisId, anchor.genesisId)) return null;
  const { signature } = checkpoint;
  const message = trustCheckpointBody(checkpoint);
  if (!verifySignature({ publicKey: anchor.regulatorKey, message, signature })) return null;
  return { chainId, height, blockId, timeNs, appHash: null, validators, nextValidatorsHash };
}

/** For keeping trust between visits. The bytes are as trustworthy as the place where they were kept. */
export function encodeTrustedBlock(trusted: TrustedBlock): Bytes {
  return encode([
    trusted.chainId,
    trusted.height,
    trusted.blockId,
    trusted.timeNs,
    trusted.appHash,
    lightValidatorsToCbor(trusted.validators),
    trusted.nextValidatorsHash,
  ]);
}

/** @throws CodecError, ValidatorSetError */
export function decodeTrustedBlock(bytes: Bytes): TrustedBlock {
  const fields = Fields.of(decode(bytes), 7);
  return {
    chainId: fields.text(),
    height: fields.u64(),
    blockId: fields.bytes(32),
    timeNs: fields.u64(),
    appHash: fields.orNull((own) => own.bytes()),
    validators: lightValidatorsFromCbor(fields.any()),
    nextValidatorsHash: fields.bytes(32),
  };
}
