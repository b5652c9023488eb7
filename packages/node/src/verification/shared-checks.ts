/**
 * The checks of many transactions as one question to the pool. An epoch's key stands, with its proof, in
 * every record of a hospital's day: that check is made once and its answer kept. Only answers that it holds
 * are kept: others come from whoever sends rubbish.
 */
import type { Check } from '@yilian/consensus/application';
import type { CheckPool } from './check-pool.ts';
import { nameOf } from './verified-transactions.ts';

/** Hospitals times days in sight. */
const KEPT_MAX = 4_096;

export class SharedChecks {
  readonly #pool: Pick<CheckPool, 'verify'>;
  /** By id, which is a hash over the whole statement. */
  readonly #kept = new Map<string, Promise<boolean>>();

  constructor(pool: Pick<CheckPool, 'verify'>) {
    this.#pool = pool;
  }

  /** For each list whether all of its checks hold. */
  async verify(lists: readonly (readonly Check[])[]): Promise<readonly boolean[]> {
    const own: Check[] = [];
    const ownCounts: number[] = [];
    const waits: (readonly Promise<boolean>[])[] = [];
    for (const checks of lists) {
      const wait: Promise<boolean>[] = [];
      const before = own.length;
      for (const check of checks)
        if (check.scheme === 'epochKey') wait.push(this.#once(check));
        else own.push(check);
      ownCounts.push(own.length - before);
      waits.push(wait);
    }
    const answers = await this.#pool.verify(own);
    const results: boolean[] = [];
    let at = 0;
    for (const [i, count] of ownCounts.entries()) {
      let holds = true;
      for (const end = at + count; at < end; at++) holds &&= answers[at] === true;
      // oxlint-disable-next-line no-await-in-loop -- all are under way
      for (const wait of waits[i] ?? []) holds = (await wait) && holds;
      results.push(holds);
    }
    return results;
  }

  #once(check: Check): Promise<boolean> {
    const name = nameOf(check.id);
    const kept = this.#kept.get(name);
    if (kept !== undefined) return kept;
    const [oldest] = this.#kept.keys();
    if (this.#kept.size >= KEPT_MAX && oldest !== undefined) this.#kept.delete(oldest);
    const answer = this.#pool.verify([check]).then(([holds]) => holds === true);
    const forget = (): void => void this.#kept.delete(name);
    answer.then((holds) => {
      if (!holds) forget();
    }, forget);
    this.#kept.set(name, answer);
    return answer;
  }
}
