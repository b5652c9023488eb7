import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createMemoryNetwork } from '../../src/peers/memory-peers.ts';
import { encodeFrame } from '../../src/peers/frames.ts';
import {
  createHello,
  deriveSessionKeys,
  type Identity,
  parseHello,
  signProof,
} from '../../src/peers/handshake.ts';
import { createSecureChannel } from '../../src/peers/secure-channel.ts';
import { createTcpPeers, type TcpLimits, type TcpPeers } from '../../src/peers/tcp-peers.ts';
import { createFrameReader } from '../../src/peers/frames.ts';
import { publicKey } from '@yilian/crypto/signature';
import { createSigner } from '../../src/verification/verify-signature.ts';

const text = (words: string): Uint8Array => new TextEncoder().encode(words);
const read = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

function identity(seed: number, chainId = 'test'): Identity {
  const secret = new Uint8Array(32).fill(seed);
  return { chainId, key: publicKey(secret), sign: createSigner(secret) };
}

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()));
});

async function node(of: Identity, limits: Partial<TcpLimits> = {}): Promise<TcpPeers> {
  const peers = await createTcpPeers({
    identity: of,
    listen: { host: '127.0.0.1', port: 0 },
    limits,
  });
  open.push(peers);
  return peers;
}

function inboxOf(peers: TcpPeers): string[] {
  const inbox: string[] = [];
  peers.onMessage((from, message) => inbox.push(`${from[0]}:${read(message)}`));
  return inbox;
}

function introduce(...nodes: readonly TcpPeers[]): void {
  const members = nodes.map(({ self: key, address }) => ({ key, address }));
  for (const each of nodes) each.setMembers(members);
}

const connected = (peers: TcpPeers): number =>
  peers.status().filter((peer) => peer.connected).length;

describe('memory peers', () => {
  test('nodes share no memory: a sender that changes its bytes later changes nothing', async () => {
    const network = createMemoryNetwork();
    const [a, b] = [network.join(new Uint8Array(32)), network.join(new Uint8Array(32).fill(1))];
    const received: Uint8Array[] = [];
    b.onMessage((_, message) => received.push(message));
    const message = text('hello');
    a.broadcast(message);
    message.fill(0);
    await vi.waitFor(() => expect(received.map(read)).toEqual(['hello']));
  });

  test('a node that left hears nothing', async () => {
    const network = createMemoryNetwork();
    const [a, b] = [network.join(new Uint8Array(32)), network.join(new Uint8Array(32).fill(1))];
    const received: Uint8Array[] = [];
    b.onMessage((_, message) => received.push(message));
    a.send(b.self, text('in flight'));
    await b.close();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(received).toEqual([]);
  });
});

describe('TCP peers', () => {
  test('members find each other and messages arrive in order under the authenticated key', async () => {
    const nodes = await Promise.all([1, 2, 3].map((seed) => node(identity(seed))));
    const inboxes = nodes.map(inboxOf);
    introduce(...nodes);
    await vi.waitFor(() => expect(nodes.map(connected)).toEqual([2, 2, 2]));
    for (let i = 0; i < 50; i++) nodes[0]?.broadcast(text(String(i)));
    const expected = Array.from({ length: 50 }, (_, i) => `${nodes[0]?.self[0]}:${i}`);
    await vi.waitFor(() => expect([inboxes[1], inboxes[2]]).toEqual([expected, expected]));
  });

  test('a message of megabytes passes whole', async () => {
    const [a, b] = await Promise.all([node(identity(1)), node(identity(2))]);
    const large = new Uint8Array(3_000_000).map((_, i) => i % 253);
    let received: Uint8Array | undefined;
    b.onMessage((_, message) => (received = message));
    introduce(a, b);
    await vi.waitFor(() => expect(connected(a)).toBe(1));
    a.send(b.self, large);
    await vi.waitFor(() => expect(received?.length).toBe(large.length));
    expect(Buffer.compare(received ?? text(''), large)).toBe(0);
  });

  test('a peer that restarts on its port is found again', async () => {
    const [a, b] = await Promise.all([node(identity(1)), node(identity(2))]);
    introduce(a, b);
    await vi.waitFor(() => expect(connected(a)).toBe(1));
    const { address } = b;
    await b.close();
    await vi.waitFor(() => expect(connected(a)).toBe(0));
    const again = await createTcpPeers({ identity: identity(2), listen: address });
    open.push(again);
    const inbox = inboxOf(again);
    again.setMembers([{ key: a.self, address: a.address }]);
    await vi.waitFor(() => expect(connected(a)).toBe(1), { timeout: 5_000 });
    a.send(again.self, text('back'));
    await vi.waitFor(() => expect(inbox).toEqual([`${a.self[0]}:back`]));
  });

  test('a stranger, a member of another chain and a liar about his key are refused', async () => {
    const victim = await node(identity(1));
    const [stranger, foreigner] = [identity(8), identity(2, 'another')];
    const member = identity(2);
    // Someone else's public key with his own signature.
    const liar: Identity = { ...member, sign: stranger.sign };
    const heard = inboxOf(victim);
    victim.setMembers([{ key: member.key, address: { host: '127.0.0.1', port: 1 } }]);
    for (const of of [stranger, foreigner, liar]) {
      // oxlint-disable-next-line no-await-in-loop -- one attacker after another
      const closed = await dialRaw(victim, (socket) => {
        const hello = createHello(of);
        socket.write(encodeFrame(hello.bytes));
        const reader = createFrameReader(
          () => 1_000,
          (frame) => {
            const other = parseHello(frame, 'test');
            if (other === undefined) return true;
            const exchange = { chainId: 'test', dialer: hello, acceptor: other };
            socket.write(encodeFrame(signProof(of, exchange, 'dialer')));
            const keys = deriveSessionKeys(exchange, 'dialer', hello);
            if (keys !== undefined)
              socket.write(encodeFrame(...createSecureChannel(keys).seal(text('let me in'))));
            return true;
          },
        );
        socket.on('data', (chunk: Buffer) => reader.push(chunk));
      });
      expect(closed).toBe(true);
    }
    expect(connected(victim)).toBe(0);
    expect(heard).toEqual([]);
  });

  test('a handshake recorded on one connection is worth nothing on another', async () => {
    const [a, b] = await Promise.all([node(identity(1)), node(identity(2))]);
    const member = identity(3);
    for (const each of [a, b])
      each.setMembers([{ key: member.key, address: { host: '127.0.0.1', port: 1 } }]);
    let hello: Uint8Array | undefined;
    let proof: Uint8Array | undefined;
    await new Promise<void>((resolve) => {
      const socket = connect(a.address);
      const own = createHello(member);
      hello = own.bytes;
      socket.write(encodeFrame(own.bytes));
      const reader = createFrameReader(
        () => 1_000,
        (frame) => {
          const other = parseHello(frame, 'test');
          if (other === undefined) return true;
          const exchange = { chainId: 'test', dialer: own, acceptor: other };
          proof = signProof(member, exchange, 'dialer');
          socket.write(encodeFrame(proof));
          return true;
        },
      );
      socket.on('data', (chunk: Buffer) => reader.push(chunk));
      const watch = setInterval(() => {
        if (connected(a) === 0) return;
        clearInterval(watch);
        socket.destroy();
        resolve();
      }, 5);
    });
    const closed = await dialRaw(b, (socket) => {
      socket.write(encodeFrame(hello ?? text('')));
      socket.write(encodeFrame(proof ?? text('')));
    });
    expect(closed).toBe(true);
    expect(connected(b)).toBe(0);
  });

  test('bytes changed under way end the connection and are never delivered', async () => {
    const [a, b] = await Promise.all([node(identity(1)), node(identity(2))]);
    const inbox = inboxOf(b);
    let tamper = false;
    const proxy = await relay(b, (chunk) => {
      if (tamper) chunk[chunk.length - 1] = (chunk.at(-1) ?? 0) ^ 1;
      return chunk;
    });
    const [dialer, acceptor] = Buffer.compare(a.self, b.self) < 0 ? [a, b] : [b, a];
    expect(dialer).toBeDefined();
    if (dialer === b) return expect(acceptor).toBe(a);
    a.setMembers([{ key: b.self, address: proxy }]);
    b.setMembers([{ key: a.self, address: a.address }]);
    await vi.waitFor(() => expect(connected(a)).toBe(1));
    a.send(b.self, text('honest'));
    await vi.waitFor(() => expect(inbox).toHaveLength(1));
    tamper = true;
    a.send(b.self, text('forged'));
    await vi.waitFor(() => expect(connected(b)).toBe(0));
    expect(inbox).toHaveLength(1);
  });

  test('a length beyond the limit ends a stranger before any byte is stored', async () => {
    const victim = await node(identity(1));
    const closed = await dialRaw(victim, (socket) => {
      socket.write(Buffer.from([0x7f, 0xff, 0xff, 0xff, 1, 2, 3]));
    });
    expect(closed).toBe(true);
  });

  test('of strangers beyond the limit the oldest is turned away, and members get through', async () => {
    const nodes = await Promise.all(
      [1, 2].map((seed) => node(identity(seed), { strangersMax: 2 })),
    );
    const silent = nodes.flatMap(({ address }) => [0, 1, 2].map(() => connect(address)));
    for (const socket of silent) socket.on('error', () => undefined).resume();
    const closed = silent.map(
      (socket) => new Promise<boolean>((resolve) => socket.once('close', () => resolve(true))),
    );
    expect(await Promise.race(closed)).toBe(true);
    introduce(...nodes);
    // Whichever of the two dials finds all places of the other taken by the silent.
    await vi.waitFor(() => expect(nodes.map(connected)).toEqual([1, 1]), { timeout: 3_000 });
    for (const socket of silent) socket.destroy();
  });

  test('a peer that was cut is refused until its time is over', async () => {
    const [a, b] = await Promise.all([
      node(identity(1), { cutMs: 400 }),
      node(identity(2), { dialPauseMaxMs: 50 }),
    ]);
    introduce(a, b);
    await vi.waitFor(() => expect([connected(a), connected(b)]).toEqual([1, 1]));
    a.cut(b.self, 'test');
    await vi.waitFor(() => expect(connected(a)).toBe(0));
    await vi.waitFor(() => expect(connected(a)).toBe(1), { timeout: 5_000 });
  });
});

/** Connects without any protocol; true when the other side ended it. */
function dialRaw(to: TcpPeers, act: (socket: Socket) => void): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(to.address, () => act(socket));
    const timer = setTimeout(() => {
      socket.destroy();
      resolve(false);
    }, 3_000);
    socket.on('error', () => undefined);
    socket.on('data', () => undefined);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(true);
    });
  });
}

async function relay(
  to: TcpPeers,
  change: (chunk: Buffer) => Buffer,
): Promise<{ host: string; port: number }> {
  const { createServer } = await import('node:net');
  const sockets: Socket[] = [];
  const server = createServer((inbound) => {
    const outbound = connect(to.address);
    sockets.push(inbound, outbound);
    inbound.on('data', (chunk: Buffer) => outbound.write(change(chunk)));
    outbound.on('data', (chunk: Buffer) => inbound.write(chunk));
    for (const [one, other] of [
      [inbound, outbound],
      [outbound, inbound],
    ] as const) {
      one.on('error', () => undefined);
      one.on('close', () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  });
  const bound = server.address();
  return { host: '127.0.0.1', port: typeof bound === 'object' && bound !== null ? bound.port : 0 };
}
