/**
 * Snapshots as files, the newest few: a folder per height with one file per chunk and `snapshot`, which is
 * written last and lists the lengths of the others. What is unfinished or shortened by a crash goes at the start.
 * Nothing of it is secret or trusted: whoever takes a chunk verifies it.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Snapshot } from '@yilian/consensus/abci/common-messages';
import type { Bytes } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import { ANY_COUNT, Fields } from '@yilian/crypto/fields';

const KEPT = 2;
const HEIGHT = /^\d{1,16}$/;

export interface SnapshotDraft {
  addChunk(bytes: Bytes): Promise<void>;
  /** From here on it is listed; older ones than the newest two go. */
  finish(snapshot: Snapshot): Promise<void>;
  discard(): void;
}

export interface SnapshotShelf {
  /** Newest first. */
  list(): readonly Snapshot[];
  chunk(height: bigint, format: number, index: number): Promise<Bytes | undefined>;
  begin(height: bigint): SnapshotDraft;
}

function encodeIndex(
  { height, format, chunks, hash, metadata }: Snapshot,
  lengths: number[],
): Bytes {
  return encode([height, format, chunks, hash, metadata, lengths]);
}

function chunkPath(folder: string, index: number): string {
  return join(folder, String(index));
}

/** Undefined unless everything is there. */
function readSnapshot(folder: string): Snapshot | undefined {
  try {
    const bytes = new Uint8Array(readFileSync(join(folder, 'snapshot')));
    const fields = Fields.of(decode(bytes, { bytesMax: 16 * 1024 * 1024, depthMax: 2 }), 6);
    const snapshot = {
      height: fields.u64(),
      format: fields.whole(),
      chunks: fields.whole(),
      hash: fields.bytes(32),
      metadata: fields.bytes(),
    };
    const lengths = fields.list(ANY_COUNT, (list) => list.whole());
    const isWhole =
      lengths.length === snapshot.chunks &&
      lengths.every((length, index) => statSync(chunkPath(folder, index)).size === length);
    return isWhole ? snapshot : undefined;
  } catch {
    return undefined;
  }
}

export function openSnapshotShelf(directory: string): SnapshotShelf {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const found: Snapshot[] = [];
  for (const name of readdirSync(directory)) {
    const folder = join(directory, name);
    const snapshot = HEIGHT.test(name) ? readSnapshot(folder) : undefined;
    if (snapshot === undefined || String(snapshot.height) !== name)
      rmSync(folder, { recursive: true, force: true });
    else found.push(snapshot);
  }
  const folderOf = (height: bigint): string => join(directory, String(height));
  let listed: readonly Snapshot[] = [];
  const keepNewest = (all: readonly Snapshot[]): void => {
    const sorted = all.toSorted((a, b) => (a.height < b.height ? 1 : -1));
    listed = sorted.slice(0, KEPT);
    for (const { height } of sorted.slice(KEPT))
      rmSync(folderOf(height), { recursive: true, force: true });
  };
  keepNewest(found);
  return {
    list: () => listed,
    chunk: async (height, format, index) => {
      const snapshot = listed.find((each) => each.height === height && each.format === format);
      if (snapshot === undefined || index >= snapshot.chunks) return undefined;
      try {
        return new Uint8Array(await readFile(chunkPath(folderOf(height), index)));
      } catch {
        // Its turn to go came meanwhile.
        return undefined;
      }
    },
    begin: (height) => {
      const draft = join(directory, `${height}.draft`);
      rmSync(draft, { recursive: true, force: true });
      mkdirSync(draft, { mode: 0o700 });
      const lengths: number[] = [];
      return {
        addChunk: async (bytes) => {
          await writeFile(chunkPath(draft, lengths.push(bytes.length) - 1), bytes, { mode: 0o600 });
        },
        finish: async (snapshot) => {
          const index = encodeIndex(snapshot, lengths);
          await writeFile(join(draft, 'snapshot'), index, { mode: 0o600, flush: true });
          rmSync(folderOf(height), { recursive: true, force: true });
          renameSync(draft, folderOf(height));
          keepNewest([...listed.filter((each) => each.height !== height), snapshot]);
        },
        discard: () => rmSync(draft, { recursive: true, force: true }),
      };
    },
  };
}
