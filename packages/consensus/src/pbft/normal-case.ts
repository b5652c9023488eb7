/** PrePrepare, Prepare, Commit at the height in work (Castro–Liskov §4.2), as rules on the state. */
import { type Bytes, equalBytes, toHex } from '@yilian/crypto/bytes';
import { toApplicationBlock } from '../block.ts';
import type { Block } from '../block.ts';
import { type BlockRefusal, checkBody, checkHeader } from '../check-block.ts';
import { headerId } from '../header.ts';
import { isPrepared } from './deciding.ts';
import type { Commit, Prepare, PreparedCertificate, PrePrepare } from './messages.ts';
import { noteCut } from './requests.ts';
import {
  broadcast,
  currentProposal,
  emit,
  mayVote,
  primaryOf,
  type ReplicaState,
} from './state.ts';
import {
  countVote,
  isSignedBySender,
  ownVote,
  rememberOwn,
  reportEquivocation,
  signContent,
  votesFor,
} from './voting.ts';

/** `refused`: the primary has shown that it may not lead on. */
export type Verdict = 'fine' | 'refused';

/** Views ahead of ours for which commits are counted; farther ones are nobody's honest vote. */
const VIEWS_AHEAD_MAX = 64;

/** Views of one signer for which commits are kept. */
const COMMIT_VIEWS_MAX = 16;

/** Blocks of one height kept in memory. */
const BODIES_MAX = 16;

/** Everything about a block that the core itself can check, and the hashes it made on the way. */
export function examineBlock(
  state: ReplicaState,
  block: Block,
  blockId: Bytes,
  kind: 'proposed' | 'decided' = 'proposed',
): {
  readonly bodyRefusal: BlockRefusal | undefined;
  readonly headerRefusal: BlockRefusal | undefined;
  readonly transactionHashes: readonly Bytes[];
} {
  const transactionHashes = block.transactions.map(state.hash);
  const check = {
    tip: state.tip,
    block,
    blockId,
    transactionHashes,
    hash: state.hash,
    verifySignature: state.verify,
    blockCountMax: kind === 'proposed' ? state.settings.blockCountMax : Infinity,
    blockBytesMax: kind === 'proposed' ? state.settings.blockBytesMax : Infinity,
  };
  const bodyRefusal = checkBody(check);
  const headerRefusal = bodyRefusal === undefined ? checkHeader(check) : undefined;
  return { bodyRefusal, headerRefusal, transactionHashes };
}

/** PB-3: the first valid proposal of the primary of this view, carrying what the view requires. */
export function onPrePrepare(state: ReplicaState, message: PrePrepare): Verdict {
  const { work } = state;
  const { blockId, block, view } = message;
  if (work.status !== 'normal' || view !== state.view || state.work.executing !== undefined)
    return 'fine';
  if (message.signer !== primaryOf(state, view)) return 'fine';
  const accepted = work.proposals.get(view);
  if (accepted !== undefined) {
    // PB-15
    if (!equalBytes(accepted.prePrepare.blockId, blockId) && isSignedBySender(state, message))
      reportEquivocation(state, accepted.prePrepare, message);
    return 'fine';
  }
  if (!isSignedBySender(state, message)) return 'fine';
  if (!equalBytes(headerId(block.header), blockId)) return 'refused';
  const { requirement } = work;
  // PB-12: a view that follows a prepared certificate proposes that block and no other.
  if (requirement.kind === 'repropose' && !equalBytes(requirement.blockId, blockId))
    return 'refused';
  const primaryKey = state.tip.validators.validators[message.signer]?.key;
  if (
    requirement.kind === 'fresh' &&
    (primaryKey === undefined || !equalBytes(block.header.proposer, primaryKey))
  )
    return 'refused';
  // PB-2: after a restart, only the proposal that we prepared before it.
  const prepared = ownVote(state, 'prepare', view);
  if (prepared?.kind === 'prepare' && !equalBytes(prepared.blockId, blockId)) return 'fine';
  // PB-5: all checks come before Prepare; nothing is left to find out at execution.
  const { bodyRefusal, headerRefusal, transactionHashes } = examineBlock(state, block, blockId);
  if (bodyRefusal !== undefined || headerRefusal !== undefined) return 'refused';
  const validated = requirement.kind === 'repropose' || prepared !== undefined;
  work.proposals.set(view, { prePrepare: message, block, transactionHashes, validated });
  work.bodies.set(toHex(blockId), block);
  noteCut(state, block);
  forgetOldBodies(state);
  if (!validated)
    emit(state, {
      kind: 'validateProposal',
      height: state.height,
      blockId,
      block: toApplicationBlock(block, state.tip.lastValidators),
    });
  return 'fine';
}

/** S20: bodies of views long past are fetched again if they should be decided after all. */
function forgetOldBodies({ work }: ReplicaState): void {
  const kept = work.prepared === undefined ? '' : toHex(work.prepared.certificate.blockId);
  for (const name of work.bodies.keys()) {
    if (work.bodies.size <= BODIES_MAX) return;
    if (name !== kept) work.bodies.delete(name);
  }
}

/** The application's word on a proposal. */
export function onProposalValidated(
  state: ReplicaState,
  answer: { readonly height: bigint; readonly blockId: Bytes; readonly accepted: boolean },
): Verdict {
  if (answer.height !== state.height || state.work.executing !== undefined) return 'fine';
  for (const proposal of state.work.proposals.values())
    if (answer.accepted && equalBytes(proposal.prePrepare.blockId, answer.blockId))
      proposal.validated = true;
  const current = currentProposal(state);
  if (current === undefined || !equalBytes(current.prePrepare.blockId, answer.blockId))
    return 'fine';
  return answer.accepted || current.validated ? 'fine' : 'refused';
}

/** PB-4: a prepare is a backup's vote; the primary's is its proposal and is not counted twice. */
export function onPrepare(state: ReplicaState, message: Prepare): void {
  const { work, view } = state;
  if (message.view !== view || work.executing !== undefined) return;
  if (message.signer === primaryOf(state, view)) return;
  // Once our commit is out, further prepares prove nothing new.
  if (ownVote(state, 'commit', view) !== undefined) return;
  if (isSignedBySender(state, message)) countVote(state, message);
}

export function onCommit(state: ReplicaState, message: Commit): void {
  const { work, view } = state;
  if (work.executing !== undefined || message.view > view + VIEWS_AHEAD_MAX) return;
  const { signer } = message;
  const views = [...work.commits].filter(([, tally]) => tally.has(signer)).map(([key]) => key);
  const isFull = views.length >= COMMIT_VIEWS_MAX && !views.includes(message.view);
  // PB-18: one signer fills a few views of the tally; its lowest one makes room for a higher one.
  const lowest = isFull ? Math.min(...views) : -1;
  if (message.view < lowest || !isSignedBySender(state, message)) return;
  if (isFull) forgetCommit(state, lowest, signer);
  countVote(state, message);
}

function forgetCommit({ work }: ReplicaState, view: number, signer: number): void {
  const tally = work.commits.get(view);
  tally?.delete(signer);
  if (tally?.size === 0) work.commits.delete(view);
}

/** PB-4: a backup that has a validated proposal prepares it, once. */
export function tryPrepare(state: ReplicaState): void {
  const { work, view, height } = state;
  const proposal = currentProposal(state);
  if (!mayVote(state) || work.status !== 'normal' || proposal?.validated !== true) return;
  if (proposal.prePrepare.signer === state.self) return;
  if (ownVote(state, 'prepare', view) !== undefined) return;
  const { blockId } = proposal.prePrepare;
  const { epoch } = state.tip.validators;
  const content = { kind: 'prepare', epoch, height, view, blockId } as const;
  const vote: Prepare = { ...content, signer: state.self, signature: signContent(state, content) };
  rememberOwn(state, vote);
  countVote(state, vote);
  // PB-2: the vote is on the disk before it is on the wire.
  emit(state, { kind: 'persist', records: [{ kind: 'voted', height, message: vote }] });
  broadcast(state, vote);
}

/** PB-7: who holds a prepared certificate keeps it durably and commits, never after leaving the view. */
export function tryCommit(state: ReplicaState): void {
  const { work, view, height } = state;
  const proposal = currentProposal(state);
  if (!mayVote(state) || work.status !== 'normal' || proposal?.validated !== true) return;
  if (ownVote(state, 'commit', view) !== undefined) return;
  const primary = primaryOf(state, view);
  if (!isPrepared(state, view, primary)) return;
  const { blockId, signature: primarySignature } = proposal.prePrepare;
  const certificate: PreparedCertificate = {
    height,
    view,
    blockId,
    primary,
    primarySignature,
    prepares: votesFor(work.prepares.get(view), blockId).map(({ signer, signature }) => ({
      signer,
      signature,
    })),
  };
  const { block } = proposal;
  work.prepared = { certificate, block };
  // PB-6: the signer's clock, but always after the block, so that block time grows.
  const after = block.header.timeNs + 1_000_000n;
  const timeNs = state.nowNs > after ? state.nowNs : after;
  const { epoch } = state.tip.validators;
  const content = { kind: 'commit', epoch, height, view, blockId, timeNs } as const;
  const vote: Commit = { ...content, signer: state.self, signature: signContent(state, content) };
  rememberOwn(state, vote);
  countVote(state, vote);
  emit(state, {
    kind: 'persist',
    records: [
      { kind: 'prepared', height, certificate, block },
      { kind: 'voted', height, message: vote },
    ],
  });
  broadcast(state, vote);
}
