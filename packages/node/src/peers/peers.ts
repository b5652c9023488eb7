/**
 * How encoded bytes travel between nodes. A peer is named by the Ed25519 key with which it
 * authenticated: its consensus key for a validator, its node key for an observer. An implementation
 * never hands over a message whose sender it has not authenticated, never shares memory between
 * nodes (bytes are copied), keeps order per sender while a connection lives, and may lose messages.
 */
import type { Bytes } from '@yilian/crypto/bytes';

/** Receives one message; `from` is the authenticated 32-byte key of the sender. */
export type PeerListener = (from: Bytes, message: Bytes) => void;

export interface PeerStatus {
  readonly key: Bytes;
  readonly connected: boolean;
  /** Bytes waiting to be written to this peer. */
  readonly queuedBytes: number;
}

export interface Peers {
  /** This node's own key. */
  readonly self: Bytes;
  /** Best effort; a message to an unknown or unreachable peer is lost, as on any network. */
  send(to: Bytes, message: Bytes): void;
  /** To every known peer but oneself. */
  broadcast(message: Bytes): void;
  /** One listener at a time; set before messages may arrive. */
  onMessage(listener: PeerListener): void;
  /** Ends the connection to a peer that broke the rules and refuses it for a while. */
  cut(peer: Bytes, reason: string): void;
  status(): readonly PeerStatus[];
  close(): Promise<void>;
}
