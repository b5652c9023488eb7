/** Whether a transaction out of a proof carries the signatures it needs: its id does not cover them. */
import { equalBytes } from '@yilian/crypto/bytes';
import type { SignatureVerifier } from '@yilian/crypto/signature';
import { transactionSigningMessage } from '@yilian/ledger/transaction';
import { type ParsedTransaction, requiredSigners } from '@yilian/ledger/transaction-codec';

export function hasItsSignatures(
  transaction: ParsedTransaction,
  verifySignature: SignatureVerifier,
): boolean {
  const { signatures } = transaction;
  const required = requiredSigners(transaction);
  if (signatures.length !== required.length) return false;
  const message = transactionSigningMessage(transaction, transaction.id);
  return signatures.every(({ key, signature }, position) => {
    const wanted = required[position];
    return (
      wanted !== undefined &&
      equalBytes(key, wanted) &&
      verifySignature({ publicKey: key, message, signature })
    );
  });
}
