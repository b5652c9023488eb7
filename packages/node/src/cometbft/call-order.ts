/**
 * One order of calls to the application, whichever connection they came by: consensus calls one after
 * another, each before whatever of the mempool still waits; mempool work in the gaps, a few milliseconds at a
 * time; nothing at all while a commit is on its way to the disk and the application has no state to show.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Of mempool work, before the sockets are looked at again. */
const SLICE_MS = 3;

export class CallOrder {
  /** Ends when the last consensus call that came has ended. */
  #last: Promise<unknown> = Promise.resolve();
  #consensusCalls = 0;
  #gap: Promise<void> = Promise.resolve();
  #openGap: () => void = () => undefined;
  #writing: Promise<void> | undefined;
  #sliceStartMs = 0;

  /** Runs `call` after all consensus calls before it. An error is its caller's alone. */
  consensus<T>(call: () => Promise<T>): Promise<T> {
    this.#consensusCalls += 1;
    if (this.#consensusCalls === 1)
      this.#gap = new Promise((resolve) => {
        this.#openGap = resolve;
      });
    const result = this.#last.then(call);
    const end = (): void => {
      this.#consensusCalls -= 1;
      if (this.#consensusCalls === 0) this.#openGap();
    };
    this.#last = result.then(end, end);
    return result;
  }

  /** To be called, within a consensus call, with the writing of what `commit` returned. */
  async write(written: Promise<void>): Promise<void> {
    const shown = written.then(
      () => undefined,
      () => undefined,
    );
    this.#writing = shown;
    await written;
    if (this.#writing === shown) this.#writing = undefined;
  }

  /** Whether a consensus call waits or runs. */
  get isBusy(): boolean {
    return this.#consensusCalls > 0;
  }

  /** Resolves when mempool work may go on, and then with the calling turn still its own. */
  async mempool(): Promise<void> {
    do {
      // oxlint-disable-next-line no-await-in-loop -- another consensus call may have come
      if (this.isBusy) await this.#gap;
      else if (performance.now() - this.#sliceStartMs > SLICE_MS) {
        // oxlint-disable-next-line no-await-in-loop -- the sockets' turn
        await nextTurn();
        this.#sliceStartMs = performance.now();
      }
    } while (this.isBusy);
  }

  /** Resolves when the application shows its last commit. */
  async shown(): Promise<void> {
    // oxlint-disable-next-line no-await-in-loop -- another block may follow at once
    while (this.#writing !== undefined) await this.#writing;
  }

  /** Resolves when no consensus call is left. */
  async idle(): Promise<void> {
    // oxlint-disable-next-line no-await-in-loop -- a call may have come meanwhile
    while (this.isBusy) await this.#last;
  }
}
