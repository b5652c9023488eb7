/**
 * A store that need not be reachable when the node starts: a node orders, serves shares and answers
 * while its S3 is down. Until it has been opened, calls try again and give the same typed error.
 */
import { ObjectStoreError } from './object-store-error.ts';
import type { ObjectStore } from './object-store.ts';

function mayComeBack(error: unknown): boolean {
  return (
    error instanceof ObjectStoreError && (error.code === 'unavailable' || error.code === 'timeout')
  );
}

/** @throws what `open` throws, unless the store is merely out of reach */
export async function openWhenReachable(open: () => Promise<ObjectStore>): Promise<ObjectStore> {
  let opened: ObjectStore | undefined;
  let opening: Promise<ObjectStore> | undefined;
  /** Calls that come while one opens share it. */
  const ready = (): Promise<ObjectStore> => {
    if (opened !== undefined) return Promise.resolve(opened);
    opening ??= open()
      .then((store) => (opened = store))
      .finally(() => {
        opening = undefined;
      });
    return opening;
  };
  try {
    await ready();
  } catch (error) {
    if (!mayComeBack(error)) throw error;
  }
  return {
    put: async (...call) => (await ready()).put(...call),
    restore: async (...call) => (await ready()).restore(...call),
    inspect: async (...call) => (await ready()).inspect(...call),
    get: async (...call) => (await ready()).get(...call),
    erase: async (...call) => (await ready()).erase(...call),
    close: async () => {
      await opening?.catch(() => undefined);
      await opened?.close();
    },
  };
}
