/** What a node answers from its final state, whichever engine made it final. */
import type { Application, Query, QueryResult } from '@yilian/consensus/application';
import type { Bytes } from '@yilian/crypto/bytes';
import { bindChain } from '@yilian/crypto/context';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { publicKey } from '@yilian/crypto/signature';
import { createSigner } from '../verification/verify-signature.ts';
import type { CertifiedHeader, FinalBlock, FinalOutcome } from './final-block.ts';
import type { FinalBlocks } from './final-blocks.ts';
import { findOutcome } from './ledger-application.ts';

/**
 * This node's signed word on an outcome: f+1 equal replies of distinct validators confirm it before
 * the next header proves it. Signature over bindChain(DOMAIN_TAGS.outcomeReply, ctx, id, height,
 * index, 'ok' or the rejection's code).
 */
export interface SignedReply extends FinalOutcome {
  readonly key: Bytes;
  readonly signature: Bytes;
}

export interface FinalAnswers {
  outcome(id: Bytes, timeoutMs: number, signal?: AbortSignal): Promise<FinalOutcome | 'timeout'>;
  outcomeNow(id: Bytes): FinalOutcome | undefined;
  signReply(outcome: FinalOutcome): SignedReply;
  query(query: Query): QueryResult;
  header(height: bigint | 'latest'): CertifiedHeader | undefined;
  headers(from: bigint, count: number): readonly CertifiedHeader[];
  subscribe(listener: (block: FinalBlock) => void): () => void;
}

const HEADERS_MAX = 100;

export function createFinalAnswers(input: {
  readonly chainId: string;
  /** Seed of the key that replies are signed with. */
  readonly secretKey: Bytes;
  readonly application: Application;
  readonly finalBlocks: FinalBlocks;
  readonly height: () => bigint;
  /** Of a final height; undefined where there is none. */
  readonly headerAt: (
    height: bigint,
  ) => { readonly header: Bytes; readonly certificate: Bytes } | undefined;
}): FinalAnswers {
  const { application, finalBlocks, headerAt } = input;
  const context = { chainId: input.chainId };
  const key = publicKey(input.secretKey);
  const sign = createSigner(input.secretKey);
  const query = (asked: Query): QueryResult => {
    try {
      return application.query(asked);
    } catch (error) {
      // While the first block is on its way to the disk there is no state to show.
      if (input.height() === 0n) return { ok: false, code: 'heightUnknown' };
      throw error;
    }
  };
  const readHeader = (height: bigint): CertifiedHeader | undefined => {
    const stored = headerAt(height);
    return stored === undefined ? undefined : { height, ...stored };
  };
  return {
    outcome: async (id, timeoutMs, signal) =>
      findOutcome({ query }, id) ?? finalBlocks.wait(id, timeoutMs, signal),
    outcomeNow: (id) => findOutcome({ query }, id),
    signReply: (final) => {
      const { id, height, index, outcome } = final;
      const word = outcome.ok ? 'ok' : outcome.rejection.code;
      const message = bindChain(DOMAIN_TAGS.outcomeReply, context, id, height, index, word);
      return { ...final, key, signature: sign(message) };
    },
    query,
    header: (height) => readHeader(height === 'latest' ? input.height() : height),
    headers: (from, count) => {
      const found: CertifiedHeader[] = [];
      for (let height = from; found.length < Math.min(count, HEADERS_MAX); height++) {
        const header = readHeader(height);
        if (header === undefined) break;
        found.push(header);
      }
      return found;
    },
    subscribe: (listener) => finalBlocks.subscribe(listener),
  };
}
