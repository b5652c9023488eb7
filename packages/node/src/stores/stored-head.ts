/**
 * What stands before the content of every stored object, and under which name the object lies.
 * Head: header hash (32) ‖ digest (32) ‖ length (8, big-endian).
 */
import { type Bytes, concatBytes, equalBytes, toHex, u64be } from '@yilian/crypto/bytes';
import type { Brand } from '@yilian/crypto/brand';
import { type ChainContext, bindChain } from '@yilian/crypto/context';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { sha256 } from '@yilian/crypto/hash';

/** What was announced about the bytes that come. */
export interface Announcement {
  readonly headerHash: Bytes;
  readonly digest: Bytes;
  readonly length: number;
}

export const HEAD_BYTES = 72;

/** 64 hexadecimal digits. A hash of the object key: a listing or dump shows no capability (R5). */
export type StoredName = Brand<string, 'StoredName'>;

export function storedName(context: ChainContext, objectKey: Bytes): StoredName {
  return toHex(sha256(bindChain(DOMAIN_TAGS.storePath, context, objectKey))) as StoredName;
}

/** A name that came from outside; null when it has not the form of one. */
export function parseStoredName(text: string): StoredName | null {
  return /^[0-9a-f]{64}$/.test(text) ? (text as StoredName) : null;
}

export function encodeHead({ headerHash, digest, length }: Announcement): Bytes {
  return concatBytes(headerHash, digest, u64be(BigInt(length)));
}

/** Null when the bytes are too few or the length is none. */
export function parseHead(bytes: Bytes): Announcement | null {
  if (bytes.length < HEAD_BYTES) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEAD_BYTES);
  const length = view.getBigUint64(64);
  if (length > BigInt(Number.MAX_SAFE_INTEGER)) return null;
  return {
    headerHash: bytes.slice(0, 32),
    digest: bytes.slice(32, 64),
    length: Number(length),
  };
}

export function sameAnnouncement(a: Announcement, b: Announcement): boolean {
  return (
    a.length === b.length &&
    equalBytes(a.headerHash, b.headerHash) &&
    equalBytes(a.digest, b.digest)
  );
}
