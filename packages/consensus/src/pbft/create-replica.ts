/** A replica at start and at restart: tip and write-ahead log are all that it takes. */
import { type Bytes, toHex } from '@yilian/crypto/bytes';
import { sha256 } from '@yilian/crypto/hash';
import type { ChainTip } from '../chain-tip.ts';
import type { Hasher, SignatureVerifier, Signer } from '../signature.ts';
import { indexOfKey } from '../validator-set.ts';
import { DEFAULT_SETTINGS, type Settings } from './settings.ts';
import { announce } from './state-transfer.ts';
import {
  broadcast,
  createHeightInWork,
  type ReplicaState,
  rememberingVerifier,
  setTimer,
} from './state.ts';
import { settle, type Step, takeEffects } from './step.ts';
import { requirementOf } from './view-change.ts';
import { countVote, rememberOwn } from './voting.ts';
import type { WalRecord } from './wal.ts';

export interface ReplicaOptions {
  readonly chainId: string;
  /** Own consensus key, 32 bytes. A key outside the validator set makes an observer: it follows and never votes. */
  readonly key: Bytes;
  readonly sign: Signer;
  readonly verifySignature: SignatureVerifier;
  /** SHA-256; the portable one when absent. */
  readonly hash?: Hasher;
  readonly settings?: Partial<Settings>;
  /** `genesisTip(…)` on a new chain, else the tip written by the last `commitBlock`. */
  readonly tip: ChainTip;
  /** All records of the write-ahead log in the order written; those of decided heights do no harm. */
  readonly wal: readonly WalRecord[];
  readonly nowNs: bigint;
}

/** The first effects arm the timers and tell the peers where this replica is. */
export function createReplica(options: ReplicaOptions): Step {
  const { tip } = options;
  const state: ReplicaState = {
    chainId: options.chainId,
    key: options.key,
    sign: options.sign,
    verify: rememberingVerifier(options.verifySignature),
    hash: options.hash ?? sha256,
    settings: { ...DEFAULT_SETTINGS, ...options.settings },
    tip,
    height: tip.height + 1n,
    view: 0,
    self: indexOfKey(tip.validators, options.key),
    work: createHeightInWork(),
    requests: {
      pending: new Map(),
      bytes: 0,
      lastCutNs: undefined,
      recent: [],
      lastBlockHadRoom: true,
    },
    early: { messages: [], bytesBySender: new Map(), lookedAt: undefined },
    checkpoints: new Map(),
    stableHeight: 0n,
    peers: new Map(),
    transfer: { asked: undefined, failed: new Set(), queue: [] },
    timers: new Map(),
    nextToken: 0,
    lastStatus: { height: -1n, view: 0 },
    beatDue: false,
    halted: false,
    nowNs: options.nowNs,
    effects: [],
  };
  recallVotes(state, options.wal);
  setTimer(state, 'status', state.settings.statusMs);
  announce(state);
  // PB-2: what was on the disk may not have reached the wire; the same bytes go out again.
  for (const vote of state.work.own.values()) if (vote.view === state.view) broadcast(state, vote);
  settle(state);
  return { state, effects: takeEffects(state) };
}

/** PB-2: the votes of the height in work, as the disk remembers them. */
function recallVotes(state: ReplicaState, wal: readonly WalRecord[]): void {
  const { work } = state;
  let leftView = 0;
  let enteredView = 0;
  for (const record of wal) {
    if (record.height !== state.height) continue;
    if (record.kind === 'prepared') {
      const { certificate, block } = record;
      work.bodies.set(toHex(certificate.blockId), block);
      if (work.prepared === undefined || certificate.view >= work.prepared.certificate.view)
        work.prepared = { certificate, block };
      continue;
    }
    const { message } = record;
    rememberOwn(state, message);
    switch (message.kind) {
      case 'viewChange':
        leftView = Math.max(leftView, message.view);
        work.viewChanges.set(message.signer, message);
        break;
      case 'prePrepare':
        enteredView = Math.max(enteredView, message.view);
        work.bodies.set(toHex(message.blockId), message.block);
        work.proposals.set(message.view, {
          prePrepare: message,
          block: message.block,
          transactionHashes: message.block.transactions.map(state.hash),
          validated: true,
        });
        break;
      case 'prepare':
      case 'commit':
        enteredView = Math.max(enteredView, message.view);
        countVote(state, message);
        break;
      case 'newView':
        enteredView = Math.max(enteredView, message.view);
        break;
    }
  }
  state.view = Math.max(leftView, enteredView);
  // PB-9: a view that was left for good is not entered again without its NewView.
  work.status = leftView > enteredView ? 'viewChanging' : 'normal';
  if (state.view > 0 && work.status === 'normal') recallRequirement(state);
}

/** What the entered view had to propose: the own NewView says it, or else the vote already cast in it. */
function recallRequirement(state: ReplicaState): void {
  const { own } = state.work;
  const newView = own.get(`newView/${state.view}`);
  if (newView?.kind === 'newView') {
    state.work.requirement = requirementOf(newView.viewChanges);
    return;
  }
  const vote = own.get(`prepare/${state.view}`) ?? own.get(`commit/${state.view}`);
  if (vote?.kind === 'prepare' || vote?.kind === 'commit')
    state.work.requirement = { kind: 'repropose', blockId: vote.blockId };
}
