/**
 * Checkpoints (Castro–Liskov §4.3): every K heights replicas compare what they hold. With one block in
 * flight the log is short anyway; what a checkpoint adds is early notice of a diverged state and the mark
 * below which history may be pruned.
 */
import { type Bytes, equalBytes, toHex } from '@yilian/crypto/bytes';
import { isQuorum, powerOf } from '../validator-set.ts';
import type { Block } from '../block.ts';
import type { Checkpoint } from './messages.ts';
import { broadcast, emit, type ReplicaState, signerOf } from './state.ts';
import { isSignedBySender, signContent } from './voting.ts';

function isCheckpointHeight(state: ReplicaState, height: bigint): boolean {
  return height > 0n && height % BigInt(state.settings.checkpointInterval) === 0n;
}

/** PB-19: heights above this are not even buffered. */
export function highWatermark(state: ReplicaState): bigint {
  return state.tip.height + 2n * BigInt(state.settings.checkpointInterval);
}

/** PB-19: after a checkpoint height is durable, say what came out of it. */
export function announceCheckpoint(state: ReplicaState, block: Block): void {
  const { tip } = state;
  if (!isCheckpointHeight(state, tip.height)) {
    // The certificate of a block makes the app hash in its header stable: no replica that caught up by
    // blocks waits for messages that were sent before it came back.
    if (isCheckpointHeight(state, tip.height - 1n))
      makeStable(state, tip.height - 1n, block.header.appHash);
    return;
  }
  const signer = signerOf(state, state.key);
  if (signer === undefined) return;
  const content = {
    kind: 'checkpoint',
    epoch: tip.validators.epoch,
    height: tip.height,
    blockId: tip.blockId,
    appHash: tip.appHash,
  } as const;
  const message: Checkpoint = { ...content, signer, signature: signContent(state, content) };
  broadcast(state, message);
  countCheckpoint(state, message);
}

export function onCheckpoint(state: ReplicaState, from: Bytes, message: Checkpoint): void {
  const { height, signer } = message;
  if (height <= state.stableHeight || height > highWatermark(state)) return;
  if (!isCheckpointHeight(state, height)) return;
  // The set that speaks after a height is the set of the next one; ahead of our tip we cannot know it.
  if (height !== state.tip.height || message.epoch !== state.tip.validators.epoch) return;
  if (signerOf(state, from) !== signer || !isSignedBySender(state, message)) return;
  countCheckpoint(state, message);
}

function countCheckpoint(state: ReplicaState, message: Checkpoint): void {
  const { height } = message;
  let tally = state.checkpoints.get(height);
  if (tally === undefined) state.checkpoints.set(height, (tally = new Map<number, Checkpoint>()));
  if (tally.has(message.signer)) return;
  tally.set(message.signer, message);
  const equal = [...tally.values()].filter(
    (other) =>
      equalBytes(other.appHash, message.appHash) && equalBytes(other.blockId, message.blockId),
  );
  const { validators } = state.tip;
  if (
    !isQuorum(
      validators,
      powerOf(
        validators,
        equal.map(({ signer }) => signer),
      ),
    )
  )
    return;
  if (!equalBytes(message.appHash, state.tip.appHash)) {
    // PB-19: 2f+1 others hold another state: going on would spread ours.
    halt(state, message.appHash);
    return;
  }
  makeStable(state, height, message.appHash);
}

function makeStable(state: ReplicaState, height: bigint, appHash: Bytes): void {
  if (height <= state.stableHeight) return;
  state.stableHeight = height;
  for (const below of state.checkpoints.keys())
    if (below <= height) state.checkpoints.delete(below);
  emit(state, { kind: 'checkpointStable', height, appHash });
}

function halt(state: ReplicaState, appHash: Bytes): void {
  state.halted = true;
  emit(state, {
    kind: 'halt',
    reason: 'appHashDiffers',
    height: state.tip.height,
    detail: toHex(appHash),
  });
}
