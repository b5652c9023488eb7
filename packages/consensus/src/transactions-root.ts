/** RFC 9162 §2.1.1 Merkle tree head over SHA-256(transaction), with a hash function of the host's choice. */
import { type Bytes, concatBytes } from '@yilian/crypto/bytes';
import { sha256 } from '@yilian/crypto/hash';
import type { Hasher } from './signature.ts';

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

/** Root over ready-made transaction hashes, in order. The empty list has the hash of nothing. */
export function transactionsRoot(transactionHashes: readonly Bytes[], hash: Hasher = sha256): Bytes {
  if (transactionHashes.length === 0) return hash(new Uint8Array(0));
  // Pairing level by level, an odd last node moving up alone, gives RFC 9162's left-heavy tree.
  let level = transactionHashes.map((leaf) => hash(concatBytes(LEAF, leaf)));
  while (level.length > 1) {
    const above: Bytes[] = [];
    for (let i = 0; i < level.length; i += 2) {
      const left = level[i];
      const right = level[i + 1];
      if (left === undefined) break;
      above.push(right === undefined ? left : hash(concatBytes(NODE, left, right)));
    }
    level = above;
  }
  return level[0] ?? hash(new Uint8Array(0));
}
