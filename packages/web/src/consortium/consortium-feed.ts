import { useEffect, useState } from 'react';

export type Tier = 'tertiary' | 'secondary' | 'community' | 'regulator';

/** One node as the supervisor lists it. */
export interface ConsortiumNode {
  readonly id: string;
  readonly name: string;
  readonly institution: string;
  readonly operator: string;
  readonly tier: Tier;
  readonly url: string;
  readonly running: boolean;
}

export interface Consortium {
  readonly chainId: string;
  readonly anchor: string;
  readonly nodes: readonly ConsortiumNode[];
}

export interface LiveBlock {
  readonly height: number;
  readonly timeMs: number;
  /** Institution that led, where the node could say. */
  readonly primary: string;
  readonly count: number;
}

export type ConsortiumState =
  | { readonly kind: 'loading' }
  | { readonly kind: 'unreachable' }
  | { readonly kind: 'ready'; readonly consortium: Consortium; readonly blocks: readonly LiveBlock[] };

const BLOCKS_SHOWN = 14;
const LIST_INTERVAL_MS = 2_000;

/** Follows the list of nodes by polling and the blocks of the first running node by server-sent events. */
export function useConsortium(): ConsortiumState {
  const [consortium, setConsortium] = useState<Consortium | 'unreachable'>();
  const [blocks, setBlocks] = useState<readonly LiveBlock[]>([]);

  useEffect(() => {
    let stopped = false;
    async function poll(): Promise<void> {
      try {
        const answer = await fetch('/demo/consortium');
        const listed = (await answer.json()) as Consortium;
        if (!stopped) setConsortium(listed);
      } catch {
        if (!stopped) setConsortium('unreachable');
      }
    }
    void poll();
    const timer = setInterval(() => void poll(), LIST_INTERVAL_MS);
    return () => {
      stopped = true;
      clearInterval(timer);
    };
  }, []);

  const feedUrl =
    consortium === undefined || consortium === 'unreachable'
      ? undefined
      : consortium.nodes.find((node) => node.running)?.url;

  useEffect(() => {
    if (feedUrl === undefined) return;
    const source = new EventSource(`${feedUrl}/v1/blocks/events`);
    source.addEventListener('message', (event: MessageEvent<string>) => {
      const block = JSON.parse(event.data) as LiveBlock;
      setBlocks((shown) =>
        shown.some((other) => other.height >= block.height)
          ? shown
          : [...shown, block].slice(-BLOCKS_SHOWN),
      );
    });
    return () => source.close();
  }, [feedUrl]);

  if (consortium === undefined) return { kind: 'loading' };
  if (consortium === 'unreachable') return { kind: 'unreachable' };
  return { kind: 'ready', consortium, blocks };
}

/** Asks the supervisor to act on one node's process. */
export async function controlNode(id: string, action: 'stop' | 'start' | 'kill'): Promise<void> {
  await fetch(`/demo/nodes/${encodeURIComponent(id)}/${action}`, { method: 'POST' });
}
