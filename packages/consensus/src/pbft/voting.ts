/** Casting and counting votes. */
import { type Bytes, equalBytes, toHex } from '@yilian/crypto/bytes';
import { isQuorum, powerOf } from '../validator-set.ts';
import { type Block, encodeBlock } from '../block.ts';
import type { Commit, Prepare, PrePrepare, Vote } from './messages.ts';
import { type SignedContent, signedBody } from './signed-body.ts';
import { emit, type ReplicaState } from './state.ts';

/** `message`'s signature by the member at `signer`. */
export function hasValidSignature(
  state: ReplicaState,
  message: SignedContent & { readonly signer: number; readonly signature: Bytes },
): boolean {
  const key = state.tip.validators.validators[message.signer]?.key;
  if (key === undefined) return false;
  return state.verify({
    publicKey: key,
    message: signedBody(state.chainId, message),
    signature: message.signature,
  });
}

/** The same of a message that its signer sent by itself: nobody but the signer is to blame for a bad one. */
export function isSignedBySender(
  state: ReplicaState,
  message: SignedContent & { readonly signer: number; readonly signature: Bytes },
): boolean {
  if (hasValidSignature(state, message)) return true;
  const key = state.tip.validators.validators[message.signer]?.key;
  if (key !== undefined) emit(state, { kind: 'blame', key });
  return false;
}

export function signContent(state: ReplicaState, content: SignedContent): Bytes {
  return state.sign(signedBody(state.chainId, content));
}

/** PB-2: what one signer says about one (height, view, kind) is said once, across restarts. */
export function ownVote(state: ReplicaState, kind: Vote['kind'], view: number): Vote | undefined {
  return state.work.own.get(`${kind}/${view}`);
}

/** Remembers an own vote. @throws Error when it contradicts an earlier one: a bug, never an input. */
export function rememberOwn(state: ReplicaState, vote: Vote): void {
  const name = `${vote.kind}/${vote.view}`;
  if (state.work.own.has(name)) throw new Error(`assertion: a second ${name} at ${vote.height}`);
  state.work.own.set(name, vote);
}

function tallyOf<V>(tallies: Map<number, Map<number, V>>, view: number): Map<number, V> {
  let tally = tallies.get(view);
  if (tally === undefined) tallies.set(view, (tally = new Map<number, V>()));
  return tally;
}

/** Adds a verified prepare or commit; a second, different one of the same signer is evidence. */
export function countVote(state: ReplicaState, vote: Prepare | Commit): void {
  const { work } = state;
  const tally =
    vote.kind === 'prepare' ? tallyOf(work.prepares, vote.view) : tallyOf(work.commits, vote.view);
  const first = tally.get(vote.signer);
  if (first === undefined) {
    if (vote.kind === 'prepare') tallyOf(work.prepares, vote.view).set(vote.signer, vote);
    else tallyOf(work.commits, vote.view).set(vote.signer, vote);
  } else if (!equalBytes(first.blockId, vote.blockId)) reportEquivocation(state, first, vote);
}

/** PB-15: two signed votes that exclude each other go to the host as evidence, once per liar and height. */
export function reportEquivocation(
  state: ReplicaState,
  first: PrePrepare | Prepare | Commit,
  second: PrePrepare | Prepare | Commit,
): void {
  const key = state.tip.validators.validators[first.signer]?.key;
  if (key === undefined || state.work.reported.has(first.signer)) return;
  state.work.reported.add(first.signer);
  const { height, view } = first;
  emit(state, { kind: 'reportEquivocation', evidence: { height, view, key, first, second } });
}

/** Votes for one block among a tally, in ascending order of signer. */
export function votesFor<V extends { readonly blockId: Bytes; readonly signer: number }>(
  tally: ReadonlyMap<number, V> | undefined,
  blockId: Bytes,
): readonly V[] {
  return [...(tally?.values() ?? [])]
    .filter((vote) => equalBytes(vote.blockId, blockId))
    .sort((a, b) => a.signer - b.signer);
}

/** More than two thirds of the power at the height in work. */
export function hasQuorum(state: ReplicaState, signers: Iterable<number>): boolean {
  return isQuorum(state.tip.validators, powerOf(state.tip.validators, signers));
}

/** A block id for which the commits of `view` are a quorum, if there is one. */
export function committedId(state: ReplicaState, view: number): Bytes | undefined {
  const tally = state.work.commits.get(view);
  if (tally === undefined) return undefined;
  const tried = new Set<string>();
  for (const { blockId } of tally.values()) {
    const name = toHex(blockId);
    if (tried.has(name)) continue;
    tried.add(name);
    if (
      hasQuorum(
        state,
        votesFor(tally, blockId).map(({ signer }) => signer),
      )
    )
      return blockId;
  }
  return undefined;
}

/** A received block knows its encoding, in which nothing is left out. */
function weighBlock(block: Block): number {
  const signatures = block.parentCertificate?.signatures.length ?? 0;
  return encodeBlock(block).length + 100 * signatures + 64 * block.transactions.length;
}

/** What a vote costs to keep, for the books of the buffers; counted, never taken from its own claims. */
export function weighVote(vote: Vote): number {
  switch (vote.kind) {
    case 'prePrepare':
      return 300 + weighBlock(vote.block);
    case 'viewChange':
      return (
        500 +
        100 * (vote.parentCertificate?.signatures.length ?? 0) +
        100 * (vote.prepared?.prepares.length ?? 0) +
        (vote.block === null ? 0 : weighBlock(vote.block))
      );
    case 'newView':
      return vote.viewChanges.reduce((sum, nested) => sum + weighVote(nested), 300);
    case 'prepare':
    case 'commit':
      return 300;
  }
}
