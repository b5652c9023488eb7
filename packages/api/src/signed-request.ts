/**
 * SignedRequest: `[[tag, chainId, receiver, "METHOD /path", timeSeconds, nonce, body], key, signature]`
 * in canonical CBOR; the signature is Ed25519 over the encoding of the first array. It names its
 * receiver, route and time, so it means nothing anywhere else or later. As request body it travels as
 * it is; for uploads, GET and event streams as base64url in the header `yilian-request` (or, where a
 * browser cannot set headers, the query parameter `request`).
 */
import { type Bytes, CodecError, fromBase64Url, toBase64Url } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';
import type { ChainContext } from '@yilian/crypto/context';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { Fields } from '@yilian/crypto/fields';
import { SIZES } from './sizes.ts';

export const SIGNED_REQUEST_HEADER = 'yilian-request';
export const SIGNED_REQUEST_QUERY = 'request';

/** What the signer says. */
export interface RequestClaim {
  readonly chainId: string;
  /** Member id of the node that shall answer. */
  readonly receiver: Bytes;
  /** `METHOD /path` without query. */
  readonly target: string;
  /** Unix time. */
  readonly timeSeconds: number;
  /** 16 random bytes. */
  readonly nonce: Bytes;
  readonly body: Bytes;
}

export interface SignedRequest {
  readonly claim: RequestClaim;
  /** Ed25519 key of the signer, 32 bytes. */
  readonly key: Bytes;
  readonly signature: Bytes;
}

function claimToCbor(claim: RequestClaim): Cbor {
  return [
    DOMAIN_TAGS.httpRequest,
    claim.chainId,
    claim.receiver,
    claim.target,
    claim.timeSeconds,
    claim.nonce,
    claim.body,
  ];
}

/** The bytes that are signed. */
export function requestMessage(claim: RequestClaim): Bytes {
  return encode(claimToCbor(claim));
}

/** Build and sign. `sign` is Ed25519 over the message with the private part of `key`. */
export function signRequest(
  context: ChainContext,
  request: Omit<RequestClaim, 'chainId'> & {
    readonly key: Bytes;
    readonly sign: (message: Bytes) => Bytes;
  },
): Bytes {
  const { receiver, target, timeSeconds, nonce, body } = request;
  const claim: RequestClaim = {
    chainId: context.chainId,
    receiver,
    target,
    timeSeconds,
    nonce,
    body,
  };
  return encode([claimToCbor(claim), request.key, request.sign(requestMessage(claim))]);
}

/** For header and query. */
export function toRequestHeader(signed: Bytes): string {
  return toBase64Url(signed);
}

/** @throws CodecError `malformed` */
export function fromRequestHeader(header: string): Bytes {
  return fromBase64Url(header);
}

/**
 * Strict form only; whoever calls it checks receiver, target, time, nonce and signature.
 * @throws CodecError `malformed`, `notCanonical`, `tooLarge`
 */
export function parseSignedRequest(bytes: Bytes, bytesMax: number): SignedRequest {
  const request = Fields.of(decode(bytes, { bytesMax, depthMax: 3 }), 3);
  const fields = request.nested(7);
  if (fields.any() !== DOMAIN_TAGS.httpRequest)
    throw new CodecError('malformed', 'a request claim begins with its tag');
  return {
    claim: {
      chainId: fields.text(),
      receiver: fields.bytes(SIZES.memberId),
      target: fields.text(),
      timeSeconds: fields.whole(),
      nonce: fields.bytes(SIZES.nonce),
      body: fields.bytes(),
    },
    key: request.bytes(SIZES.key),
    signature: request.bytes(SIZES.signature),
  };
}
