/// <reference types="node" />
/** The platform of Node: OpenSSL, the file system, undici's fetch. */
import { randomBytes } from 'node:crypto';
import { openAsBlob } from 'node:fs';
import { mkdir, mkdtemp, open, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMclCurve } from '@yilian/crypto/curve-mcl';
import { toHex, utf8 } from '@yilian/crypto/bytes';
import { createNodePrimitives } from './node-ciphers.ts';
import {
  createMemoryStorage,
  type Fetch,
  type Platform,
  type Spool,
  type Storage,
  waitWithTimer,
} from './platform.ts';

/** One file per name in `directory`, replaced by rename after fsync; readable by the owner only. */
export function createFileStorage(directory: string): Storage {
  const pathOf = (name: string): string => join(directory, toHex(utf8(name)));
  return {
    get: async (name) => {
      try {
        return new Uint8Array(await readFile(pathOf(name)));
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    },
    put: async (name, value) => {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await replaceFile(pathOf(name), value);
    },
    delete: (name) => rm(pathOf(name), { force: true }),
  };
}

/** Writes `value` beside `path`, makes it durable, then takes the old one's place. */
export async function replaceFile(path: string, value: Uint8Array): Promise<void> {
  const fresh = `${path}.${randomBytes(6).toString('hex')}`;
  const file = await open(fresh, 'wx', 0o600);
  try {
    await file.writeFile(value);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(fresh, path);
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

async function createFileSpool(): Promise<Spool> {
  const directory = await mkdtemp(join(tmpdir(), 'yilian-'));
  const path = join(directory, 'sealed');
  const file = await open(path, 'wx', 0o600);
  let closed = false;
  const close = async (): Promise<void> => {
    if (closed) return;
    closed = true;
    await file.close();
  };
  return {
    write: async (piece) => {
      // A write may take less than it was given.
      for (let rest = piece; rest.length > 0;) {
        const { bytesWritten } = await file.write(rest);
        if (bytesWritten === 0)
          throw Object.assign(new Error('the spool takes no more'), { code: 'ENOSPC' });
        rest = rest.subarray(bytesWritten);
      }
    },
    body: async () => {
      await close();
      return openAsBlob(path);
    },
    dispose: async () => {
      await close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** @param overrides parts to replace, in tests above all */
export async function createNodePlatform(overrides: Partial<Platform> = {}): Promise<Platform> {
  const primitives = createNodePrimitives();
  const fetchOnWire: Fetch = (url, init) => globalThis.fetch(url, init);
  return {
    curve: overrides.curve ?? (await createMclCurve()),
    primitives,
    verifySignature: (claim) => primitives.verifySignature(claim),
    randomBytes: (length) => new Uint8Array(randomBytes(length)),
    nowMs: () => Date.now(),
    wait: waitWithTimer,
    fetch: fetchOnWire,
    storage: createMemoryStorage(),
    createSpool: createFileSpool,
    ...overrides,
  };
}
