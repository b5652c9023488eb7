import { useEffect, useState } from 'react';
import {
  type DemoConsortium,
  endpointsOf,
  fetchConsortium,
  watchBlocks,
} from '@yilian/client/demo-consortium';
import type { Platform } from '@yilian/client/platform/platform';

export interface LiveBlock {
  readonly height: number;
  readonly timeMs: number;
  /** Consensus key of the hospital that led, hex. */
  readonly proposer: string;
  readonly count: number;
}

export type ConsortiumState =
  | { readonly kind: 'loading' }
  | { readonly kind: 'unreachable' }
  | {
      readonly kind: 'ready';
      readonly consortium: DemoConsortium;
      readonly blocks: readonly LiveBlock[];
    };

const BLOCKS_SHOWN = 14;
const LIST_INTERVAL_MS = 2_000;

/** Follows the list of nodes by polling and the blocks of the first running node by server-sent events. */
export function useConsortium(platform: Platform): ConsortiumState {
  const [consortium, setConsortium] = useState<DemoConsortium | 'unreachable'>();
  const [blocks, setBlocks] = useState<readonly LiveBlock[]>([]);

  useEffect(() => {
    const ended = new AbortController();
    void (async () => {
      while (!ended.signal.aborted) {
        try {
          // oxlint-disable-next-line no-await-in-loop -- polling
          const listed = await fetchConsortium(platform, '');
          if (!ended.signal.aborted) setConsortium(listed);
        } catch {
          if (!ended.signal.aborted) setConsortium('unreachable');
        }
        // oxlint-disable-next-line no-await-in-loop -- polling
        await platform.wait(LIST_INTERVAL_MS, ended.signal);
      }
    })();
    return () => ended.abort();
  }, [platform]);

  const ready = consortium === undefined || consortium === 'unreachable' ? undefined : consortium;
  const feedId = ready?.nodes.find((node) => node.running)?.id;

  useEffect(() => {
    if (ready === undefined || feedId === undefined) return undefined;
    const ended = new AbortController();
    const index = ready.nodes.findIndex((node) => node.id === feedId);
    const node = endpointsOf(ready)[index];
    if (node === undefined) return undefined;
    void (async () => {
      while (!ended.signal.aborted) {
        try {
          // oxlint-disable-next-line no-await-in-loop -- a stream that is opened again when it ends
          for await (const block of watchBlocks(
            platform,
            ready.anchor.chainId,
            node,
            ended.signal,
          )) {
            const shown = {
              height: Number(block.height),
              timeMs: block.timeMs,
              proposer: block.proposer,
              count: block.transactions,
            };
            setBlocks((before) =>
              before.some((other) => other.height >= shown.height)
                ? before
                : [...before, shown].slice(-BLOCKS_SHOWN),
            );
          }
        } catch {
          // The node went away; the list will say so, or the stream is opened again.
        }
        // oxlint-disable-next-line no-await-in-loop -- as above
        await platform.wait(LIST_INTERVAL_MS, ended.signal);
      }
    })();
    return () => ended.abort();
    // The list of nodes is polled, so its identity changes; the feed depends on the node alone.
  }, [platform, feedId]);

  if (consortium === undefined) return { kind: 'loading' };
  if (consortium === 'unreachable') return { kind: 'unreachable' };
  return { kind: 'ready', consortium, blocks };
}
