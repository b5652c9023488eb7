/**
 * The search service (QJ-4): the grantee of an active grant hands over the tokens that the patient
 * sealed to this node; each is tested against the epochs of its hospital from its month on (a result
 * that arrives later carries the admission's month, R10); hits are candidates until opened. There is no
 * patient key in anything here (F7). A token works for one grant, at this node, for its grantee (R6),
 * and is erased after. The work is paid from the institution's CPU allowance.
 */
import { type SearchHit, searchTokenInfo } from '@yilian/api/messages-access';
import { type Bytes, CodecError, equalBytes } from '@yilian/crypto/bytes';
import type { ChainContext } from '@yilian/crypto/context';
import { type Curve, PointError } from '@yilian/crypto/curve';
import { type SearchToken, decodeSearchToken } from '@yilian/crypto/searchable-encryption';
import type { Member } from '@yilian/ledger/contracts/members/member';
import type { Clock } from '../clock.ts';
import type { RateLimit } from '../http/rate-limit.ts';
import type { ChainView } from './chain-view.ts';
import type { EpochBucket, EpochIndexService } from './epoch-index.ts';
import { checkGrant } from './grant-check.ts';
import type { SearchPool } from './search-pool.ts';
import { type Served, refuse, served } from './served.ts';

/** Before it is measured, an epoch is taken to cost this much. */
const EPOCH_MS_ESTIMATE = 4;
/** Epochs per task: a worker is asked for parts of a second at a time, so that searches share fairly. */
export const EPOCHS_PER_TASK = 16;
const HITS_PER_TOKEN_MAX = 4096;

export interface SearchService {
  search(
    signer: Member,
    request: { readonly grantId: Bytes; readonly tokens: readonly Bytes[] },
  ): Promise<Served<readonly (readonly SearchHit[])[]>>;
}

export interface SearchOptions {
  readonly curve: Curve;
  readonly context: ChainContext;
  readonly chain: ChainView;
  readonly clock: Clock;
  readonly heartbeatMs: number;
  /** Member id of this node. */
  readonly node: Bytes;
  /** Opens what is sealed to this node's member key or daily keys. */
  readonly openSealed: (info: Bytes, sealed: Bytes) => Promise<Bytes | null>;
  readonly index: EpochIndexService;
  readonly pool: SearchPool;
  /** CPU milliseconds per institution. */
  readonly budget: RateLimit;
}

/** Day number (since 1970) of a month's first day. */
export function firstDayOf(month: string): number {
  return Math.floor(
    Date.UTC(Number(month.slice(0, 4)), Number(month.slice(5)) - 1, 1) / 86_400_000,
  );
}

interface PlannedToken {
  readonly mode: 'pk' | 'sym';
  readonly right: Bytes;
  readonly buckets: readonly EpochBucket[];
}

export function createSearch(options: SearchOptions): SearchService {
  const { curve, context, chain, clock, heartbeatMs, node, index, pool, budget } = options;
  const decoder = new TextDecoder('utf-8', { fatal: true });

  const parseToken = (plaintext: Bytes): SearchToken | null => {
    try {
      return decodeSearchToken(curve, plaintext);
    } catch (error) {
      if (error instanceof CodecError || error instanceof PointError) return null;
      throw error;
    }
  };

  const plan = async (grantId: Bytes, sealed: Bytes): Promise<PlannedToken | null> => {
    const info = searchTokenInfo(context, grantId, node);
    const plaintext = await options.openSealed(info, sealed);
    if (plaintext === null) return null;
    const token = parseToken(plaintext);
    plaintext.fill(0);
    if (token === null || !equalBytes(token.grantId, grantId)) return null;
    let hospital: string;
    try {
      hospital = decoder.decode(token.hospitalId);
    } catch {
      return null;
    }
    const right = token.mode === 'pk' ? curve.encodeG2(token.trapdoor) : token.tagKey;
    const buckets = index.buckets(hospital, token.mode, firstDayOf(token.month));
    return { mode: token.mode, right, buckets };
  };

  const run = async (
    token: PlannedToken,
  ): Promise<{ readonly hits: readonly SearchHit[]; readonly cpuMs: number }> => {
    const tasks: Promise<{ readonly hits: readonly SearchHit[]; readonly cpuMs: number }>[] = [];
    for (let start = 0; start < token.buckets.length; start += EPOCHS_PER_TASK) {
      const part = token.buckets.slice(start, start + EPOCHS_PER_TASK);
      const task = {
        mode: token.mode,
        right: token.right.slice(),
        epochs: part.map((bucket) => ({ point: bucket.point, index: bucket.packed() })),
      };
      tasks.push(
        pool.run(task).then(({ matches, cpuMs }) => ({
          cpuMs,
          hits: matches.flatMap((found, i) =>
            found.map((match): SearchHit => {
              const bucket = part[i];
              if (bucket === undefined) throw new RangeError('more answers than epochs');
              const { recordId, logPosition } = bucket.recordAt(match.position);
              return {
                recordId,
                logPosition: BigInt(logPosition),
                locationKey: match.locationSecret,
              };
            }),
          ),
        })),
      );
    }
    const parts = await Promise.all(tasks);
    token.right.fill(0);
    return {
      hits: parts.flatMap(({ hits }) => hits).slice(0, HITS_PER_TOKEN_MAX),
      cpuMs: parts.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
    };
  };

  return {
    search: async (signer, request) => {
      const { grantId } = request;
      const checked = checkGrant({ chain, clock, heartbeatMs, grantId, signer });
      if (!checked.ok) return checked;
      // Opening costs too: paid before it is done.
      const opening = budget.take(signer.institution, request.tokens.length);
      if (opening > 0) return refuse('budgetExhausted', { retryAfterSeconds: opening });
      const planned: PlannedToken[] = [];
      for (const sealed of request.tokens) {
        const token = await plan(grantId, sealed);
        if (token === null) return refuse('tokenInvalid');
        planned.push(token);
      }
      const epochs = planned.reduce((sum, { buckets }) => sum + buckets.length, 0);
      const wait = budget.take(signer.institution, epochs * EPOCH_MS_ESTIMATE);
      if (wait > 0) return refuse('budgetExhausted', { retryAfterSeconds: wait });
      const results = await Promise.all(planned.map(run));
      return served(results.map(({ hits }) => hits));
    },
  };
}
