/**
 * `ObjectStore` on the file system. A file's name is a hash of the object key, so a listing or dump of
 * the disk shows no capability (R5); nothing a caller sends ever becomes part of a path.
 * Order of writes: content into `incoming/`, flush, check, link under its name (which fails when the
 * name is taken), flush the directory. A crash before the link leaves a file in `incoming/`, erased at
 * the next opening; after it the object is complete.
 * File: header hash (32) ‖ digest (32) ‖ length (8, big-endian) ‖ content.
 */
import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, link, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Bytes, concatBytes, equalBytes, toHex, u64be } from '@yilian/crypto/bytes';
import { type ChainContext, bindChain } from '@yilian/crypto/context';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { sha256 } from '@yilian/crypto/hash';
import type { Announcement, ObjectStore, PutResult, VerifyContent } from './object-store.ts';

const HEAD_BYTES = 72;

export interface FileObjectStoreOptions {
  readonly directory: string;
  readonly context: ChainContext;
  readonly objectBytesMax: number;
  readonly verify: VerifyContent;
}

function headOf(announced: Announcement): Bytes {
  return concatBytes(announced.headerHash, announced.digest, u64be(BigInt(announced.length)));
}

async function flushDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

async function writeAll(file: FileHandle, bytes: Bytes): Promise<void> {
  let offset = 0;
  while (offset < bytes.length) {
    const { bytesWritten } = await file.write(bytes, offset, bytes.length - offset);
    offset += bytesWritten;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

function isTaken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EEXIST';
}

async function headAt(path: string): Promise<Bytes | null> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
  try {
    const head = new Uint8Array(HEAD_BYTES);
    const { bytesRead } = await file.read(head, 0, HEAD_BYTES, 0);
    return head.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

async function compareTaken(path: string, announced: Announcement): Promise<PutResult> {
  const head = await headAt(path);
  const same = head !== null && equalBytes(head, headOf(announced));
  return { kind: same ? 'present' : 'occupied' };
}

/** Makes the directories and erases what an interrupted upload left. */
export async function openFileObjectStore(options: FileObjectStoreOptions): Promise<ObjectStore> {
  const { directory, context, objectBytesMax, verify } = options;
  const incoming = join(directory, 'incoming');
  await rm(incoming, { recursive: true, force: true });
  await mkdir(incoming, { recursive: true });

  const placeOf = (objectKey: Bytes): { readonly folder: string; readonly path: string } => {
    const name = toHex(sha256(bindChain(DOMAIN_TAGS.storePath, context, objectKey)));
    const folder = join(directory, name.slice(0, 2));
    return { folder, path: join(folder, name) };
  };

  const receive = async (
    file: FileHandle,
    announced: Announcement,
    content: AsyncIterable<Bytes>,
  ): Promise<boolean> => {
    await writeAll(file, headOf(announced));
    let received = 0;
    // Every piece is written as it is checked: nothing is read twice, nothing is held.
    async function* written(): AsyncGenerator<Bytes> {
      for await (const part of content) {
        received += part.length;
        if (received > announced.length) return;
        await writeAll(file, part);
        yield part;
      }
    }
    const isGood = await verify(announced, written());
    if (!isGood || received !== announced.length) return false;
    await file.sync();
    return true;
  };

  const receiveAndClose = async (
    file: FileHandle,
    announced: Announcement,
    content: AsyncIterable<Bytes>,
  ): Promise<boolean> => {
    try {
      return await receive(file, announced, content);
    } finally {
      await file.close();
    }
  };

  return {
    put: async (objectKey, announced, content) => {
      if (announced.length > objectBytesMax) return { kind: 'tooLarge' };
      const { folder, path } = placeOf(objectKey);
      const taken = await headAt(path);
      if (taken !== null) return compareTaken(path, announced);
      const draft = join(incoming, randomBytes(16).toString('hex'));
      const file = await open(draft, 'wx');
      try {
        const good = await receiveAndClose(file, announced, content);
        if (!good) return { kind: 'mismatch' };
        await mkdir(folder, { recursive: true });
        await link(draft, path);
        await flushDirectory(folder);
        await flushDirectory(directory);
        return { kind: 'stored' };
      } catch (error) {
        if (isTaken(error)) return await compareTaken(path, announced);
        throw error;
      } finally {
        await rm(draft, { force: true });
      }
    },
    get: async (objectKey) => {
      const { path } = placeOf(objectKey);
      try {
        const { size } = await stat(path);
        const length = Math.max(0, size - HEAD_BYTES);
        return {
          length,
          read: ({ start, end }) =>
            createReadStream(path, {
              start: HEAD_BYTES + start,
              end: HEAD_BYTES + end - 1,
              highWaterMark: 256 * 1024,
            }),
        };
      } catch (error) {
        if (isMissing(error)) return null;
        throw error;
      }
    },
    erase: async (objectKey) => {
      const { folder, path } = placeOf(objectKey);
      try {
        await rm(path);
      } catch (error) {
        if (isMissing(error)) return false;
        throw error;
      }
      await flushDirectory(folder);
      return true;
    },
  };
}

/** Names of all files below a store's directory, for audits: hashes, never keys. */
export async function listStoredNames(directory: string): Promise<readonly string[]> {
  const names: string[] = [];
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (!entry.isDirectory() || entry.name === 'incoming') continue;
    names.push(...(await readdir(join(directory, entry.name))));
  }
  return names;
}
