/**
 * The replica: `step(state, input) → { state, effects }`, without clock, disk, socket or randomness.
 * An input changes what is known; then the rules run until none of them has anything left to do.
 * The rules and their labels (PB-n) are in docs/spec/pbft.md.
 */
import { type Bytes, toHex } from '@yilian/crypto/bytes';
import { advanceTip } from '../chain-tip.ts';
import { announceCheckpoint, onCheckpoint } from './checkpoint.ts';
import { tryDecide } from './deciding.ts';
import type { Effect } from './effect.ts';
import { replayEarly, receiveVote } from './inbox.ts';
import type { Input, TimerName } from './input.ts';
import type { Message } from './messages.ts';
import { onProposalValidated, tryCommit, tryPrepare, type Verdict } from './normal-case.ts';
import { onProposalPrepared, tryPropose } from './proposing.ts';
import { dropRequests, onRequestsAdmitted, onRequestsTimer, settleRequests } from './requests.ts';
import { emit, type ReplicaState, signerOf } from './state.ts';
import {
  continueTransfer,
  noteHeight,
  onBlocks,
  onFetchBlocks,
  onFetchTimer,
  onStatus,
  onStatusTimer,
  tryCatchUp,
} from './state-transfer.ts';
import {
  openHeight,
  startViewChange,
  tryJoinViewChange,
  tryNewView,
  tryTimeView,
  tryTimeViewChange,
} from './view-change.ts';

export interface Step {
  readonly state: ReplicaState;
  /** To be carried out in order: see effect.ts. */
  readonly effects: readonly Effect[];
}

/** One past event in, commands out. `state` is the same object, changed. */
export function step(state: ReplicaState, input: Input): Step {
  state.nowNs = input.nowNs;
  if (!state.halted && handle(state, input) === 'refused') startViewChange(state, state.view + 1);
  settle(state);
  return { state, effects: takeEffects(state) };
}

export function takeEffects(state: ReplicaState): readonly Effect[] {
  const { effects } = state;
  state.effects = [];
  return effects;
}

function handle(state: ReplicaState, input: Input): Verdict {
  switch (input.kind) {
    case 'messageReceived':
      return onMessage(state, input.from, input.message);
    case 'requestsAdmitted':
      onRequestsAdmitted(state, input.transactions, input.origin);
      return 'fine';
    case 'requestsDropped':
      dropRequests(state, input.hashes);
      return 'fine';
    case 'timerExpired':
      return onTimer(state, input.timer, input.token);
    case 'proposalPrepared':
      onProposalPrepared(state, input);
      return 'fine';
    case 'proposalValidated':
      return onProposalValidated(state, input);
    case 'blockExecuted':
      onBlockExecuted(state, input);
      return 'fine';
  }
}

function onMessage(state: ReplicaState, from: Bytes, message: Message): Verdict {
  switch (message.kind) {
    case 'request':
      emit(state, { kind: 'admitRequests', from, transactions: message.transactions });
      return 'fine';
    case 'status':
      onStatus(state, from, message);
      return 'fine';
    case 'fetchBlocks':
      onFetchBlocks(state, from, message.fromHeight);
      return 'fine';
    case 'blocks':
      onBlocks(state, from, message);
      return 'fine';
    case 'checkpoint':
      onCheckpoint(state, from, message);
      return 'fine';
    case 'prePrepare':
    case 'prepare':
    case 'commit':
    case 'viewChange':
    case 'newView':
      if (message.height > state.height && signerOf(state, from) !== undefined)
        noteHeight(state, from, message.height);
      return receiveVote(state, from, message);
  }
}

function onTimer(state: ReplicaState, timer: TimerName, token: number): Verdict {
  // An expiry that crossed a cancellation is no longer true.
  if (state.timers.get(timer) !== token) return 'fine';
  state.timers.delete(timer);
  switch (timer) {
    case 'propose':
      state.beatDue = true;
      return 'fine';
    case 'view':
      return 'refused'; // PB-13
    case 'status':
      onStatusTimer(state);
      return 'fine';
    case 'requests':
      return onRequestsTimer(state);
    case 'fetch':
      onFetchTimer(state);
      return 'fine';
  }
}

/** The rules, until nothing follows any more. */
export function settle(state: ReplicaState): void {
  for (let rounds = 0; rounds < 1_000 && !state.halted; rounds++) {
    const before = state.effects.length;
    const { verdict, replayed } = replayEarly(state);
    if (verdict === 'refused') startViewChange(state, state.view + 1);
    tryCatchUp(state);
    tryDecide(state);
    tryJoinViewChange(state);
    tryNewView(state);
    tryTimeViewChange(state);
    tryPropose(state);
    tryPrepare(state);
    tryCommit(state);
    tryDecide(state);
    tryTimeView(state);
    if (state.effects.length === before && replayed === 0) return;
  }
}

/** PB-10: the application's result closes the height; what follows waits behind the disk. */
function onBlockExecuted(
  state: ReplicaState,
  result: Extract<Input, { kind: 'blockExecuted' }>,
): void {
  const decided = state.work.executing;
  if (decided === undefined || result.height !== state.height) return;
  const { settings } = state;
  const { block, certificate } = decided;
  const transactionHashes =
    state.work.proposals.get(certificate.view)?.block === block
      ? (state.work.proposals.get(certificate.view)?.transactionHashes ?? [])
      : block.transactions.map(state.hash);
  state.tip = advanceTip(state.tip, {
    decided,
    appHash: result.appHash,
    validatorUpdates: result.validatorUpdates,
    blocksPerTurn: settings.blocksPerTurn,
    skipBlocks: settings.skipBlocks,
  });
  emit(state, { kind: 'commitBlock', decided, tip: state.tip });
  emit(state, {
    kind: 'reply',
    height: block.header.height,
    blockId: certificate.blockId,
    transactionHashes,
  });
  settleRequests(state, decided, transactionHashes);
  openHeight(state);
  state.self = signerOf(state, state.key);
  announceCheckpoint(state, block);
  continueTransfer(state);
}

/** For logs and dashboards: where a replica is, and who leads. */
export function describeReplica(state: ReplicaState): {
  readonly height: bigint;
  readonly view: number;
  readonly status: 'normal' | 'viewChanging' | 'executing' | 'halted';
  readonly waitingRequests: number;
  readonly key: string;
} {
  const status = state.halted
    ? 'halted'
    : state.work.executing === undefined
      ? state.work.status
      : 'executing';
  const { height, view } = state;
  return {
    height,
    view,
    status,
    waitingRequests: state.requests.pending.size,
    key: toHex(state.key),
  };
}
