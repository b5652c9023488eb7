/**
 * What a node does when its own engine shows a header that it cannot take. A header that contradicts what
 * this node executed means that engine and node have parted: one of them is wrong, and neither may be
 * served from. One that merely cannot be read or lacks votes may be on its way (the commit of the newest
 * height is filled up by the next block), so that it is asked for again for a while.
 */
import type { RpcCommitVerdict } from '@yilian/consensus/light/cometbft/verify-rpc-commit';
import type { LogEvent } from '../logging.ts';

export type HeaderRefusal = Extract<RpcCommitVerdict, { readonly ok: false }>['code'];

export interface RefusedHeaders {
  /** Why the node must halt; null: ask again. */
  judge(height: bigint, code: HeaderRefusal): string | null;
}

/** Asked for again so long, at four times a second. */
export const UNPROVEN_MS_MAX = 60_000;

const CONTRADICTIONS: Readonly<Record<Exclude<HeaderRefusal, 'malformed' | 'noQuorum'>, string>> = {
  versionUnknown: 'has a version of the block protocol that this program does not know',
  wrongChain: 'is of another chain',
  wrongBlock: 'is of another block than the one that this node executed',
  appHashDiffers: 'has another app hash than this node computed',
  validatorsDiffer: 'names other validators than this node computed',
  signerUnknown: 'is signed by others than its validators',
  signersUnordered: 'is signed by others than its validators',
  badSignature: 'is not signed by its validators',
};

const UNPROVEN: Readonly<Record<'malformed' | 'noQuorum', string>> = {
  malformed: 'cannot be read',
  noQuorum: 'is not signed by two thirds of the validators',
};

const WHAT_TO_DO =
  'Nothing of it was used or served. Keep data/ as it is and see engineHeaderRefused in docs/operations.md';

export function createRefusedHeaders(options: {
  readonly nowMs: () => number;
  readonly log: (event: LogEvent) => void;
}): RefusedHeaders {
  const { nowMs, log } = options;
  let waiting: { readonly height: bigint; readonly sinceMs: number } | undefined;
  return {
    judge: (height, code) => {
      if (waiting?.height !== height) {
        waiting = { height, sinceMs: nowMs() };
        log({ level: 'error', event: 'engineHeaderRefused', height, code });
      }
      const isUnproven = code === 'malformed' || code === 'noQuorum';
      if (isUnproven && nowMs() - waiting.sinceMs < UNPROVEN_MS_MAX) return null;
      const what = isUnproven ? UNPROVEN[code] : CONTRADICTIONS[code];
      return `the engine's header of height ${height} ${what}. ${WHAT_TO_DO}`;
    },
  };
}
