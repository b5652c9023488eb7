/** How a client's transaction enters a node, whichever engine takes it from there. */
import type { Refusal } from '@yilian/consensus/application';
import type { Bytes } from '@yilian/crypto/bytes';
import { nameOfTransaction } from '../verification/verified-transactions.ts';
import type { Identify } from './ledger-application.ts';
import type { Mempool } from './mempool.ts';

export type Submission =
  | { readonly admitted: true; readonly id: Bytes }
  | { readonly admitted: false; readonly rejection: Refusal };

export interface SubmitOptions {
  readonly identify: Identify;
  readonly mempool: Mempool;
  /** Why nothing is taken now, before anything is looked at; undefined when it is. */
  readonly refuseEarly: () => 'unavailable' | 'mempoolFull' | undefined;
  /** Checks it and hands it to the engine; undefined: the engine has it. */
  readonly admit: (name: string, tx: Bytes) => Promise<Refusal | undefined>;
}

/** Takes a place in the mempool before anything expensive is done, and gives it back where it is refused. */
export function createSubmit(
  options: SubmitOptions,
): (tx: Bytes, source: string) => Promise<Submission> {
  const { identify, mempool, refuseEarly, admit } = options;
  const refused = (rejection: Refusal): Submission => ({ admitted: false, rejection });
  return async (given, source) => {
    const tx = new Uint8Array(given);
    const early = refuseEarly();
    if (early !== undefined) return refused({ code: early });
    const identified = identify(tx);
    if (!identified.ok) return refused(identified.rejection);
    const { id } = identified;
    const name = nameOfTransaction(tx);
    const reservation = mempool.reserve(name, tx, id, source);
    if (reservation.kind === 'known') return { admitted: true, id };
    if (reservation.kind === 'refused') return refused(reservation.rejection);
    // The workers are gone when the node stops or one of them died.
    const refusal = await admit(name, tx).catch((): Refusal => ({ code: 'unavailable' }));
    if (refusal === undefined) return { admitted: true, id };
    mempool.release(name);
    return refused(refusal);
  };
}
