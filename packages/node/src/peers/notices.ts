/**
 * Short messages between nodes beside consensus, over the same connections. The first byte tells whose
 * they are; no consensus message begins with one of these bytes (those are CBOR arrays).
 */
import { type Bytes, concatBytes } from '@yilian/crypto/bytes';
import type { PeerListener, Peers } from './peers.ts';

const CHECKPOINT = 0x00;
const CERTIFICATE = 0x01;
const INTRODUCTION = 0x02;

export interface Notices {
  broadcast(notice: Bytes): void;
  /** One listener at a time. */
  onNotice(listener: PeerListener): void;
  /** As `Peers.cut`. */
  cut(peer: Bytes, reason: string): void;
}

/** For what is asked of one peer and answered to one. */
export interface DirectNotices extends Notices {
  /** As `Peers.send`. */
  send(to: Bytes, notice: Bytes): void;
  /** Peers that are connected now. */
  connected(): readonly Bytes[];
}

/** Splits what arrives; `consensus` behaves as `peers` did. */
export function splitNotices(peers: Peers): {
  readonly consensus: Peers;
  readonly checkpoints: DirectNotices;
  readonly certificates: DirectNotices;
  readonly introductions: DirectNotices;
} {
  const listeners = new Map<number, PeerListener>();
  let consensus: PeerListener | undefined;
  // At once: where another engine orders, nobody ever listens for messages of consensus.
  peers.onMessage((from, message) => {
    const first = message[0];
    if (first === CHECKPOINT || first === CERTIFICATE || first === INTRODUCTION)
      listeners.get(first)?.(from, message.subarray(1));
    else consensus?.(from, message);
  });
  const channel = (first: number): DirectNotices => {
    const framed = (notice: Bytes): Bytes => concatBytes(Uint8Array.of(first), notice);
    return {
      broadcast: (notice) => peers.broadcast(framed(notice)),
      send: (to, notice) => peers.send(to, framed(notice)),
      connected: () => peers.status().flatMap(({ key, connected }) => (connected ? [key] : [])),
      onNotice: (listener) => {
        listeners.set(first, listener);
      },
      cut: (peer, reason) => peers.cut(peer, reason),
    };
  };
  return {
    consensus: {
      self: peers.self,
      send: (to, message) => peers.send(to, message),
      broadcast: (message) => peers.broadcast(message),
      onMessage: (listener) => {
        consensus = listener;
      },
      cut: (peer, reason) => peers.cut(peer, reason),
      status: () => peers.status(),
      close: () => peers.close(),
    },
    checkpoints: channel(CHECKPOINT),
    certificates: channel(CERTIFICATE),
    introductions: channel(INTRODUCTION),
  };
}
