/**
 * Replacing a primary (Castro–Liskov §4.4) at one height. Views count from 0 at each height, so a view
 * change concerns a single undecided block: at most one block can have been committed, and the prepared
 * certificate of the highest view names it.
 */
import { equalBytes, toHex } from '@yilian/crypto/bytes';
import type { Block } from '../block.ts';
import { verifyCertificate } from '../certificate.ts';
import { headerId } from '../header.ts';
import { isWeakQuorum, powerOf } from '../validator-set.ts';
import type { NewView, PreparedCertificate, ViewChange } from './messages.ts';
import { examineBlock } from './normal-case.ts';
import { signedBody } from './signed-body.ts';
import {
  broadcast,
  cancelTimer,
  createHeightInWork,
  emit,
  mayVote,
  primaryOf,
  type ReplicaState,
  type Requirement,
  send,
  setTimer,
} from './state.ts';
import {
  hasQuorum,
  hasValidSignature,
  isSignedBySender,
  ownVote,
  rememberOwn,
  signContent,
} from './voting.ts';

/** PB-13: patience doubles with each view and is capped; a new height starts again from view 0. */
export function viewTimeoutMs(state: ReplicaState, view: number): number {
  const { viewTimeoutMs: base, viewTimeoutMaxMs } = state.settings;
  return Math.min(base * 2 ** Math.min(view, 20), viewTimeoutMaxMs);
}

/** PB-9: leaves all views below `view`, durably, and tells the others what was prepared in them. */
export function startViewChange(state: ReplicaState, view: number): void {
  const { work, height } = state;
  if (!mayVote(state) || view <= state.view) return;
  state.view = view;
  work.status = 'viewChanging';
  work.proposing = undefined;
  work.patience = 'none';
  cancelTimer(state, 'view');
  cancelTimer(state, 'propose');
  const content = {
    kind: 'viewChange',
    epoch: state.tip.validators.epoch,
    height,
    view,
    parentCertificate: state.tip.certificate,
    prepared: work.prepared?.certificate ?? null,
  } as const;
  const vote: ViewChange = {
    ...content,
    signer: state.self,
    signature: signContent(state, content),
    block: null,
  };
  rememberOwn(state, vote);
  work.viewChanges.set(state.self, vote);
  emit(state, { kind: 'persist', records: [{ kind: 'voted', height, message: vote }] });
  broadcast(state, vote);
  sendBodyToPrimary(state, vote);
}

/** The new primary may lack the block that it has to propose again. */
export function sendBodyToPrimary(state: ReplicaState, vote: ViewChange): void {
  const primary = primaryOf(state, vote.view);
  const key = state.tip.validators.validators[primary]?.key;
  const block = state.work.prepared?.block;
  if (key === undefined || block === undefined || primary === state.self) return;
  if (vote.prepared === null) return;
  send(state, key, { ...vote, block });
}

/** PB-11: a prepared certificate counts only if every part of it holds. */
export function isValidPrepared(state: ReplicaState, prepared: PreparedCertificate): boolean {
  const { validators } = state.tip;
  const { height, view, blockId, primary } = prepared;
  if (height !== state.height || primary !== primaryOf(state, view)) return false;
  let last = -1;
  for (const { signer } of prepared.prepares) {
    if (signer <= last || signer === primary) return false;
    last = signer;
  }
  if (!hasQuorum(state, [primary, ...prepared.prepares.map(({ signer }) => signer)])) return false;
  const { chainId } = state;
  const { epoch } = validators;
  const holds = (
    kind: 'prePrepare' | 'prepare',
    signer: number,
    signature: Uint8Array,
  ): boolean => {
    const publicKey = validators.validators[signer]?.key;
    const message = signedBody(chainId, { kind, epoch, height, view, blockId });
    return publicKey !== undefined && state.verify({ publicKey, message, signature });
  };
  return (
    holds('prePrepare', primary, prepared.primarySignature) &&
    prepared.prepares.every(({ signer, signature }) => holds('prepare', signer, signature))
  );
}

/** PB-11: each view change stands or falls alone; a bad one is discarded and hides nothing. */
export function isValidViewChange(state: ReplicaState, message: ViewChange): boolean {
  const { tip } = state;
  if (message.height !== state.height || message.epoch !== tip.validators.epoch) return false;
  if (message.view < 1) return false;
  const { parentCertificate, prepared } = message;
  if (prepared !== null && prepared.view >= message.view) return false;
  if (!hasValidSignature(state, message)) return false;
  if (parentCertificate === null) {
    if (tip.height !== 0n) return false;
  } else {
    const verified = verifyCertificate({
      certificate: parentCertificate,
      height: tip.height,
      blockId: tip.blockId,
      validators: tip.lastValidators,
      verifySignature: state.verify,
    });
    if (tip.height === 0n || !verified.ok) return false;
  }
  return prepared === null || isValidPrepared(state, prepared);
}

export function onViewChange(state: ReplicaState, message: ViewChange): void {
  const { work } = state;
  if (work.executing !== undefined) return;
  const stored = work.viewChanges.get(message.signer);
  const body = bodyOf(state, message);
  // PB-14: one place per signer, whatever views it invents.
  const isNewer = stored === undefined || message.view > stored.view;
  if (!isNewer && (body === undefined || message.view !== stored.view)) return;
  if (!isSignedBySender(state, message) || !isValidViewChange(state, message)) return;
  if (body !== undefined && isWhole(state, body)) work.bodies.set(toHex(body.id), body.block);
  if (isNewer) work.viewChanges.set(message.signer, { ...message, block: null });
}

interface Body {
  readonly id: Uint8Array;
  readonly block: Block;
}

/** The attached block, if its header is the one that the certificate names and the block is missing here. */
function bodyOf(state: ReplicaState, message: ViewChange): Body | undefined {
  const { block, prepared } = message;
  if (block === null || prepared === null) return undefined;
  const id = prepared.blockId;
  if (state.work.bodies.has(toHex(id))) return undefined;
  return equalBytes(headerId(block.header), id) ? { id, block } : undefined;
}

/** PB-11: the certificate names the header alone; what rides along with it may be anything. */
function isWhole(state: ReplicaState, { id, block }: Body): boolean {
  const { bodyRefusal, headerRefusal } = examineBlock(state, block, id);
  return bodyRefusal === undefined && headerRefusal === undefined;
}

/**
 * PB-14: when more than a third of the power has left for higher views, one correct replica has: follow
 * to the highest view that so many have reached.
 */
export function tryJoinViewChange(state: ReplicaState): void {
  const { validators } = state.tip;
  if (!mayVote(state)) return;
  const ahead = [...state.work.viewChanges.values()]
    .filter(({ view }) => view > state.view)
    .sort((a, b) => b.view - a.view);
  const signers: number[] = [];
  for (const { signer, view } of ahead) {
    signers.push(signer);
    if (isWeakQuorum(validators, powerOf(validators, signers))) {
      startViewChange(state, view);
      return;
    }
  }
}

/**
 * PB-13: the wait for a NewView is timed only once a quorum has left as well, else an isolated replica
 * would run away through the views; those who are further on count too.
 */
export function tryTimeViewChange(state: ReplicaState): void {
  const { work } = state;
  if (!mayVote(state) || work.status !== 'viewChanging' || state.timers.has('view')) return;
  const gone = [...work.viewChanges.values()].filter(({ view }) => view >= state.view);
  if (
    hasQuorum(
      state,
      gone.map(({ signer }) => signer),
    )
  )
    setTimer(state, 'view', viewTimeoutMs(state, state.view));
}

/** PB-12: what the view changes of a quorum leave open: the block of the highest prepared view, or any. */
export function requirementOf(viewChanges: readonly ViewChange[]): Requirement {
  let highest: PreparedCertificate | null = null;
  for (const { prepared } of viewChanges)
    if (prepared !== null && (highest === null || prepared.view > highest.view)) highest = prepared;
  return highest === null ? { kind: 'fresh' } : { kind: 'repropose', blockId: highest.blockId };
}

/** PB-12: the primary of a view that a quorum waits for shows why it may lead, once. */
export function tryNewView(state: ReplicaState): void {
  const { work, view, height } = state;
  if (!mayVote(state) || work.status !== 'viewChanging' || primaryOf(state, view) !== state.self)
    return;
  if (ownVote(state, 'newView', view) !== undefined) return;
  const viewChanges = [...work.viewChanges.values()]
    .filter((message) => message.view === view)
    .sort((a, b) => a.signer - b.signer);
  if (
    !hasQuorum(
      state,
      viewChanges.map(({ signer }) => signer),
    )
  )
    return;
  const { epoch } = state.tip.validators;
  const content = { kind: 'newView', epoch, height, view, viewChanges } as const;
  const vote: NewView = { ...content, signer: state.self, signature: signContent(state, content) };
  rememberOwn(state, vote);
  emit(state, { kind: 'persist', records: [{ kind: 'voted', height, message: vote }] });
  broadcast(state, vote);
  enterView(state, view, requirementOf(viewChanges));
}

/** PB-12: every backup recomputes the new view from its proofs and believes nothing else. */
export function onNewView(state: ReplicaState, message: NewView): void {
  const { work } = state;
  const { view, viewChanges } = message;
  if (work.executing !== undefined || view < 1) return;
  // PB-9: views only grow; a replayed NewView moves nothing.
  if (view < state.view || (view === state.view && work.status === 'normal')) return;
  if (message.signer !== primaryOf(state, view) || !isSignedBySender(state, message)) return;
  let last = -1;
  for (const nested of viewChanges) {
    if (nested.signer <= last || nested.view !== view) return;
    last = nested.signer;
  }
  if (
    !hasQuorum(
      state,
      viewChanges.map(({ signer }) => signer),
    )
  )
    return;
  if (!viewChanges.every((nested) => isValidViewChange(state, nested))) return;
  enterView(state, view, requirementOf(viewChanges));
}

export function enterView(state: ReplicaState, view: number, requirement: Requirement): void {
  state.view = view;
  state.work.status = 'normal';
  state.work.requirement = requirement;
  state.work.proposing = undefined;
  for (const past of state.work.prepares.keys()) if (past < view) state.work.prepares.delete(past);
  for (const past of state.work.proposals.keys())
    if (past < view) state.work.proposals.delete(past);
  state.work.patience = 'busy';
  setTimer(state, 'view', viewTimeoutMs(state, view));
}

/** PB-13: in view 0 patience depends on whether there is anything to do. */
export function tryTimeView(state: ReplicaState): void {
  const { work, settings } = state;
  if (!mayVote(state) || work.status !== 'normal' || work.patience === 'busy') return;
  const isBusy =
    state.tip.proofDue ||
    state.requests.pending.size > 0 ||
    work.proposals.size > 0 ||
    state.view > 0;
  if (isBusy) {
    work.patience = 'busy';
    setTimer(state, 'view', settings.blockIntervalMs + viewTimeoutMs(state, state.view));
  } else if (work.patience === 'none') {
    work.patience = 'idle';
    setTimer(state, 'view', settings.heartbeatMs + viewTimeoutMs(state, 0));
  }
}

/** A clean desk for the next height. */
export function openHeight(state: ReplicaState): void {
  state.height = state.tip.height + 1n;
  state.view = 0;
  state.work = createHeightInWork();
  state.beatDue = false;
  cancelTimer(state, 'view');
  cancelTimer(state, 'propose');
}
