/**
 * Takes a snapshot that CometBFT's state sync offers: every chunk is verified against the app hash of a header
 * that CometBFT's light client verified, before anything of it is written. What is on disk stays when the
 * process dies: the same snapshot offered again continues, another one begins anew.
 */
import type { Snapshot } from '@yilian/consensus/abci/common-messages';
import type { EngineTip } from '@yilian/consensus/abci/engine-tip';
import type {
  ApplySnapshotChunkResponse,
  OfferSnapshotResult,
} from '@yilian/consensus/abci/responses';
import type { SnapshotExchange } from '@yilian/consensus/abci/snapshots';
import type { Genesis } from '@yilian/consensus/application';
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import { hashAppHashParts } from '@yilian/ledger/app-hash';
import { chunkCount } from '@yilian/ledger/snapshot-format';
import {
  beginRestore,
  finishRestore,
  manifestHash,
  restoreChunk,
  restoredValidators,
  restoreMarker,
} from '@yilian/ledger/snapshot-restore';
import type { SnapshotRefusal } from '@yilian/ledger/snapshot-verify';
import type { LogEvent } from '../logging.ts';
import { sha256 } from '../verification/sha256.ts';
import type { EngineChainStore } from './engine-chain-store.ts';
import { type OfferedSnapshot, settledTip, verifyOffer } from './snapshot-metadata.ts';
import type { SnapshotShelf } from './snapshot-shelf.ts';

export interface SnapshotRestorerOptions {
  readonly genesis: Genesis;
  readonly chain: EngineChainStore;
  readonly shelf: SnapshotShelf;
  /** The state is whole and durable, and stands at this tip. */
  readonly onRestored: (tip: EngineTip) => void;
  readonly log: (event: LogEvent) => void;
}

/** Nobody would take more than was made; CometBFT asks for ten. */
const ACCEPTED: ApplySnapshotChunkResponse = {
  result: 'accept',
  refetchChunks: [],
  rejectSenders: [],
};
const REJECTED: ApplySnapshotChunkResponse = { ...ACCEPTED, result: 'rejectSnapshot' };

/** The chunk is right, and shows that the manifest is not: whoever sent the chunk is honest. */
const MANIFEST_FAULTS: ReadonlySet<SnapshotRefusal> = new Set(['incomplete', 'wrongRoot']);

export function createSnapshotExchange(options: SnapshotRestorerOptions): SnapshotExchange {
  const { genesis, chain, shelf, log } = options;
  /** What is being restored. */
  let offered: OfferedSnapshot | undefined;

  const refuseOffer = (snapshot: Snapshot, code: string): void =>
    log({ level: 'warn', event: 'snapshotRefused', height: snapshot.height, code });

  /** Whether this node has blocks of its own: those are not given up for a stranger's word. */
  const hasHistory = (): boolean => chain.firstBody() > 0n || chain.headerHeight() > 0n;

  /** The tip of a store that holds this snapshot already, whole. */
  const restoredTip = ({ manifest }: OfferedSnapshot): EngineTip | undefined => {
    const tip = chain.tip();
    return tip?.height === BigInt(manifest.height) &&
      equalBytes(tip.appHash, hashAppHashParts(manifest.parts))
      ? tip
      : undefined;
  };

  const offer = async (snapshot: Snapshot, appHash: Bytes): Promise<OfferSnapshotResult> => {
    if (hasHistory()) {
      refuseOffer(snapshot, 'hasHistory');
      return 'abort';
    }
    const verdict = verifyOffer(snapshot, { genesis, appHash });
    if (!verdict.ok) {
      refuseOffer(snapshot, verdict.code);
      return verdict.code === 'wrongFormat' ? 'rejectFormat' : 'reject';
    }
    const { manifest } = verdict.value;
    offered = verdict.value;
    const marker = restoreMarker(chain.bareState);
    const isContinued =
      restoredTip(offered) !== undefined ||
      (chain.isRestoring() &&
        marker !== undefined &&
        equalBytes(marker.manifestHash, manifestHash(manifest)));
    if (!isContinued) {
      await chain.clear();
      await chain.restore(beginRestore(chain.bareState, manifest, genesis.appState));
    }
    log({
      level: 'info',
      event: 'snapshotAccepted',
      height: snapshot.height,
      chunks: snapshot.chunks,
      next: isContinued ? (marker?.next ?? snapshot.chunks) : 0,
    });
    return 'accept';
  };

  const finish = async (complete: OfferedSnapshot): Promise<ApplySnapshotChunkResponse> => {
    const { manifest } = complete;
    const { height } = manifest;
    const finished = finishRestore({ reader: chain.bareState, manifest, hash: sha256 });
    if (!finished.ok) {
      log({ level: 'warn', event: 'snapshotRefused', height, code: finished.code });
      return REJECTED;
    }
    const governed = restoredValidators(chain.bareState, manifest);
    if (governed === undefined) {
      log({ level: 'warn', event: 'snapshotRefused', height, code: 'unsettled' });
      return REJECTED;
    }
    const tip = settledTip(complete, governed);
    await chain.restore(finished.value, tip);
    options.onRestored(tip);
    log({ level: 'info', event: 'snapshotRestored', height });
    return ACCEPTED;
  };

  const apply = async (chunk: {
    readonly index: number;
    readonly bytes: Bytes;
    readonly sender: string;
  }): Promise<ApplySnapshotChunkResponse> => {
    const { index, bytes, sender } = chunk;
    if (offered === undefined) return { ...ACCEPTED, result: 'abort' };
    const { manifest } = offered;
    const { height } = manifest;
    const isLast = index === chunkCount(manifest) - 1;
    const known = restoredTip(offered);
    if (known !== undefined) {
      if (isLast) options.onRestored(known);
      return ACCEPTED;
    }
    const next = restoreMarker(chain.bareState)?.next ?? 0;
    if (index > next) return { ...ACCEPTED, result: 'retrySnapshot' };
    if (index === next) {
      const restored = restoreChunk({ reader: chain.bareState, manifest, bytes, hash: sha256 });
      if (!restored.ok) {
        const { code } = restored;
        log({ level: 'warn', event: 'chunkRefused', height, index, code, sender });
        return MANIFEST_FAULTS.has(code)
          ? REJECTED
          : { result: 'retry', refetchChunks: [index], rejectSenders: [sender] };
      }
      await chain.restore(restored.value);
      log({ level: 'debug', event: 'chunkRestored', height, index });
    }
    return isLast ? finish(offered) : ACCEPTED;
  };

  return {
    listSnapshots: () => Promise.resolve(shelf.list()),
    loadChunk: ({ height, format, index }) => shelf.chunk(height, format, index),
    offerSnapshot: offer,
    applyChunk: apply,
  };
}
