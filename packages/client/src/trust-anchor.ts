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
import { trustCheckpoint } from '@yilian/consensus/light/trust';
import {
  CHECKPOINT_BYTES_MAX,
  decodeTrustCheckpoint,
} from '@yilian/consensus/light/trust-checkpoint';
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

/** @throws ClientError `badAnchor` */
export function parseTrustAnchor(text: string): TrustAnchor {
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
    if (checkpoint === undefined) return anchor;
    if (!(checkpoint instanceof Uint8Array)) return refuse();
    const decoded = decodeTrustCheckpoint(checkpoint);
    const isRegulators = trustCheckpoint(anchor, decoded, verifySignature) !== null;
    return isRegulators ? { ...anchor, checkpoint } : refuse();
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
