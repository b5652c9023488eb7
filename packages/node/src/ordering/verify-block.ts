/** A block with all its checks decided by this replica, ready for the application. */
import type { Block, Verified } from '@yilian/consensus/application';
import type { TransactionVerifier } from '../verification/transaction-verifier.ts';
import {
  nameOfTransaction,
  toVerified,
  type VerifiedTransaction,
} from '../verification/verified-transactions.ts';

export interface VerifiedBlock {
  readonly block: Block;
  /** One per transaction, of `nameOfTransaction`. */
  readonly names: readonly string[];
  readonly verified: Verified;
  /** Every transaction has the form and the signatures that it needs. */
  readonly complete: boolean;
}

export async function verifyBlock(
  verifier: TransactionVerifier,
  block: Block,
): Promise<VerifiedBlock> {
  const verdicts = await verifier.verify(block.txs);
  const good: VerifiedTransaction[] = [];
  const names: string[] = [];
  const txs = block.txs.map((tx, i) => {
    const verdict = verdicts[i];
    if (verdict?.ok !== true) {
      names.push(nameOfTransaction(tx));
      return tx;
    }
    names.push(verdict.transaction.name);
    good.push(verdict.transaction);
    // The copy that this node already worked on: the application remembers it by identity.
    return verdict.transaction.tx;
  });
  return {
    block: { ...block, txs },
    names,
    verified: toVerified(good),
    complete: good.length === txs.length,
  };
}
