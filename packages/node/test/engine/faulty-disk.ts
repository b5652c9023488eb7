/**
 * A disk that does what disks do when the power goes: everything after the last flush is gone, and the
 * last append may be torn at any byte. `flushMs` is how long a flush takes; until it ends, nothing is
 * durable. A *lying* disk says "written" when the data is merely visible.
 */
import type { AppendFile } from '../../src/storage/append-file.ts';
import { type KeyValueStore, StorageError } from '../../src/storage/key-value-store.ts';
import { SortedEntries } from '../../src/storage/sorted-entries.ts';

export interface FaultyDisk {
  /** A store on this disk as it is now; a crash makes it unusable. */
  openStore(): KeyValueStore;
  openFile(): AppendFile;
  /** The power goes: unflushed data is dropped; `torn` bytes of an unflushed append survive. */
  crash(options?: { readonly tornBytes?: number; readonly zeroFill?: boolean }): void;
  /** Number of flushes that ended. */
  flushes(): number;
  /** The power goes of itself right before (or after) the n-th flush from now. */
  crashAtFlush(n: number, moment: 'before' | 'after', onCrash: () => void): void;
}

export function createFaultyDisk(options: {
  readonly flushMs?: number;
  readonly lying?: boolean;
}): FaultyDisk {
  let durableEntries = new SortedEntries();
  let durableFile: Buffer = Buffer.alloc(0);
  let unflushedFile: Buffer = Buffer.alloc(0);
  let epoch = 0;
  let flushCount = 0;
  let armed: { left: number; moment: 'before' | 'after'; onCrash: () => void } | undefined;

  const crash: FaultyDisk['crash'] = ({ tornBytes = 0, zeroFill = false } = {}) => {
    epoch += 1;
    const added = unflushedFile.subarray(durableFile.length);
    const kept = added.subarray(0, tornBytes);
    const rest = zeroFill ? Buffer.alloc(added.length - kept.length) : Buffer.alloc(0);
    durableFile = Buffer.concat([durableFile, kept, rest]);
    unflushedFile = durableFile;
  };
  const alive = (born: number): void => {
    if (born !== epoch) throw new StorageError('closed', 'the power is off');
  };
  const flush = async (born: number, work: () => void): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, options.flushMs ?? 0));
    alive(born);
    const due = armed !== undefined && --armed.left === 0 ? armed : undefined;
    if (due !== undefined) armed = undefined;
    if (due?.moment === 'before') {
      crash();
      due.onCrash();
      alive(born);
    }
    work();
    flushCount += 1;
    if (due?.moment === 'after') {
      crash();
      due.onCrash();
      alive(born);
    }
  };
  return {
    flushes: () => flushCount,
    crash,
    crashAtFlush: (n, moment, onCrash) => {
      armed = { left: n, moment, onCrash };
    },
    openStore: () => {
      const born = epoch;
      const shown = durableEntries.clone();
      let last: Promise<void> = Promise.resolve();
      let closed = false;
      const open = (): void => {
        if (closed) throw new StorageError('closed', 'the store is closed');
        alive(born);
      };
      return {
        get: (key) => {
          open();
          return shown.get(key);
        },
        range: (range) => {
          open();
          return shown.range(range);
        },
        write: async (batch) => {
          open();
          const durable = last.then(() =>
            flush(born, () => {
              durableEntries = durableEntries.clone();
              durableEntries.apply(batch);
              if (options.lying !== true) shown.apply(batch);
            }),
          );
          last = durable.catch(() => undefined);
          if (options.lying !== true) return durable;
          shown.apply(batch);
        },
        openSnapshot: () => {
          open();
          const copy = shown.clone();
          return { get: (key) => copy.get(key), close: () => undefined };
        },
        count: () => shown.size,
        close: async () => {
          await last;
          closed = true;
        },
      };
    },
    openFile: () => {
      const born = epoch;
      unflushedFile = durableFile;
      return {
        readAll: () => {
          alive(born);
          return Promise.resolve(new Uint8Array(unflushedFile));
        },
        append: (bytes) => {
          alive(born);
          unflushedFile = Buffer.concat([unflushedFile, bytes]);
          return Promise.resolve();
        },
        sync: () =>
          options.lying === true
            ? Promise.resolve()
            : flush(born, () => {
                durableFile = unflushedFile;
              }),
        truncate: (length) => {
          alive(born);
          unflushedFile = unflushedFile.subarray(0, length);
          return Promise.resolve();
        },
        close: () => Promise.resolve(),
      };
    },
  };
}
