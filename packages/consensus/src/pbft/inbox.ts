/** Where a vote goes: to the height in work, into the buffer for later, or away. */
import type { Bytes } from '@yilian/crypto/bytes';
import { toHex } from '@yilian/crypto/bytes';
import { highWatermark } from './checkpoint.ts';
import type { Vote } from './messages.ts';
import { onCommit, onPrepare, onPrePrepare, type Verdict } from './normal-case.ts';
import { type ReplicaState, signerOf } from './state.ts';
import { onFetchBlocks } from './state-transfer.ts';
import { onNewView, onViewChange } from './view-change.ts';
import { weighVote } from './voting.ts';

export function receiveVote(state: ReplicaState, from: Bytes, vote: Vote): Verdict {
  if (vote.height < state.height) {
    // PB-10: who still changes views at a decided height gets the proof instead of a vote.
    if (vote.kind === 'viewChange') onFetchBlocks(state, from, vote.height);
    return 'fine';
  }
  if (vote.height > state.height) return keep(state, from, vote);
  // PB-1: the signer is the authenticated sender, a member of this height's set, in this epoch.
  const { validators } = state.tip;
  if (vote.epoch !== validators.epoch || signerOf(state, from) !== vote.signer) return 'fine';
  switch (vote.kind) {
    case 'commit':
      onCommit(state, vote);
      return 'fine';
    case 'viewChange':
      onViewChange(state, vote);
      return 'fine';
    case 'newView':
      onNewView(state, vote);
      return 'fine';
    case 'prePrepare':
    case 'prepare':
      if (isEarly(state, vote)) return keep(state, from, vote);
      if (vote.kind === 'prePrepare') return onPrePrepare(state, vote);
      onPrepare(state, vote);
      return 'fine';
  }
}

/** For a view that has not been entered here. */
function isEarly(state: ReplicaState, vote: Vote): boolean {
  const { view, work } = state;
  return vote.view > view || (vote.view === view && work.status === 'viewChanging');
}

/** PB-18: early messages wait in a buffer with a cap in bytes for each sender; the rest comes again on status. */
function keep(state: ReplicaState, from: Bytes, vote: Vote): Verdict {
  if (vote.height > highWatermark(state)) return 'fine';
  const name = toHex(from);
  // Only members speak; the set of a later height is at most two heights away from ours.
  if (signerOf(state, from) === undefined && !isComing(state, from)) return 'fine';
  const bytes = weighVote(vote);
  const kept = state.early.bytesBySender.get(name) ?? 0;
  if (kept + bytes > state.settings.bufferBytesMax) return 'fine';
  state.early.bytesBySender.set(name, kept + bytes);
  state.early.messages.push({ from, message: vote, bytes });
  return 'fine';
}

function isComing(state: ReplicaState, key: Bytes): boolean {
  const name = toHex(key);
  return state.tip.nextValidators.validators.some((validator) => toHex(validator.key) === name);
}

/** Takes out what has become current and receives it again. */
export function replayEarly(state: ReplicaState): {
  readonly verdict: Verdict;
  readonly replayed: number;
} {
  const { early } = state;
  if (early.messages.length === 0 || state.work.executing !== undefined)
    return { verdict: 'fine', replayed: 0 };
  // What was kept since then was early here, and what is early stays so until this replica moves.
  const { height, view } = state;
  const { status } = state.work;
  const at = early.lookedAt;
  if (at?.height === height && at.view === view && at.status === status)
    return { verdict: 'fine', replayed: 0 };
  early.lookedAt = { height, view, status };
  const ready = early.messages.filter(
    ({ message }) =>
      message.height < state.height ||
      (message.height === state.height && !isEarlyVote(state, message)),
  );
  if (ready.length === 0) return { verdict: 'fine', replayed: 0 };
  const taken = new Set(ready);
  const left = early.messages.filter((entry) => !taken.has(entry));
  early.messages.length = 0;
  early.messages.push(...left);
  let verdict: Verdict = 'fine';
  for (const { from, message, bytes } of ready) {
    const name = toHex(from);
    const rest = (early.bytesBySender.get(name) ?? 0) - bytes;
    if (rest > 0) early.bytesBySender.set(name, rest);
    else early.bytesBySender.delete(name);
    if (message.height < state.height) continue;
    if (receiveVote(state, from, message) === 'refused') verdict = 'refused';
  }
  return { verdict, replayed: ready.length };
}

function isEarlyVote(state: ReplicaState, vote: Vote): boolean {
  return (vote.kind === 'prePrepare' || vote.kind === 'prepare') && isEarly(state, vote);
}
