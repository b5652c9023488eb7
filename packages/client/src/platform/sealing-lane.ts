/// <reference types="node" />
/**
 * A second lane for large chunks: one thread that seals and hashes whole chunks while the calling
 * thread seals and hashes others. With the hash alone on another thread a record takes as long as the
 * slower of hash and cipher; whole chunks divide the sum of both, whichever is slower.
 *
 * Plaintext goes over in shared memory of fixed size, ciphertext comes back without a copy. A chunk
 * stays in its slot until it is sealed, so that the calling thread can do again what a lost thread
 * owes: same key, nonce and plaintext, hence the same bytes. The thread starts when a large record is
 * under way, ends when it has had nothing to do for a while, and never keeps the process alive.
 */
import {
  MessageChannel,
  type MessagePort,
  receiveMessageOnPort,
  Worker,
} from 'node:worker_threads';
import type { AeadInput } from '@yilian/crypto/aead';
import type { SealedLeaf } from '@yilian/crypto/primitives';
import { keepFreedChunks, releasable } from './chunk-memory.ts';
import { sealLeafHere } from './node-sealing.ts';

/** Below this two changes of thread cost a good part of what they save. */
export const LANE_BYTES_MIN = 262_144;
/** The largest chunk of the envelope format. */
const LANE_BYTES_MAX = 1_048_576;
/** One that is being sealed and one that waits, so that the thread never does. */
const SLOTS = 2;
/** So many large chunks say that a large record is under way, worth the start of a thread. */
const CHUNKS_BEFORE_START = 8;
const IDLE_MS = 2_000;

export interface SealingThreadData {
  readonly port: MessagePort;
  /** In shared memory. */
  readonly slots: readonly Uint8Array[];
}

export interface SealingOrder {
  /** The slot. */
  readonly at: number;
  /** Bytes of plaintext in it. */
  readonly length: number;
  readonly input: AeadInput;
}

export type SealingReply = 'ready' | { readonly at: number; readonly sealed: SealedLeaf };

export interface SealingLane {
  /**
   * Takes a large chunk if a slot is free, else `null`: then the caller seals it himself. The input is
   * one that `assertAeadInput` lets pass; it was read when this returns.
   */
  offer(input: AeadInput & { readonly plaintext: Uint8Array }): Promise<SealedLeaf> | null;
}

function programUrl(): URL {
  return import.meta.url.endsWith('.ts')
    ? new URL('../../dist/platform/sealing-worker.js', import.meta.url)
    : new URL('./sealing-worker.js', import.meta.url);
}

export interface SealingLaneOptions {
  /** What the thread runs. */
  readonly program?: URL;
  readonly idleMs?: number;
}

export function createSealingLane(options: SealingLaneOptions = {}): SealingLane {
  const { program = programUrl(), idleMs = IDLE_MS } = options;
  let thread: SealingLane | null = null;
  let largeChunks = 0;
  let hasLostOne = false;

  return {
    offer(input) {
      const { length } = input.plaintext;
      if (length < LANE_BYTES_MIN || length > LANE_BYTES_MAX || hasLostOne) return null;
      if (thread === null && ++largeChunks > CHUNKS_BEFORE_START)
        thread = startThread(program, idleMs, (isLost) => {
          thread = null;
          largeChunks = 0;
          // What ended a thread once would end the next one too; one lane is slower, not wrong.
          hasLostOne = isLost;
        });
      return thread === null ? null : thread.offer(input);
    },
  };
}

function startThread(program: URL, idleMs: number, onEnd: (isLost: boolean) => void): SealingLane {
  keepFreedChunks();
  const memory = new SharedArrayBuffer(SLOTS * LANE_BYTES_MAX);
  const slots = Array.from(
    { length: SLOTS },
    (_, at) => new Uint8Array(memory, at * LANE_BYTES_MAX, LANE_BYTES_MAX),
  );
  const owed = new Map<number, { order: SealingOrder; resolve: (sealed: SealedLeaf) => void }>();
  const { port1: port, port2 } = new MessageChannel();
  const workerData: SealingThreadData = { port: port2, slots };
  const worker = new Worker(program, { workerData, transferList: [port2], execArgv: [] });
  let isReady = false;
  let isOver = false;

  function receive(reply: SealingReply): void {
    if (reply === 'ready') {
      isReady = true;
      return;
    }
    owed.get(reply.at)?.resolve(releasable(reply.sealed));
    owed.delete(reply.at);
    if (owed.size === 0) worker.unref();
    idle.refresh();
  }

  /** At once, because a caller who never waits for anything gives the event loop no turn. */
  function receiveAll(): void {
    for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port))
      receive(next.message as SealingReply);
  }

  function end(isLost: boolean): void {
    if (isOver) return;
    isOver = true;
    receiveAll();
    clearTimeout(idle);
    port.close();
    for (const { order, resolve } of owed.values()) {
      const plaintext = slots[order.at]?.subarray(0, order.length);
      if (plaintext !== undefined) resolve(sealLeafHere({ ...order.input, plaintext }));
    }
    new Uint8Array(memory).fill(0);
    onEnd(isLost);
  }

  const idle = setTimeout(() => {
    if (!isReady || owed.size > 0) {
      idle.refresh();
      return;
    }
    end(false);
    void worker.terminate();
  }, idleMs).unref();
  port.on('message', receive);
  port.unref();
  worker.on('error', () => undefined); // `exit` follows and does the rest
  worker.on('exit', () => end(true));
  worker.unref();

  return {
    offer({ plaintext, ...input }) {
      receiveAll();
      const at = slots.findIndex((_, slot) => !owed.has(slot));
      if (!isReady || at < 0) return null;
      slots[at]?.set(plaintext);
      const order: SealingOrder = { at, length: plaintext.length, input };
      worker.ref();
      return new Promise((resolve) => {
        owed.set(at, { order, resolve });
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, no window
        port.postMessage(order);
      });
    },
  };
}
