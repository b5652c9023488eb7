/**
 * What can be said of a transaction from its bytes: its form, its signers and the checks it needs.
 * - T-1 Strict deterministic CBOR of at most `TRANSACTION_BYTES_MAX` bytes.
 * - T-2 The chain is this one.
 * - T-3 Exactly the required keys sign, in order.
 */
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import { signatureCheck } from './checks.ts';
import { contractOf } from './contracts.ts';
import type { Check } from './ledger-port.ts';
import { type Rejection, reject } from './rejection.ts';
import { valueKey } from './state-tree.ts';
import { type ValueKey, stateKeys } from './state.ts';
import { type ParsedTransaction, parseTransaction, requiredSigners } from './transaction-codec.ts';
import { transactionSigningMessage } from './transaction.ts';

export interface Inspected {
  readonly ok: true;
  readonly transaction: ParsedTransaction;
  readonly checks: readonly Check[];
  /** Where state keeps its id: needed at every step, so computed once. */
  readonly liveKey: ValueKey;
}

export type InspectionResult = Inspected | { readonly ok: false; readonly rejection: Rejection };

/** T-1 … T-3 and the list of what workers check (T-4). */
export function inspectTransaction(bytes: Bytes, chainId: string): InspectionResult {
  const parsed = parseTransaction(bytes);
  if (!parsed.ok) return parsed; // T-1
  const { transaction } = parsed;
  if (transaction.chainId !== chainId) return reject('wrongChain'); // T-2
  const required = requiredSigners(transaction);
  const { signatures } = transaction;
  const signed =
    signatures.length === required.length &&
    required.every((key, i) => equalBytes(key, signatures[i]?.key ?? new Uint8Array(0)));
  if (!signed) return reject('wrongSigners'); // T-3
  const message = transactionSigningMessage(transaction, transaction.id);
  const checks = signatures.map(({ key, signature }) => signatureCheck(key, message, signature));
  const { body } = transaction;
  checks.push(...contractOf(body).checks(body, transaction));
  return { ok: true, transaction, checks, liveKey: valueKey(stateKeys.live(transaction.id)) };
}
