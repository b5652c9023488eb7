/** Everything a replica knows. Mutated inside `step` only; a host looks and does not touch. */
import { type Bytes, equalBytes, toHex } from '@yilian/crypto/bytes';
import type { Block, CertifiedBlock } from '../block.ts';
import type { ChainTip } from '../chain-tip.ts';
import { primaryIndex } from '../rotation.ts';
import type { Hasher, SignatureVerifier, Signer } from '../signature.ts';
import { indexOfKey } from '../validator-set.ts';
import type { Effect } from './effect.ts';
import type { TimerName } from './input.ts';
import type {
  Checkpoint,
  Commit,
  Message,
  Prepare,
  PreparedCertificate,
  PrePrepare,
  ViewChange,
  Vote,
} from './messages.ts';
import type { Settings } from './settings.ts';

/** The proposal that this replica follows in one view. */
export interface Proposal {
  readonly prePrepare: PrePrepare;
  readonly block: Block;
  /** SHA-256 of each transaction, in order. */
  readonly transactionHashes: readonly Bytes[];
  /** The application has accepted it, or a prepared certificate vouches for it. */
  validated: boolean;
}

/** What the proposal of a view must be: any block, or the one that may have been committed already. */
export type Requirement =
  | { readonly kind: 'fresh' }
  | { readonly kind: 'repropose'; readonly blockId: Bytes };

/** The one height in work; thrown away as a whole when it is decided. */
export interface HeightInWork {
  status: 'normal' | 'viewChanging';
  requirement: Requirement;
  /** Own proposal asked for and not answered yet, in this view. */
  proposing: number | undefined;
  /** By view. */
  readonly proposals: Map<number, Proposal>;
  /** Bodies by block id in hex: accepted, prepared, or attached to a view change. */
  readonly bodies: Map<string, Block>;
  /** By view, then signer; the first vote of a signer stays. */
  readonly prepares: Map<number, Map<number, Prepare>>;
  readonly commits: Map<number, Map<number, Commit>>;
  prepared: { readonly certificate: PreparedCertificate; readonly block: Block } | undefined;
  /** The highest valid one of each signer. */
  readonly viewChanges: Map<number, ViewChange>;
  /** Own votes by `kind/view`: the sign-once memory, restored from the write-ahead log. */
  readonly own: Map<string, Vote>;
  /** Signers already reported for lying at this height. */
  readonly reported: Set<number>;
  /** Decided, with the application at work on it. */
  executing: CertifiedBlock | undefined;
  /** A commit quorum stands for a block whose body is missing. */
  bodyMissing: boolean;
  /** How patient the running view timer is: an idle chain may wait for a heartbeat, work may not. */
  patience: 'none' | 'idle' | 'busy';
}

export interface PendingRequest {
  readonly hash: Bytes;
  readonly transaction: Bytes;
  readonly admittedNs: bigint;
  /** Waiting time after which it goes to everybody (again). */
  relayDueMs: number;
  complained: boolean;
}

/** Transactions that wait for a block, in order of arrival. */
export interface RequestPool {
  /** By SHA-256, as a string of its bytes. */
  readonly pending: Map<string, PendingRequest>;
  bytes: number;
  /** When the last block with transactions was proposed, as this replica saw it. */
  lastCutNs: bigint | undefined;
  /** Hashes of the last blocks' transactions, so that a late copy does not come back. */
  readonly recent: { readonly height: bigint; readonly hashes: ReadonlySet<string> }[];
  /** Whether the last block had room for more: omission means something only then. */
  lastBlockHadRoom: boolean;
}

/** Messages for heights and views that this replica has not reached. */
export interface EarlyMessages {
  readonly messages: { readonly from: Bytes; readonly message: Vote; readonly bytes: number }[];
  readonly bytesBySender: Map<string, number>;
  /** Where this replica stood when it last looked for messages that have become current. */
  lookedAt: { readonly height: bigint; readonly view: number; readonly status: string } | undefined;
}

export interface PeerProgress {
  readonly key: Bytes;
  /** Height in work at the peer, by its own word. */
  height: bigint;
  /** Since when its questions are counted, how many were answered since, and the highest one. */
  answeredAtNs: bigint;
  answers: number;
  answeredHeight: bigint;
}

export interface Transfer {
  /** Peer that was asked and has not answered, in hex. */
  asked: string | undefined;
  /** Peers that answered badly since the last progress, in hex. */
  readonly failed: Set<string>;
  /** Received and not yet executed, consecutive. */
  readonly queue: { readonly from: Bytes; readonly decided: CertifiedBlock }[];
}

export interface ReplicaState {
  readonly chainId: string;
  readonly key: Bytes;
  readonly sign: Signer;
  /** With a memory of what has been verified lately. */
  readonly verify: SignatureVerifier;
  readonly hash: Hasher;
  readonly settings: Settings;
  tip: ChainTip;
  /** Height in work: `tip.height + 1`. */
  height: bigint;
  /** View at that height. (height, view) never falls, across restarts too (PB-9). */
  view: number;
  /** Own position in the set of this height; undefined for an observer. */
  self: number | undefined;
  work: HeightInWork;
  readonly requests: RequestPool;
  readonly early: EarlyMessages;
  /** By height, then signer. */
  readonly checkpoints: Map<bigint, Map<number, Checkpoint>>;
  /** Low watermark: the last height whose state is known to be held by 2f+1. */
  stableHeight: bigint;
  readonly peers: Map<string, PeerProgress>;
  readonly transfer: Transfer;
  /** Current token of each armed timer; an expiry with another token is stale. */
  readonly timers: Map<TimerName, number>;
  nextToken: number;
  /** (height, view) at the last status tick. */
  lastStatus: { height: bigint; view: number };
  halted: boolean;
  nowNs: bigint;
  /** The propose timer has run out on an idle chain: make a heartbeat block. */
  beatDue: boolean;
  /** Collected during one step. */
  effects: Effect[];
}

export function createHeightInWork(): HeightInWork {
  return {
    status: 'normal',
    requirement: { kind: 'fresh' },
    proposing: undefined,
    proposals: new Map(),
    bodies: new Map(),
    prepares: new Map(),
    commits: new Map(),
    prepared: undefined,
    viewChanges: new Map(),
    own: new Map(),
    reported: new Set(),
    executing: undefined,
    bodyMissing: false,
    patience: 'none',
  };
}

/** Position of the primary of `view` at the height in work. */
export function primaryOf(state: ReplicaState, view: number): number {
  return primaryIndex(state.tip, view, state.settings.blocksPerTurn);
}

export function isPrimary(state: ReplicaState): boolean {
  return state.self !== undefined && primaryOf(state, state.view) === state.self;
}

/** PB-24. Whether this replica has a vote at the height in work and may still cast one. */
export function mayVote(state: ReplicaState): state is ReplicaState & { self: number } {
  return state.self !== undefined && state.work.executing === undefined && !state.halted;
}

/** Position of an authenticated sender in the current set. */
export function signerOf(state: ReplicaState, key: Bytes): number | undefined {
  return indexOfKey(state.tip.validators, key);
}

export function currentProposal(state: ReplicaState): Proposal | undefined {
  return state.work.proposals.get(state.view);
}

/** A verifier that remembers the last successes: votes come back inside certificates and view changes. */
export function rememberingVerifier(
  verify: SignatureVerifier,
  entriesMax = 2048,
): SignatureVerifier {
  let young = new Map<string, { readonly publicKey: Bytes; readonly message: Bytes }>();
  let old: typeof young = new Map();
  return (claim) => {
    const name = toHex(claim.signature);
    const seen = young.get(name) ?? old.get(name);
    if (
      seen !== undefined &&
      equalBytes(seen.publicKey, claim.publicKey) &&
      equalBytes(seen.message, claim.message)
    )
      return true;
    if (!verify(claim)) return false;
    if (young.size >= entriesMax) {
      old = young;
      young = new Map();
    }
    young.set(name, { publicKey: claim.publicKey, message: claim.message });
    return true;
  };
}

export function emit(state: ReplicaState, effect: Effect): void {
  state.effects.push(effect);
}

export function send(state: ReplicaState, to: Bytes, message: Message): void {
  emit(state, { kind: 'send', to, message });
}

export function broadcast(state: ReplicaState, message: Message): void {
  emit(state, { kind: 'broadcast', message });
}

export function setTimer(state: ReplicaState, timer: TimerName, afterMs: number): void {
  const token = state.nextToken++;
  state.timers.set(timer, token);
  emit(state, { kind: 'setTimer', timer, afterMs, token });
}

export function cancelTimer(state: ReplicaState, timer: TimerName): void {
  if (!state.timers.delete(timer)) return;
  emit(state, { kind: 'cancelTimer', timer });
}
