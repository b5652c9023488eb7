/**
 * State in subtrees of at least `SUBTREE_KEYS_MIN` keys, question after question to different nodes, so
 * that no node learns from a person's walk which keys are hers (R2). What was read a moment ago is kept.
 */
import type { ProvenAnswer } from '@yilian/api/messages-chain';
import { ROUTES } from '@yilian/api/routes';
import { type Bytes, toHex } from '@yilian/crypto/bytes';
import { parseSubtreeAnswer, verifySubtreeAnswer } from '@yilian/ledger/answers';
import type { KeyHash } from '@yilian/ledger/state';
import type { ReadOptions, StateValue } from './chain-reader.ts';
import { NetworkError, ProblemError, type Source, VerificationError } from './failure.ts';
import type { HeadReader } from './head-reader.ts';
import type { HeaderStore } from './header-store.ts';
import type { Network } from './network.ts';
import { parseProof, verifyCarrier } from './proof-carrier.ts';

/** A question for state covers at least so many keys (where the whole state has as many). */
const SUBTREE_KEYS_MIN = 64;

/** What was read is good for so long, unless a fresh value is asked for. */
const CACHE_MS = 1_500;
const CACHE_ENTRIES_MAX = 64;
/** Nodes may lag a little behind the newest header that another one has shown. */
const LAG_HEIGHTS_MAX = 8n;
const BEHIND_PAUSE_MS = 60;
const BEHIND_TRIES = 40;
const PROOF_WITHIN_MS = 2_000;
/** How long a node waits for a new state, before the caller looks after other things. */
const AFTER_WITHIN_MS = 1_500;

interface CachedSubtree {
  readonly values: ReadonlyMap<string, Bytes>;
  readonly height: bigint;
  /** Entries of the log at that height. */
  readonly logSize: number;
  readonly readAtMs: number;
}

export interface StateReader {
  /** The value of a key, or its proven absence. */
  readonly read: (key: KeyHash, options?: ReadOptions) => Promise<StateValue>;
  /** Entries of the log, proven at the newest height that nodes can prove. */
  readonly logSize: () => Promise<number>;
  /** Later reads see at least the state after this block. */
  readonly expectHeight: (height: bigint) => void;
}

export function createStateReader(
  network: Network,
  headers: HeaderStore,
  heads: HeadReader,
): StateReader {
  const { platform } = network;
  const subtrees = new Map<string, CachedSubtree>();
  /** Digits of a prefix; grows with the state. */
  let prefixDigits = 0;
  let expectedHeight = 0n;

  /** Old proofs are not lies, but they are no answer either. */
  function checkAge(height: bigint, source: Source): void {
    const newest = headers.trustedHeight;
    if (height + LAG_HEIGHTS_MAX < newest)
      throw new VerificationError(
        'staleHeader',
        source,
        `it proves the state of height ${height} where ${newest} is known`,
      );
  }

  async function verifySubtreeFrom(
    proven: ProvenAnswer,
    prefix: string,
    source: Source,
  ): Promise<CachedSubtree> {
    const answer = parseProof(source, () => parseSubtreeAnswer(proven.answer));
    const { header } = await verifyCarrier(headers, proven, answer.height, source);
    if (!verifySubtreeAnswer(header.appHash, prefix, answer))
      throw new VerificationError('stateProof', source, 'the subtree is not in the state root');
    const height = BigInt(answer.height);
    checkAge(height, source);
    if (height < expectedHeight)
      throw new NetworkError('behind', `${source.node} is behind height ${expectedHeight}`, source);
    const values = new Map(
      answer.subtree.leaves.map(({ keyHash, value }) => [toHex(keyHash), value] as const),
    );
    return { values, height, logSize: answer.parts.logSize, readAtMs: platform.nowMs() };
  }

  function keep(prefix: string, subtree: CachedSubtree): CachedSubtree {
    if (subtrees.size >= CACHE_ENTRIES_MAX) subtrees.clear();
    subtrees.set(prefix, subtree);
    return subtree;
  }

  async function readSubtree(prefix: string): Promise<CachedSubtree> {
    // Several nodes' newest header too: one node alone could show a state of long ago, in which a
    // grant is not there yet or not revoked.
    const witnessed = heads.read();
    witnessed.catch(() => undefined);
    for (let attempt = 0; ; attempt++) {
      try {
        const expected = network.transport.expectedHeight();
        const { value } = await network.ask(
          ROUTES.getState,
          {
            params: { prefix },
            // The header above carries the proof.
            ...(expected === null
              ? {}
              : { patience: { height: expected + 1n, within: PROOF_WITHIN_MS } }),
          },
          async (proven, source) => {
            await witnessed;
            return verifySubtreeFrom(proven, prefix, source);
          },
        );
        return keep(prefix, value);
      } catch (error) {
        const isBehind =
          (error instanceof NetworkError && error.code === 'behind') ||
          (error instanceof ProblemError && ['notFinal', 'nodeBehind'].includes(error.code));
        if (!isBehind || attempt >= BEHIND_TRIES) throw error;
        await platform.wait(BEHIND_PAUSE_MS);
      }
    }
  }

  /**
   * The subtree for `key`. Prefixes begin empty and grow only where a node says that the answer would be
   * too large, so answers are as full as they can be; a thin one is covered by its neighbour.
   */
  async function subtreeOf(key: KeyHash, options: ReadOptions): Promise<CachedSubtree> {
    const hex = toHex(key);
    for (;;) {
      const prefix = hex.slice(0, prefixDigits);
      const cached = subtrees.get(prefix);
      const isGood =
        cached !== undefined &&
        options.fresh !== true &&
        cached.height >= expectedHeight &&
        platform.nowMs() - cached.readAtMs < CACHE_MS;
      if (isGood) return cached;
      try {
        const subtree = await readSubtree(prefix);
        if (subtree.values.size < SUBTREE_KEYS_MIN && prefix !== '')
          await readSubtree(neighbourOf(prefix));
        return subtree;
      } catch (error) {
        if (!(error instanceof ProblemError) || error.code !== 'tooLarge') throw error;
        prefixDigits++;
      }
    }
  }

  /** Waits at one node until it can prove a state after `height`; undefined when none comes in time. */
  async function subtreeAfter(height: bigint, hex: string): Promise<CachedSubtree | undefined> {
    const prefix = hex.slice(0, prefixDigits);
    for (const node of network.order()) {
      const source = { node: node.name, route: ROUTES.getState.name };
      try {
        const proven = await network.transport.call(node, ROUTES.getState, {
          params: { prefix },
          patience: { height: height + 2n, within: AFTER_WITHIN_MS },
        });
        const subtree = keep(prefix, await verifySubtreeFrom(proven, prefix, source));
        const isThin = subtree.values.size < SUBTREE_KEYS_MIN && prefix !== '';
        return isThin ? undefined : subtree;
      } catch (error) {
        // Nothing new, or an answer that must be asked for in another way.
        if (error instanceof ProblemError) return undefined;
        if (error instanceof VerificationError) network.reportLie(error);
        else if (!(error instanceof NetworkError)) throw error;
      }
    }
    return undefined;
  }

  async function read(key: KeyHash, options: ReadOptions = {}): Promise<StateValue> {
    const { after } = options;
    const subtree =
      (after === undefined ? undefined : await subtreeAfter(after, toHex(key))) ??
      (await subtreeOf(key, options));
    // What is decided on it, nodes shall decide on nothing older.
    if (options.fresh === true) network.transport.expectHeight(subtree.height);
    return { value: subtree.values.get(toHex(key)), height: subtree.height };
  }

  return {
    read,
    logSize: async () => {
      // Any place of the state comes with it; a random one says nothing about who asks.
      const subtree = await subtreeOf(platform.randomBytes(32), { fresh: true });
      // The header above carries the proof of this height.
      network.transport.expectHeight(subtree.height + 1n);
      return subtree.logSize;
    },
    expectHeight: (height) => {
      network.transport.expectHeight(height);
      if (height > expectedHeight) expectedHeight = height;
    },
  };
}

/** The subtree beside: its last digit differs in the lowest bit. */
function neighbourOf(prefix: string): string {
  const last = Number.parseInt(prefix.slice(-1), 16) ^ 1;
  return prefix.slice(0, -1) + last.toString(16);
}
