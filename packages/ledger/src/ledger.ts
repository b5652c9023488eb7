/**
 * The ledger behind the Application port: it gives meaning to an ordered list of bytes.
 *
 * Nothing of the state lives in memory. Every call reads the store as the last `commit` left it; between
 * `finalizeBlock` and `commit` the block's changes wait in one overlay, and what is pending in the
 * mempool is judged on another, which is dropped with every commit. A crash at any point loses only what
 * no commit returned; a new ledger on the same store continues at `info().height`.
 *
 * Order of writes: `commit` returns one batch (state, tree, log, look-ups, undo entries, height and
 * roots); the driver writes it in one atomic step before it calls `finalizeBlock` again.
 *
 * Bundles (several client transactions in one of the engine's) will be flattened in front of
 * `executeBlock`; nothing below it knows of blocks' framing.
 */
import type { Bytes } from '@yilian/crypto/bytes';
import { sha256 } from '@yilian/crypto/hash';
import type { HashFunction } from '@yilian/crypto/merkle';
import { type InspectionResult, inspectTransaction } from './admission.ts';
import { hashAppHashParts } from './app-hash.ts';
import { executeBlock, stateChanges } from './block-execution.ts';
import { type BlockContext, admit, executeTransaction, useUpId } from './execution.ts';
import { applyGenesis, parseGenesis } from './genesis.ts';
import { NO_DROPS } from './live-ids.ts';
import { type LedgerMeta, appHashOf, createMetaReader, getMeta, putMeta } from './ledger-meta.ts';
import type {
  Block,
  FinalizedBlock,
  Genesis,
  Inspection,
  Outcome,
  Query,
  QueryResult,
  Validator,
  Verified,
} from './ledger-port.ts';
import { logRoot } from './log.ts';
import { answerQuery } from './queries.ts';
import type { StateReader, WriteBatch } from './state-reader.ts';
import { updateStateTree } from './state-tree.ts';
import { State } from './state.ts';
import { Overlay, type Store, readerStore } from './store.ts';

/** Raised when the meaning of bytes changes; a new version switches at a height. */
export const APP_VERSION = 1n;

export interface LedgerOptions {
  /** The store as the last `commit` left it. */
  readonly reader: StateReader;
  /** First byte of every key that is read or written: the driver's, beside keys of its own. Default: none. */
  readonly space?: number;
  /** SHA-256; a node passes its native one. */
  readonly hash?: HashFunction;
}

/** Fits `Application` of the consensus package by structure. */
export interface Ledger {
  info(): { readonly height: bigint; readonly appHash: Bytes; readonly appVersion: bigint };
  initChain(genesis: Genesis): {
    readonly appHash: Bytes;
    readonly validators: readonly Validator[];
  };
  inspect(tx: Bytes): Inspection;
  checkTransaction(tx: Bytes, mode: 'new' | 'recheck', verified: Verified): Outcome;
  prepareProposal(block: Block, bytesMax: number, verified: Verified): readonly Bytes[];
  processProposal(block: Block, verified: Verified): 'accept' | 'reject';
  finalizeBlock(block: Block, verified: Verified): FinalizedBlock;
  commit(): { readonly writes: WriteBatch; readonly retainHeight: bigint };
  query(query: Query): QueryResult;
}

/** The driver broke the call grammar, or the store is not what the last commit left. A bug, not an input. */
export class CallOrderError extends Error {
  readonly code:
    | 'notInitialised'
    | 'alreadyRunning'
    | 'wrongHeight'
    | 'notFinalized'
    | 'notCommitted';

  constructor(code: CallOrderError['code'], message: string) {
    super(message);
    this.name = 'CallOrderError';
    this.code = code;
  }
}

function secondsOf(timeNs: bigint): number {
  return Number(timeNs / 1_000_000_000n);
}

export function createLedger(options: LedgerOptions): Ledger {
  const hash = options.hash ?? sha256;
  const disk = readerStore(options.reader, options.space);
  const diskMeta = createMetaReader(disk);
  /** The genesis state, until the first commit has written it. */
  let genesisOverlay: Overlay | undefined;
  /** The finalized block, until `commit`. */
  let finalized: { readonly overlay: Overlay; readonly height: number } | undefined;
  /** The state after everything in the mempool, above one committed height. */
  let pending: { readonly state: State; readonly height: number } | undefined;
  /** What the next block has read of the store so far: it is judged and executed on the same state. */
  let reads: { readonly store: Overlay; readonly meta: LedgerMeta } | undefined;
  /** Of the committed chain: it never changes. */
  let chainId: string | undefined;
  /** What the same bytes told before: they are immutable by convention. */
  const inspections = new WeakMap<Bytes, InspectionResult>();

  function committed(): { readonly store: Store; readonly meta: LedgerMeta } {
    const meta = diskMeta();
    if (meta !== undefined) {
      genesisOverlay = undefined;
      return { store: disk, meta };
    }
    const genesisMeta = genesisOverlay === undefined ? undefined : getMeta(genesisOverlay);
    if (genesisOverlay === undefined || genesisMeta === undefined)
      throw new CallOrderError('notInitialised', 'the chain was not initialised');
    return { store: genesisOverlay, meta: genesisMeta };
  }

  function inspectOnce(tx: Bytes, chainId: string): InspectionResult {
    const known = inspections.get(tx);
    if (known !== undefined) return known;
    const result = inspectTransaction(tx, chainId);
    inspections.set(tx, result);
    return result;
  }

  function nextBlock(block: Block): {
    readonly store: Store;
    readonly meta: LedgerMeta;
    readonly context: BlockContext;
  } {
    const { store, meta } = committed();
    const height = Number(block.height);
    if (height !== meta.height + 1)
      throw new CallOrderError('wrongHeight', `block ${height} does not follow ${meta.height}`);
    if (reads?.meta !== meta) reads = { store: new Overlay(store), meta };
    return {
      store: reads.store,
      meta,
      context: { height, time: secondsOf(block.timeNs), reporters: new Set() },
    };
  }

  return {
    info() {
      const meta = diskMeta() ?? (genesisOverlay && getMeta(genesisOverlay));
      if (meta === undefined)
        return { height: 0n, appHash: new Uint8Array(32), appVersion: APP_VERSION };
      return {
        height: BigInt(meta.height),
        appHash: appHashOf(meta),
        appVersion: APP_VERSION,
      };
    },

    initChain(genesis) {
      if (diskMeta() !== undefined)
        throw new CallOrderError('alreadyRunning', 'the chain has blocks already');
      const overlay = new Overlay(disk);
      const document = parseGenesis(genesis.appState);
      if (document.chainId !== genesis.chainId)
        throw new CallOrderError('notInitialised', 'the genesis document is of another chain');
      applyGenesis(new State(overlay), document, genesis.validators);
      const changes = stateChanges(overlay);
      const stateRoot = updateStateTree(overlay, changes, hash);
      const parts = { stateRoot, logRoot: logRoot(overlay, 0), logSize: 0 };
      putMeta(overlay, {
        chainId: genesis.chainId,
        height: 0,
        time: secondsOf(genesis.timeNs),
        parts,
        stateSize: changes.length,
        drops: NO_DROPS,
      });
      genesisOverlay = overlay;
      return { appHash: hashAppHashParts(parts), validators: genesis.validators };
    },

    inspect(tx) {
      const result = inspectOnce(tx, (chainId ??= committed().meta.chainId));
      return result.ok ? { ok: true, checks: result.checks } : result;
    },

    checkTransaction(tx, mode, verified) {
      const { store, meta } = committed();
      if (pending?.height !== meta.height)
        pending = { state: new State(new Overlay(store)), height: meta.height };
      const inspected = inspectOnce(tx, meta.chainId);
      const block = { height: meta.height + 1, time: meta.time, reporters: new Set<string>() };
      const trusted = mode === 'recheck' ? undefined : verified;
      const execution = executeTransaction(pending.state, inspected, block, trusted);
      // Refused here, it was not executed: it may come again, and hears the reason again.
      if (execution.logged && execution.outcome.ok) useUpId(pending.state, execution.inspected);
      return execution.outcome;
    },

    prepareProposal(block, bytesMax, verified) {
      const { store, meta, context } = nextBlock(block);
      const state = new State(new Overlay(store));
      const chosen: Bytes[] = [];
      let length = 0;
      for (const tx of block.txs) {
        if (length + tx.length > bytesMax) continue;
        const inspected = inspectOnce(tx, meta.chainId);
        const execution = executeTransaction(state, inspected, context, verified);
        if (!execution.logged || !execution.outcome.ok) continue;
        useUpId(state, execution.inspected);
        chosen.push(tx);
        length += tx.length;
      }
      return chosen;
    },

    processProposal(block, verified) {
      const { store, meta, context } = nextBlock(block);
      const state = new State(new Overlay(store));
      const seen = new Set<string>();
      for (const tx of block.txs) {
        const admitted = admit(state, inspectOnce(tx, meta.chainId), context, verified);
        if (!admitted.ok) return 'reject';
        if (seen.has(admitted.liveKey)) return 'reject';
        seen.add(admitted.liveKey);
      }
      return 'accept';
    },

    finalizeBlock(block, verified) {
      if (finalized !== undefined)
        throw new CallOrderError('notCommitted', 'the block before was not committed');
      const { store, meta, context } = nextBlock(block);
      const overlay = new Overlay(store);
      const inspected = block.txs.map((tx) => inspectOnce(tx, meta.chainId));
      const { misbehaviour } = block;
      const executed = executeBlock({
        overlay,
        meta,
        context,
        inspected,
        misbehaviour,
        verified,
        hash,
      });
      finalized = { overlay, height: context.height };
      return {
        outcomes: executed.outcomes,
        appHash: appHashOf(executed.meta),
        validatorUpdates: executed.validatorUpdates,
      };
    },

    commit() {
      if (finalized === undefined)
        throw new CallOrderError('notFinalized', 'no finalized block waits for a commit');
      const { overlay, height } = finalized;
      // The first commit writes the genesis state too; until it is on disk, questions need the overlay.
      let all = overlay;
      if (height === 1 && genesisOverlay !== undefined) {
        all = new Overlay(disk);
        all.absorb(genesisOverlay);
        all.absorb(overlay);
      }
      finalized = undefined;
      pending = undefined;
      reads = undefined;
      return { writes: all.toWriteBatch(options.space), retainHeight: 0n };
    },

    query(query) {
      const { store, meta } = committed();
      return answerQuery(store, meta, query);
    },
  };
}
