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
import { ClientError } from './failure.ts';

export interface TrustAnchor {
  readonly chainId: string;
  /** Names the genesis document (consensus/genesis `genesisId`), 32 bytes. */
  readonly genesisId: Bytes;
  /** Ed25519, 32 bytes. */
  readonly regulatorKey: Bytes;
}

/** Text for a QR or a configuration file: base64url of `[chainId, genesisId, regulatorKey]`. */
export function encodeTrustAnchor(anchor: TrustAnchor): string {
  return toBase64Url(encode([anchor.chainId, anchor.genesisId, anchor.regulatorKey]));
}

/** @throws ClientError `badAnchor` */
export function parseTrustAnchor(text: string): TrustAnchor {
  const refuse = (): never => {
    throw new ClientError('badAnchor', 'this is not a trust anchor');
  };
  try {
    const value = decode(fromBase64Url(text.trim()), { bytesMax: 256, depthMax: 1 });
    if (!Array.isArray(value) || value.length !== 3) return refuse();
    const [chainId, genesisId, regulatorKey]: readonly unknown[] = value;
    if (typeof chainId !== 'string' || chainId === '') return refuse();
    if (!(genesisId instanceof Uint8Array) || genesisId.length !== 32) return refuse();
    if (!(regulatorKey instanceof Uint8Array) || regulatorKey.length !== 32) return refuse();
    return { chainId, genesisId, regulatorKey };
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

export function equalTrustAnchors(left: TrustAnchor, right: TrustAnchor): boolean {
  return (
    left.chainId === right.chainId &&
    equalBytes(left.genesisId, right.genesisId) &&
    equalBytes(left.regulatorKey, right.regulatorKey)
  );
}
