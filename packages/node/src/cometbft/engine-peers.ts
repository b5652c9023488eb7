/**
 * Keeps this node's engine connected to those it should meet. CometBFT redials the peers of its configuration by
 * itself, but knows none that come later, gives up after a day, and may forget one that closed its connection at
 * once, as those do that were not told yet who it is (v0.38, p2p/switch.go, `reconnectToPeer`). So the node looks
 * itself, from both ends of each connection, and has the engine dial who is missing.
 */
import type { CometbftConfig } from '../config.ts';
import type { EngineRpc } from './engine-rpc.ts';

type EnginePeers = CometbftConfig['peers'];

const LOOK_MS = 5_000;

function idsOf(netInfo: unknown): ReadonlySet<string> {
  const ids = new Set<string>();
  if (typeof netInfo !== 'object' || netInfo === null || !('peers' in netInfo)) return ids;
  if (!Array.isArray(netInfo.peers)) return ids;
  for (const peer of netInfo.peers as readonly unknown[]) {
    if (typeof peer !== 'object' || peer === null || !('node_info' in peer)) continue;
    const { node_info: info } = peer;
    if (typeof info === 'object' && info !== null && 'id' in info && typeof info.id === 'string')
      ids.add(info.id);
  }
  return ids;
}

export interface EnginePeerKeeper {
  /** Looks when it is time. @throws EngineRpcError */
  tend(): Promise<void>;
}

export function createEnginePeerKeeper(input: {
  readonly rpc: Pick<EngineRpc, 'call'>;
  /** Everybody who should be connected; oneself is never dialed. */
  readonly wanted: () => EnginePeers;
  readonly ownId: string;
  readonly nowMs: () => number;
}): EnginePeerKeeper {
  const { rpc, wanted, ownId, nowMs } = input;
  let lookedMs = nowMs();
  return {
    tend: async () => {
      if (nowMs() - lookedMs < LOOK_MS) return;
      lookedMs = nowMs();
      const others = wanted().filter(({ id }) => id !== ownId);
      if (others.length === 0) return;
      const connected = idsOf(await rpc.call('net_info', {}));
      const missing = others.filter(({ id }) => !connected.has(id));
      if (missing.length === 0) return;
      // Not as persistent: that would replace those of the configuration.
      const peers = missing.map(({ id, host, port }) => `${id}@${host}:${port}`);
      await rpc.call('dial_peers', {
        peers,
        persistent: false,
        unconditional: false,
        private: false,
      });
    },
  };
}
