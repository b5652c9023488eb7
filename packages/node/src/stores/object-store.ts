/**
 * Where sealed records lie: header and ciphertext in one object under a random 32-byte key that is the
 * capability to fetch it. The digest on chain says what the bytes must be; a store checks it when it
 * takes them, everybody else when they fetch them, so a store can lose bytes but not change them.
 */
import type { Bytes } from '@yilian/crypto/bytes';

export interface StoredObject {
  /** Bytes in all. */
  readonly length: number;
  /** The bytes from `start` (inclusive) to `end` (exclusive). The caller reads or destroys it. */
  read(range: { readonly start: number; readonly end: number }): AsyncIterable<Bytes>;
}

/** What was announced about the bytes that come. */
export interface Announcement {
  readonly headerHash: Bytes;
  readonly digest: Bytes;
  readonly length: number;
}

export type PutResult =
  | { readonly kind: 'stored' }
  /** The same bytes (same announcement) were there already. */
  | { readonly kind: 'present' }
  /** Others are there under this key: nothing is ever overwritten. */
  | { readonly kind: 'occupied' }
  | { readonly kind: 'mismatch' }
  | { readonly kind: 'tooLarge' };

/**
 * Consumes a stream and says whether it is what was announced. It may stop early at a fault, and must
 * read everything before it says yes.
 */
export type VerifyContent = (
  announced: Announcement,
  content: AsyncIterable<Bytes>,
) => Promise<boolean>;

export interface ObjectStore {
  /** Durable (content and name) when it resolves with `stored`. */
  put(objectKey: Bytes, announced: Announcement, content: AsyncIterable<Bytes>): Promise<PutResult>;
  get(objectKey: Bytes): Promise<StoredObject | null>;
  /** Erases header and ciphertext; true when there was something. */
  erase(objectKey: Bytes): Promise<boolean>;
}
