/** A file that only grows, as a port: the write-ahead log lives on it, and tests put a faulty one under it. */
import { mkdirSync, openSync, closeSync, fsyncSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Bytes } from '@yilian/crypto/bytes';

export interface AppendFile {
  readAll(): Promise<Bytes>;
  /** Not durable before `sync`. */
  append(bytes: Bytes): Promise<void>;
  /** Resolves when everything appended (and every truncation) would survive a loss of power. */
  sync(): Promise<void>;
  truncate(length: number): Promise<void>;
  close(): Promise<void>;
}

export async function openAppendFile(path: string): Promise<AppendFile> {
  const directory = dirname(path);
  mkdirSync(directory, { recursive: true });
  const file = await open(path, 'a+');
  // A new file exists only once its directory is flushed.
  const descriptor = openSync(directory, 'r');
  fsyncSync(descriptor);
  closeSync(descriptor);
  return {
    readAll: async () => {
      const { size } = await file.stat();
      const bytes = new Uint8Array(size);
      let offset = 0;
      while (offset < size) {
        const { bytesRead } = await file.read(bytes, offset, size - offset, offset);
        if (bytesRead === 0) break;
        offset += bytesRead;
      }
      return bytes.subarray(0, offset);
    },
    append: async (bytes) => {
      let offset = 0;
      while (offset < bytes.length) {
        const { bytesWritten } = await file.write(bytes, offset, bytes.length - offset);
        offset += bytesWritten;
      }
    },
    sync: () => file.datasync(),
    truncate: (length) => file.truncate(length),
    close: () => file.close(),
  };
}
