/**
 * How far this node's chain is final: a height is, once its state is durable here *and* a header that more
 * than two thirds of its validators' power signed is here too. The engine has that header only after the
 * block has been executed, and while it plays old blocks it shows none: then they are fetched later, in order.
 */
import type { Outcome } from '@yilian/consensus/application';
import type { EngineTip } from '@yilian/consensus/abci/engine-tip';
import type { Bytes } from '@yilian/crypto/bytes';
import type { CommittedBlock } from './application-driver.ts';
import type { EngineBlock, EngineChainStore, EngineHeader } from './engine-chain-store.ts';
import type { HeaderSource } from './header-source.ts';
import type { HeaderRefusal } from './refused-headers.ts';

/** Commit waits so long for the header at most; it comes later then. */
const HEADER_MS_MAX = 500;

/** A block that has just become final. */
export interface FinalEngineBlock {
  readonly height: bigint;
  readonly timeNs: bigint;
  readonly proposer: Bytes;
  readonly txs: readonly Bytes[];
  readonly outcomes: readonly Outcome[];
  readonly header: EngineHeader;
}

export interface FinalHeightOptions {
  readonly chain: EngineChainStore;
  readonly headers: HeaderSource;
  /** Before the first block. */
  readonly genesisTip: EngineTip;
  readonly genesisTimeNs: bigint;
  /** What is executed and durable; undefined before InitChain. */
  readonly executed: () => EngineTip | undefined;
  /** In order of height, none twice, none left out. */
  readonly onFinal: (block: FinalEngineBlock) => void;
  /** The engine showed a header that cannot be taken; it is asked for again at the next `catchUp`. */
  readonly onRefused: (height: bigint, code: HeaderRefusal) => void;
}

export class FinalHeight {
  readonly #options: FinalHeightOptions;
  #latest: { readonly height: bigint; readonly timeNs: bigint };
  #tip: EngineTip;

  /** `tip`: what the disk has; heights above the newest header of the disk are told by `catchUp`. */
  constructor(options: FinalHeightOptions, tip: EngineTip | undefined) {
    this.#options = options;
    this.#latest = { height: 0n, timeNs: options.genesisTimeNs };
    this.#tip = options.genesisTip;
    if (tip !== undefined) this.#resume(tip);
  }

  latest(): { readonly height: bigint; readonly timeNs: bigint } {
    return this.#latest;
  }

  /** The engine's side of the newest final height: its validators and app hash. */
  tip(): EngineTip {
    return this.#tip;
  }

  /** Undefined above the newest final height. */
  header(height: bigint): EngineHeader | undefined {
    return height > this.#latest.height ? undefined : this.#options.chain.header(height);
  }

  /** Another node's state took the place of this one's: its height is final. */
  restored(tip: EngineTip): void {
    this.#latest = { height: tip.height, timeNs: tip.timeNs };
    this.#tip = tip;
  }

  /** The header of a block that is being committed; undefined when it is not there in time. */
  async headerInTime({
    block,
    hash: blockId,
    parentAppHash,
    tip,
  }: CommittedBlock): Promise<EngineHeader | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), HEADER_MS_MAX);
    });
    const { lastValidators: validators, validators: nextValidators } = tip;
    const fetched = this.#options.headers
      .fetch({ height: block.height, blockId, parentAppHash, validators, nextValidators })
      .catch(() => undefined);
    const verdict = await Promise.race([fetched, late]);
    clearTimeout(timer);
    return verdict?.ok === true ? verdict.encoded : undefined;
  }

  /**
   * A block and its header, if it came in time, are durable. False when the height is not final yet: then
   * `catchUp` has something to do.
   */
  onCommitted({ block, outcomes, tip }: CommittedBlock, header: EngineHeader | undefined): boolean {
    const { height, timeNs, proposer, txs } = block;
    if (this.#latest.height + 1n !== height || header === undefined) return false;
    this.#publish({ height, timeNs, proposer, txs, outcomes, header }, tip);
    return true;
  }

  /** Fetches the headers that are missing, oldest first. @throws EngineRpcError, StorageError */
  async catchUp(): Promise<void> {
    const { chain, executed } = this.#options;
    for (;;) {
      const tip = executed();
      const height = this.#latest.height + 1n;
      const block = chain.block(height);
      if (tip === undefined || tip.height < height || block === undefined) return;
      let header = chain.header(height);
      if (header === undefined) {
        // oxlint-disable-next-line no-await-in-loop -- in order of height
        header = await this.#fetchHeader(block, tip);
        if (header === undefined) return;
        // oxlint-disable-next-line no-await-in-loop -- in order of height
        await chain.putHeader(height, header);
      }
      this.#publish({ ...block, header }, this.#tipAt(height, tip));
    }
  }

  /** After a snapshot the first header is of the height after it. */
  #resume(tip: EngineTip): void {
    const { chain } = this.#options;
    const first = chain.firstBody();
    const before = first > 0n ? first - 1n : tip.height;
    const newest = chain.headerHeight();
    const height = newest > before ? newest : before;
    if (height === 0n) return;
    this.#latest = { height, timeNs: chain.block(height)?.timeNs ?? tip.timeNs };
    this.#tip = this.#tipAt(height, tip);
  }

  /** `tip` as it was at a height below, as far as anybody asks. */
  #tipAt(height: bigint, tip: EngineTip): EngineTip {
    if (height === tip.height) return tip;
    const lastValidators = this.#options.chain.validatorsAt(height) ?? tip.lastValidators;
    return { ...tip, height, lastValidators };
  }

  async #fetchHeader(block: EngineBlock, tip: EngineTip): Promise<EngineHeader | undefined> {
    const { headers, onRefused } = this.#options;
    const { height } = block;
    const at = this.#tipAt(height, tip);
    const nextValidators =
      height === tip.height ? tip.validators : this.#tipAt(height + 1n, tip).lastValidators;
    const validators = at.lastValidators;
    const verdict = await headers.fetch({ ...block, validators, nextValidators });
    if (verdict.ok) return verdict.encoded;
    onRefused(height, verdict.code);
    return undefined;
  }

  #publish(block: FinalEngineBlock, tip: EngineTip): void {
    const { height, timeNs } = block;
    this.#latest = { height, timeNs };
    this.#tip = tip;
    this.#options.onFinal(block);
  }
}
