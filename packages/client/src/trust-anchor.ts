/**
 * What a client believes before it asks anybody: which chain this is and who its regulator is. It
 * comes with the member's certificate or as a QR, never from a node.
 */
import {
  type Bytes,
  equalBytes,
  fromBase64Url,
  fromHex,
  toBase64Url,
  toHex,
} from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import { verifySignature } from '@yilian/crypto/signature';
import { isSetOfChain } from '@yilian/consensus/light/light-engines';
import { trustCheckpoint, type TrustCheckpoint } from '@yilian/consensus/light/trust';
import {
  CHECKPOINT_BYTES_MAX,
  decodeTrustCheckpoint,
} from '@yilian/consensus/light/trust-checkpoint';
import { DEFAULT_LIGHT_SETTINGS } from '@yilian/consensus/light/verify-header';
import { ClientError } from './failure.ts';

export interface TrustAnchor {
  readonly chainId: string;
  /** Names the genesis document (consensus/genesis `genesisId`), 32 bytes. */
  readonly genesisId: Bytes;
  /** Ed25519, 32 bytes. */
  readonly regulatorKey: Bytes;
  /**
   * Encoded checkpoint (consensus/light/trust-checkpoint) of an anchor that the regulator hands out anew
   * when a device's trust has expired and no node can renew it.
   */
  readonly checkpoint?: Bytes;
}

const ANCHOR_BYTES_MAX = CHECKPOINT_BYTES_MAX + 256;

/** Text for a QR or a file: base64url of `[chainId, genesisId, regulatorKey]` or of that and a checkpoint. */
export function encodeTrustAnchor(anchor: TrustAnchor): string {
  const { chainId, genesisId, regulatorKey, checkpoint } = anchor;
  const fields = [chainId, genesisId, regulatorKey];
  return toBase64Url(encode(checkpoint === undefined ? fields : [...fields, checkpoint]));
}

/**
 * What `encodeTrustAnchor` made. The age of a checkpoint is not judged here: `checkAnchorAge`.
 * @throws ClientError `badAnchor`; of a checkpoint that does not belong `anchorOtherChain`, `anchorForged`
 */
export function parseTrustAnchor(text: string): TrustAnchor {
  const { anchor, checkpoint } = decodeAnchor(text);
  if (checkpoint === undefined) return anchor;
  const { chainId, genesisId, validators } = checkpoint.decoded;
  if (
    chainId !== anchor.chainId ||
    !isSetOfChain(validators, anchor.chainId) ||
    !equalBytes(genesisId, anchor.genesisId)
  )
    throw new ClientError(
      'anchorOtherChain',
      `the anchor is of ${anchor.chainId} and its checkpoint of ${chainId === anchor.chainId ? 'another beginning' : chainId}`,
    );
  if (trustCheckpoint(anchor, checkpoint.decoded, verifySignature) === null)
    throw new ClientError('anchorForged', "the regulator did not sign the anchor's checkpoint");
  return { ...anchor, checkpoint: checkpoint.encoded };
}

/** A block that the regulator vouches for, as an anchor carries it. */
export interface AnchorPoint {
  readonly height: bigint;
  readonly timeMs: number;
}

/** Of a parsed anchor; null without a checkpoint. */
export function anchorPoint(anchor: TrustAnchor): AnchorPoint | null {
  if (anchor.checkpoint === undefined) return null;
  const { height, timeNs } = decodeTrustCheckpoint(anchor.checkpoint);
  return { height, timeMs: Number(timeNs / 1_000_000n) };
}

/**
 * An anchor whose checkpoint has outlived the trusting period was handed out to renew trust and cannot.
 * @throws ClientError `anchorStale`
 */
export function checkAnchorAge(anchor: TrustAnchor, nowMs: number): void {
  const point = anchorPoint(anchor);
  const periodMs = Number(DEFAULT_LIGHT_SETTINGS.trustingPeriodNs / 1_000_000n);
  if (point === null || nowMs - point.timeMs <= periodMs) return;
  throw new ClientError(
    'anchorStale',
    `the anchor's checkpoint is of ${new Date(point.timeMs).toISOString()}, more than ${periodMs / 86_400_000} days ago`,
  );
}

/** @throws ClientError `anchorOtherChain` unless both name the same chain and regulator */
export function checkSameChain(anchor: TrustAnchor, found: TrustAnchor): void {
  if (equalTrustAnchors(anchor, found)) return;
  const what =
    anchor.chainId === found.chainId ? 'another beginning or regulator' : `chain ${found.chainId}`;
  throw new ClientError(
    'anchorOtherChain',
    `the anchor is of chain ${anchor.chainId} and the consortium has ${what}`,
  );
}

interface DecodedAnchor {
  readonly anchor: TrustAnchor;
  readonly checkpoint: { readonly encoded: Bytes; readonly decoded: TrustCheckpoint } | undefined;
}

function decodeAnchor(text: string): DecodedAnchor {
  const refuse = (): never => {
    throw new ClientError('badAnchor', 'this is not a trust anchor');
  };
  try {
    const limits = { bytesMax: ANCHOR_BYTES_MAX, depthMax: 1 };
    const value = decode(fromBase64Url(text.trim()), limits);
    if (!Array.isArray(value) || value.length < 3 || value.length > 4) return refuse();
    const [chainId, genesisId, regulatorKey, checkpoint]: readonly unknown[] = value;
    if (typeof chainId !== 'string' || chainId === '') return refuse();
    if (!(genesisId instanceof Uint8Array) || genesisId.length !== 32) return refuse();
    if (!(regulatorKey instanceof Uint8Array) || regulatorKey.length !== 32) return refuse();
    const anchor = { chainId, genesisId, regulatorKey };
    if (checkpoint === undefined) return { anchor, checkpoint };
    if (!(checkpoint instanceof Uint8Array)) return refuse();
    const decoded = decodeTrustCheckpoint(checkpoint);
    return { anchor, checkpoint: { encoded: checkpoint, decoded } };
  } catch {
    return refuse();
  }
}

/** The JSON form that a demo consortium hands out (hexadecimal). @throws ClientError `badAnchor` */
export function trustAnchorFromHex(input: {
  readonly chainId: string;
  readonly genesisId: string;
  readonly regulatorKey: string;
}): TrustAnchor {
  try {
    return {
      chainId: input.chainId,
      genesisId: fromHex(input.genesisId),
      regulatorKey: fromHex(input.regulatorKey),
    };
  } catch {
    throw new ClientError('badAnchor', 'the trust anchor is not hexadecimal');
  }
}

export function trustAnchorToHex(anchor: TrustAnchor): {
  readonly chainId: string;
  readonly genesisId: string;
  readonly regulatorKey: string;
} {
  return {
    chainId: anchor.chainId,
    genesisId: toHex(anchor.genesisId),
    regulatorKey: toHex(anchor.regulatorKey),
  };
}

/** Whether both name the same chain and regulator; a checkpoint does not matter. */
export function equalTrustAnchors(left: TrustAnchor, right: TrustAnchor): boolean {
  return (
    left.chainId === right.chainId &&
    equalBytes(left.genesisId, right.genesisId) &&
    equalBytes(left.regulatorKey, right.regulatorKey)
  );
}
