/** Access requests and the inbox, search, shares: what passes between a grantee, nodes and a patient. */
import { type Bytes } from '@yilian/crypto/bytes';
import { type ChainContext, bindChain } from '@yilian/crypto/context';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { sha256 } from '@yilian/crypto/hash';
import { type Codec, boundedBytes, fields, fixedBytes, list, uint, height } from './codec.ts';
import { LIMITS, SIZES } from './sizes.ts';

/** `postRequest`: doctor B asks; purpose and scope are sealed to the handle's HPKE key. */
export interface AccessRequestPost {
  /** Of the `requestAccess` transaction, final before the post. */
  readonly transactionId: Bytes;
  /** One-time Ed25519 key of the patient from her QR or referral letter, 32 bytes. */
  readonly handle: Bytes;
  /** HPKE blob, see `sealBlob`. */
  readonly sealed: Bytes;
  /** The requester's certificate, encoded. */
  readonly certificate: Bytes;
}

export const accessRequestPost: Codec<AccessRequestPost> = fields<AccessRequestPost>({
  transactionId: fixedBytes(SIZES.transactionId),
  handle: fixedBytes(SIZES.key),
  sealed: boundedBytes(LIMITS.sealedRequestBytesMax),
  certificate: boundedBytes(LIMITS.certificateBytesMax),
});

/** What `requestAccess` carries on chain: hiding, because the sealed bytes are randomised. */
export function accessRequestCommitment(
  context: ChainContext,
  request: { readonly handle: Bytes; readonly sealed: Bytes },
): Bytes {
  return sha256(
    bindChain(DOMAIN_TAGS.accessRequestCommitment, context, request.handle, request.sealed),
  );
}

/** One request in a patient's inbox. */
export interface InboxItem {
  /** 1, 2, 3… within the handle; the event id of the stream. */
  readonly number: number;
  /** Unix time at which the node took it. */
  readonly timeSeconds: number;
  readonly transactionId: Bytes;
  readonly sealed: Bytes;
  readonly certificate: Bytes;
}

export const inboxItem: Codec<InboxItem> = fields<InboxItem>({
  number: uint(),
  timeSeconds: uint(),
  transactionId: fixedBytes(SIZES.transactionId),
  sealed: boundedBytes(LIMITS.sealedRequestBytesMax),
  certificate: boundedBytes(LIMITS.certificateBytesMax),
});

export const inboxItems: Codec<readonly InboxItem[]> = list(inboxItem, 1024);

/** `postSearch`. */
export interface SearchPost {
  readonly grantId: Bytes;
  /**
   * As B found them in his blob: each an HPKE message to the search node's member key with
   * `searchTokenInfo`, around `encodeSearchToken` of crypto. There is no patient key in them (F7).
   */
  readonly tokens: readonly Bytes[];
}

export const searchPost: Codec<SearchPost> = fields<SearchPost>({
  grantId: fixedBytes(SIZES.grantId),
  tokens: list(boundedBytes(512), LIMITS.searchTokensMax),
});

/** HPKE info of one sealed search token; `node` is the member id of the search node (R6). */
export function searchTokenInfo(context: ChainContext, grantId: Bytes, node: Bytes): Bytes {
  return bindChain(DOMAIN_TAGS.searchTokensInfo, context, grantId, node);
}

/** HPKE info of a sealed access request. */
export function accessRequestInfo(context: ChainContext, handle: Bytes): Bytes {
  return bindChain(DOMAIN_TAGS.accessRequestInfo, context, handle);
}

/** A candidate until it is opened. */
export interface SearchHit {
  readonly recordId: Bytes;
  /** Where the record's transaction stands in the log. */
  readonly logPosition: bigint;
  /** LK of the record: unseals its location. */
  readonly locationKey: Bytes;
}

const searchHit: Codec<SearchHit> = fields<SearchHit>({
  recordId: fixedBytes(SIZES.recordId),
  logPosition: height,
  locationKey: fixedBytes(SIZES.locationKey),
});

/** One list per token, in the order of the sealed list. */
export const searchAnswer: Codec<readonly (readonly SearchHit[])[]> = list(
  list(searchHit, LIMITS.hitsPerTokenMax),
  LIMITS.searchTokensMax,
);

/** `postReEncryption`. */
export interface ReEncryptionPost {
  readonly grantId: Bytes;
  /** Of the access event within the grant. */
  readonly number: number;
}

export const reEncryptionPost: Codec<ReEncryptionPost> = fields<ReEncryptionPost>({
  grantId: fixedBytes(SIZES.grantId),
  number: uint(),
});

export interface ReEncryptionAnswer {
  /** (E, V′, Ĉ, h, y), 256 bytes. */
  readonly share: Bytes;
  /** The node's Ed25519 signature over `shareMessage`. */
  readonly signature: Bytes;
}

export const reEncryptionAnswer: Codec<ReEncryptionAnswer> = fields<ReEncryptionAnswer>({
  share: fixedBytes(SIZES.share),
  signature: fixedBytes(SIZES.signature),
});

/**
 * What a node signs when it releases a share: with it a wrong share convicts its node. It names the
 * record and the point as the node served them: a signed share of one record must not become evidence
 * about another.
 */
export function shareMessage(
  context: ChainContext,
  release: {
    readonly grantId: Bytes;
    readonly number: number;
    readonly recordId: Bytes;
    /** Q of the label, 96 bytes. */
    readonly point: Bytes;
    /** Member id of the node. */
    readonly node: Bytes;
    readonly share: Bytes;
  },
): Bytes {
  return bindChain(
    DOMAIN_TAGS.shareSignature,
    context,
    release.grantId,
    release.number,
    release.recordId,
    release.point,
    release.node,
    release.share,
  );
}
