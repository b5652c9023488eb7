/**
 * Bytes ↔ transactions. Encoding: `[chainId, type, body, sender, nonce, expiryHeight, signatures]`,
 * deterministic CBOR, signatures `[[scheme, key, signature], …]`.
 */
import { type Bytes, CodecError, concatBytes } from '@yilian/crypto/bytes';
import { type Cbor, decodeInPlace, encode } from '@yilian/crypto/cbor';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { CONTRACTS, contractOf, isTransactionType } from './contracts.ts';
import { REQUEST_LENGTH, type RequestAccess } from './contracts/consent/request-access.ts';
import { Fields } from '@yilian/crypto/fields';
import type { TransactionId } from './ids.ts';
import { type Rejected, reject } from './rejection.ts';
import {
  type Transaction,
  type TransactionBody,
  type TransactionSignature,
  type UnsignedTransaction,
  hashTransactionId,
  transactionSigningMessage,
} from './transaction.ts';

/** No transaction is longer. The largest legal grant and record stay below half of it. */
export const TRANSACTION_BYTES_MAX: number = 16 * 1024;
const SIGNATURES_MAX = 16;

const ID_PREFIX: Bytes = concatBytes(Uint8Array.of(0x87), encode(DOMAIN_TAGS.transactionId));

/** What ids are hashed over, for one call at a time: its beginning is always the same. */
const preimage = new Uint8Array(ID_PREFIX.length + TRANSACTION_BYTES_MAX);
preimage.set(ID_PREFIX);

/** Bytes of one signature in a transaction; a list of less than 24 has one byte more. */
const SIGNATURE_LENGTH = encode(['ed25519', new Uint8Array(32), new Uint8Array(64)]).length;

/** A transaction as it came, with what its bytes alone determine. */
export interface ParsedTransaction extends Transaction {
  readonly id: TransactionId;
  /** Bytes of the encoding. */
  readonly length: number;
}

export type TransactionParsing =
  | { readonly ok: true; readonly transaction: ParsedTransaction }
  | Rejected<'malformed' | 'notCanonical' | 'tooLarge' | 'tooDeep'>;

function unsignedItems(transaction: UnsignedTransaction): Cbor[] {
  const { body } = transaction;
  return [
    transaction.chainId,
    body.type,
    contractOf(body).encodeBody(body),
    transaction.sender,
    transaction.nonce,
    transaction.expiryHeight,
  ];
}

function signatureItems(signatures: readonly TransactionSignature[]): Cbor[] {
  return signatures.map((each) => [each.scheme, each.key, each.signature]);
}

export function encodeTransaction(transaction: Transaction): Bytes {
  return encode([...unsignedItems(transaction), signatureItems(transaction.signatures)]);
}

/** The id: SHA-256 over `[tag, chainId, type, body, sender, nonce, expiryHeight]`. */
export function transactionId(transaction: UnsignedTransaction): TransactionId {
  return hashTransactionId(encode([DOMAIN_TAGS.transactionId, ...unsignedItems(transaction)]));
}

/**
 * Strict: whatever parses encodes to the same bytes again. Never throws. Its parts are views of `bytes`,
 * which nobody may write to any more.
 */
export function parseTransaction(bytes: Bytes): TransactionParsing {
  try {
    const limits = { bytesMax: TRANSACTION_BYTES_MAX, depthMax: 6 };
    const fields = Fields.of(decodeInPlace(bytes, limits), 7);
    const chainId = fields.name();
    const type = fields.any();
    if (!isTransactionType(type)) return reject('malformed');
    const body: TransactionBody = CONTRACTS[type].parseBody(fields.any());
    const sender = fields.bytes(32);
    const nonce = fields.bytes(16);
    const expiryHeight = fields.whole();
    const signatures = fields.list({ min: 1, max: SIGNATURES_MAX }, (list) => {
      const each = list.nested(3);
      return {
        scheme: each.oneOf(['ed25519']),
        key: each.bytes(32),
        signature: each.bytes(64),
      };
    });
    // The id's preimage differs from these bytes in the head and the missing signatures only.
    const tail = 1 + signatures.length * SIGNATURE_LENGTH;
    preimage.set(bytes.subarray(1, bytes.length - tail), ID_PREFIX.length);
    const preimageLength = ID_PREFIX.length + bytes.length - tail - 1;
    return {
      ok: true,
      transaction: {
        chainId,
        body,
        sender,
        nonce,
        expiryHeight,
        signatures,
        id: hashTransactionId(preimage.subarray(0, preimageLength)),
        length: bytes.length,
      },
    };
  } catch (error) {
    if (error instanceof CodecError) return reject(error.code);
    throw error;
  }
}

/** One who signs: `sign` gets the message and returns 64 bytes. */
export interface Signer {
  readonly key: Bytes;
  sign(message: Bytes): Bytes;
}

/**
 * Signs for all of `signers`: the sender first, then the co-signers in the order of the body
 * (`requiredSigners`).
 */
export function signTransaction<Body extends TransactionBody>(
  unsigned: UnsignedTransaction<Body>,
  signers: readonly Signer[],
): Transaction<Body> {
  const message = transactionSigningMessage(unsigned, transactionId(unsigned));
  return {
    ...unsigned,
    signatures: signers.map((signer) => ({
      scheme: 'ed25519',
      key: signer.key,
      signature: signer.sign(message),
    })),
  };
}

/** The keys that must sign, in order; the sender is the first. */
export function requiredSigners(transaction: UnsignedTransaction): readonly Bytes[] {
  const { body } = transaction;
  return [transaction.sender, ...contractOf(body).cosigners(body)];
}

/** A request whose padding fills the signed transaction to `REQUEST_LENGTH` bytes. */
export function paddedRequestAccess(input: {
  readonly chainId: string;
  readonly commitment: Bytes;
  readonly sender: Bytes;
  readonly nonce: Bytes;
  readonly expiryHeight: number;
}): UnsignedTransaction<RequestAccess> {
  const { commitment, ...envelope } = input;
  const padded = (length: number): UnsignedTransaction<RequestAccess> => ({
    ...envelope,
    body: { type: 'requestAccess', commitment, padding: new Uint8Array(length) },
  });
  const placeholder = {
    scheme: 'ed25519',
    key: input.sender,
    signature: new Uint8Array(64),
  } as const;
  const lengthAt = (length: number): number =>
    encodeTransaction({ ...padded(length), signatures: [placeholder] }).length;
  // The head of a byte string takes one to three bytes: one correction settles it.
  let length = REQUEST_LENGTH - lengthAt(0);
  for (let tries = 0; tries < 3; tries++) length += REQUEST_LENGTH - lengthAt(length);
  return padded(length);
}
