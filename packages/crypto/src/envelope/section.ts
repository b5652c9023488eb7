/**
 * Sections: descriptor, manifest, salted leaf.
 *
 * The descriptor of a section says, under the section's own key, what and how long it is, so that a
 * section key alone opens a section. The manifest is the section with the empty path: it has no
 * chunks, its descriptor is the table of contents. So the doctor's signature, which is over the
 * section tree, covers both.
 */
import { open, seal, ZERO_NONCE } from '../aead.ts';
import { type Bytes, CodecError } from '../bytes.ts';
import { type Cbor, decode, encode } from '../cbor.ts';
import { bindSuite } from '../context.ts';
import { DOMAIN_TAGS } from '../domain-tags.ts';
import { hashLeaf } from '../merkle.ts';
import { EnvelopeError } from './envelope-error.ts';
import type { RecordContext, SectionSecrets } from './keys.ts';

/** The manifest's path; no other section may have it. */
export const MANIFEST_PATH = '';
export const PATH_LENGTH_MAX = 256;
export const MEDIA_TYPE_LENGTH_MAX = 128;

export interface SectionDescriptor {
  readonly path: string;
  /** RFC 6838, for example `application/fhir+json`. */
  readonly mediaType: string;
  /** Plaintext bytes without padding. */
  readonly length: number;
}

export interface Manifest {
  /** In the order of the header, the manifest itself left out. */
  readonly sections: readonly SectionDescriptor[];
  /** What the application says about the whole record; never read here. */
  readonly attributes: Cbor;
}

/** leaf = SHA-256(0x00 ‖ [path, ciphertext root, com_sec, salt]); salt and com_sec stay secret. */
export function sectionLeaf(
  context: RecordContext,
  input: {
    readonly path: string;
    readonly ciphertextRoot: Bytes;
    readonly secrets: SectionSecrets;
  },
): Bytes {
  const { commitment, salt } = input.secrets;
  return hashLeaf(
    bindSuite(DOMAIN_TAGS.sectionLeaf, context, input.path, input.ciphertextRoot, commitment, salt),
  );
}

function descriptorCbor(descriptor: SectionDescriptor): Cbor {
  return [descriptor.path, descriptor.mediaType, descriptor.length];
}

function malformed(): EnvelopeError {
  return new EnvelopeError('descriptor', 'a descriptor does not say what its place demands');
}

function parseDescriptor(value: Cbor | undefined): SectionDescriptor {
  if (!isArray(value) || value.length !== 3) throw malformed();
  const [path, mediaType, length] = value;
  if (typeof path !== 'string' || typeof mediaType !== 'string') throw malformed();
  if (typeof length !== 'number' || length < 0) throw malformed();
  return { path, mediaType, length };
}

function isArray(value: Cbor | undefined): value is readonly Cbor[] {
  return Array.isArray(value);
}

function sealValue(context: RecordContext, secrets: SectionSecrets, value: Cbor): Bytes {
  return seal({
    key: secrets.descriptorKey,
    nonce: ZERO_NONCE,
    associatedData: bindSuite(DOMAIN_TAGS.sectionDescriptor, context, context.recordId),
    plaintext: encode(value),
  });
}

function openValue(context: RecordContext, secrets: SectionSecrets, sealed: Bytes): Cbor {
  const plaintext = open({
    key: secrets.descriptorKey,
    nonce: ZERO_NONCE,
    associatedData: bindSuite(DOMAIN_TAGS.sectionDescriptor, context, context.recordId),
    sealed,
  });
  if (plaintext === null) throw new EnvelopeError('descriptor', 'a descriptor does not decrypt');
  try {
    return decode(plaintext);
  } catch (error) {
    if (error instanceof CodecError) throw malformed();
    throw error;
  }
}

/** Sealed once per section, so nonce 0 is used once per key. */
export function sealDescriptor(
  context: RecordContext,
  secrets: SectionSecrets,
  descriptor: SectionDescriptor,
): Bytes {
  return sealValue(context, secrets, descriptorCbor(descriptor));
}

/** @throws EnvelopeError `descriptor` */
export function openDescriptor(
  context: RecordContext,
  secrets: SectionSecrets,
  sealed: Bytes,
): SectionDescriptor {
  return parseDescriptor(openValue(context, secrets, sealed));
}

export function sealManifest(
  context: RecordContext,
  secrets: SectionSecrets,
  manifest: Manifest,
): Bytes {
  return sealValue(context, secrets, [
    MANIFEST_PATH,
    manifest.sections.map(descriptorCbor),
    manifest.attributes,
  ]);
}

/** @throws EnvelopeError `descriptor` */
export function openManifest(
  context: RecordContext,
  secrets: SectionSecrets,
  sealed: Bytes,
): Manifest {
  const value = openValue(context, secrets, sealed);
  if (!isArray(value) || value.length !== 3 || value[0] !== MANIFEST_PATH) throw malformed();
  const [, sections, attributes] = value;
  if (!isArray(sections) || attributes === undefined) throw malformed();
  return { sections: sections.map(parseDescriptor), attributes };
}
