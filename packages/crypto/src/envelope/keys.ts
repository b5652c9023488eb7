/**
 * The key tree of one record version (cryptography.md §6):
 *
 *   DEK ─ commitment                     com      in the header, binds the DEK
 *    └─ section key K_sec per path
 *        ├─ commitment                   com_sec  inside the salted leaf, binds K_sec (F9)
 *        ├─ salt of the leaf
 *        ├─ descriptor key               one message
 *        └─ content key                  chunks, nonce = index
 *
 * Every derivation is HKDF with the key as input keying *material* (never as an HMAC key: 16 bytes
 * and the same 16 bytes with 16 zeros would collide) and the record's context as salt, so that two
 * records, suites, chunk sizes or chains share nothing.
 */
import type { Bytes } from '../bytes.ts';
import { keyBytesOf } from '../aead.ts';
import { bindSuite, type SuiteContext } from '../context.ts';
import { DOMAIN_TAGS, type DomainTag } from '../domain-tags.ts';
import { hkdf } from '../hash.ts';
import type { Brand } from '../brand.ts';

/** What every key, commitment and chunk of one record version is bound to. */
export interface RecordContext extends SuiteContext {
  /** 32 bytes, SHA-256 over the capsule's C: new for every version. */
  readonly recordId: Bytes;
  /** Plaintext bytes of every chunk but the last of a section. */
  readonly chunkBytes: number;
}

/** Opens the whole record: 32 bytes (`intl`) or 16 (`paper`). */
export type DataKey = Brand<Bytes, 'DataKey'>;
/** Opens one section; as long as a data key. */
export type SectionKey = Brand<Bytes, 'SectionKey'>;

export interface SectionSecrets {
  readonly commitment: Bytes;
  readonly salt: Bytes;
  readonly descriptorKey: Bytes;
  readonly contentKey: Bytes;
}

export const COMMITMENT_BYTES = 32;

function derive(
  context: RecordContext,
  ikm: Bytes,
  tag: DomainTag,
  length: number,
  ...items: readonly string[]
): Bytes {
  return hkdf({
    ikm,
    salt: bindSuite(DOMAIN_TAGS.recordContext, context, context.recordId, context.chunkBytes),
    info: bindSuite(tag, context, context.recordId, ...items),
    length,
  });
}

/** A key from outside, or `null` when it has not the length of the suite. */
export function parseDataKey(context: SuiteContext, bytes: Bytes): DataKey | null {
  return bytes.length === keyBytesOf(context.suite) ? (bytes as DataKey) : null;
}

/** As `parseDataKey`. */
export function parseSectionKey(context: SuiteContext, bytes: Bytes): SectionKey | null {
  return bytes.length === keyBytesOf(context.suite) ? (bytes as SectionKey) : null;
}

/** com: 32 bytes that fix the DEK. */
export function commitDataKey(context: RecordContext, dataKey: DataKey): Bytes {
  return derive(context, dataKey, DOMAIN_TAGS.recordCommitment, COMMITMENT_BYTES);
}

/** K_sec = HKDF(DEK, path). */
export function deriveSectionKey(
  context: RecordContext,
  dataKey: DataKey,
  path: string,
): SectionKey {
  const length = keyBytesOf(context.suite);
  return derive(context, dataKey, DOMAIN_TAGS.sectionKey, length, path) as SectionKey;
}

/** Everything that follows from a section key. */
export function deriveSectionSecrets(context: RecordContext, key: SectionKey): SectionSecrets {
  const length = keyBytesOf(context.suite);
  return {
    commitment: derive(context, key, DOMAIN_TAGS.sectionCommitment, COMMITMENT_BYTES),
    salt: derive(context, key, DOMAIN_TAGS.sectionSalt, 32),
    descriptorKey: derive(context, key, DOMAIN_TAGS.sectionDescriptor, length),
    contentKey: derive(context, key, DOMAIN_TAGS.sectionContentKey, length),
  };
}

/** The key under which a doctor's signature lies inside the header (group-signed records). */
export function deriveAuthorshipKey(context: RecordContext, dataKey: DataKey): Bytes {
  return derive(context, dataKey, DOMAIN_TAGS.recordAuthorship, keyBytesOf(context.suite));
}
