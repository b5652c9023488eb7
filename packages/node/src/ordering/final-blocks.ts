/** Who waits for what becomes final: listeners for every block, callers for one transaction each. */
import type { Outcome } from '@yilian/consensus/application';
import type { Bytes } from '@yilian/crypto/bytes';
import type { LogEvent } from '../logging.ts';
import { nameOf } from '../verification/verified-transactions.ts';
import type { CertifiedHeader, FinalBlock, FinalOutcome } from './final-block.ts';
import type { Identify } from './ledger-application.ts';

type Waiter = (outcome: FinalOutcome) => void;

/** What an engine says of a block that became final. Header and certificate may be made when somebody looks. */
export interface DecidedBlock extends CertifiedHeader {
  readonly timeNs: bigint;
  /** Consensus key. */
  readonly proposer: Bytes;
}

/** Ids are made when somebody looks: most blocks nobody looks at. */
class LazyFinalBlock implements FinalBlock {
  readonly height: bigint;
  readonly timeNs: bigint;
  readonly proposer: Bytes;
  readonly txs: readonly Bytes[];
  readonly #decided: DecidedBlock;
  readonly #outcomes: readonly Outcome[];
  readonly #identify: Identify;
  #identified: readonly FinalOutcome[] | undefined;

  constructor(
    decided: DecidedBlock,
    txs: readonly Bytes[],
    outcomes: readonly Outcome[],
    identify: Identify,
  ) {
    this.height = decided.height;
    this.timeNs = decided.timeNs;
    this.proposer = decided.proposer;
    this.txs = txs;
    this.#decided = decided;
    this.#outcomes = outcomes;
    this.#identify = identify;
  }

  get header(): Bytes {
    return this.#decided.header;
  }

  get certificate(): Bytes {
    return this.#decided.certificate;
  }

  get outcomes(): readonly FinalOutcome[] {
    this.#identified ??= this.txs.flatMap((tx, index) => {
      const identified = this.#identify(tx);
      const outcome = this.#outcomes[index];
      return !identified.ok || outcome === undefined
        ? []
        : [{ id: identified.id, height: this.height, index, outcome }];
    });
    return this.#identified;
  }
}

export class FinalBlocks {
  readonly #identify: Identify;
  readonly #log: (event: LogEvent) => void;
  readonly #listeners = new Set<(block: FinalBlock) => void>();
  readonly #waiters = new Map<string, Set<Waiter>>();

  constructor(identify: Identify, log: (event: LogEvent) => void) {
    this.#identify = identify;
    this.#log = log;
  }

  subscribe(listener: (block: FinalBlock) => void): () => void {
    // An own function per subscription: the same listener may subscribe twice.
    const own = (block: FinalBlock): void => listener(block);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  /** Resolves with the outcome of `id`, or `timeout` (at once when `signal` aborts). */
  wait(id: Bytes, timeoutMs: number, signal?: AbortSignal): Promise<FinalOutcome | 'timeout'> {
    if (signal?.aborted === true) return Promise.resolve('timeout');
    const name = nameOf(id);
    return new Promise((resolve) => {
      const waiters = this.#waiters.get(name) ?? new Set<Waiter>();
      this.#waiters.set(name, waiters);
      const settle: (outcome: FinalOutcome | 'timeout') => void = (outcome) => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', giveUp);
        resolve(outcome);
      };
      const giveUp = (): void => {
        waiters.delete(settle);
        if (waiters.size === 0) this.#waiters.delete(name);
        settle('timeout');
      };
      const timer = setTimeout(giveUp, timeoutMs);
      signal?.addEventListener('abort', giveUp);
      waiters.add(settle);
    });
  }

  /** To be called when the block is durable, and not before. `txs`: the copies that were worked on. */
  publish(decided: DecidedBlock, txs: readonly Bytes[], outcomes: readonly Outcome[]): void {
    const block = new LazyFinalBlock(decided, txs, outcomes, this.#identify);
    if (this.#waiters.size > 0)
      for (const outcome of block.outcomes) {
        const name = nameOf(outcome.id);
        const waiters = this.#waiters.get(name);
        if (waiters === undefined) continue;
        this.#waiters.delete(name);
        for (const waiter of waiters) waiter(outcome);
      }
    for (const listener of this.#listeners) {
      try {
        listener(block);
      } catch (error) {
        this.#log({ level: 'error', event: 'listenerThrew', reason: String(error) });
      }
    }
  }
}
