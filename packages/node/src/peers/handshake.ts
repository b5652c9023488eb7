/**
 * How two nodes prove their keys to each other on a fresh connection, after SIGMA (Krawczyk 2003):
 *
 *   each → other  hello = [version, chainId, Ed25519 key, fresh X25519 key]
 *   each → other  proof = Ed25519 signature over [tag, chainId, side, dialer's hello, acceptor's hello]
 *
 * Both fresh keys are under both signatures, so a proof is worth nothing on another connection, another
 * chain, or in the other direction. The X25519 secret then keys AES-256-GCM, one key per direction and
 * nonces that count: whoever relays the handshake can neither read, insert, drop nor reorder frames.
 */
import {
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
} from 'node:crypto';
import type { Bytes } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';
import { bindChain } from '@yilian/crypto/context';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { verifySignature } from '../verification/verify-signature.ts';

const VERSION = 1;
/** Either handshake message is shorter. */
export const HANDSHAKE_BYTES_MAX = 256;

export type Side = 'dialer' | 'acceptor';

export interface Identity {
  readonly chainId: string;
  readonly key: Bytes;
  readonly sign: (message: Bytes) => Bytes;
}

export interface Hello {
  readonly bytes: Bytes;
  readonly key: Bytes;
  readonly freshKey: Bytes;
}

export interface OwnHello extends Hello {
  readonly freshSecret: KeyObject;
}

/** Keys for the frames that this side sends and receives, 32 bytes each. */
export interface SessionKeys {
  readonly sending: Bytes;
  readonly receiving: Bytes;
}

export function createHello(identity: Identity): OwnHello {
  const { publicKey, privateKey } = generateKeyPairSync('x25519');
  const { x } = publicKey.export({ format: 'jwk' });
  const freshKey = new Uint8Array(Buffer.from(x ?? '', 'base64url'));
  const bytes = encode([VERSION, identity.chainId, identity.key, freshKey]);
  return { bytes, key: identity.key, freshKey, freshSecret: privateKey };
}

/** The other side's hello, or undefined when it is none, or of another version or chain. */
export function parseHello(bytes: Bytes, chainId: string): Hello | undefined {
  let value: Cbor;
  try {
    value = decode(bytes, { bytesMax: HANDSHAKE_BYTES_MAX, depthMax: 2 });
  } catch {
    return undefined;
  }
  if (!Array.isArray(value) || value.length !== 4) return undefined;
  const [version, chain, key, freshKey] = value as readonly Cbor[];
  if (version !== VERSION || chain !== chainId) return undefined;
  if (!(key instanceof Uint8Array) || key.length !== 32) return undefined;
  if (!(freshKey instanceof Uint8Array) || freshKey.length !== 32) return undefined;
  return { bytes, key, freshKey };
}

interface Exchange {
  readonly chainId: string;
  readonly dialer: Hello;
  readonly acceptor: Hello;
}

function proofMessage({ chainId, dialer, acceptor }: Exchange, side: Side): Bytes {
  const context = { chainId };
  return bindChain(DOMAIN_TAGS.peerHandshake, context, side, dialer.bytes, acceptor.bytes);
}

export function signProof(identity: Identity, exchange: Exchange, side: Side): Bytes {
  return identity.sign(proofMessage(exchange, side));
}

/** Whether the other side, acting as `side`, holds the key of its hello. */
export function verifyProof(exchange: Exchange, side: Side, signature: Bytes): boolean {
  const publicKey = exchange[side].key;
  return verifySignature({ publicKey, message: proofMessage(exchange, side), signature });
}

/** Undefined when the other side's fresh key is of small order: nothing secret would come of it. */
export function deriveSessionKeys(
  exchange: Exchange,
  side: Side,
  own: OwnHello,
): SessionKeys | undefined {
  const other = side === 'dialer' ? exchange.acceptor : exchange.dialer;
  const x = Buffer.from(other.freshKey).toString('base64url');
  let secret: Buffer;
  try {
    const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x }, format: 'jwk' });
    secret = diffieHellman({ privateKey: own.freshSecret, publicKey });
  } catch {
    return undefined;
  }
  const derive = (from: Side): Bytes =>
    new Uint8Array(hkdfSync('sha256', secret, new Uint8Array(0), proofMessage(exchange, from), 32));
  const [sending, receiving] = side === 'dialer' ? ['dialer', 'acceptor'] : ['acceptor', 'dialer'];
  return { sending: derive(sending as Side), receiving: derive(receiving as Side) };
}
