/**
 * An `Application` as CometBFT drives it: the handlers of an ABCI server. Translation is in
 * @yilian/consensus/abci/application-calls; here are the order of calls (call-order.ts), the workers that
 * verify, and the disk that Commit waits for.
 *
 * What a crash leaves. Nothing of a block is kept before its Commit. `persist` writes state, block and tip in
 * one step; only then is Commit answered. Crash before: Info names the height below, and CometBFT plays the
 * block again. Crash after: Info names this height, which CometBFT has stored too, since it stores a block before it
 * has it executed. So the application is never ahead of its engine, which would refuse to start.
 * CometBFT alone may die and come back to this process: it then plays the last block again, and a block that was
 * finalized already gets the same answer.
 */
import type {
  Application,
  Block,
  Genesis,
  Outcome,
  Refusal,
  WriteBatch,
} from '@yilian/consensus/application';
import {
  assertAbciVersion,
  isBareInfo,
  assertGenesis,
  EngineMismatchError,
  type FinalizedByEngine,
  frameProposal,
  toApplicationBlock,
  toApplicationQuery,
  toCheckTxResponse,
  toFinalizeResponse,
  toInfoResponse,
  toInitChainResponse,
  toQueryResponse,
  type UnderstoodBlock,
} from '@yilian/consensus/abci/application-calls';
import { type EngineTip, genesisEngineTip } from '@yilian/consensus/abci/engine-tip';
import type {
  FinalizeBlockRequest,
  ProcessProposalRequest,
  QueryRequest,
} from '@yilian/consensus/abci/requests';
import type {
  CommitResponse,
  FinalizeBlockResponse,
  QueryResponse,
  Verdict,
} from '@yilian/consensus/abci/responses';
import { NO_SNAPSHOTS, type SnapshotExchange } from '@yilian/consensus/abci/snapshots';
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import type { LogEvent } from '../logging.ts';
import { verifyBlock, type VerifiedBlock } from '../ordering/verify-block.ts';
import type { TransactionVerifier } from '../verification/transaction-verifier.ts';
import type { AbciHandlers } from './abci-server.ts';
import { type Admission, type AdmissionSettings, createAdmission } from './admission.ts';
import { CallOrder } from './call-order.ts';

/** Everything that one height leaves, to be written in one atomic step. */
export interface CommittedBlock {
  /** Client transactions, without frames. */
  readonly block: Block;
  /** One per client transaction, of `nameOfTransaction`. */
  readonly names: readonly string[];
  /** As the engine ordered them, in their frames. */
  readonly engineTxs: readonly Bytes[];
  /** Hash of the engine's header: the id of the block. */
  readonly hash: Bytes;
  /** After the block below: what this block's header carries. */
  readonly parentAppHash: Bytes;
  /** One per client transaction. */
  readonly outcomes: readonly Outcome[];
  /** The application's. */
  readonly writes: WriteBatch;
  readonly tip: EngineTip;
}

export interface ApplicationDriverOptions {
  readonly application: Application;
  readonly verifier: TransactionVerifier;
  readonly genesis: Genesis;
  /** The genesis document's own bytes. */
  readonly genesisDocument: Bytes;
  /** As the last `persist` left it; undefined before the first block. */
  readonly tip: EngineTip | undefined;
  /** Resolves when it would survive a loss of power, and the application shows it. */
  readonly persist: (committed: CommittedBlock) => Promise<void>;
  readonly snapshots?: SnapshotExchange;
  /** The lowest height whose block the engine must keep; 0 (the default): all. */
  readonly retainHeight?: (height: bigint) => bigint;
  readonly admission?: Partial<AdmissionSettings>;
  /** An engine has connected; what one before had in its mempool is gone. */
  readonly onConnected?: () => void;
  /** Whether to speak with a peer (`filter_peers` in CometBFT's configuration); default: with all. */
  readonly admitPeer?: (peer: { readonly kind: 'addr' | 'id'; readonly value: string }) => boolean;
  readonly log: (event: LogEvent) => void;
}

export interface ApplicationDriver {
  readonly handlers: AbciHandlers;
  /** Last committed height and its sets; undefined before InitChain of a new chain. */
  tip(): EngineTip | undefined;
  /** The application stands at `tip`, by a snapshot. */
  restored(tip: EngineTip): void;
  /** A client transaction's admission ahead of the bundle that will carry it: undefined when it is good. */
  checkAhead(tx: Bytes): Promise<Refusal | undefined>;
  /** Client transactions in CheckTx that have no answer yet. */
  pendingChecks(): number;
  /** Ends what was begun; CheckTx is refused from now on. */
  stop(): Promise<void>;
}

const DEFAULT_ADMISSION: AdmissionSettings = { pendingMax: 2_000, sliceCount: 64 };
const APPLICATION_NAME = 'yilian';
const PEER_FILTER = /^\/p2p\/filter\/(addr|id)\/(.*)$/;

/** A block that was verified for a vote: very likely the one that will be executed. */
interface Examined {
  readonly hash: Bytes;
  readonly understood: UnderstoodBlock;
  readonly verified: VerifiedBlock;
}

interface Finalized extends FinalizedByEngine {
  readonly height: bigint;
  readonly hash: Bytes;
  readonly engineTxs: readonly Bytes[];
  readonly block: Block;
  readonly names: readonly string[];
  readonly outcomes: readonly Outcome[];
}

class Driver implements ApplicationDriver {
  readonly handlers: AbciHandlers;
  readonly #options: ApplicationDriverOptions;
  readonly #order = new CallOrder();
  readonly #admission: Admission;
  #tip: EngineTip | undefined;
  #examined: Examined | undefined;
  /** Between FinalizeBlock and Commit. */
  #finalized: Finalized | undefined;

  constructor(options: ApplicationDriverOptions) {
    this.#options = options;
    this.#tip = options.tip;
    const { application, verifier } = options;
    const settings = { ...DEFAULT_ADMISSION, ...options.admission };
    const order = this.#order;
    this.#admission = createAdmission({ application, verifier, order, settings });
    this.handlers = this.#createHandlers();
  }

  tip(): EngineTip | undefined {
    return this.#tip;
  }

  restored(tip: EngineTip): void {
    this.#tip = tip;
    this.#examined = undefined;
    this.#finalized = undefined;
  }

  checkAhead(tx: Bytes): Promise<Refusal | undefined> {
    return this.#admission.checkAhead(tx);
  }

  pendingChecks(): number {
    return this.#admission.pending();
  }

  async stop(): Promise<void> {
    this.#admission.stop();
    await this.#order.idle();
  }

  #createHandlers(): AbciHandlers {
    const order = this.#order;
    const { application } = this.#options;
    const snapshots = this.#options.snapshots ?? NO_SNAPSHOTS;
    return {
      info: (request) =>
        order.consensus(async () => {
          if (!isBareInfo(request)) {
            const { abciVersion, version } = request;
            assertAbciVersion(abciVersion);
            this.#options.log({ level: 'info', event: 'engineConnected', version, abciVersion });
            this.#admission.onConnected();
            this.#options.onConnected?.();
          }
          return toInfoResponse(application.info(), APPLICATION_NAME);
        }),
      initChain: (request) =>
        order.consensus(async () => {
          const { genesis, genesisDocument } = this.#options;
          assertGenesis(request, { genesis, document: genesisDocument });
          const answer = application.initChain(genesis);
          this.#tip = genesisEngineTip(genesis, answer);
          return toInitChainResponse(answer);
        }),
      query: (request) => this.#query(request),
      checkTx: async ({ tx, type }) => toCheckTxResponse(await this.#admission.check(tx, type)),
      commit: () => order.consensus(() => this.#commit()),
      prepareProposal: (request) =>
        order.consensus(async () => {
          const tip = this.#requireTip();
          const understood = toApplicationBlock(request, request.localLastCommit, tip);
          if (!understood.proposerLeads) return { txs: [] };
          const { block, verified } = await verifyBlock(this.#options.verifier, understood.block);
          const { txs: engineTxs, maxTxBytes: bytesMax } = request;
          const chosen = application.prepareProposal(block, Number(bytesMax), verified);
          return { txs: frameProposal({ engineTxs, chosen, bytesMax }) };
        }),
      processProposal: (request) =>
        order.consensus(async () => ({ status: await this.#processProposal(request) })),
      finalizeBlock: (request) => order.consensus(() => this.#finalizeBlock(request)),
      // Not enabled by our genesis; an engine that asks nevertheless hears that there is nothing.
      extendVote: async () => ({ voteExtension: new Uint8Array(0) }),
      verifyVoteExtension: async ({ voteExtension }) => ({
        status: voteExtension.length === 0 ? 'accept' : 'reject',
      }),
      listSnapshots: async () => ({ snapshots: await snapshots.listSnapshots() }),
      loadSnapshotChunk: async ({ height, format, chunk: index }) => ({
        chunk: (await snapshots.loadChunk({ height, format, index })) ?? new Uint8Array(0),
      }),
      offerSnapshot: async ({ snapshot, appHash }) => ({
        result:
          snapshot === undefined ? 'reject' : await snapshots.offerSnapshot(snapshot, appHash),
      }),
      applySnapshotChunk: ({ index, chunk, sender }) =>
        snapshots.applyChunk({ index, bytes: chunk, sender }),
    };
  }

  #requireTip(): EngineTip {
    if (this.#tip === undefined)
      throw new EngineMismatchError('wrongHeight', 'the engine sent a block before the genesis');
    return this.#tip;
  }

  async #query(request: QueryRequest): Promise<QueryResponse> {
    await this.#order.shown();
    const filter = PEER_FILTER.exec(request.path);
    if (filter !== null) {
      const kind = filter[1] === 'addr' ? 'addr' : 'id';
      const admitted = this.#options.admitPeer?.({ kind, value: filter[2] ?? '' }) ?? true;
      return toQueryResponse(
        request,
        admitted
          ? { ok: true, height: 0n, value: new Uint8Array(0) }
          : { ok: false, code: 'peerRefused' },
      );
    }
    // A chain without a block has no state to be asked about.
    const height = this.#tip?.height ?? 0n;
    return toQueryResponse(
      request,
      height === 0n
        ? { ok: false, code: 'heightUnknown' }
        : this.#options.application.query(toApplicationQuery(request)),
    );
  }

  async #processProposal(request: ProcessProposalRequest): Promise<Verdict> {
    const understood = toApplicationBlock(request, request.proposedLastCommit, this.#requireTip());
    const { proposerLeads, framings } = understood;
    const { height } = request;
    const refuse = (reason: string): Verdict => {
      this.#options.log({ level: 'warn', event: 'proposalRefused', height, reason });
      return 'reject';
    };
    if (!proposerLeads && request.txs.length > 0) return refuse('proposerMayNotLead');
    if (framings.some(({ ok }) => !ok)) return refuse('malformedBundle');
    const verified = await verifyBlock(this.#options.verifier, understood.block);
    this.#examined = { hash: request.hash, understood, verified };
    if (!verified.complete) return refuse('transactionInvalid');
    const verdict = this.#options.application.processProposal(verified.block, verified.verified);
    return verdict === 'accept' ? verdict : refuse('application');
  }

  async #finalizeBlock(request: FinalizeBlockRequest): Promise<FinalizeBlockResponse> {
    const again = this.#finalized;
    if (
      again !== undefined &&
      again.height === request.height &&
      equalBytes(again.hash, request.hash)
    )
      return again.response;
    const tip = this.#requireTip();
    const { understood, verified } = await this.#examine(request, tip);
    const { block, names } = verified;
    const executed = this.#options.application.finalizeBlock(block, verified.verified);
    const { height, hash } = request;
    const finalized = toFinalizeResponse(understood, executed, tip);
    const { outcomes } = executed;
    const engineTxs = request.txs;
    this.#finalized = { ...finalized, height, hash, block, names, outcomes, engineTxs };
    return finalized.response;
  }

  /** The block of a decided height, from the vote if this is the block that was voted on. */
  async #examine(
    request: FinalizeBlockRequest,
    tip: EngineTip,
  ): Promise<Pick<Examined, 'understood' | 'verified'>> {
    const examined = this.#examined;
    this.#examined = undefined;
    if (
      examined !== undefined &&
      equalBytes(examined.hash, request.hash) &&
      examined.understood.block.height === tip.height + 1n
    )
      return examined;
    const understood = toApplicationBlock(request, request.decidedLastCommit, tip);
    return { understood, verified: await verifyBlock(this.#options.verifier, understood.block) };
  }

  async #commit(): Promise<CommitResponse> {
    const finalized = this.#finalized;
    if (finalized === undefined)
      throw new EngineMismatchError(
        'notFinalized',
        'the engine commits a block that was not finalized',
      );
    const { block, names, hash, engineTxs, outcomes, tip } = finalized;
    const parentAppHash = this.#requireTip().appHash;
    const { writes } = this.#options.application.commit();
    await this.#order.write(
      this.#options.persist({
        block,
        names,
        engineTxs,
        hash,
        parentAppHash,
        outcomes,
        writes,
        tip,
      }),
    );
    this.#finalized = undefined;
    this.#tip = tip;
    this.#admission.onCommitted();
    for (const name of names) this.#options.verifier.forget(name);
    return { retainHeight: this.#options.retainHeight?.(tip.height) ?? 0n };
  }
}

export function createApplicationDriver(options: ApplicationDriverOptions): ApplicationDriver {
  return new Driver(options);
}
