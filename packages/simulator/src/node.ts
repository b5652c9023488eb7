/**
 * One simulated hospital node: the core, the toy application, a disk and a queue of effects that are
 * carried out in order, stopping at each barrier until the disk has flushed. Speaks bytes only.
 */
import type { Genesis } from '@yilian/consensus/application';
import {
  type CertifiedBlock,
  decodeCertifiedBlock,
  encodeCertifiedBlock,
  toApplicationBlock,
} from '@yilian/consensus/block';
import { type ChainTip, decodeChainTip, encodeChainTip } from '@yilian/consensus/chain-tip';
import { genesisTip } from '@yilian/consensus/genesis';
import { createReplica } from '@yilian/consensus/pbft/create-replica';
import type { Effect } from '@yilian/consensus/pbft/effect';
import type { Event, TimerName } from '@yilian/consensus/pbft/input';
import {
  decodeMessage,
  decodeWalRecord,
  encodeMessage,
  encodeWalRecord,
} from '@yilian/consensus/pbft/message-codec';
import type { Message } from '@yilian/consensus/pbft/messages';
import type { Settings } from '@yilian/consensus/pbft/settings';
import type { ReplicaState } from '@yilian/consensus/pbft/state';
import { step } from '@yilian/consensus/pbft/step';
import type { WalRecord } from '@yilian/consensus/pbft/wal';
import type { SignatureVerifier } from '@yilian/consensus/signature';
import { type Bytes, equalBytes, toHex } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import { createDisk, type SimulatedDisk } from './disk.ts';
import { nativeSha256, type SimulatedKey } from './keys.ts';
import type { Random } from './random.ts';
import type { Schedule } from './schedule.ts';
import { createToyApplication, type ToyApplication } from './toy-application.ts';

/** What checkers hear about; called at the moment it happens. */
export interface Observer {
  readonly onSend: (node: SimulatedNode, message: Message) => void;
  readonly onPersisted: (node: SimulatedNode, record: WalRecord) => void;
  readonly onCommitted: (node: SimulatedNode, decided: CertifiedBlock, tip: ChainTip) => void;
  readonly onEffect: (node: SimulatedNode, effect: Effect) => void;
  readonly onStep: (node: SimulatedNode, state: ReplicaState) => void;
}

/** The core under test; a mutant goes in here. */
export interface Core {
  readonly createReplica: typeof createReplica;
  readonly step: typeof step;
}

export const CORE: Core = { createReplica, step };

export interface NodeOptions {
  readonly index: number;
  readonly keyPair: SimulatedKey;
  readonly genesis: Genesis;
  readonly settings: Partial<Settings>;
  readonly verifySignature: SignatureVerifier;
  readonly schedule: Schedule;
  readonly random: Random;
  readonly observer: Observer;
  readonly core: Core;
  /** Wall clock of this host against simulated time. */
  readonly clockOffsetMs: number;
  readonly flushMs: { readonly min: number; readonly max: number };
  readonly peers: () => readonly Bytes[];
  readonly send: (to: Bytes, bytes: Uint8Array) => void;
}

export interface SimulatedNode {
  readonly index: number;
  readonly key: Bytes;
  readonly isUp: () => boolean;
  readonly start: () => void;
  readonly crash: () => void;
  readonly receive: (from: Bytes, bytes: Uint8Array) => void;
  /** A client hands in a transaction. */
  readonly submit: (transaction: Uint8Array) => void;
  readonly state: () => ReplicaState | undefined;
  readonly application: () => ToyApplication;
  /** Last durable height. */
  readonly height: () => bigint;
  readonly blocks: () => readonly CertifiedBlock[];
  /** Hex of SHA-256 of each transaction that this node answered for. */
  readonly replied: () => readonly string[];
  readonly disk: SimulatedDisk;
  readonly halted: () => boolean;
}

const START_NS = 1_700_000_000_000_000_000n;

/** Simulated milliseconds as nanoseconds of the epoch. */
export function toNs(ms: number): bigint {
  return START_NS + BigInt(Math.round(ms * 1000)) * 1000n;
}

export function createNode(options: NodeOptions): SimulatedNode {
  const { schedule, random, observer, core, keyPair } = options;
  const disk = createDisk();
  let incarnation = 0;
  let state: ReplicaState | undefined;
  let application = createToyApplication();
  let blocks: CertifiedBlock[] = [];
  let reported = 0;
  let queue: Effect[] = [];
  let isWaiting = false;
  let isHalted = false;
  const replied: string[] = [];

  /** Runs `later` unless the process has died meanwhile. */
  const plan = (delayMs: number, what: string, later: () => void): void => {
    const mine = incarnation;
    schedule.after(delayMs, `${options.index}:${what}`, () => {
      if (mine === incarnation) later();
    });
  };
  const nowNs = (): bigint => toNs(schedule.nowMs() + options.clockOffsetMs);
  const feed = (event: Event): void => {
    if (state === undefined) return;
    const result = core.step(state, { ...event, nowNs: nowNs() });
    queue.push(...result.effects);
    observer.onStep(node, result.state);
    drain();
  };
  const persist = (entries: readonly Uint8Array[], then: () => void): void => {
    isWaiting = true;
    for (const entry of entries) disk.write(entry);
    plan(random.between(options.flushMs.min, options.flushMs.max), 'flush', () => {
      disk.flush();
      isWaiting = false;
      then();
      drain();
    });
  };
  const emitMessage = (to: readonly Bytes[], message: Message): void => {
    observer.onSend(node, message);
    const bytes = encodeMessage(message);
    for (const key of to) options.send(key, bytes);
  };
  const armTimer = (timer: TimerName, afterMs: number, token: number): void =>
    plan(afterMs, timer, () => feed({ kind: 'timerExpired', timer, token }));

  const perform = (effect: Effect): void => {
    observer.onEffect(node, effect);
    switch (effect.kind) {
      case 'send':
        return emitMessage([effect.to], effect.message);
      case 'broadcast':
        return emitMessage(options.peers(), effect.message);
      case 'persist':
        return persist(
          effect.records.map((record) => encode([0, encodeWalRecord(record)])),
          () => {
            for (const record of effect.records) observer.onPersisted(node, record);
          },
        );
      case 'setTimer':
        return armTimer(effect.timer, effect.afterMs, effect.token);
      case 'cancelTimer':
      case 'checkpointStable':
      case 'refuseRequest':
      case 'blame':
      case 'reportEquivocation':
        return;
      case 'admitRequests': {
        const transactions = effect.transactions.filter(
          (tx) => application.checkTransaction(tx, 'new', { has: () => true }).ok,
        );
        return plan(random.between(0, 3), 'admit', () =>
          feed({ kind: 'requestsAdmitted', transactions, origin: 'peer' }),
        );
      }
      case 'recheckRequests': {
        const hashes = effect.requests
          .filter(
            ({ transaction: tx }) =>
              !application.checkTransaction(tx, 'recheck', { has: () => true }).ok,
          )
          .map(({ hash }) => hash);
        return plan(1, 'recheck', () => feed({ kind: 'requestsDropped', hashes }));
      }
      case 'prepareProposal': {
        const { height, view, block, bytesMax } = effect;
        const transactions = application.prepareProposal(block, bytesMax, { has: () => true });
        return plan(random.between(0, 3), 'prepare', () =>
          feed({ kind: 'proposalPrepared', height, view, transactions }),
        );
      }
      case 'validateProposal': {
        const { height, blockId, block } = effect;
        const accepted = application.processProposal(block, { has: () => true }) === 'accept';
        return plan(random.between(0, 5), 'validate', () =>
          feed({ kind: 'proposalValidated', height, blockId, accepted }),
        );
      }
      case 'executeBlock': {
        const { height, block } = effect;
        const { appHash, validatorUpdates } = application.finalizeBlock(block, { has: () => true });
        return plan(random.between(0, 5), 'execute', () =>
          feed({ kind: 'blockExecuted', height, appHash, validatorUpdates }),
        );
      }
      case 'commitBlock': {
        const { decided, tip } = effect;
        application.commit();
        const entry = encode([1, encodeCertifiedBlock(decided), encodeChainTip(tip)]);
        return persist([entry], () => {
          blocks.push(decided);
          reported = blocks.length;
          observer.onCommitted(node, decided, tip);
        });
      }
      case 'reply':
        replied.push(...effect.transactionHashes.map(toHex));
        return;
      case 'sendBlocks': {
        const found = blocks.slice(Number(effect.fromHeight) - 1, Number(effect.fromHeight) + 19);
        return emitMessage([effect.to], { kind: 'blocks', blocks: found });
      }
      case 'halt':
        isHalted = true;
        return;
    }
  };
  const drain = (): void => {
    for (;;) {
      const effect = isWaiting ? undefined : queue.shift();
      if (effect === undefined) return;
      perform(effect);
    }
  };
  /** Reads the disk and rebuilds the application by executing every durable block again. */
  const recover = (): { readonly tip: ChainTip; readonly wal: readonly WalRecord[] } => {
    application = createToyApplication();
    blocks = [];
    let tip = genesisTip(options.genesis, application.initChain(options.genesis));
    const wal: WalRecord[] = [];
    for (const bytes of disk.read()) {
      const entry = decode(bytes);
      if (!Array.isArray(entry)) throw new Error('assertion: an entry is an array');
      const [kind, first, second] = entry as readonly unknown[];
      if (!(first instanceof Uint8Array)) throw new Error('assertion: an entry holds bytes');
      if (kind === 0) {
        const record = decodeWalRecord(first);
        // Writes that a crash happened to keep are durable without ever having been reported.
        observer.onPersisted(node, record);
        wal.push(record);
        continue;
      }
      const decided = decodeCertifiedBlock(first);
      const { appHash } = application.finalizeBlock(
        toApplicationBlock(decided.block, tip.lastValidators),
        { has: () => true },
      );
      application.commit();
      if (!(second instanceof Uint8Array)) throw new Error('assertion: an entry holds a tip');
      tip = decodeChainTip(second);
      if (!equalBytes(tip.appHash, appHash)) throw new Error('assertion: replay differs');
      blocks.push(decided);
      if (blocks.length > reported) {
        reported = blocks.length;
        observer.onCommitted(node, decided, tip);
      }
    }
    return { tip, wal };
  };

  const node: SimulatedNode = {
    index: options.index,
    key: keyPair.key,
    disk,
    isUp: () => state !== undefined,
    start: () => {
      incarnation++;
      queue = [];
      isWaiting = false;
      const { tip, wal } = recover();
      const created = core.createReplica({
        chainId: options.genesis.chainId,
        key: keyPair.key,
        sign: keyPair.sign,
        verifySignature: options.verifySignature,
        hash: nativeSha256,
        settings: options.settings,
        tip,
        wal,
        nowNs: nowNs(),
      });
      state = created.state;
      queue.push(...created.effects);
      observer.onStep(node, created.state);
      drain();
    },
    crash: () => {
      incarnation++;
      state = undefined;
      queue = [];
      disk.crash(random);
    },
    receive: (from, bytes) => {
      if (state === undefined) return;
      feed({ kind: 'messageReceived', from, message: decodeMessage(bytes) });
    },
    submit: (transaction) => {
      if (application.checkTransaction(transaction, 'new', { has: () => true }).ok)
        feed({ kind: 'requestsAdmitted', transactions: [transaction], origin: 'client' });
    },
    state: () => state,
    application: () => application,
    height: () => BigInt(blocks.length),
    blocks: () => blocks,
    replied: () => replied,
    halted: () => isHalted,
  };
  return node;
}
