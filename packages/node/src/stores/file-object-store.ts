/**
 * `ObjectStore` on the file system; nothing a caller sends ever becomes part of a path.
 * Order of writes: content into `incoming/`, flush, check, link under its name (which fails when the
 * name is taken), flush the directory. A crash before the link leaves a file in `incoming/`, erased at
 * the next opening; after it the object is complete. A file is head (stored-head.ts) ‖ content.
 */
import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import { ObjectStoreError } from './object-store-error.ts';
import type {
  Announcement,
  ObjectStore,
  PutResult,
  StoredObject,
  VerifyContent,
} from './object-store.ts';
import { HEAD_BYTES, type StoredName, encodeHead, parseHead } from './stored-head.ts';

export interface FileObjectStoreOptions {
  readonly directory: string;
  readonly objectBytesMax: number;
  readonly verify: VerifyContent;
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

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

/** What the disk says, in the store's words; anything else is a fault and stays one. */
function toStoreError(error: unknown): unknown {
  const code = codeOf(error);
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return new ObjectStoreError('accessDenied', `the disk refuses: ${code}`, error);
  if (['ENOSPC', 'EDQUOT', 'EIO', 'EMFILE', 'ENFILE', 'ESTALE'].includes(String(code)))
    return new ObjectStoreError('unavailable', `the disk cannot: ${String(code)}`, error);
  return error;
}

async function headAt(path: string): Promise<Bytes | null> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
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
  const same = head !== null && equalBytes(head, encodeHead(announced));
  return { kind: same ? 'present' : 'occupied' };
}

async function* readExactly(path: string, start: number, end: number): AsyncGenerator<Bytes> {
  let left = end - start;
  if (left === 0) return;
  try {
    for await (const part of createReadStream(path, {
      start: HEAD_BYTES + start,
      end: HEAD_BYTES + end - 1,
      highWaterMark: 256 * 1024,
    }) as AsyncIterable<Bytes>) {
      left -= part.length;
      yield part;
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT')
      throw new ObjectStoreError('missing', 'the object went away while it was read', error);
    throw toStoreError(error);
  }
  if (left !== 0) throw new ObjectStoreError('corrupted', 'the object is shorter than it was');
}

/** Makes the directories and erases what an interrupted upload left. */
export async function openFileObjectStore(options: FileObjectStoreOptions): Promise<ObjectStore> {
  const { directory, objectBytesMax, verify } = options;
  const incoming = join(directory, 'incoming');
  await rm(incoming, { recursive: true, force: true });
  await mkdir(incoming, { recursive: true });

  const placeOf = (name: StoredName): { readonly folder: string; readonly path: string } => {
    const folder = join(directory, name.slice(0, 2));
    return { folder, path: join(folder, name) };
  };

  const receive = async (
    file: FileHandle,
    announced: Announcement,
    content: AsyncIterable<Bytes>,
    signal: AbortSignal | undefined,
  ): Promise<boolean> => {
    await writeAll(file, encodeHead(announced));
    let received = 0;
    // Every piece is written as it is checked: nothing is read twice, nothing is held.
    async function* written(): AsyncGenerator<Bytes> {
      for await (const part of content) {
        signal?.throwIfAborted();
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

  /** Runs `publish` on a verified, flushed draft. */
  const withDraft = async (
    announced: Announcement,
    content: AsyncIterable<Bytes>,
    signal: AbortSignal | undefined,
    publish: (draft: string) => Promise<PutResult>,
  ): Promise<PutResult> => {
    if (announced.length > objectBytesMax) return { kind: 'tooLarge' };
    const draft = join(incoming, randomBytes(16).toString('hex'));
    try {
      const file = await open(draft, 'wx');
      let isGood: boolean;
      try {
        isGood = await receive(file, announced, content, signal);
      } finally {
        await file.close();
      }
      return isGood ? await publish(draft) : { kind: 'mismatch' };
    } catch (error) {
      throw toStoreError(error);
    } finally {
      await rm(draft, { force: true });
    }
  };

  const flushName = async (folder: string): Promise<void> => {
    await flushDirectory(folder);
    await flushDirectory(directory);
  };

  const inspect = async (name: StoredName): Promise<Announcement | null> => {
    const { path } = placeOf(name);
    try {
      const bytes = await headAt(path);
      if (bytes === null) return null;
      const announced = parseHead(bytes);
      if (announced === null) throw new ObjectStoreError('corrupted', 'the object has no head');
      const { size } = await stat(path);
      if (size !== HEAD_BYTES + announced.length)
        throw new ObjectStoreError('corrupted', 'the object has another length than its head says');
      return announced;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return null;
      throw toStoreError(error);
    }
  };

  return {
    put: async (name, announced, content, signal) => {
      const { folder, path } = placeOf(name);
      if (announced.length > objectBytesMax) return { kind: 'tooLarge' };
      if ((await headAt(path)) !== null) return compareTaken(path, announced);
      return withDraft(announced, content, signal, async (draft) => {
        await mkdir(folder, { recursive: true });
        try {
          await link(draft, path);
        } catch (error) {
          if (codeOf(error) === 'EEXIST') return compareTaken(path, announced);
          throw error;
        }
        await flushName(folder);
        return { kind: 'stored' };
      });
    },
    restore: (name, announced, content, signal) =>
      withDraft(announced, content, signal, async (draft) => {
        const { folder, path } = placeOf(name);
        await mkdir(folder, { recursive: true });
        await rename(draft, path);
        await flushName(folder);
        return { kind: 'stored' };
      }),
    inspect,
    get: async (name): Promise<StoredObject | null> => {
      const announced = await inspect(name);
      if (announced === null) return null;
      const { path } = placeOf(name);
      return {
        announced,
        length: announced.length,
        read: ({ start, end }) => readExactly(path, start, end),
      };
    },
    erase: async (name) => {
      const { folder, path } = placeOf(name);
      try {
        await rm(path);
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return false;
        throw toStoreError(error);
      }
      await flushDirectory(folder);
      return true;
    },
    close: () => Promise.resolve(),
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
