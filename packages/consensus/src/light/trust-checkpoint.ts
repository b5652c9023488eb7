/**
 * LC-5. How trust outlives the trusting period: the regulator signs a recent final header with its set,
 * and who was away for long begins anew there. Signatures of validators who have left since prove
 * nothing to such a client (they may have sold their keys); the regulator's key, named by the anchor,
 * still does. Known as weak subjectivity (Buterin 2014; Tendermint light client).
 */
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import { Fields } from '@yilian/crypto/fields';
import type { SignatureVerifier } from '../signature.ts';
import { isSetOfChain, lightValidatorsFromCbor, lightValidatorsToCbor } from './light-engines.ts';
import {
  type TrustAnchor,
  trustCheckpoint,
  type TrustCheckpoint,
  type TrustedBlock,
} from './trust.ts';
import { DEFAULT_LIGHT_SETTINGS, type LightSettings } from './verify-header.ts';

export const CHECKPOINT_BYTES_MAX = 16_384;

/** `[chainId, genesisId, height, blockId, timeNs, validators, nextValidatorsHash, signature]`. */
export function encodeTrustCheckpoint(checkpoint: TrustCheckpoint): Bytes {
  return encode([
    checkpoint.chainId,
    checkpoint.genesisId,
    checkpoint.height,
    checkpoint.blockId,
    checkpoint.timeNs,
    lightValidatorsToCbor(checkpoint.validators),
    checkpoint.nextValidatorsHash,
    checkpoint.signature,
  ]);
}

/** @throws CodecError, ValidatorSetError */
export function decodeTrustCheckpoint(bytes: Bytes): TrustCheckpoint {
  const fields = Fields.of(decode(bytes, { bytesMax: CHECKPOINT_BYTES_MAX, depthMax: 4 }), 8);
  return {
    chainId: fields.text(),
    genesisId: fields.bytes(32),
    height: fields.u64(),
    blockId: fields.bytes(32),
    timeNs: fields.u64(),
    validators: lightValidatorsFromCbor(fields.any()),
    nextValidatorsHash: fields.bytes(32),
    signature: fields.bytes(64),
  };
}

export type CheckpointRefusal =
  | 'wrongChain'
  | 'signatureInvalid'
  /** Below what is trusted already, or itself older than the trusting period. */
  | 'stale'
  | 'fromTheFuture'
  /** It names another block than one that was verified: the regulator or a third of the power lied. */
  | 'forked';

export type CheckpointVerdict =
  | { readonly ok: true; readonly trusted: TrustedBlock }
  | { readonly ok: false; readonly code: CheckpointRefusal };

/** Trust that begins anew at a checkpoint of the regulator, or why not. */
export function renewTrust(input: {
  readonly anchor: TrustAnchor;
  readonly checkpoint: TrustCheckpoint;
  /** What is trusted so far, expired or not. */
  readonly trusted: TrustedBlock;
  /** Id of a block that was verified at this height, if one was. */
  readonly verifiedBlockId?: (height: bigint) => Bytes | undefined;
  readonly nowNs: bigint;
  readonly verifySignature: SignatureVerifier;
  readonly settings?: LightSettings;
}): CheckpointVerdict {
  const { anchor, checkpoint, trusted, nowNs, verifySignature } = input;
  const { trustingPeriodNs, clockDriftNs } = input.settings ?? DEFAULT_LIGHT_SETTINGS;
  const refuse = (code: CheckpointRefusal): CheckpointVerdict => ({ ok: false, code });
  const { height, blockId, timeNs } = checkpoint;
  const isOurs =
    checkpoint.chainId === anchor.chainId &&
    isSetOfChain(checkpoint.validators, anchor.chainId) &&
    checkpoint.validators.engine === trusted.validators.engine &&
    equalBytes(checkpoint.genesisId, anchor.genesisId);
  if (!isOurs) return refuse('wrongChain');
  const renewed = trustCheckpoint(anchor, checkpoint, verifySignature);
  if (renewed === null) return refuse('signatureInvalid');
  // Before age: a contradiction is worth telling whatever the time.
  const verified = height === trusted.height ? trusted.blockId : input.verifiedBlockId?.(height);
  if (verified !== undefined && !equalBytes(verified, blockId)) return refuse('forked');
  if (height < trusted.height || nowNs - timeNs > trustingPeriodNs) return refuse('stale');
  // A later block cannot have an earlier time.
  if (height > trusted.height && timeNs < trusted.timeNs) return refuse('forked');
  if (timeNs > nowNs + clockDriftNs) return refuse('fromTheFuture');
  return { ok: true, trusted: renewed };
}

/** Whether what is trusted is too old to judge anything newer. */
export function isTrustExpired(
  trusted: TrustedBlock,
  nowNs: bigint,
  settings: LightSettings = DEFAULT_LIGHT_SETTINGS,
): boolean {
  return nowNs - trusted.timeNs > settings.trustingPeriodNs;
}
