/**
 * The write-ahead log: what this replica is about to say, on disk before it is said.
 *
 * One frame per append: head ‖ payload ‖ 0xa5, where head (40 bytes) = magic (4) ‖ payload length (4,
 * big endian) ‖ number (8) ‖ SHA-256(the 16 bytes before)[0…8] ‖ SHA-256(number ‖ payload)[0…16]. A
 * frame is flushed before the next one is written, so that only the last can be torn:
 *   - a last frame that ends early, or whose tail was never written (the file grew, but its last byte
 *     is zero, which a written frame's never is), is cut: its message was never sent;
 *   - anything else that does not check is bit rot. A replica that might have forgotten a vote must not
 *     vote, so opening fails with `damaged`.
 * Numbers ascend by one, hence a frame that was written to a wrong place, or lost between two others,
 * is found as well.
 */
import { createHash } from 'node:crypto';
import { type Bytes, equalBytes, u64be } from '@yilian/crypto/bytes';
import type { AppendFile } from './append-file.ts';
import { StorageError } from './key-value-store.ts';

const MAGIC = 0x59_4c_57_31; // YLW1
const HEAD_BYTES = 40;
const END_MARK = 0xa5;
/** Once decided, records are worthless; the file is emptied when it passed this size. */
const TRUNCATE_BYTES = 16 * 1024 * 1024;

export interface WriteAheadLog {
  /** What an earlier run wrote, in order. */
  readonly recovered: readonly Bytes[];
  /** Whether the last frame of the earlier run was torn and has been cut. */
  readonly cutTail: boolean;
  /** Resolves when the payload is durable. One call at a time. */
  append(payload: Bytes): Promise<void>;
  /** Says that nothing written so far is needed any more; cheap, and usually does nothing. */
  release(): Promise<void>;
  close(): Promise<void>;
}

function hashOf(length: number, ...parts: readonly Bytes[]): Bytes {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest().subarray(0, length);
}

function encodeFrame(number: bigint, payload: Bytes): Bytes {
  const frame = new Uint8Array(HEAD_BYTES + payload.length + 1);
  const view = new DataView(frame.buffer);
  view.setUint32(0, MAGIC);
  view.setUint32(4, payload.length);
  view.setBigUint64(8, number);
  frame.set(hashOf(8, frame.subarray(0, 16)), 16);
  frame.set(hashOf(16, u64be(number), payload), 24);
  frame.set(payload, HEAD_BYTES);
  frame[frame.length - 1] = END_MARK;
  return frame;
}

type Frame =
  | {
      readonly kind: 'whole';
      readonly number: bigint;
      readonly payload: Bytes;
      readonly end: number;
    }
  | { readonly kind: 'torn' }
  | { readonly kind: 'damaged' };

function readFrame(file: Bytes, start: number): Frame {
  const rest = file.subarray(start);
  // Whether the file grew without being written up to its end.
  const unwritten: Frame = { kind: rest[rest.length - 1] === 0 ? 'torn' : 'damaged' };
  if (rest.length < HEAD_BYTES) return { kind: 'torn' };
  const view = new DataView(rest.buffer, rest.byteOffset, HEAD_BYTES);
  const headHolds =
    view.getUint32(0) === MAGIC &&
    equalBytes(hashOf(8, rest.subarray(0, 16)), rest.subarray(16, 24));
  if (!headHolds) return unwritten;
  const number = view.getBigUint64(8);
  const length = HEAD_BYTES + view.getUint32(4) + 1;
  if (length > rest.length) return { kind: 'torn' };
  const payload = rest.subarray(HEAD_BYTES, length - 1);
  const holds =
    rest[length - 1] === END_MARK &&
    equalBytes(hashOf(16, u64be(number), payload), rest.subarray(24, HEAD_BYTES));
  if (holds) return { kind: 'whole', number, payload: payload.slice(), end: start + length };
  return length < rest.length ? { kind: 'damaged' } : unwritten;
}

interface Recovery {
  readonly payloads: readonly Bytes[];
  readonly length: number;
  readonly nextNumber: bigint;
}

/** @throws StorageError `damaged` */
function recover(file: Bytes): Recovery {
  const payloads: Bytes[] = [];
  let length = 0;
  let nextNumber: bigint | undefined;
  while (length < file.length) {
    const frame = readFrame(file, length);
    if (frame.kind === 'torn') break;
    const inOrder =
      frame.kind === 'whole' && (nextNumber === undefined || frame.number === nextNumber);
    if (!inOrder)
      throw new StorageError('damaged', `the write-ahead log is damaged at byte ${length}`);
    payloads.push(frame.payload);
    nextNumber = frame.number + 1n;
    length = frame.end;
  }
  return { payloads, length, nextNumber: nextNumber ?? 0n };
}

/** @throws StorageError `damaged`; the file is closed then */
export async function openWriteAheadLog(file: AppendFile): Promise<WriteAheadLog> {
  const content = await file.readAll();
  let recovery: Recovery;
  try {
    recovery = recover(content);
  } catch (error) {
    await file.close();
    throw error;
  }
  const cutTail = recovery.length < content.length;
  if (cutTail) {
    await file.truncate(recovery.length);
    await file.sync();
  }
  let number = recovery.nextNumber;
  let length = recovery.length;
  let failed: StorageError | undefined;

  const guarded = async (work: () => Promise<void>): Promise<void> => {
    if (failed !== undefined) throw failed;
    try {
      await work();
    } catch (cause) {
      failed = new StorageError('writeFailed', 'the write-ahead log could not be written', {
        cause,
      });
      throw failed;
    }
  };
  return {
    recovered: recovery.payloads,
    cutTail,
    append: (payload) =>
      guarded(async () => {
        const frame = encodeFrame(number, payload);
        await file.append(frame);
        await file.sync();
        number += 1n;
        length += frame.length;
      }),
    release: () =>
      guarded(async () => {
        if (length < TRUNCATE_BYTES) return;
        await file.truncate(0);
        await file.sync();
        length = 0;
      }),
    close: () => file.close(),
  };
}
