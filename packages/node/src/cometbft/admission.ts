/**
 * CheckTx: whether an engine transaction may wait in the mempool. Signatures are checked by the workers, a
 * slice of client transactions at a time, so that a block that must be verified meanwhile stands behind two
 * slices and not behind the whole mempool; rules are checked by the application in the gaps of consensus.
 *
 * - AD-1 A bundle is admitted whole or not at all; the first item that fails is named.
 * - AD-2 What was found good within a bundle that was refused, or ahead of its bundle, is not asked about
 *   again before the next commit: the application would call it a duplicate of itself. The same holds for
 *   all that an engine had in its mempool when it died: it comes again, and waits nowhere.
 * - AD-3 A bundle that waits already stays as long as one item is still good: a proposer leaves out the rest.
 *   Nothing else ever removes what a proposer leaves out, so CometBFT's `recheck` is on; it asks after every
 *   block and waits for the answers, so a recheck goes before all that is new, and ends at the first good item.
 * - AD-4 Beyond `pendingMax` client transactions under way a new one is refused at once, unverified. The
 *   engine's Commit waits for all of them; others have the transaction, and its entry node sends it again.
 */
import type { Application, Refusal } from '@yilian/consensus/application';
import type { AdmissionRefusal } from '@yilian/consensus/abci/application-calls';
import { isBundle, parseBundle } from '@yilian/consensus/bundle';
import type { Bytes } from '@yilian/crypto/bytes';
import type { TransactionVerifier, Verification } from '../verification/transaction-verifier.ts';
import { nameOfTransaction, toVerified } from '../verification/verified-transactions.ts';
import type { CallOrder } from './call-order.ts';

export interface AdmissionSettings {
  /** Client transactions under way, in all bundles together. */
  readonly pendingMax: number;
  /** Client transactions given to the workers at a time. */
  readonly sliceCount: number;
}

export interface Admission {
  /** Undefined: it may wait in the mempool. Rejects when the workers are gone. */
  check(engineTx: Bytes, mode: 'new' | 'recheck'): Promise<AdmissionRefusal | undefined>;
  /** For a client transaction whose bundle is still being filled: see AD-2. */
  checkAhead(tx: Bytes): Promise<Refusal | undefined>;
  /** Client transactions under way. */
  pending(): number;
  /** The application has committed: all that was found good is to be asked again. */
  onCommitted(): void;
  /** An engine has connected: its mempool is empty. See AD-2. */
  onConnected(): void;
  /** Whatever waits is refused with `unavailable`, and what comes. */
  stop(): void;
}

const SLICES_UNDER_WAY = 2;

interface Job {
  readonly txs: readonly Bytes[];
  readonly mode: 'new' | 'recheck' | 'ahead';
  readonly settle: (refusal: AdmissionRefusal | undefined) => void;
  readonly fail: (error: unknown) => void;
}

function refusedAs(code: string, index = 0): AdmissionRefusal {
  return { code, index };
}

class AdmissionLane implements Admission {
  readonly #application: Application;
  readonly #verifier: TransactionVerifier;
  readonly #order: CallOrder;
  readonly #settings: AdmissionSettings;
  #waiting: Job[] = [];
  /** AD-3 */
  #rechecks: Job[] = [];
  #pending = 0;
  #slices = 0;
  #stopped = false;
  /** AD-2. By name of their bytes. */
  readonly #good = new Set<string>();
  /** What the application found good since its last commit and would call a duplicate. */
  readonly #taken = new Set<string>();

  constructor(input: {
    readonly application: Application;
    readonly verifier: TransactionVerifier;
    readonly order: CallOrder;
    readonly settings: AdmissionSettings;
  }) {
    this.#application = input.application;
    this.#verifier = input.verifier;
    this.#order = input.order;
    this.#settings = input.settings;
  }

  check(engineTx: Bytes, mode: 'new' | 'recheck'): Promise<AdmissionRefusal | undefined> {
    if (!isBundle(engineTx)) return this.#enter([engineTx], mode);
    const bundle = parseBundle(engineTx);
    return bundle.ok
      ? this.#enter(bundle.items, mode)
      : Promise.resolve(refusedAs('malformedBundle'));
  }

  async checkAhead(tx: Bytes): Promise<Refusal | undefined> {
    if (isBundle(tx)) return { code: 'malformed' };
    const refusal = await this.#enter([tx], 'ahead');
    return refusal === undefined ? undefined : { code: refusal.code };
  }

  pending(): number {
    return this.#pending;
  }

  onCommitted(): void {
    this.#good.clear();
    this.#taken.clear();
  }

  onConnected(): void {
    for (const name of this.#taken) this.#good.add(name);
  }

  stop(): void {
    this.#stopped = true;
    for (const { settle } of [...this.#rechecks.splice(0), ...this.#waiting.splice(0)])
      settle(refusedAs('unavailable'));
  }

  #enter(txs: readonly Bytes[], mode: Job['mode']): Promise<AdmissionRefusal | undefined> {
    if (this.#stopped) return Promise.resolve(refusedAs('unavailable'));
    // What waits already was let in once; to drop it for want of time would lose it.
    if (mode !== 'recheck' && this.#pending + txs.length > this.#settings.pendingMax)
      return Promise.resolve(refusedAs('mempoolFull'));
    this.#pending += txs.length;
    const done = new Promise<AdmissionRefusal | undefined>((settle, fail) => {
      const queue = mode === 'recheck' ? this.#rechecks : this.#waiting;
      queue.push({ txs, mode, settle, fail });
    });
    const leave = (): void => {
      this.#pending -= txs.length;
    };
    done.then(leave, leave);
    this.#startSlices();
    return done;
  }

  #startSlices(): void {
    while (this.#slices < SLICES_UNDER_WAY && this.#waiting.length + this.#rechecks.length > 0) {
      this.#slices += 1;
      void this.#runSlice();
    }
  }

  async #runSlice(): Promise<void> {
    // What comes in this turn, and all that comes while consensus is at work, goes together.
    await this.#order.mempool();
    const jobs = this.#takeSlice();
    try {
      await this.#judgeAll(jobs);
    } catch (error) {
      for (const { fail } of jobs) fail(error);
    }
    this.#slices -= 1;
    this.#startSlices();
  }

  #takeSlice(): readonly Job[] {
    if (this.#rechecks.length > 0) return this.#rechecks.splice(0);
    let count = 0;
    let end = 0;
    for (const { txs } of this.#waiting) {
      if (count >= this.#settings.sliceCount) break;
      count += txs.length;
      end += 1;
    }
    return this.#waiting.splice(0, end);
  }

  async #judgeAll(jobs: readonly Job[]): Promise<void> {
    const fresh = jobs.flatMap(({ txs, mode }) => (mode === 'recheck' ? [] : txs));
    const verdicts = fresh.length === 0 ? [] : await this.#verifier.verify(fresh);
    let at = 0;
    for (const job of jobs) {
      // oxlint-disable-next-line no-await-in-loop -- consensus goes first, whenever it comes
      await this.#order.mempool();
      if (this.#stopped) job.settle(refusedAs('unavailable'));
      else if (job.mode === 'recheck') job.settle(this.#recheck(job.txs));
      else job.settle(this.#judge(job, verdicts.slice(at, at + job.txs.length)));
      if (job.mode !== 'recheck') at += job.txs.length;
    }
  }

  /** AD-1 */
  #judge(job: Job, verdicts: readonly Verification[]): AdmissionRefusal | undefined {
    const transactions = [];
    for (const [index, verdict] of verdicts.entries()) {
      if (!verdict.ok) return refusedAs(verdict.rejection.code, index);
      transactions.push(verdict.transaction);
    }
    const names: string[] = [];
    const verified = toVerified(transactions);
    for (const [index, { name, tx }] of transactions.entries()) {
      if (!this.#good.delete(name)) {
        const outcome = this.#application.checkTransaction(tx, 'new', verified);
        if (!outcome.ok) {
          for (const good of names) this.#good.add(good);
          return refusedAs(outcome.rejection.code, index);
        }
        this.#taken.add(name);
      }
      names.push(name);
    }
    if (job.mode === 'ahead') for (const name of names) this.#good.add(name);
    return undefined;
  }

  /** AD-3 */
  #recheck(txs: readonly Bytes[]): AdmissionRefusal | undefined {
    let refusal: AdmissionRefusal | undefined;
    for (const [index, given] of txs.entries()) {
      const tx = this.#verifier.workingCopy(given);
      const outcome = this.#application.checkTransaction(tx, 'recheck', NOTHING);
      if (outcome.ok) {
        this.#taken.add(nameOfTransaction(tx));
        return undefined;
      }
      refusal ??= refusedAs(outcome.rejection.code, index);
    }
    return refusal;
  }
}

const NOTHING = toVerified([]);

export function createAdmission(input: {
  readonly application: Application;
  readonly verifier: TransactionVerifier;
  readonly order: CallOrder;
  readonly settings: AdmissionSettings;
}): Admission {
  return new AdmissionLane(input);
}
