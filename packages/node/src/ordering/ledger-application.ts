/** What ordering needs to know of the ledger beside the Application port: where ids and outcomes are. */
import type { Application } from '@yilian/consensus/application';
import type { Bytes } from '@yilian/crypto/bytes';
import { parseLogAnswer } from '@yilian/ledger/answers';
import { parseLogLeaf } from '@yilian/ledger/log-leaf';
import { parseTransaction } from '@yilian/ledger/transaction-codec';
import type { FinalOutcome } from '../ordering-node.ts';

/** Transaction id, or undefined for bytes that are no transaction. Once per copy of the bytes. */
export type Identify = (tx: Bytes) => Bytes | undefined;

export function createIdentify(): Identify {
  const known = new WeakMap<Bytes, Bytes>();
  return (tx) => {
    const remembered = known.get(tx);
    if (remembered !== undefined) return remembered;
    const parsed = parseTransaction(tx);
    if (!parsed.ok) return undefined;
    known.set(tx, parsed.transaction.id);
    return parsed.transaction.id;
  };
}

/** What the log of the last committed height says of a transaction. */
export function findOutcome(
  application: Pick<Application, 'query'>,
  id: Bytes,
): FinalOutcome | undefined {
  const answer = application.query({ path: 'transaction', key: id, height: 0n, prove: false });
  if (!answer.ok) return undefined;
  const leaf = parseLogLeaf(parseLogAnswer(answer.value).leaf);
  return {
    id,
    height: BigInt(leaf.height),
    index: leaf.index,
    outcome:
      leaf.outcome === 'ok' ? { ok: true } : { ok: false, rejection: { code: leaf.outcome } },
  };
}
