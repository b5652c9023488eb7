/**
 * Which transactions this replica has verified by itself, so that a signature is checked once although a
 * transaction passes three times (admission, proposal, block). Keyed by SHA-256 of the whole bytes:
 * another signature makes another entry. Two generations bound the memory: when the young one is full,
 * the old one goes.
 */
import type { Verified } from '@yilian/consensus/application';
import type { Bytes } from '@yilian/crypto/bytes';
import { bytesToKey } from '@yilian/ledger/store';
import { sha256Name } from './sha256.ts';

const HASH_BYTES = 32;

/** Bytes as a Map key: one character per byte. */
export function nameOf(bytes: Bytes): string {
  // Hashes, without moving them out of the heap, as the question for their buffer would.
  if (bytes.length === HASH_BYTES) return bytesToKey(bytes);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

export function nameOfTransaction(tx: Bytes): string {
  return sha256Name(tx);
}

export interface VerifiedTransaction {
  /** Of `nameOfTransaction`. */
  readonly name: string;
  /** The one copy of these bytes that this node works on. */
  readonly tx: Bytes;
  /** Ids of its checks, all of which hold. */
  readonly checks: readonly Bytes[];
}

export class VerifiedTransactions {
  readonly #bytesMax: number;
  #young = new Map<string, VerifiedTransaction>();
  #old = new Map<string, VerifiedTransaction>();
  #bytes = 0;

  /** At most twice `bytesMax` of transactions are remembered. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get(name: string): VerifiedTransaction | undefined {
    const found = this.#young.get(name);
    if (found !== undefined) return found;
    const older = this.#old.get(name);
    if (older !== undefined) this.add(name, older);
    return older;
  }

  add(name: string, entry: VerifiedTransaction): void {
    if (this.#bytes >= this.#bytesMax) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#bytes = 0;
    }
    this.#young.set(name, entry);
    this.#bytes += entry.tx.length;
  }

  /** A transaction that is final comes no more, or not often. */
  forget(name: string): void {
    const entry = this.#young.get(name);
    if (entry !== undefined) this.#bytes -= entry.tx.length;
    this.#young.delete(name);
    this.#old.delete(name);
  }
}

/** The checks of some transactions, for one call of the application. */
export function toVerified(transactions: readonly Pick<VerifiedTransaction, 'checks'>[]): Verified {
  // The application hands back the very ids that it asked for, unless it read the bytes anew.
  const same = new Set<Bytes>();
  for (const { checks } of transactions) for (const id of checks) same.add(id);
  let names: Set<string> | undefined;
  return {
    has: (id) => {
      if (same.has(id)) return true;
      names ??= new Set(Array.from(same, nameOf));
      return names.has(nameOf(id));
    },
  };
}
