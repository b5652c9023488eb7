/**
 * The doctor's signature over [chainId, PID, section root, author, time] (R8: over the section root
 * and not over the header, which may contain it). It stays valid for whoever holds one section only.
 * It stands in the transaction, or, for group-signed records, sealed under the DEK in the header.
 */
import { open, seal, ZERO_NONCE } from '../aead.ts';
import { type Bytes, CodecError } from '../bytes.ts';
import { type Cbor, decode, encode } from '../cbor.ts';
import { bindSuite, type ChainContext } from '../context.ts';
import { DOMAIN_TAGS } from '../domain-tags.ts';
import {
  type BoundMessage,
  encodeBound,
  PUBLIC_KEY_BYTES,
  signBound,
  SIGNATURE_BYTES,
  type SignatureVerifier,
  verifyBound,
  verifySignature,
} from '../signature.ts';
import { EnvelopeError } from './envelope-error.ts';
import { type RecordHeader, sectionRootOf } from './header.ts';
import { type DataKey, deriveAuthorshipKey, type RecordContext } from './keys.ts';

/** What the doctor states. */
export interface AuthorStatement {
  readonly pid: Bytes;
  readonly sectionRoot: Bytes;
  /** The doctor's Ed25519 key. */
  readonly author: Bytes;
  /** Seconds since 1970 by the doctor's clock. */
  readonly time: number;
}

/** A statement's author, time and signature, as kept inside a header. */
export interface Authorship {
  readonly author: Bytes;
  readonly time: number;
  readonly signature: Bytes;
}

function message(context: ChainContext, statement: AuthorStatement): BoundMessage {
  return {
    tag: DOMAIN_TAGS.authorSignature,
    context,
    items: [statement.pid, statement.sectionRoot, statement.author, statement.time],
  };
}

/** What is signed; also what a transaction with a public author carries. */
export function authorshipMessage(context: ChainContext, statement: AuthorStatement): Bytes {
  return encodeBound(message(context, statement));
}

export function signAuthorship(
  seed: Bytes,
  context: ChainContext,
  statement: AuthorStatement,
): Bytes {
  return signBound(seed, message(context, statement));
}

export function verifyAuthorship(
  context: ChainContext,
  statement: AuthorStatement,
  signature: Bytes,
  verify: SignatureVerifier = verifySignature,
): boolean {
  return verifyBound(
    { publicKey: statement.author, signature },
    message(context, statement),
    verify,
  );
}

/** For `RecordHeader.authorship`. */
export function sealAuthorship(
  context: RecordContext,
  dataKey: DataKey,
  authorship: Authorship,
): Bytes {
  return seal({
    key: deriveAuthorshipKey(context, dataKey),
    nonce: ZERO_NONCE,
    associatedData: bindSuite(DOMAIN_TAGS.recordAuthorship, context, context.recordId),
    plaintext: encode([authorship.author, authorship.time, authorship.signature]),
  });
}

/**
 * The authorship inside a header after its signature was verified for this record's section root, or
 * `null` when the header has none.
 * @throws EnvelopeError `descriptor` when it does not decrypt, parse or verify
 */
export function openAuthorship(
  header: RecordHeader,
  dataKey: DataKey,
  pid: Bytes,
): Authorship | null {
  if (header.authorship === null) return null;
  const plaintext = open({
    key: deriveAuthorshipKey(header, dataKey),
    nonce: ZERO_NONCE,
    associatedData: bindSuite(DOMAIN_TAGS.recordAuthorship, header, header.recordId),
    sealed: header.authorship,
  });
  const authorship = plaintext === null ? null : parseAuthorship(plaintext);
  if (authorship === null) throw refused();
  const statement = { ...authorship, pid, sectionRoot: sectionRootOf(header) };
  if (!verifyAuthorship(header, statement, authorship.signature)) throw refused();
  return authorship;
}

function refused(): EnvelopeError {
  return new EnvelopeError('descriptor', 'the signature inside the header is not its author’s');
}

function parseAuthorship(bytes: Bytes): Authorship | null {
  let value: Cbor;
  try {
    value = decode(bytes);
  } catch (error) {
    if (error instanceof CodecError) return null;
    throw error;
  }
  if (!Array.isArray(value) || value.length !== 3) return null;
  const [author, time, signature] = value as readonly Cbor[];
  if (!(author instanceof Uint8Array) || author.length !== PUBLIC_KEY_BYTES) return null;
  if (!(signature instanceof Uint8Array) || signature.length !== SIGNATURE_BYTES) return null;
  if (typeof time !== 'number' || time < 0) return null;
  return { author, time, signature };
}
