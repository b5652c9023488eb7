/**
 * From this node's clients into the engine. The engine's cost is per transaction, so client transactions
 * travel in bundles: the first at once, what comes within the next `lingerMs` together. Everything was
 * admitted by our own application before it is bundled (`checkAhead`), so a refused bundle is a rarity:
 * the item at fault is told, the rest goes again.
 *
 * Whoever was told `admitted` is answered for until the transaction is final or can never be: the engine
 * keeps its mempool in memory, so everything is checked and sent again when the engine has been started again, and what is
 * not final after a long while in any case. Not sooner: under overload the queue itself is long.
 */
import type { Refusal } from '@yilian/consensus/application';
import { BUNDLE_BYTES_MAX, BUNDLE_COUNT_MAX, encodeBundle } from '@yilian/consensus/bundle';
import type { Bytes } from '@yilian/crypto/bytes';
import type { EngineRpc } from './engine-rpc.ts';
import { EngineRpcError } from './engine-rpc.ts';

export interface GatewaySettings {
  readonly lingerMs: number;
  /** 1 sends every transaction alone. */
  readonly bundleCountMax: number;
  /** What is not final after so long is sent again. */
  readonly resendMs: number;
}

export const DEFAULT_GATEWAY: GatewaySettings = {
  lingerMs: 20,
  bundleCountMax: BUNDLE_COUNT_MAX,
  resendMs: 60_000,
};

export interface Gateway {
  /** Undefined: the engine has it in its mempool. */
  send(name: string, tx: Bytes): Promise<Refusal | undefined>;
  /** It is final, or refused for good. */
  settle(name: string): void;
  /** The engine has lost its mempool. */
  lost(): void;
  /** Sends again what was lost or has waited for long. `check`: as `checkAhead`; `drop`: it can never become final. */
  resend(
    check: (tx: Bytes) => Promise<Refusal | undefined>,
    drop: (name: string, refusal: Refusal) => void,
  ): Promise<void>;
  close(): void;
}

interface Item {
  readonly name: string;
  readonly tx: Bytes;
  readonly answer: (refusal: Refusal | undefined) => void;
}

interface Answered {
  readonly code: number;
  readonly log: string;
  readonly index: number;
}

/** `result` of `broadcast_tx_sync`. */
function readAnswer(result: unknown): Answered | undefined {
  if (typeof result !== 'object' || result === null) return undefined;
  const { code, log, data }: Partial<Record<string, unknown>> = { ...result };
  if (typeof code !== 'number' || typeof log !== 'string') return undefined;
  const bytes = typeof data === 'string' ? Buffer.from(data, 'hex') : Buffer.alloc(0);
  return { code, log, index: bytes[0] ?? 0 };
}

const WORD = /^[a-zA-Z]{1,64}$/;

class BundlingGateway implements Gateway {
  readonly #rpc: EngineRpc;
  readonly #settings: GatewaySettings;
  readonly #nowMs: () => number;
  #queue: Item[] = [];
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  readonly #unsettled = new Map<string, { readonly tx: Bytes; dueMs: number }>();

  constructor(rpc: EngineRpc, settings: GatewaySettings, nowMs: () => number) {
    this.#rpc = rpc;
    this.#settings = settings;
    this.#nowMs = nowMs;
  }

  send(name: string, tx: Bytes): Promise<Refusal | undefined> {
    if (this.#closed) return Promise.resolve({ code: 'unavailable' });
    return new Promise((resolve) => {
      const answer = (refusal: Refusal | undefined): void => {
        const dueMs = this.#nowMs() + this.#settings.resendMs;
        if (refusal === undefined) this.#unsettled.set(name, { tx, dueMs });
        resolve(refusal);
      };
      this.#enqueue({ name, tx, answer });
    });
  }

  settle(name: string): void {
    this.#unsettled.delete(name);
  }

  lost(): void {
    for (const entry of this.#unsettled.values()) entry.dueMs = this.#nowMs();
  }

  async resend(
    check: (tx: Bytes) => Promise<Refusal | undefined>,
    drop: (name: string, refusal: Refusal) => void,
  ): Promise<void> {
    if (this.#closed) return;
    const now = this.#nowMs();
    const old = Array.from(this.#unsettled).filter(([, { dueMs }]) => dueMs <= now);
    for (const [name, entry] of old) {
      entry.dueMs = now + this.#settings.resendMs;
      // oxlint-disable-next-line no-await-in-loop -- an old transaction is in no hurry; new ones go first
      const refusal = await check(entry.tx);
      if (refusal === undefined) {
        const answer = (again: Refusal | undefined): void => {
          if (again !== undefined) entry.dueMs = this.#nowMs() + AGAIN_MS;
        };
        this.#enqueue({ name, tx: entry.tx, answer });
      } else if (!TRY_LATER.has(refusal.code)) {
        this.#unsettled.delete(name);
        drop(name, refusal);
      }
    }
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const { answer } of this.#queue.splice(0)) answer({ code: 'unavailable' });
  }

  #enqueue(item: Item): void {
    if (this.#queue.length > 0 && this.#bytes + item.tx.length > BUNDLE_BYTES_MAX) this.#flush();
    this.#queue.push(item);
    this.#bytes += item.tx.length;
    const { bundleCountMax } = this.#settings;
    if (this.#timer === undefined || this.#queue.length >= bundleCountMax) this.#flush();
  }

  /** Sends what waits, and lets what comes within the next while gather. */
  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const items = this.#queue;
    this.#queue = [];
    this.#bytes = 0;
    if (items.length === 0) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#flush();
    }, this.#settings.lingerMs);
    void this.#broadcast(items);
  }

  async #broadcast(items: readonly Item[]): Promise<void> {
    const [first] = items;
    if (first === undefined) return;
    const bytes = items.length === 1 ? first.tx : encodeBundle(items.map(({ tx }) => tx));
    let answered: Answered | undefined;
    try {
      answered = readAnswer(
        await this.#rpc.call('broadcast_tx_sync', { tx: Buffer.from(bytes).toString('base64') }),
      );
    } catch (error) {
      const isKnown =
        error instanceof EngineRpcError && /already exists in cache/.test(error.message);
      const isFull = error instanceof EngineRpcError && /mempool is full/.test(error.message);
      const refusal = isKnown ? undefined : { code: isFull ? 'mempoolFull' : 'unavailable' };
      for (const { answer } of items) answer(refusal);
      return;
    }
    if (answered === undefined) {
      for (const { answer } of items) answer({ code: 'unavailable' });
      return;
    }
    if (answered.code === 0) {
      for (const { answer } of items) answer(undefined);
      return;
    }
    const code = WORD.test(answered.log) ? answered.log : 'unavailable';
    const atFault = items[answered.index];
    // When the node itself cannot take it, no item is at fault.
    if (atFault === undefined || NODE_BUSY.has(code)) {
      for (const { answer } of items) answer({ code });
      return;
    }
    atFault.answer({ code });
    const rest = items.filter((item) => item !== atFault);
    if (rest.length > 0) await this.#broadcast(rest);
  }
}

/** Says nothing about the transactions. */
const NODE_BUSY: ReadonlySet<string> = new Set(['mempoolFull', 'unavailable']);
/** Of a transaction that was admitted before, `duplicate` says that the application has it among what waits. */
const TRY_LATER: ReadonlySet<string> = new Set([...NODE_BUSY, 'duplicate']);
/** After a resending that the engine could not take. */
const AGAIN_MS = 1_000;

export function createGateway(input: {
  readonly rpc: EngineRpc;
  readonly settings?: Partial<GatewaySettings>;
  readonly nowMs: () => number;
}): Gateway {
  return new BundlingGateway(input.rpc, { ...DEFAULT_GATEWAY, ...input.settings }, input.nowMs);
}
