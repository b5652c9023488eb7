/** What an application that serves or takes snapshots offers to the engine; one that does not has none of it. */
import type { Bytes } from '@yilian/crypto/bytes';
import type { Snapshot } from './common-messages.ts';
import type { ApplySnapshotChunkResponse, OfferSnapshotResult } from './responses.ts';

/**
 * Answers may come from a disk, hence promises. Everything that is offered comes from strangers: only
 * `appHash` stands in a verified header.
 */
export interface SnapshotExchange {
  /** At most ten are asked for by a peer; metadata at most 4 MB. */
  listSnapshots(): Promise<readonly Snapshot[]>;
  /** Undefined where there is none (any more). At most 16 MB. */
  loadChunk(chunk: {
    readonly height: bigint;
    readonly format: number;
    readonly index: number;
  }): Promise<Bytes | undefined>;
  offerSnapshot(snapshot: Snapshot, appHash: Bytes): Promise<OfferSnapshotResult>;
  /** Chunks may come twice and, after a retry, from another peer. `sender`: the peer's id. */
  applyChunk(chunk: {
    readonly index: number;
    readonly bytes: Bytes;
    readonly sender: string;
  }): Promise<ApplySnapshotChunkResponse>;
}

/** Serves nothing, and takes no snapshot of another: state sync then fails with a clear word. */
export const NO_SNAPSHOTS: SnapshotExchange = {
  listSnapshots: () => Promise.resolve([]),
  loadChunk: () => Promise.resolve(undefined),
  offerSnapshot: () => Promise.resolve('abort'),
  applyChunk: () => Promise.resolve({ result: 'abort', refetchChunks: [], rejectSenders: [] }),
};
