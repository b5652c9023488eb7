/**
 * Short messages between nodes beside consensus, over the same connections: a notice begins with a byte
 * with which no consensus message begins (those are CBOR arrays).
 */
import { type Bytes, concatBytes } from '@yilian/crypto/bytes';
import type { PeerListener, Peers } from './peers.ts';

const NOTICE = 0x00;

export interface Notices {
  broadcast(notice: Bytes): void;
  /** One listener at a time. */
  onNotice(listener: PeerListener): void;
  /** As `Peers.cut`. */
  cut(peer: Bytes, reason: string): void;
}

/** Splits what arrives; `consensus` behaves as `peers` did. */
export function splitNotices(peers: Peers): {
  readonly consensus: Peers;
  readonly notices: Notices;
} {
  let onNotice: PeerListener | undefined;
  return {
    consensus: {
      self: peers.self,
      send: (to, message) => peers.send(to, message),
      broadcast: (message) => peers.broadcast(message),
      onMessage: (listener) =>
        peers.onMessage((from, message) => {
          if (message[0] === NOTICE) onNotice?.(from, message.subarray(1));
          else listener(from, message);
        }),
      cut: (peer, reason) => peers.cut(peer, reason),
      status: () => peers.status(),
      close: () => peers.close(),
    },
    notices: {
      broadcast: (notice) => peers.broadcast(concatBytes(Uint8Array.of(NOTICE), notice)),
      onNotice: (listener) => {
        onNotice = listener;
      },
      cut: (peer, reason) => peers.cut(peer, reason),
    },
  };
}
