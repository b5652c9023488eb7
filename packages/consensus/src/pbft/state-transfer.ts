/** Catching up by blocks: each comes with its certificate, so it does not matter who sends it. */
import { type Bytes, equalBytes, toHex } from '@yilian/crypto/bytes';
import type { CertifiedBlock } from '../block.ts';
import { verifyCertificate } from '../certificate.ts';
import { headerId } from '../header.ts';
import { decide } from './deciding.ts';
import type { Blocks, Status } from './messages.ts';
import { examineBlock } from './normal-case.ts';
import {
  broadcast,
  cancelTimer,
  currentProposal,
  emit,
  type PeerProgress,
  type ReplicaState,
  send,
  setTimer,
} from './state.ts';
import { sendBodyToPrimary } from './view-change.ts';

const QUEUE_MAX = 4_096;

/** Answers that one peer gets in half a status interval: each costs reading and sending of megabytes. */
const ANSWERS_MAX = 8;

function peerOf(state: ReplicaState, key: Bytes): PeerProgress {
  const name = toHex(key);
  let peer = state.peers.get(name);
  if (peer === undefined) {
    peer = { key, height: 0n, answeredAtNs: 0n, answers: 0, answeredHeight: -1n };
    state.peers.set(name, peer);
  }
  return peer;
}

/** Someone works at a height that we have not reached. */
export function noteHeight(state: ReplicaState, from: Bytes, height: bigint): void {
  const peer = peerOf(state, from);
  peer.height = height;
  if (height <= state.height) return;
  // One height ahead is usually a commit that is still on its way: give it a moment.
  if (!state.timers.has('fetch') && state.transfer.asked === undefined)
    setTimer(state, 'fetch', Math.min(200, state.settings.fetchTimeoutMs));
}

/** PB-20: asks one peer that claims to be ahead; the timer tries the next when it says nothing useful. */
export function onFetchTimer(state: ReplicaState): void {
  const { transfer } = state;
  if (transfer.asked !== undefined) {
    transfer.failed.add(transfer.asked);
    transfer.asked = undefined;
  }
  tryFetch(state);
}

function tryFetch(state: ReplicaState): void {
  const { transfer } = state;
  if (transfer.asked !== undefined || transfer.queue.length > 0) return;
  const ahead = [...state.peers.values()].filter(
    ({ height }) => height > state.height || (state.work.bodyMissing && height >= state.height),
  );
  if (ahead.length === 0) return;
  let candidates = ahead.filter(({ key }) => !transfer.failed.has(toHex(key)));
  if (candidates.length === 0) {
    transfer.failed.clear();
    candidates = ahead;
  }
  // The farthest first; which of several does not matter, the failed list moves on.
  const peer = candidates.reduce((best, next) => (next.height > best.height ? next : best));
  transfer.asked = toHex(peer.key);
  send(state, peer.key, { kind: 'fetchBlocks', fromHeight: nextWanted(state) });
  setTimer(state, 'fetch', state.settings.fetchTimeoutMs);
}

function nextWanted(state: ReplicaState): bigint {
  return state.work.executing === undefined ? state.height : state.height + 1n;
}

/** PB-21: a peer that moves forward is answered at once, one that asks the same again, or often, has to wait. */
function mayAnswer(state: ReplicaState, peer: PeerProgress, height: bigint): boolean {
  const sinceMs = Number((state.nowNs - peer.answeredAtNs) / 1_000_000n);
  const isSoon = sinceMs >= 0 && sinceMs < state.settings.statusMs / 2;
  if (isSoon && (height <= peer.answeredHeight || peer.answers >= ANSWERS_MAX)) return false;
  if (!isSoon) {
    peer.answeredAtNs = state.nowNs;
    peer.answers = 0;
  }
  peer.answers += 1;
  peer.answeredHeight = height;
  return true;
}

export function onFetchBlocks(state: ReplicaState, from: Bytes, fromHeight: bigint): void {
  if (fromHeight < 1n || fromHeight > state.tip.height) return;
  if (!mayAnswer(state, peerOf(state, from), fromHeight)) return;
  const { transferBytesMax: bytesMax } = state.settings;
  emit(state, { kind: 'sendBlocks', to: from, fromHeight, bytesMax });
}

/** Queues what continues our chain; checking waits until the block below is executed. */
export function onBlocks(state: ReplicaState, from: Bytes, { blocks }: Blocks): void {
  const { transfer } = state;
  const isAsked = transfer.asked === toHex(from);
  // PB-18: nobody fills the queue with blocks that were not asked for.
  if (!isAsked && transfer.queue.length > 0) return;
  if (isAsked) {
    transfer.asked = undefined;
    cancelTimer(state, 'fetch');
    if (blocks.length === 0) transfer.failed.add(toHex(from));
  }
  let wanted = nextWanted(state) + BigInt(transfer.queue.length);
  for (const decided of blocks) {
    if (decided.certificate.height !== wanted || transfer.queue.length >= QUEUE_MAX) continue;
    transfer.queue.push({ from, decided });
    wanted += 1n;
  }
  if (transfer.queue.length === 0) onFetchTimer(state);
}

/** PB-20: a transferred block goes through the same checks and the same gate as one that we voted for. */
export function tryCatchUp(state: ReplicaState): void {
  const { transfer, work } = state;
  if (work.executing !== undefined || state.halted) return;
  const next = transfer.queue[0];
  if (next === undefined) return;
  if (next.decided.certificate.height === state.height) {
    const verdict = examineDecided(state, next.decided);
    if (verdict === 'valid') {
      transfer.queue.shift();
      decide(state, next.decided);
      return;
    }
    if (verdict === 'contradicts') {
      state.halted = true;
      emit(state, {
        kind: 'halt',
        reason: 'certifiedBlockInvalid',
        height: state.height,
        detail: toHex(next.decided.certificate.blockId),
      });
      return;
    }
    transfer.failed.add(toHex(next.from));
  } else if (next.decided.certificate.height < state.height) {
    transfer.queue.shift();
    return tryCatchUp(state);
  }
  transfer.queue.length = 0;
  tryFetch(state);
}

function examineDecided(
  state: ReplicaState,
  { block, certificate }: CertifiedBlock,
): 'valid' | 'forged' | 'contradicts' {
  const blockId = headerId(block.header);
  if (!equalBytes(blockId, certificate.blockId)) return 'forged';
  const verified = verifyCertificate({
    certificate,
    height: state.height,
    blockId,
    validators: state.tip.validators,
    verifySignature: state.verify,
  });
  if (!verified.ok) return 'forged';
  // Limits are settings of today; the certificate vouches for those of its day.
  const { bodyRefusal, headerRefusal } = examineBlock(state, block, blockId, 'decided');
  if (bodyRefusal !== undefined || headerRefusal === 'badProposerSignature') return 'forged';
  return headerRefusal === undefined ? 'valid' : 'contradicts';
}

/** After progress: go on with the next piece while somebody is ahead. */
export function continueTransfer(state: ReplicaState): void {
  const { transfer } = state;
  if (transfer.queue.length > 0 || transfer.asked !== undefined) return;
  const isFarBehind = [...state.peers.values()].some(({ height }) => height > state.height + 1n);
  if (isFarBehind) tryFetch(state);
}

/** PB-21: without progress since the last tick, say where we are; whoever is ahead answers. */
export function onStatusTimer(state: ReplicaState): void {
  const { lastStatus, height, view } = state;
  if (lastStatus.height === height && lastStatus.view === view) announce(state);
  state.lastStatus = { height, view };
  if (state.work.bodyMissing) tryFetch(state);
  setTimer(state, 'status', state.settings.statusMs);
}

export function announce(state: ReplicaState): void {
  const { height, view } = state;
  const hasProposal = currentProposal(state) !== undefined;
  broadcast(state, { kind: 'status', height, view, hasProposal });
}

/** PB-21: a peer below us gets blocks; a peer beside us gets our own words again, and no one else's. */
export function onStatus(state: ReplicaState, from: Bytes, status: Status): void {
  noteHeight(state, from, status.height);
  if (status.height < state.height) onFetchBlocks(state, from, status.height);
  else if (status.height === state.height && mayAnswer(state, peerOf(state, from), status.height))
    repeatOwnVotes(state, from, status);
}

function repeatOwnVotes(state: ReplicaState, to: Bytes, status: Status): void {
  const { work, view } = state;
  for (const vote of work.own.values()) {
    if (vote.view !== view && vote.kind !== 'commit') continue;
    if (vote.kind === 'viewChange' && status.view > view) continue;
    if (vote.kind === 'prePrepare' && status.view === view && status.hasProposal) continue;
    send(state, to, vote);
    if (vote.kind === 'viewChange' && work.status === 'viewChanging')
      sendBodyToPrimary(state, vote);
  }
}
