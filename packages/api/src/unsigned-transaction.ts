/**
 * A transaction on its way to be signed by somebody else: the ledger's own form with one signature of
 * zero bytes under the sender's key. Its id, and so what is to be signed, is already fixed.
 */
import type { Bytes } from '@yilian/crypto/bytes';
import type { UnsignedTransaction } from '@yilian/ledger/transaction';
import {
  type ParsedTransaction,
  encodeTransaction,
  parseTransaction,
} from '@yilian/ledger/transaction-codec';
import { SIZES } from './sizes.ts';

export function encodeUnsignedTransaction(unsigned: UnsignedTransaction): Bytes {
  const placeholder = {
    scheme: 'ed25519',
    key: unsigned.sender,
    signature: new Uint8Array(SIZES.signature),
  } as const;
  return encodeTransaction({ ...unsigned, signatures: [placeholder] });
}

/** Null for anything else, a transaction that carries a signature included. */
export function parseUnsignedTransaction(bytes: Bytes): ParsedTransaction | null {
  const parsing = parseTransaction(bytes);
  if (!parsing.ok) return null;
  const { signatures } = parsing.transaction;
  const [only] = signatures;
  const isBare = signatures.length === 1 && only?.signature.every((byte) => byte === 0) === true;
  return isBare ? parsing.transaction : null;
}
