/**
 * From bytes to verified transactions: what the application's `inspect` asks for is checked by the pool,
 * once per transaction and replica. Nothing here is shared between replicas: each verifies for itself.
 */
import type { Application, Refusal } from '@yilian/consensus/application';
import type { Bytes } from '@yilian/crypto/bytes';
import type { CheckPool } from './check-pool.ts';
import {
  nameOf,
  nameOfTransaction,
  VerifiedTransactions,
  type VerifiedTransaction,
} from './verified-transactions.ts';

export type Verification =
  | { readonly ok: true; readonly transaction: VerifiedTransaction }
  | { readonly ok: false; readonly rejection: Refusal };

export interface TransactionVerifier {
  /** One verdict per transaction, in order. */
  verify(txs: readonly Bytes[]): Promise<readonly Verification[]>;
  /** Checks under way. */
  pending(): number;
}

const REMEMBERED_BYTES_MAX = 12 * 1024 * 1024;
const SIGNATURE_INVALID: Verification = { ok: false, rejection: { code: 'signatureInvalid' } };

export function createTransactionVerifier(
  application: Pick<Application, 'inspect'>,
  pool: CheckPool,
): TransactionVerifier {
  const known = new VerifiedTransactions(REMEMBERED_BYTES_MAX);
  // The same bytes asked for twice at a time (a block overtakes a request) are checked once.
  const underWay = new Map<string, Promise<Verification>>();

  const start = (name: string, tx: Bytes): Verification | Promise<Verification> => {
    const remembered = known.get(name);
    if (remembered !== undefined) return { ok: true, transaction: remembered };
    const running = underWay.get(name);
    if (running !== undefined) return running;
    const inspection = application.inspect(tx);
    if (!inspection.ok) return inspection;
    const { checks } = inspection;
    const verification = pool.verify(checks).then((answers): Verification => {
      if (!answers.every(Boolean)) return SIGNATURE_INVALID;
      const transaction = { tx, checks: checks.map(({ id }) => nameOf(id)) };
      known.add(name, transaction);
      return { ok: true, transaction };
    });
    underWay.set(name, verification);
    const forget = (): void => void underWay.delete(name);
    verification.then(forget, forget);
    return verification;
  };
  return {
    verify: async (txs) => {
      const started = txs.map((tx) => start(nameOfTransaction(tx), tx));
      const verdicts: Verification[] = [];
      for (const verdict of started) {
        // oxlint-disable-next-line no-await-in-loop -- all are under way; what is known needs no wait
        verdicts.push(verdict instanceof Promise ? await verdict : verdict);
      }
      return verdicts;
    },
    pending: () => pool.pending(),
  };
}
