/**
 * Where sealed records lie: header and ciphertext in one object, named by a hash of the random 32-byte
 * key that is the capability to fetch it. The digest on chain says what the bytes must be; a store checks
 * it when it takes them, everybody else when they fetch them, so a store can lose bytes but not change
 * them. `ObjectHoldings` stands before a store and knows what must be in it.
 */
import type { Bytes } from '@yilian/crypto/bytes';
import type { Announcement, StoredName } from './stored-head.ts';

export type { Announcement } from './stored-head.ts';

export interface StoredObject {
  /** What the store has written down about it. */
  readonly announced: Announcement;
  /** Bytes in all. */
  readonly length: number;
  /**
   * The bytes from `start` (inclusive) to `end` (exclusive). The caller reads or destroys it.
   * Exactly so many bytes come, or it throws.
   */
  read(range: { readonly start: number; readonly end: number }): AsyncIterable<Bytes>;
}

export type PutResult =
  | { readonly kind: 'stored' }
  /** The same bytes (same announcement) were there already. */
  | { readonly kind: 'present' }
  /** Others are there under this name: nothing is ever overwritten. */
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

/** All methods throw `ObjectStoreError`; what `content` throws is passed on. */
export interface ObjectStore {
  /** Durable (content and name) when it resolves with `stored`; nothing is visible before. */
  put(
    name: StoredName,
    announced: Announcement,
    content: AsyncIterable<Bytes>,
    signal?: AbortSignal,
  ): Promise<PutResult>;
  /**
   * The same in place of what is lost or damaged: what lies there is removed, but only once `content`
   * has been verified. Never `occupied` or `present`.
   */
  restore(
    name: StoredName,
    announced: Announcement,
    content: AsyncIterable<Bytes>,
    signal?: AbortSignal,
  ): Promise<PutResult>;
  /** What the head of the object says; reads no more of it. @throws ObjectStoreError `corrupted` */
  inspect(name: StoredName, signal?: AbortSignal): Promise<Announcement | null>;
  /** @throws ObjectStoreError `corrupted` when what lies there is no object */
  get(name: StoredName, signal?: AbortSignal): Promise<StoredObject | null>;
  /** Erases header and ciphertext; true when there was something. */
  erase(name: StoredName): Promise<boolean>;
  close(): Promise<void>;
}
