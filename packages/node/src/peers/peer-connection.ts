/** One socket from its first byte to its last: handshake, then sealed frames. Knows nothing of other peers. */
import type { Socket } from 'node:net';
import type { Bytes } from '@yilian/crypto/bytes';
import { createFrameReader, encodeFrame } from './frames.ts';
import {
  createHello,
  deriveSessionKeys,
  type Hello,
  HANDSHAKE_BYTES_MAX,
  type Identity,
  parseHello,
  type Side,
  signProof,
  verifyProof,
} from './handshake.ts';
import { createSecureChannel, type SecureChannel } from './secure-channel.ts';

/** No frame is longer: the largest message is a batch of blocks. */
export const FRAME_BYTES_MAX: number = 24 * 1024 * 1024;
const HANDSHAKE_TIMEOUT_MS = 5_000;

export interface ConnectionEvents {
  /** The other side has proved `key`; false refuses it. Called once, before any message. */
  readonly onAuthenticated: (key: Bytes) => boolean;
  readonly onMessage: (message: Bytes) => void;
  /** Called once, whatever the reason. */
  readonly onClosed: () => void;
}

export interface PeerConnection {
  /** Drops the message when more than `queuedBytesMax` already wait. */
  send(message: Bytes, queuedBytesMax: number): void;
  queuedBytes(): number;
  close(): void;
}

type Phase =
  | { readonly kind: 'awaitingHello' }
  | { readonly kind: 'awaitingProof'; readonly other: Hello }
  | { readonly kind: 'open'; readonly channel: SecureChannel };

export function createPeerConnection(input: {
  readonly socket: Socket;
  readonly side: Side;
  readonly identity: Identity;
  /** Whether a key may connect at all: asked before anything expensive. */
  readonly isMember: (key: Bytes) => boolean;
  readonly events: ConnectionEvents;
}): PeerConnection {
  const { socket, side, identity, events } = input;
  const otherSide: Side = side === 'dialer' ? 'acceptor' : 'dialer';
  const own = createHello(identity);
  let phase: Phase = { kind: 'awaitingHello' };

  const exchangeWith = (other: Hello): { chainId: string; dialer: Hello; acceptor: Hello } =>
    side === 'dialer'
      ? { chainId: identity.chainId, dialer: own, acceptor: other }
      : { chainId: identity.chainId, dialer: other, acceptor: own };

  const onFrame = (frame: Bytes): boolean => {
    switch (phase.kind) {
      case 'awaitingHello': {
        const other = parseHello(frame, identity.chainId);
        if (other === undefined || !input.isMember(other.key)) return false;
        phase = { kind: 'awaitingProof', other };
        socket.write(encodeFrame(signProof(identity, exchangeWith(other), side)));
        return true;
      }
      case 'awaitingProof': {
        const exchange = exchangeWith(phase.other);
        if (!verifyProof(exchange, otherSide, frame)) return false;
        const keys = deriveSessionKeys(exchange, side, own);
        if (keys === undefined) return false;
        const { key } = phase.other;
        phase = { kind: 'open', channel: createSecureChannel(keys) };
        clearTimeout(timeout);
        return events.onAuthenticated(key);
      }
      case 'open': {
        const message = phase.channel.open(frame);
        if (message === undefined) return false;
        events.onMessage(message);
        return !socket.destroyed;
      }
    }
    return false;
  };
  const reader = createFrameReader(
    () => (phase.kind === 'open' ? FRAME_BYTES_MAX : HANDSHAKE_BYTES_MAX),
    onFrame,
  );
  const timeout = setTimeout(() => socket.destroy(), HANDSHAKE_TIMEOUT_MS);
  timeout.unref();
  socket.setNoDelay(true);
  socket.setKeepAlive(true, 10_000);
  socket.on('data', (chunk: Buffer) => {
    if (!socket.destroyed && !reader.push(chunk)) socket.destroy();
  });
  // The reason does not matter: 'close' follows.
  socket.on('error', () => undefined);
  socket.on('close', () => {
    clearTimeout(timeout);
    events.onClosed();
  });
  socket.write(encodeFrame(own.bytes));
  return {
    send: (message, queuedBytesMax) => {
      if (phase.kind !== 'open' || socket.destroyed || socket.writableLength > queuedBytesMax)
        return;
      socket.write(encodeFrame(...phase.channel.seal(message)));
    },
    queuedBytes: () => socket.writableLength,
    close: () => void socket.destroy(),
  };
}
