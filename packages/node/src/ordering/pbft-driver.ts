/**
 * Runs the pure PBFT core of one replica (or observer) on a real disk, clock and network. Inputs are
 * stepped as they come; effects are carried out one after another in the order of the core, and wait
 * where the core says that the disk comes first. The application is called from here only, in the
 * order of its grammar; what it needs verified is verified before the call.
 */
import type { Application, FinalizedBlock, Refusal } from '@yilian/consensus/application';
import type { CertifiedBlock } from '@yilian/consensus/block';
import type { ChainTip } from '@yilian/consensus/chain-tip';
import { createReplica } from '@yilian/consensus/pbft/create-replica';
import type { Effect } from '@yilian/consensus/pbft/effect';
import type { Event, TimerName } from '@yilian/consensus/pbft/input';
import {
  decodeMessage,
  encodeMessage,
  encodeWalRecord,
} from '@yilian/consensus/pbft/message-codec';
import type { Message } from '@yilian/consensus/pbft/messages';
import type { Settings } from '@yilian/consensus/pbft/settings';
import { primaryOf, type ReplicaState } from '@yilian/consensus/pbft/state';
import { step } from '@yilian/consensus/pbft/step';
import type { WalRecord } from '@yilian/consensus/pbft/wal';
import { type Bytes, CodecError, equalBytes, toHex } from '@yilian/crypto/bytes';
import { encode } from '@yilian/crypto/cbor';
import type { LogEvent } from '../logging.ts';
import type { Peers } from '../peers/peers.ts';
import type { ChainStore } from '../storage/chain-store.ts';
import type { WriteAheadLog } from '../storage/write-ahead-log.ts';
import { sha256, sha256Name } from '../verification/sha256.ts';
import type { TransactionVerifier } from '../verification/transaction-verifier.ts';
import { toVerified } from '../verification/verified-transactions.ts';
import { verifySignature } from '../verification/verify-signature.ts';
import { toDecidedBlock } from './decided-block.ts';
import type { FinalBlocks } from './final-blocks.ts';
import { PeerConduct } from './peer-conduct.ts';
import { takeBlocks } from './take-blocks.ts';
import { type VerifiedBlock, verifyBlock } from './verify-block.ts';

export interface DriverOptions {
  readonly chainId: string;
  readonly key: Bytes;
  readonly sign: (message: Bytes) => Bytes;
  readonly application: Application;
  readonly chain: ChainStore;
  readonly log: WriteAheadLog;
  readonly records: readonly WalRecord[];
  readonly tip: ChainTip;
  readonly peers: Peers;
  readonly verifier: TransactionVerifier;
  readonly finalBlocks: FinalBlocks;
  readonly settings: Partial<Settings>;
  readonly clockNs: () => bigint;
  readonly onEvent: (event: LogEvent) => void;
  /** Transactions (by bytes) that wait no longer at this node: final, refused or dropped. */
  readonly onSettled: (txs: readonly Bytes[]) => void;
  readonly onDropped: (hashes: readonly Bytes[]) => void;
}

export interface PbftDriver {
  start(): void;
  /** The application's word on a transaction whose checks hold; `ok` = it is on its way into a block. */
  admit(tx: Bytes, checks: readonly Bytes[]): Promise<Refusal | 'admitted'>;
  /** Height in work, view and the primary's key. */
  position(): { readonly height: bigint; readonly view: bigint; readonly primary: Bytes };
  /** Last height that is final here, with its app hash and time. */
  final(): ChainTip;
  halted(): string | undefined;
  /** Nothing is sent or written after it resolves. */
  stop(): Promise<void>;
}

const NO_KEY = new Uint8Array(32);

interface Admission {
  readonly tx: Bytes;
  readonly checks: readonly Bytes[];
  readonly settle: (answer: Refusal | 'admitted') => void;
}

class Driver implements PbftDriver {
  readonly #options: DriverOptions;
  readonly #conduct: PeerConduct;
  readonly #timers = new Map<TimerName, NodeJS.Timeout>();
  #state: ReplicaState | undefined;
  #queue: Effect[] = [];
  #isDraining = false;
  #draining: Promise<void> | undefined;
  #finalTip: ChainTip;
  /** The block between `finalizeBlock` and its commit, with the copies of its transactions. */
  #executed: (FinalizedBlock & { readonly txs: readonly Bytes[] }) | undefined;
  /** The last block that was verified for a vote. */
  #examined: (VerifiedBlock & { readonly blockId: Bytes }) | undefined;
  /** Resolves when the application shows its last commit again. */
  #committing: Promise<void> | undefined;
  /** Transactions that the application has judged since its last commit: it would call them duplicates. */
  readonly #judged = new Set<Bytes>();
  #admissions: Admission[] = [];
  #admitting = false;
  #halted: string | undefined;
  #stopped = false;

  constructor(options: DriverOptions) {
    this.#options = options;
    this.#finalTip = options.tip;
    this.#conduct = new PeerConduct((peer, reason) => {
      options.onEvent({ level: 'warn', event: 'peerCut', peer: toHex(peer), reason });
      options.peers.cut(peer, reason);
    });
  }

  start(): void {
    const { chainId, key, sign, settings, tip, records, clockNs } = this.#options;
    this.#options.peers.onMessage((from, bytes) => this.#onBytes(from, bytes));
    const created = createReplica({
      chainId,
      key,
      sign,
      verifySignature,
      hash: sha256,
      settings,
      tip,
      wal: records,
      nowNs: clockNs(),
    });
    this.#state = created.state;
    this.#enqueue(created.effects);
  }

  admit(tx: Bytes, checks: readonly Bytes[]): Promise<Refusal | 'admitted'> {
    return new Promise((settle) => {
      this.#admissions.push({ tx, checks, settle });
      if (this.#admitting) return;
      this.#admitting = true;
      // Whatever is admitted in one turn travels to the leaders in one message.
      setImmediate(() => void this.#admitAll());
    });
  }

  position(): ReturnType<PbftDriver['position']> {
    const state = this.#state;
    if (state === undefined) return { height: 0n, view: 0n, primary: NO_KEY };
    const { validators } = state.tip.validators;
    const primary = validators[primaryOf(state, state.view)]?.key ?? NO_KEY;
    return { height: state.height, view: BigInt(state.view), primary };
  }

  final(): ChainTip {
    return this.#finalTip;
  }

  halted(): string | undefined {
    return this.#halted;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#queue = [];
    await this.#draining;
    await this.#committing;
    for (const { settle } of this.#admissions.splice(0)) settle({ code: 'unavailable' });
  }

  #halt(reason: string, detail: string): void {
    if (this.#halted !== undefined) return;
    this.#halted = reason;
    this.#queue = [];
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#options.onEvent({ level: 'error', event: 'halted', reason, detail });
  }

  get #isDown(): boolean {
    return this.#stopped || this.#halted !== undefined;
  }

  #feed(event: Event): void {
    if (this.#state === undefined || this.#isDown) return;
    const { effects } = step(this.#state, { ...event, nowNs: this.#options.clockNs() });
    this.#enqueue(effects);
  }

  #onBytes(from: Bytes, bytes: Bytes): void {
    if (this.#isDown || !this.#conduct.onMessage(from, performance.now())) return;
    let message: Message;
    try {
      message = decodeMessage(bytes);
    } catch (error) {
      if (!(error instanceof CodecError)) throw error;
      this.#conduct.onOffence(from, 'malformedMessage', performance.now());
      return;
    }
    this.#feed({ kind: 'messageReceived', from, message });
  }

  #enqueue(effects: readonly Effect[]): void {
    for (const effect of effects) this.#queue.push(effect);
    if (!this.#isDraining) this.#draining = this.#drain();
  }

  async #drain(): Promise<void> {
    this.#isDraining = true;
    try {
      for (let next = 0; next < this.#queue.length;) {
        const effect = this.#queue[next++];
        if (effect === undefined || this.#isDown) {
          this.#queue = [];
          return;
        }
        const barrier = this.#perform(effect);
        if (next === this.#queue.length || barrier !== undefined) {
          this.#queue.splice(0, next);
          next = 0;
        }
        // oxlint-disable-next-line no-await-in-loop -- the order of effects is the contract
        if (barrier !== undefined) await barrier;
      }
    } catch (error) {
      this.#halt('storageFailed', String(error));
    } finally {
      this.#isDraining = false;
    }
  }

  /** A promise where later effects must wait. */
  #perform(effect: Effect): Promise<void> | undefined {
    const { peers, onEvent } = this.#options;
    switch (effect.kind) {
      case 'send':
        peers.send(effect.to, encodeMessage(effect.message));
        return undefined;
      case 'broadcast':
        peers.broadcast(encodeMessage(effect.message));
        return undefined;
      case 'persist':
        return this.#options.log.append(encode(effect.records.map(encodeWalRecord)));
      case 'setTimer':
        this.#setTimer(effect.timer, effect.afterMs, effect.token);
        return undefined;
      case 'cancelTimer':
        clearTimeout(this.#timers.get(effect.timer));
        return undefined;
      case 'admitRequests':
        this.#run(this.#admitOf(effect.from, effect.transactions));
        return undefined;
      case 'recheckRequests':
        this.#run(this.#recheck(effect.requests));
        return undefined;
      case 'prepareProposal':
        this.#run(this.#prepareProposal(effect));
        return undefined;
      case 'validateProposal':
        this.#run(this.#validateProposal(effect));
        return undefined;
      case 'executeBlock':
        this.#run(this.#executeBlock(effect));
        return undefined;
      case 'commitBlock':
        return this.#commitBlock(effect.decided, effect.tip);
      case 'sendBlocks':
        this.#sendBlocks(effect.to, effect.fromHeight, effect.bytesMax);
        return undefined;
      case 'refuseRequest':
        this.#options.onDropped([effect.hash]);
        return undefined;
      case 'blame':
        this.#conduct.onOffence(effect.key, 'badSignature', performance.now());
        return undefined;
      case 'reportEquivocation': {
        const { height, view, key } = effect.evidence;
        onEvent({ level: 'warn', event: 'equivocation', height, view, key: toHex(key) });
        return undefined;
      }
      case 'halt':
        this.#halt(effect.reason, `height ${effect.height}: ${effect.detail}`);
        return undefined;
      case 'reply': // Who waits is told when the block is durable, by `finalBlocks`.
      case 'checkpointStable': // Nothing is pruned yet: every node keeps all blocks.
        return undefined;
    }
    return undefined;
  }

  /** Work beside the queue. What throws there is a broken disk or a bug: either way nothing is safe. */
  #run(work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (!this.#stopped) this.#halt('applicationFailed', String(error));
    });
  }

  #setTimer(timer: TimerName, afterMs: number, token: number): void {
    clearTimeout(this.#timers.get(timer));
    const handle = setTimeout(() => this.#feed({ kind: 'timerExpired', timer, token }), afterMs);
    this.#timers.set(timer, handle);
  }

  async #admitAll(): Promise<void> {
    await this.#applicationShown();
    this.#admitting = false;
    const admitted: Bytes[] = [];
    for (const { tx, checks, settle } of this.#admissions.splice(0)) {
      const refusal = this.#checkNew(tx, checks, admitted);
      if (refusal === undefined) admitted.push(tx);
      settle(refusal ?? 'admitted');
    }
    if (admitted.length > 0)
      this.#feed({ kind: 'requestsAdmitted', transactions: admitted, origin: 'client' });
  }

  /** Between a commit and its disk the application has no state to judge on. Always yields. */
  async #applicationShown(): Promise<void> {
    do {
      // oxlint-disable-next-line no-await-in-loop -- another block may follow at once
      await this.#committing;
    } while (this.#committing !== undefined);
  }

  #checkNew(tx: Bytes, checks: readonly Bytes[], ahead: readonly Bytes[]): Refusal | undefined {
    const state = this.#state;
    if (state === undefined || this.#isDown) return { code: 'unavailable' };
    const { requests, settings } = state;
    if (
      requests.pending.size + ahead.length >= settings.requestsCountMax ||
      requests.bytes + tx.length > settings.requestsBytesMax
    )
      return { code: 'mempoolFull' };
    // It came from a peer before: the application has it, and it is on its way.
    if (requests.pending.has(sha256Name(tx))) return undefined;
    this.#judged.add(tx);
    const outcome = this.#options.application.checkTransaction(tx, 'new', toVerified([{ checks }]));
    return outcome.ok ? undefined : outcome.rejection;
  }

  async #admitOf(from: Bytes, sent: readonly Bytes[]): Promise<void> {
    // A late copy of what the last blocks hold is not verified again: relays overtake blocks under load.
    const recent = this.#state?.requests.recent ?? [];
    const txs = sent.filter((tx) => {
      const name = sha256Name(tx);
      return !recent.some(({ hashes }) => hashes.has(name));
    });
    if (txs.length === 0) return;
    const bytes = txs.reduce((sum, tx) => sum + tx.length, 0);
    if (!this.#conduct.reserve(from, bytes)) return;
    const verdicts = await this.#options.verifier.verify(txs);
    this.#conduct.release(from, bytes);
    await this.#applicationShown();
    if (this.#isDown) return;
    const nowMs = performance.now();
    const admitted: Bytes[] = [];
    for (const verdict of verdicts) {
      if (!verdict.ok) {
        this.#conduct.onOffence(from, 'invalidTransaction', nowMs);
        continue;
      }
      const { tx, checks } = verdict.transaction;
      const refusal = this.#conduct.mustCheckRules(from, nowMs)
        ? this.#checkNew(tx, checks, admitted)
        : undefined;
      if (refusal === undefined) admitted.push(tx);
      else if (refusal.code !== 'mempoolFull')
        this.#conduct.onOffence(from, 'unfitTransaction', nowMs);
    }
    if (admitted.length > 0)
      this.#feed({ kind: 'requestsAdmitted', transactions: admitted, origin: 'peer' });
  }

  async #recheck(
    requests: readonly { readonly hash: Bytes; readonly transaction: Bytes }[],
  ): Promise<void> {
    await this.#applicationShown();
    if (this.#isDown) return;
    const none = toVerified([]);
    const { application, onDropped } = this.#options;
    const hashes: Bytes[] = [];
    for (const { hash, transaction } of requests) {
      if (this.#judged.has(transaction)) continue;
      this.#judged.add(transaction);
      if (!application.checkTransaction(transaction, 'recheck', none).ok) hashes.push(hash);
    }
    if (hashes.length === 0) return;
    onDropped(hashes);
    this.#feed({ kind: 'requestsDropped', hashes });
  }

  /** Whether the application still stands right below `height`, with nothing between its calls. */
  #standsBelow(height: bigint): boolean {
    return (
      !this.#isDown &&
      this.#executed === undefined &&
      this.#committing === undefined &&
      this.#finalTip.height + 1n === height
    );
  }

  async #prepareProposal(effect: Extract<Effect, { kind: 'prepareProposal' }>): Promise<void> {
    const { height, view, bytesMax } = effect;
    const { block, verified } = await verifyBlock(this.#options.verifier, effect.block);
    // Overtaken by a block from elsewhere: the core does not wait for this answer any more.
    if (!this.#standsBelow(height)) return;
    const transactions = this.#options.application.prepareProposal(block, bytesMax, verified);
    this.#dropUnfit(block.txs, transactions);
    this.#feed({ kind: 'proposalPrepared', height, view, transactions });
  }

  /** What the application left out of a block that had room for it will fit no later one either. */
  #dropUnfit(candidates: readonly Bytes[], chosen: readonly Bytes[]): void {
    if (chosen.length === candidates.length) return;
    const kept = new Set(chosen);
    const hashes = candidates.filter((tx) => !kept.has(tx)).map(sha256);
    this.#options.onDropped(hashes);
    this.#feed({ kind: 'requestsDropped', hashes });
  }

  async #validateProposal(effect: Extract<Effect, { kind: 'validateProposal' }>): Promise<void> {
    const { height, blockId } = effect;
    const examined = await verifyBlock(this.#options.verifier, effect.block);
    if (!this.#standsBelow(height)) return;
    const { block, verified, complete } = examined;
    // Very likely the block that will be executed.
    this.#examined = { blockId, ...examined };
    const accepted =
      complete && this.#options.application.processProposal(block, verified) === 'accept';
    if (!accepted) this.#options.onEvent({ level: 'warn', event: 'proposalRefused', height });
    this.#feed({ kind: 'proposalValidated', height, blockId, accepted });
  }

  async #executeBlock(effect: Extract<Effect, { kind: 'executeBlock' }>): Promise<void> {
    const examined = this.#examined;
    this.#examined = undefined;
    const { block, verified } =
      examined !== undefined && equalBytes(examined.blockId, effect.blockId)
        ? examined
        : await verifyBlock(this.#options.verifier, effect.block);
    if (this.#isDown) return;
    const executed = this.#options.application.finalizeBlock(block, verified);
    this.#executed = { ...executed, txs: block.txs };
    const { appHash, validatorUpdates } = executed;
    this.#feed({ kind: 'blockExecuted', height: effect.height, appHash, validatorUpdates });
  }

  #commitBlock(decided: CertifiedBlock, tip: ChainTip): Promise<void> {
    const { outcomes, txs } = this.#executed ?? { outcomes: [], txs: [] };
    const { writes } = this.#options.application.commit();
    this.#executed = undefined;
    this.#judged.clear();
    const { chain, finalBlocks, log, onEvent, onSettled } = this.#options;
    const written = chain.commitBlock({ decided, tip, writes, outcomes });
    const shown = (): void => {
      this.#committing = undefined;
    };
    // Whoever waits for the application must not see the error: the queue reports it, once.
    this.#committing = written.then(shown, shown);
    return written.then(async () => {
      this.#finalTip = tip;
      const { height, count } = decided.block.header;
      onEvent({ level: 'debug', event: 'blockFinal', height, count });
      onSettled(txs);
      finalBlocks.publish(toDecidedBlock(decided), txs, outcomes);
      await log.release();
    });
  }

  #sendBlocks(to: Bytes, fromHeight: bigint, bytesMax: number): void {
    const toHeight = this.#finalTip.height;
    const blocks = takeBlocks(this.#options.chain, { fromHeight, toHeight, bytesMax });
    this.#options.peers.send(to, encodeMessage({ kind: 'blocks', blocks }));
  }
}

export function createPbftDriver(options: DriverOptions): PbftDriver {
  return new Driver(options);
}
