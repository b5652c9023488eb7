/** The `transactionsRoot` of a header: RFC 9162 §2.1.1 with leaf data SHA-256(transaction). */
import type { Bytes } from '@yilian/crypto/bytes';
import { sha256 } from '@yilian/crypto/hash';
import { merkleRoot } from '@yilian/crypto/merkle';
import type { Hasher } from './signature.ts';

/** Root over ready-made transaction hashes, in order. The empty list has the hash of nothing. */
export function transactionsRoot(
  transactionHashes: readonly Bytes[],
  hash: Hasher = sha256,
): Bytes {
  return merkleRoot(transactionHashes, hash);
}
