/** What ordering needs to know of the ledger beside the Application port: where ids and outcomes are. */
import type { Application, Refusal } from '@yilian/consensus/application';
import type { Bytes } from '@yilian/crypto/bytes';
import { parseLogAnswer } from '@yilian/ledger/answers';
import { parseLogLeaf } from '@yilian/ledger/log-leaf';
import type { FinalOutcome } from './final-block.ts';

/**
 * Transaction id, or why the bytes are no transaction. A ledger's first check is the sender's signature,
 * and what is signed ends with the id (`transactionSigningMessage`); the ledger remembers what it
 * inspected, so that asking costs nothing.
 */
export type Identify = (
  tx: Bytes,
) =>
  | { readonly ok: true; readonly id: Bytes }
  | { readonly ok: false; readonly rejection: Refusal };

const ID_BYTES = 32;

export function createIdentify(application: Pick<Application, 'inspect'>): Identify {
  return (tx) => {
    const inspection = application.inspect(tx);
    if (!inspection.ok) return inspection;
    const signed = inspection.checks[0]?.message;
    if (signed === undefined) throw new Error('assertion: a transaction has a signature');
    return { ok: true, id: signed.slice(-ID_BYTES) };
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
