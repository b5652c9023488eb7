/**
 * Everything impure that the client needs, as one port. `node-platform.ts` and `web-platform.ts` fill
 * it; nothing else in this package touches a clock, a disk, a socket or a source of randomness.
 */
import type { Bytes, RandomBytes } from '@yilian/crypto/bytes';
import type { Curve } from '@yilian/crypto/curve';
import type { Primitives } from '@yilian/crypto/primitives';
import type { SignatureVerifier } from '@yilian/crypto/signature';

/** Bytes by name, for keyrings and checkpoints of trust. Values are replaced whole. */
export interface Storage {
  get(name: string): Promise<Bytes | undefined>;
  put(name: string, value: Bytes): Promise<void>;
  delete(name: string): Promise<void>;
}

/** A place for one sealed record on its way to a store: ciphertext only. */
export interface Spool {
  write(piece: Bytes): Promise<void>;
  /** What was written, as often as wanted (each store is sent the same bytes). */
  body(): Promise<Blob>;
  /** Removes it. */
  dispose(): Promise<void>;
}

/** The part of `fetch` (WHATWG) that the client uses. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export interface Platform {
  readonly curve: Curve;
  readonly primitives: Primitives;
  /** At once: light verification decides header by header. */
  readonly verifySignature: SignatureVerifier;
  readonly randomBytes: RandomBytes;
  /** Milliseconds since 1970 on this device; possibly wrong, never used where block time decides. */
  readonly nowMs: () => number;
  /** Resolves after `ms`, or at once when `signal` aborts. */
  readonly wait: (ms: number, signal?: AbortSignal) => Promise<void>;
  readonly fetch: Fetch;
  readonly storage: Storage;
  readonly createSpool: () => Promise<Spool>;
}

/** Keeps nothing beyond the life of the object. */
export function createMemoryStorage(): Storage {
  const values = new Map<string, Bytes>();
  return {
    get: (name) => Promise.resolve(values.get(name)?.slice()),
    put: (name, value) => {
      values.set(name, value.slice());
      return Promise.resolve();
    },
    delete: (name) => {
      values.delete(name);
      return Promise.resolve();
    },
  };
}

/** `wait` for platforms with timers. */
export function waitWithTimer(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) {
      resolve();
      return;
    }
    const finish = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', finish);
      resolve();
    };
    const timer = setTimeout(finish, ms);
    signal?.addEventListener('abort', finish);
  });
}

/** Keeps the pieces in memory, or where the browser puts blobs. */
export function createBlobSpool(): Spool {
  let pieces: BlobPart[] = [];
  return {
    write: (piece) => {
      pieces.push(piece.slice());
      return Promise.resolve();
    },
    body: () => Promise.resolve(new Blob(pieces)),
    dispose: () => {
      pieces = [];
      return Promise.resolve();
    },
  };
}
