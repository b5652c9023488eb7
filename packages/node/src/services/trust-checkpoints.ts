/**
 * LC-5: the regulator's checkpoints, for clients that were away for longer than the trusting period.
 * The regulator's node signs; every node keeps the highest, tells its peers and serves it, so that one
 * can be had while the regulator is down. Nobody needs to believe a node here: the signature is the
 * regulator's, and each node and client checks it.
 */
import type { LightEngine } from '@yilian/consensus/light/light-engine';
import {
  type TrustAnchor,
  trustCheckpoint,
  trustCheckpointBody,
} from '@yilian/consensus/light/trust';
import {
  decodeTrustCheckpoint,
  encodeTrustCheckpoint,
} from '@yilian/consensus/light/trust-checkpoint';
import { ValidatorSetError } from '@yilian/consensus/validator-set';
import { type Bytes, CodecError, equalBytes, utf8 } from '@yilian/crypto/bytes';
import type { Signer } from '@yilian/ledger/transaction-codec';
import type { OrderingNode } from '../ordering-node.ts';
import type { Notices } from '../peers/notices.ts';
import { verifySignature } from '../verification/verify-signature.ts';
import type { Shelf } from './service-store.ts';

const HOUR_NS = 3_600_000_000_000n;
/** Block time between two checkpoints: many fit the shortest trusting period. */
export const CHECKPOINT_INTERVAL_NS: bigint = 24n * HOUR_NS;
const PLACE = utf8('latest');

export type CheckpointVerdict = 'kept' | 'known' | 'malformed' | 'forged' | 'forked';

export interface TrustCheckpoints {
  /** Encoded; undefined before the first. */
  latest(): Bytes | undefined;
  /** Height of the latest; 0 before the first. */
  height(): bigint;
  /** The regulator's node signs when one is due; every node tells its peers what it has. */
  tend(): Promise<void>;
  /** Signs when one is due and else does nothing: cheap enough for every block. */
  onBlock(): Promise<void>;
  /** What a peer told. Kept only when it is the regulator's and higher than what is known. */
  learn(encoded: Bytes): Promise<CheckpointVerdict>;
  /** Nothing is written after it resolves. */
  close(): Promise<void>;
}

export interface TrustCheckpointsOptions {
  readonly anchor: TrustAnchor;
  /** The form of this chain's headers. */
  readonly engine: LightEngine;
  readonly ordering: Pick<OrderingNode, 'latest' | 'lastValidators' | 'header'>;
  readonly shelf: Shelf;
  readonly notices: Notices;
  /** Null but on the regulator's node. */
  readonly regulator: Signer | null;
  /** A checkpoint contradicts this node's own final block. */
  readonly onFork: (height: bigint) => void;
  readonly intervalNs?: bigint;
}

export function createTrustCheckpoints(options: TrustCheckpointsOptions): TrustCheckpoints {
  const { anchor, engine, ordering, shelf, notices, regulator } = options;
  const { intervalNs = CHECKPOINT_INTERVAL_NS } = options;
  if (regulator !== null && !equalBytes(regulator.key, anchor.regulatorKey))
    throw new Error('the regulator key of this node is not the one of the genesis document');
  let working: Promise<unknown> = Promise.resolve();
  let isForked = false;
  let isClosed = false;
  let kept:
    | { readonly encoded: Bytes; readonly height: bigint; readonly timeNs: bigint }
    | undefined;

  /** Of this node's own final block. */
  const ownBlockId = (height: bigint): Bytes | undefined => {
    const stored = ordering.header(height);
    return stored === undefined ? undefined : engine.decodeHeader(stored).header.blockId;
  };

  const judge = (encoded: Bytes): CheckpointVerdict => {
    if (kept !== undefined && equalBytes(kept.encoded, encoded)) return 'known';
    try {
      const checkpoint = decodeTrustCheckpoint(encoded);
      const { height, timeNs } = checkpoint;
      if (kept !== undefined && height < kept.height) return 'known';
      if (trustCheckpoint(anchor, checkpoint, verifySignature) === null) return 'forged';
      const own = ownBlockId(height);
      if (own !== undefined && !equalBytes(own, checkpoint.blockId)) {
        // Two chains with the regulator's name under one of them: it signs neither from here on.
        isForked = true;
        options.onFork(height);
        return 'forked';
      }
      if (kept?.height === height) return 'known';
      kept = { encoded: encoded.slice(), height, timeNs };
      return 'kept';
    } catch (error) {
      if (error instanceof CodecError || error instanceof ValidatorSetError) return 'malformed';
      throw error;
    }
  };

  const take = async (encoded: Bytes): Promise<CheckpointVerdict> => {
    const verdict = judge(encoded);
    if (verdict !== 'kept') return verdict;
    // On disk before anybody hears of it: the regulator never signs below what it has signed.
    await shelf.put(PLACE, encoded);
    notices.broadcast(encoded);
    return verdict;
  };

  const signIfDue = async (): Promise<void> => {
    if (regulator === null || isForked) return;
    const { height, timeNs } = ordering.latest();
    const stored = ordering.header(height);
    if (stored === undefined) return;
    if (kept !== undefined && (height <= kept.height || timeNs - kept.timeNs < intervalNs)) return;
    const { header } = engine.decodeHeader(stored);
    const content = {
      chainId: anchor.chainId,
      genesisId: anchor.genesisId,
      height,
      blockId: header.blockId,
      timeNs: header.timeNs,
      validators: ordering.lastValidators(),
      nextValidatorsHash: header.nextValidatorsHash,
    };
    const signature = regulator.sign(trustCheckpointBody(content));
    await take(encodeTrustCheckpoint({ ...content, signature }));
  };

  const inOrder = <T>(work: () => Promise<T>): Promise<T> => {
    if (isClosed) return Promise.reject(new Error('the checkpoints are closed'));
    const next = working.then(work);
    working = next.catch(() => undefined);
    return next;
  };

  const stored = shelf.get(PLACE);
  if (stored !== undefined) judge(stored);
  return {
    latest: () => kept?.encoded,
    height: () => kept?.height ?? 0n,
    onBlock: () => inOrder(signIfDue),
    tend: () =>
      inOrder(async () => {
        await signIfDue();
        if (kept !== undefined) notices.broadcast(kept.encoded);
      }),
    learn: (encoded) => inOrder(() => take(encoded)),
    close: async () => {
      isClosed = true;
      await working;
    },
  };
}
