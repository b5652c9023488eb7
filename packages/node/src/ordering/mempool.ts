/**
 * What this node has admitted for its own clients and answers for until it is final or dropped. The pool
 * that proposals are taken from is the core's; this one counts: in all, in bytes, and per source, so
 * that one busy client leaves room for the others.
 */
import type { Refusal } from '@yilian/consensus/application';
import type { Bytes } from '@yilian/crypto/bytes';
import { nameOf } from '../verification/verified-transactions.ts';

export interface MempoolLimits {
  readonly countMax: number;
  readonly bytesMax: number;
  readonly countPerSourceMax: number;
}

interface Waiting {
  readonly source: string;
  readonly bytes: number;
  readonly id: string;
}

export type Reservation =
  | { readonly kind: 'reserved' }
  /** The very same bytes wait already. */
  | { readonly kind: 'known' }
  | { readonly kind: 'refused'; readonly rejection: Refusal };

function refused(code: string): Reservation {
  return { kind: 'refused', rejection: { code } };
}

export class Mempool {
  readonly #limits: MempoolLimits;
  /** By name of the transaction's bytes. */
  readonly #waiting = new Map<string, Waiting>();
  readonly #ids = new Map<string, string>();
  readonly #countBySource = new Map<string, number>();
  #bytes = 0;

  constructor(limits: MempoolLimits) {
    this.#limits = limits;
  }

  get count(): number {
    return this.#waiting.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Takes a place before anything expensive is done; `release` gives it back. */
  reserve(name: string, tx: Bytes, id: Bytes, source: string): Reservation {
    if (this.#waiting.has(name)) return { kind: 'known' };
    const idName = nameOf(id);
    // Same transaction, other signature: one of the two is enough.
    if (this.#ids.has(idName)) return refused('duplicate');
    const { countMax, bytesMax, countPerSourceMax } = this.#limits;
    if (this.#waiting.size >= countMax || this.#bytes + tx.length > bytesMax)
      return refused('mempoolFull');
    const ofSource = this.#countBySource.get(source) ?? 0;
    if (ofSource >= countPerSourceMax) return refused('sourceBusy');
    this.#waiting.set(name, { source, bytes: tx.length, id: idName });
    this.#ids.set(idName, name);
    this.#countBySource.set(source, ofSource + 1);
    this.#bytes += tx.length;
    return { kind: 'reserved' };
  }

  /** The transaction is final, refused or dropped. Unknown names are other nodes'. */
  release(name: string): void {
    const waiting = this.#waiting.get(name);
    if (waiting === undefined) return;
    this.#waiting.delete(name);
    this.#ids.delete(waiting.id);
    this.#bytes -= waiting.bytes;
    const left = (this.#countBySource.get(waiting.source) ?? 1) - 1;
    if (left === 0) this.#countBySource.delete(waiting.source);
    else this.#countBySource.set(waiting.source, left);
  }
}
