/** Client transactions on their way into a block: pool, forwarding, complaint. */
import type { Bytes } from '@yilian/crypto/bytes';
import type { Block, CertifiedBlock } from '../block.ts';
import {
  broadcast,
  emit,
  mayVote,
  type PendingRequest,
  type ReplicaState,
  send,
  setTimer,
} from './state.ts';

const FORWARD_BYTES_MAX = 512 * 1024;
const RECENT_BLOCKS = 16;

/** The part of an interval that a request waits for company on a quiet chain. */
const GATHER_PARTS = 10;

/** Multiples of the complaint time after which a request is given up. */
const COMPLAINTS_MAX = 6;

/** A hash as a map key: half as long as hexadecimal and made at once. */
function nameOf(hash: Bytes): string {
  return Reflect.apply(String.fromCharCode, undefined, hash);
}

function elapsedMs(state: ReplicaState, sinceNs: bigint): number {
  const elapsed = Number((state.nowNs - sinceNs) / 1_000_000n);
  // A clock that was set back must not keep a request waiting.
  return elapsed < 0 ? Number.MAX_SAFE_INTEGER : elapsed;
}

/**
 * QJ-9: milliseconds until count, bytes or time cut a block out of what waits; a heartbeat when nothing
 * does. Time is an interval between blocks with transactions: on a quiet chain a request waits only
 * until those that come together with it are here.
 */
export function cutDueInMs(state: ReplicaState): number {
  const { requests, settings } = state;
  const oldest = requests.pending.values().next().value;
  if (oldest === undefined) return state.beatDue ? 0 : settings.heartbeatMs;
  if (requests.pending.size >= settings.blockCountMax || requests.bytes >= settings.blockBytesMax)
    return 0;
  const { blockIntervalMs } = settings;
  const gatherMs = blockIntervalMs / GATHER_PARTS - elapsedMs(state, oldest.admittedNs);
  const spacingMs =
    requests.lastCutNs === undefined ? 0 : blockIntervalMs - elapsedMs(state, requests.lastCutNs);
  return Math.max(0, gatherMs, spacingMs);
}

/** A block was proposed, here or by its primary: the next one with transactions keeps its distance. */
export function noteCut(state: ReplicaState, block: Block): void {
  if (block.header.count > 0) state.requests.lastCutNs = state.nowNs;
}

/** The oldest requests that fit one block. */
export function takeCandidates(state: ReplicaState): readonly Bytes[] {
  const { blockCountMax, blockBytesMax } = state.settings;
  const candidates: Bytes[] = [];
  let bytes = 0;
  for (const { transaction } of state.requests.pending.values()) {
    if (candidates.length >= blockCountMax) break;
    if (bytes + transaction.length > blockBytesMax) break;
    bytes += transaction.length;
    candidates.push(transaction);
  }
  return candidates;
}

/** PB-16: own clients' transactions go to all that may lead; a full pool says so instead of growing. */
export function onRequestsAdmitted(
  state: ReplicaState,
  transactions: readonly Bytes[],
  origin: 'client' | 'peer',
): void {
  const { requests, settings } = state;
  const wasEmpty = requests.pending.size === 0;
  const forwarded: Bytes[] = [];
  for (const transaction of transactions) {
    const hash = state.hash(transaction);
    const name = nameOf(hash);
    if (requests.pending.has(name)) continue;
    if (requests.recent.some(({ hashes }) => hashes.has(name))) continue;
    if (
      requests.pending.size >= settings.requestsCountMax ||
      requests.bytes + transaction.length > settings.requestsBytesMax ||
      transaction.length > settings.blockBytesMax
    ) {
      emit(state, { kind: 'refuseRequest', hash });
      continue;
    }
    const own = origin === 'client';
    requests.pending.set(name, {
      hash,
      transaction,
      admittedNs: state.nowNs,
      // The node that took a request relays it first; if that node is gone, whoever holds it does.
      relayDueMs: own ? settings.requestRelayMs : settings.requestComplainMs / 2,
      complained: false,
    });
    requests.bytes += transaction.length;
    if (own) forwarded.push(transaction);
  }
  if (requests.pending.size === 0) return;
  if (!state.timers.has('requests')) setTimer(state, 'requests', settings.requestRelayMs);
  // The heartbeat was the longer wait; the rule that proposes arms the shorter one.
  if (wasEmpty) state.timers.delete('propose');
  forward(state, forwarded, 'leaders');
}

function forward(
  state: ReplicaState,
  transactions: readonly Bytes[],
  to: 'leaders' | 'everybody',
): void {
  for (const batch of inBatches(transactions)) {
    const message = { kind: 'request', transactions: batch } as const;
    if (to === 'everybody') broadcast(state, message);
    else
      for (const [index, { key, leads }] of state.tip.validators.validators.entries())
        if (leads && index !== state.self) send(state, key, message);
  }
}

function inBatches(transactions: readonly Bytes[]): readonly (readonly Bytes[])[] {
  const batches: Bytes[][] = [];
  let bytes = 0;
  for (const transaction of transactions) {
    let batch = batches.at(-1);
    if (batch === undefined || bytes + transaction.length > FORWARD_BYTES_MAX) {
      batches.push((batch = []));
      bytes = 0;
    }
    batch.push(transaction);
    bytes += transaction.length;
  }
  return batches;
}

/**
 * PB-16: a request that waits too long goes to everybody, again and again with growing pauses; one that
 * waits much longer while blocks have room is being censored: `refused` calls for a view change.
 */
export function onRequestsTimer(state: ReplicaState): 'fine' | 'refused' {
  const { requests, settings } = state;
  if (requests.pending.size === 0) return 'fine';
  const late: PendingRequest[] = [];
  const relayed: Bytes[] = [];
  let censored = false;
  for (const request of requests.pending.values()) {
    const waitedMs = elapsedMs(state, request.admittedNs);
    if (waitedMs < settings.requestRelayMs || late.length >= settings.blockCountMax) break;
    if (waitedMs >= COMPLAINTS_MAX * settings.requestComplainMs) {
      // Nobody else wants it: let its client know instead of complaining for ever.
      emit(state, { kind: 'refuseRequest', hash: request.hash });
      dropRequests(state, [request.hash]);
      continue;
    }
    late.push(request);
    if (waitedMs >= request.relayDueMs) {
      request.relayDueMs = Math.min(2 * waitedMs, waitedMs + settings.requestComplainMs);
      relayed.push(request.transaction);
    }
    if (!request.complained && waitedMs >= settings.requestComplainMs) {
      request.complained = true;
      censored = true;
    }
  }
  forward(state, relayed, 'everybody');
  // What the application would refuse by now (expired, executed before a restart) is nobody's censorship.
  if (late.length > 0)
    emit(state, {
      kind: 'recheckRequests',
      requests: late.map(({ hash, transaction }) => ({ hash, transaction })),
    });
  setTimer(state, 'requests', settings.requestRelayMs);
  // Above view 0 a change of primary is under way already: complaints must not drive the views on.
  const isLed = state.view === 0 && state.work.status === 'normal';
  return censored && isLed && requests.lastBlockHadRoom && mayVote(state) ? 'refused' : 'fine';
}

export function dropRequests(state: ReplicaState, hashes: readonly Bytes[]): void {
  for (const hash of hashes) {
    const name = nameOf(hash);
    const request = state.requests.pending.get(name);
    if (request === undefined) continue;
    state.requests.pending.delete(name);
    state.requests.bytes -= request.transaction.length;
  }
}

/** What a decided block takes out of the pool. */
export function settleRequests(
  state: ReplicaState,
  { block }: CertifiedBlock,
  transactionHashes: readonly Bytes[],
): void {
  dropRequests(state, transactionHashes);
  const { recent } = state.requests;
  recent.push({ height: block.header.height, hashes: new Set(transactionHashes.map(nameOf)) });
  if (recent.length > RECENT_BLOCKS) recent.shift();
  const { blockCountMax, blockBytesMax } = state.settings;
  state.requests.lastBlockHadRoom =
    block.header.count < blockCountMax && block.header.size < blockBytesMax / 2;
}
