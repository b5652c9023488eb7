/**
 * A file of fixed slots for the short-lived secrets whose end is promised: per-grant share keys, daily
 * HPKE keys, epoch exponents. It lies outside LMDB (whose freed pages keep old bytes), is never copied
 * into snapshots or backups, and a slot is overwritten with zeros and flushed when its secret ends.
 *
 * Slot: id (32 bytes) ‖ secret (32 bytes) ‖ first 8 bytes of SHA-256(id ‖ secret); all zero = free.
 * A slot that fails its check (torn write) counts as lost and is zeroed at opening: the service that
 * misses it says so. Does not promise anything about copies that a disk keeps by itself (wear
 * levelling); SECURITY.md says so.
 */
import { mkdirSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Bytes, concatBytes, equalBytes, toHex } from '@yilian/crypto/bytes';
import { sha256 } from '@yilian/crypto/hash';

const ID_BYTES = 32;
const SECRET_BYTES = 32;
const CHECK_BYTES = 8;
const SLOT_BYTES = 80;

export interface SecretSlots {
  /** A copy of the secret. */
  get(id: Bytes): Bytes | undefined;
  ids(): readonly Bytes[];
  /** Durable when it resolves. The id must be free. */
  put(id: Bytes, secret: Bytes): Promise<void>;
  /** Zeroed on disk and in memory when it resolves. */
  erase(id: Bytes): Promise<void>;
  close(): Promise<void>;
}

interface Slot {
  readonly position: number;
  readonly id: Bytes;
  readonly secret: Bytes;
}

function slotBytes(id: Bytes, secret: Bytes): Bytes {
  const check = sha256(concatBytes(id, secret)).subarray(0, CHECK_BYTES);
  const padding = new Uint8Array(SLOT_BYTES - ID_BYTES - SECRET_BYTES - CHECK_BYTES);
  return concatBytes(id, secret, check, padding);
}

/** `id` shorter than 32 bytes are padded with zeros. */
function fullId(id: Bytes): Bytes {
  if (id.length > ID_BYTES) throw new RangeError('a slot id has at most 32 bytes');
  return concatBytes(id, new Uint8Array(ID_BYTES - id.length));
}

async function writeAt(file: FileHandle, bytes: Bytes, position: number): Promise<void> {
  let offset = 0;
  while (offset < bytes.length) {
    const { bytesWritten } = await file.write(
      bytes,
      offset,
      bytes.length - offset,
      position + offset,
    );
    offset += bytesWritten;
  }
  await file.sync();
}

/** Opens or makes the file. One process at a time: the caller's lock on the node directory sees to it. */
export async function openSecretSlots(path: string): Promise<SecretSlots> {
  mkdirSync(dirname(path), { recursive: true });
  const file = await open(path, 'a').then(async (created) => {
    await created.close();
    return open(path, 'r+');
  });
  // An own array: Buffer's `slice` shares memory, and what was read is zeroed below.
  const content: Bytes = new Uint8Array(await file.readFile());
  const slots = new Map<string, Slot>();
  const free: number[] = [];
  let end = 0;
  const torn: number[] = [];
  for (; end < content.length; end += SLOT_BYTES) {
    const bytes = content.subarray(end, end + SLOT_BYTES);
    const id = bytes.slice(0, ID_BYTES);
    const secret = bytes.slice(ID_BYTES, ID_BYTES + SECRET_BYTES);
    if (bytes.length === SLOT_BYTES && bytes.every((byte) => byte === 0)) free.push(end);
    else if (bytes.length === SLOT_BYTES && equalBytes(slotBytes(id, secret), bytes))
      slots.set(toHex(id), { position: end, id, secret });
    else torn.push(end);
  }
  content.fill(0);
  for (const position of torn) {
    await writeAt(file, new Uint8Array(SLOT_BYTES), position);
    free.push(position);
  }
  let last: Promise<unknown> = Promise.resolve();
  // One write after the other: two writers must not take the same free slot.
  const inOrder = <T>(work: () => Promise<T>): Promise<T> => {
    const next = last.then(work, work);
    last = next.catch(() => undefined);
    return next;
  };
  return {
    get: (id) => slots.get(toHex(fullId(id)))?.secret.slice(),
    ids: () => [...slots.values()].map((slot) => slot.id.slice()),
    put: (id, secret) =>
      inOrder(async () => {
        const full = fullId(id);
        if (secret.length !== SECRET_BYTES) throw new RangeError('a slot secret has 32 bytes');
        if (slots.has(toHex(full))) throw new Error('a secret with this id is kept already');
        const position = free.pop() ?? end;
        if (position === end) end += SLOT_BYTES;
        await writeAt(file, slotBytes(full, secret), position);
        slots.set(toHex(full), { position, id: full, secret: secret.slice() });
      }),
    erase: (id) =>
      inOrder(async () => {
        const key = toHex(fullId(id));
        const slot = slots.get(key);
        if (slot === undefined) return;
        slots.delete(key);
        slot.secret.fill(0);
        await writeAt(file, new Uint8Array(SLOT_BYTES), slot.position);
        free.push(slot.position);
      }),
    close: async () => {
      await last;
      for (const slot of slots.values()) slot.secret.fill(0);
      slots.clear();
      await file.close();
    },
  };
}
