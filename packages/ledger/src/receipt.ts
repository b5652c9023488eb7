/**
 * The ledger's half of a receipt (LM-9, LM-11): one transaction, what became of it, and the way from
 * there to an app hash. The other half, a header that carries this app hash and its certificate, is
 * consensus's; together they are checked offline, and any later header proves any old transaction.
 *
 * Promises: the transaction with these bytes was executed at (height, index) with this outcome and these
 * facts, if the app hash is final. Does not promise that the app hash is: that is the header's part.
 */
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';
import { type LogAnswer, encodeLogAnswer, parseLogAnswer, verifyLogAnswer } from './answers.ts';
import { Fields } from '@yilian/crypto/fields';
import { type LogLeaf, parseLogLeaf } from './log-leaf.ts';
import {
  type ParsedTransaction,
  TRANSACTION_BYTES_MAX,
  parseTransaction,
} from './transaction-codec.ts';

export interface LedgerReceipt {
  /** As it was executed. */
  readonly transaction: Bytes;
  readonly entry: LogAnswer;
}

/** What a receipt that holds says. */
export interface ReceiptContent {
  readonly transaction: ParsedTransaction;
  readonly leaf: LogLeaf;
}

const RECEIPT_BYTES_MAX = 128 * 1024;

export function ledgerReceiptItems(receipt: LedgerReceipt): Cbor {
  return [receipt.transaction, encodeLogAnswer(receipt.entry)];
}

/** @throws CodecError */
export function readLedgerReceipt(value: Cbor): LedgerReceipt {
  const fields = Fields.of(value, 2);
  return {
    transaction: fields.bytesUpTo(TRANSACTION_BYTES_MAX),
    entry: parseLogAnswer(fields.bytesUpTo(RECEIPT_BYTES_MAX)),
  };
}

export function encodeLedgerReceipt(receipt: LedgerReceipt): Bytes {
  return encode(ledgerReceiptItems(receipt));
}

/** @throws CodecError */
export function parseLedgerReceipt(bytes: Bytes): LedgerReceipt {
  return readLedgerReceipt(decode(bytes, { bytesMax: RECEIPT_BYTES_MAX, depthMax: 4 }));
}

/**
 * What the receipt says, or undefined when it does not hold under `appHash` (of `entry.height`, out of
 * a trusted header of the next height). The transaction's signatures are not checked again: the
 * replicas that signed the header did.
 */
export function verifyLedgerReceipt(
  appHash: Bytes,
  receipt: LedgerReceipt,
): ReceiptContent | undefined {
  if (!verifyLogAnswer(appHash, receipt.entry)) return undefined;
  const parsed = parseTransaction(receipt.transaction);
  if (!parsed.ok) return undefined;
  const leaf = parseLogLeaf(receipt.entry.leaf);
  if (!equalBytes(leaf.transaction, parsed.transaction.id)) return undefined;
  return { transaction: parsed.transaction, leaf };
}
