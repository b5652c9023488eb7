/**
 * Makes a snapshot every so many heights, at the same heights on every node, so that a newcomer can take its
 * chunks from all of them. It reads one read transaction of that height, in slices of a few milliseconds with
 * pauses between, while blocks go on.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { makeSnapshot } from '@yilian/ledger/snapshot-make';
import type { LogEvent } from '../logging.ts';
import type { EngineChainSnapshot } from './engine-chain-store.ts';
import { describeSnapshot, isSettled } from './snapshot-metadata.ts';
import type { SnapshotShelf } from './snapshot-shelf.ts';

const SLICE_MS = 2;
/** As many times as long as the slice was: at most a quarter of the thread. */
const PAUSES = 3;
/** What a read transaction sees can not be freed: the database grows meanwhile. */
const MAKING_MS_MAX = 30 * 60_000;

export interface SnapshotMaker {
  /** To be called when block `height` is durable, before the next one is written. */
  onCommitted(height: bigint): void;
  /** Resolves when nothing is under way. */
  idle(): Promise<void>;
  stop(): Promise<void>;
}

export interface SnapshotMakerOptions {
  /** Heights; 0 makes none. */
  readonly every: number;
  readonly open: () => EngineChainSnapshot;
  readonly shelf: SnapshotShelf;
  readonly log: (event: LogEvent) => void;
}

export function createSnapshotMaker(options: SnapshotMakerOptions): SnapshotMaker {
  const { every, shelf, log } = options;
  let making: Promise<void> | undefined;
  let stopped = false;

  const make = async (height: bigint, view: EngineChainSnapshot): Promise<void> => {
    const startedMs = performance.now();
    const draft = shelf.begin(height);
    try {
      const { tip } = view;
      if (tip?.height !== height) throw new Error('assertion: the view is of this height');
      const steps = makeSnapshot(view.state);
      let sliceMs = performance.now();
      for (;;) {
        const step = steps.next();
        if (step.done === true) {
          const snapshot = describeSnapshot({ manifest: step.value, timeNs: tip.timeNs });
          await draft.finish(snapshot);
          const ms = Math.round(performance.now() - startedMs);
          log({ level: 'info', event: 'snapshotMade', height, chunks: snapshot.chunks, ms });
          return;
        }
        // oxlint-disable-next-line no-await-in-loop -- one after another, so that little waits in memory
        if (step.value !== undefined) await draft.addChunk(step.value);
        const busyMs = performance.now() - sliceMs;
        if (busyMs < SLICE_MS) continue;
        // oxlint-disable-next-line no-await-in-loop -- blocks come first
        await pause(PAUSES * busyMs);
        sliceMs = performance.now();
        if (stopped || sliceMs - startedMs > MAKING_MS_MAX) throw new Error('given up');
      }
    } catch (error) {
      draft.discard();
      const level = stopped ? 'debug' : 'warn';
      log({ level, event: 'snapshotFailed', height, reason: String(error) });
    } finally {
      view.close();
    }
  };

  return {
    onCommitted: (height) => {
      if (every === 0 || height % BigInt(every) !== 0n || stopped) return;
      if (making !== undefined) {
        log({ level: 'warn', event: 'snapshotSkipped', height });
        return;
      }
      const view = options.open();
      if (view.tip === undefined || !isSettled(view.tip)) {
        // Validators change just now: the next one will do.
        log({ level: 'info', event: 'snapshotSkipped', height });
        view.close();
        return;
      }
      making = make(height, view).finally(() => {
        making = undefined;
      });
    },
    idle: async () => making,
    stop: async () => {
      stopped = true;
      await making;
    },
  };
}
