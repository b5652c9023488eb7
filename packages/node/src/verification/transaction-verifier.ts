/**
 * From bytes to verified transactions: what the application's `inspect` asks for is checked by the pool,
 * once per transaction and replica. Nothing here is shared between replicas: each verifies for itself.
 */
import type { Application, Check, Refusal } from '@yilian/consensus/application';
import type { Bytes } from '@yilian/crypto/bytes';
import type { CheckPool } from './check-pool.ts';
import { SharedChecks } from './shared-checks.ts';
import {
  nameOfTransaction,
  VerifiedTransactions,
  type VerifiedTransaction,
} from './verified-transactions.ts';

export type Verification =
  | { readonly ok: true; readonly transaction: VerifiedTransaction }
  | { readonly ok: false; readonly rejection: Refusal };

export interface TransactionVerifier {
  /** One verdict per transaction, in order. What is remembered of a part of something longer is a copy. */
  verify(txs: readonly Bytes[]): Promise<readonly Verification[]>;
  /** The one copy that this node works on, if it has verified these bytes; else the bytes. */
  workingCopy(tx: Bytes): Bytes;
  /** Frees what is remembered of a transaction that is final. `name`: of `nameOfTransaction`. */
  forget(name: string): void;
  /** Checks under way. */
  pending(): number;
}

/** Whoever keeps a part of a bundle would keep the bundle. */
function ownMemory(tx: Bytes): Bytes {
  return tx.length === tx.buffer.byteLength ? tx : new Uint8Array(tx);
}

const REMEMBERED_BYTES_MAX = 12 * 1024 * 1024;
const SIGNATURE_INVALID: Verification = { ok: false, rejection: { code: 'signatureInvalid' } };

/** A transaction whose checks are under way. The same bytes asked for twice at a time are checked once. */
interface Pending {
  readonly name: string;
  readonly tx: Bytes;
  readonly checks: readonly Check[];
  verdict: Verification | undefined;
  /** Resolves when `verdict` is there. */
  done: Promise<void> | undefined;
}

export function createTransactionVerifier(
  application: Pick<Application, 'inspect'>,
  pool: CheckPool,
): TransactionVerifier {
  const known = new VerifiedTransactions(REMEMBERED_BYTES_MAX);
  const shared = new SharedChecks(pool);
  const underWay = new Map<string, Pending>();

  const look = (given: Bytes, fresh: Pending[]): Verification | Pending => {
    const name = nameOfTransaction(given);
    const remembered = known.get(name);
    if (remembered !== undefined) return { ok: true, transaction: remembered };
    const running = underWay.get(name);
    if (running !== undefined) return running;
    const tx = ownMemory(given);
    const inspection = application.inspect(tx);
    if (!inspection.ok) return inspection;
    const { checks } = inspection;
    const pending: Pending = { name, tx, checks, verdict: undefined, done: undefined };
    underWay.set(name, pending);
    fresh.push(pending);
    return pending;
  };

  /** All checks of `fresh` in one question to the pool. */
  const start = async (fresh: readonly Pending[]): Promise<void> => {
    try {
      const answers = await shared.verify(fresh.map(({ checks }) => checks));
      for (const [i, pending] of fresh.entries()) {
        const { name, tx, checks } = pending;
        if (answers[i] === true) {
          const transaction = { name, tx, checks: checks.map(({ id }) => id) };
          known.add(name, transaction);
          pending.verdict = { ok: true, transaction };
        } else pending.verdict = SIGNATURE_INVALID;
      }
    } finally {
      for (const { name } of fresh) underWay.delete(name);
    }
  };
  return {
    verify: async (txs) => {
      const fresh: Pending[] = [];
      const looked = txs.map((tx) => look(tx, fresh));
      if (fresh.length > 0) {
        const done = start(fresh);
        for (const pending of fresh) pending.done = done;
      }
      const verdicts: Verification[] = [];
      for (const each of looked) {
        if ('ok' in each) {
          verdicts.push(each);
          continue;
        }
        // oxlint-disable-next-line no-await-in-loop -- all are under way; what is there needs no wait
        if (each.verdict === undefined) await each.done;
        verdicts.push(each.verdict ?? SIGNATURE_INVALID);
      }
      return verdicts;
    },
    workingCopy: (tx) => known.get(nameOfTransaction(tx))?.tx ?? tx,
    forget: (name) => known.forget(name),
    pending: () => pool.pending(),
  };
}
