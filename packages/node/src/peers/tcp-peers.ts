/**
 * Peers over TCP. Only members connect: both sides prove their keys (handshake.ts) before a message is
 * taken, and what has not done so yet is few, small and short-lived. Of two members the one with the
 * smaller key dials, again and again with growing pauses; a newer connection of a peer replaces the older.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { type Bytes, compareBytes, equalBytes, toHex } from '@yilian/crypto/bytes';
import type { Identity, Side } from './handshake.ts';
import { createPeerConnection, type PeerConnection } from './peer-connection.ts';
import type { PeerListener, Peers } from './peers.ts';

export interface PeerAddress {
  readonly host: string;
  readonly port: number;
}

export interface PeerMember {
  readonly key: Bytes;
  readonly address: PeerAddress;
}

export interface TcpPeers extends Peers {
  /** Where this node listens (the port that was taken when 0 was asked for). */
  readonly address: PeerAddress;
  /** Who may connect and whom to dial; replaces the list before. */
  setMembers(members: readonly PeerMember[]): void;
}

export interface TcpPeersOptions {
  readonly identity: Identity;
  readonly listen: PeerAddress;
  readonly limits?: Partial<TcpLimits>;
}

export interface TcpLimits {
  /** Connections that have not proved a key yet. */
  readonly strangersMax: number;
  /** Bytes waiting for one slow peer; more is lost. */
  readonly queuedBytesMax: number;
  readonly dialPauseMs: number;
  readonly dialPauseMaxMs: number;
  /** How long a peer that broke the rules is refused. */
  readonly cutMs: number;
}

const DEFAULT_LIMITS: TcpLimits = {
  strangersMax: 32,
  queuedBytesMax: 64 * 1024 * 1024,
  dialPauseMs: 50,
  dialPauseMaxMs: 3_000,
  cutMs: 10_000,
};

interface Peer {
  readonly key: Bytes;
  readonly address: PeerAddress;
  connection: PeerConnection | undefined;
  dialing: boolean;
  pauseMs: number;
  timer: NodeJS.Timeout | undefined;
  cutUntilMs: number;
}

class TcpNetwork implements TcpPeers {
  readonly self: Bytes;
  readonly address: PeerAddress;
  readonly #identity: Identity;
  readonly #limits: TcpLimits;
  readonly #server: Server;
  readonly #peers = new Map<string, Peer>();
  readonly #strangers = new Set<Socket>();
  #listener: PeerListener | undefined;
  #closed = false;

  constructor(server: Server, address: PeerAddress, options: TcpPeersOptions) {
    this.#server = server;
    this.address = address;
    this.#identity = options.identity;
    this.self = options.identity.key;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    server.on('connection', (socket) => this.#accept(socket));
  }

  setMembers(members: readonly PeerMember[]): void {
    const before = new Map(this.#peers);
    this.#peers.clear();
    for (const { key, address } of members) {
      if (equalBytes(key, this.self)) continue;
      const name = toHex(key);
      const known = before.get(name);
      const sameAddress =
        known?.address.port === address.port && known.address.host === address.host;
      const peer: Peer =
        known !== undefined && sameAddress
          ? known
          : {
              key,
              address,
              connection: undefined,
              dialing: false,
              pauseMs: this.#limits.dialPauseMs,
              timer: undefined,
              cutUntilMs: 0,
            };
      if (peer === known) before.delete(name);
      this.#peers.set(name, peer);
    }
    for (const gone of before.values()) {
      clearTimeout(gone.timer);
      gone.connection?.close();
    }
    for (const peer of this.#peers.values()) this.#dial(peer);
  }

  send(to: Bytes, message: Bytes): void {
    this.#peers.get(toHex(to))?.connection?.send(message, this.#limits.queuedBytesMax);
  }

  broadcast(message: Bytes): void {
    for (const { connection } of this.#peers.values())
      connection?.send(message, this.#limits.queuedBytesMax);
  }

  onMessage(listener: PeerListener): void {
    this.#listener = listener;
  }

  cut(key: Bytes): void {
    const peer = this.#peers.get(toHex(key));
    if (peer === undefined) return;
    peer.cutUntilMs = performance.now() + this.#limits.cutMs;
    peer.connection?.close();
  }

  status(): ReturnType<Peers['status']> {
    return [...this.#peers.values()].map(({ key, connection }) => ({
      key,
      connected: connection !== undefined,
      queuedBytes: connection?.queuedBytes() ?? 0,
    }));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const peer of this.#peers.values()) {
      clearTimeout(peer.timer);
      peer.connection?.close();
    }
    for (const socket of this.#strangers) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(socket: Socket): void {
    if (this.#closed) {
      socket.destroy();
      return;
    }
    if (this.#strangers.size >= this.#limits.strangersMax) this.#makeRoom();
    this.#connect(socket, 'acceptor', undefined);
  }

  /** The address with the most strangers loses its oldest: silent sockets must not keep members out. */
  #makeRoom(): void {
    const byAddress = new Map<string, Socket[]>();
    let most: readonly Socket[] = [];
    for (const socket of this.#strangers) {
      const address = socket.remoteAddress ?? '';
      const same = byAddress.get(address) ?? [];
      byAddress.set(address, same);
      same.push(socket);
      if (same.length > most.length) most = same;
    }
    const [oldest] = most;
    if (oldest === undefined) return;
    this.#strangers.delete(oldest);
    oldest.destroy();
  }

  /** One try at a time; the next follows when this connection ends, after a pause that grows. */
  #dial(peer: Peer): void {
    if (compareBytes(this.self, peer.key) > 0) return;
    if (this.#closed || peer.dialing || peer.connection !== undefined) return;
    if (this.#peers.get(toHex(peer.key)) !== peer) return;
    peer.dialing = true;
    this.#connect(connect({ ...peer.address, noDelay: true }), 'dialer', peer);
  }

  #dialLater(peer: Peer): void {
    clearTimeout(peer.timer);
    const pauseMs = Math.max(peer.pauseMs, peer.cutUntilMs - performance.now());
    peer.pauseMs = Math.min(peer.pauseMs * 2, this.#limits.dialPauseMaxMs);
    peer.timer = setTimeout(() => this.#dial(peer), pauseMs);
    peer.timer.unref();
  }

  #connect(socket: Socket, side: Side, dialed: Peer | undefined): void {
    let peer: Peer | undefined;
    if (dialed === undefined) this.#strangers.add(socket);
    const connection: PeerConnection = createPeerConnection({
      socket,
      side,
      identity: this.#identity,
      isMember: (key) => this.#admits(key, dialed) !== undefined,
      events: {
        onAuthenticated: (key) => {
          peer = this.#admits(key, dialed);
          if (peer === undefined || this.#closed) return false;
          this.#strangers.delete(socket);
          peer.connection?.close();
          peer.connection = connection;
          peer.pauseMs = this.#limits.dialPauseMs;
          return true;
        },
        onMessage: (message) => {
          if (peer?.connection === connection) this.#listener?.(peer.key, message);
        },
        onClosed: () => {
          this.#strangers.delete(socket);
          if (peer?.connection === connection) peer.connection = undefined;
          if (dialed === undefined) return;
          dialed.dialing = false;
          this.#dialLater(dialed);
        },
      },
    });
  }

  /** The member of this key, unless it is refused for now, or another than the one dialed. */
  #admits(key: Bytes, dialed: Peer | undefined): Peer | undefined {
    const peer = this.#peers.get(toHex(key));
    if (peer === undefined || performance.now() < peer.cutUntilMs) return undefined;
    return dialed === undefined || dialed === peer ? peer : undefined;
  }
}

/** Listens; connects to nobody before `setMembers`. Rejects when the port is taken. */
export async function createTcpPeers(options: TcpPeersOptions): Promise<TcpPeers> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.listen, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const bound = server.address();
  const port = bound !== null && typeof bound === 'object' ? bound.port : options.listen.port;
  return new TcpNetwork(server, { host: options.listen.host, port }, options);
}
