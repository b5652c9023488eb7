/**
 * `ObjectStore` on S3 (decision 0010). An object is head (stored-head.ts) ‖ content under
 * `<prefix><first two digits>/<name>`.
 *
 * Up to one part the content is verified first and put at once; beyond, parts go out while it is being
 * verified, and the upload is completed (becomes visible) only when it was found good. Both carry
 * `If-None-Match: *`. A crash leaves an unfinished upload, which nobody can read and the next opening
 * aborts. Memory: one part for each upload, one piece for each download.
 */
import { type Bytes, utf8 } from '@yilian/crypto/bytes';
import { ConfigError } from '../json-fields.ts';
import { ObjectStoreError } from './object-store-error.ts';
import type {
  Announcement,
  ObjectStore,
  PutResult,
  StoredObject,
  VerifyContent,
} from './object-store.ts';
import {
  type S3Client,
  type S3ClientPorts,
  type UploadedPart,
  type Written,
  createS3Client,
} from './s3-client.ts';
import type { S3Settings } from './s3-settings.ts';
import {
  HEAD_BYTES,
  type StoredName,
  encodeHead,
  parseHead,
  sameAnnouncement,
} from './stored-head.ts';

/** S3 takes parts of 5 MiB to 5 GiB, at most 10,000: objects up to 78 GiB. */
export const PART_BYTES: number = 8 * 1024 * 1024;
const PARTS_MAX = 10_000;
/** The first answer brings the head and so much of the content: most records whole. */
const FIRST_READ_BYTES = 256 * 1024;
const MARKER = 'format';
const MARKER_TEXT: Bytes = utf8('yilian objects 1');

export interface S3ObjectStoreOptions extends S3ClientPorts {
  readonly settings: S3Settings;
  readonly objectBytesMax: number;
  readonly verify: VerifyContent;
}

/** What was written in place of what: nothing, or what is lost or damaged there. */
type Replacing = 'nothing' | 'damaged';

class MismatchError extends Error {}

function keyOf(name: StoredName): string {
  return `${name.slice(0, 2)}/${name}`;
}

/**
 * Proves on a marker object that the server refuses a second conditional write and a second conditional
 * completion: one that does not know the condition ignores it in silence.
 */
async function requireConditionalWrites(client: S3Client): Promise<void> {
  const unconditional = (what: string): ConfigError =>
    new ConfigError(
      `the S3 server ignores If-None-Match on ${what}: it would let objects be overwritten`,
    );
  await client.put(MARKER, MARKER_TEXT);
  const again = await client.put(MARKER, MARKER_TEXT);
  if (again.outcome === 'written') throw unconditional('PutObject');
  const uploadId = await client.createUpload(MARKER);
  const part = await client.uploadPart(MARKER, uploadId, 1, MARKER_TEXT);
  const completed = await client.completeUpload(MARKER, uploadId, [part]);
  if (completed.outcome === 'written') throw unconditional('CompleteMultipartUpload');
  await client.abortUpload(MARKER, uploadId);
}

async function abortLeftovers(client: S3Client): Promise<void> {
  for (;;) {
    const uploads = await client.listUploads();
    for (const { key, uploadId } of uploads) await client.abortUpload(key, uploadId);
    if (uploads.length < 1000) return;
  }
}

/**
 * @throws ConfigError when the bucket is not fit for the store's promises, ObjectStoreError when it
 *   cannot be looked at
 */
export async function openS3ObjectStore(options: S3ObjectStoreOptions): Promise<ObjectStore> {
  const { settings, objectBytesMax, verify } = options;
  const client = createS3Client(settings, options);
  try {
    if ((await client.isVersioned()) === true)
      throw new ConfigError(
        `the bucket ${settings.bucket} keeps versions: what is erased would stay readable`,
      );
    await abortLeftovers(client);
    await requireConditionalWrites(client);
  } catch (error) {
    client.close();
    throw error;
  }

  const announcedIn = (bytes: Bytes, total: number): Announcement => {
    const head = parseHead(bytes);
    if (head === null || total !== HEAD_BYTES + head.length)
      throw new ObjectStoreError('corrupted', 'the object has another length than its head says');
    return head;
  };

  /** A range as a whole: one that breaks off is asked for again. */
  const gather = async (
    key: string,
    end: number,
    signal: AbortSignal | undefined,
  ): Promise<{
    readonly bytes: Bytes;
    readonly total: number;
    readonly entityTag: string;
  } | null> => {
    for (let failures = 0; ; failures++) {
      const answer = await client.getRange(key, { start: 0, end }, signal);
      if (answer === null) return null;
      try {
        const { total, entityTag } = answer;
        const parts: Bytes[] = [];
        for await (const part of answer.body()) parts.push(part);
        return { bytes: new Uint8Array(Buffer.concat(parts)), total, entityTag };
      } catch (error) {
        const isBroken = error instanceof ObjectStoreError && error.code === 'unavailable';
        if (!isBroken || failures >= settings.retries) throw error;
      }
    }
  };

  /** What the head there says. @throws ObjectStoreError `corrupted` */
  const find = async (key: string, signal?: AbortSignal): Promise<Announcement | null> => {
    const found = await gather(key, HEAD_BYTES, signal);
    return found === null ? null : announcedIn(found.bytes, found.total);
  };

  const compare = async (key: string, announced: Announcement): Promise<PutResult> => {
    try {
      const found = await find(key);
      if (found === null)
        throw new ObjectStoreError(
          'unavailable',
          'the store refused a write and has nothing there',
        );
      return { kind: sameAnnouncement(found, announced) ? 'present' : 'occupied' };
    } catch (error) {
      if (error instanceof ObjectStoreError && error.code === 'corrupted')
        return { kind: 'occupied' };
      throw error;
    }
  };

  /** Reads back before anybody is told that it is stored. */
  const confirm = async (key: string, announced: Announcement): Promise<PutResult> => {
    const found = await find(key);
    if (found === null)
      throw new ObjectStoreError('unavailable', 'the store lost what it said it had written');
    if (!sameAnnouncement(found, announced))
      throw new ObjectStoreError('corrupted', 'the store has other bytes than it was given');
    return { kind: 'stored' };
  };

  const settle = async (
    key: string,
    announced: Announcement,
    { outcome, wasRepeated }: Written,
  ): Promise<PutResult> => {
    if (outcome === 'written') return confirm(key, announced);
    const there = await compare(key, announced);
    // Its answer was lost and the repetition met one's own object.
    return wasRepeated && there.kind === 'present' ? { kind: 'stored' } : there;
  };

  const checked = async (
    announced: Announcement,
    content: AsyncIterable<Bytes>,
    signal: AbortSignal | undefined,
    take: (part: Bytes) => Promise<void> | void,
  ): Promise<void> => {
    let received = 0;
    async function* taken(): AsyncGenerator<Bytes> {
      for await (const part of content) {
        signal?.throwIfAborted();
        received += part.length;
        if (received > announced.length) return;
        await take(part);
        yield part;
      }
    }
    const isGood = await verify(announced, taken());
    if (!isGood || received !== announced.length) throw new MismatchError();
  };

  const putWhole = async (
    key: string,
    announced: Announcement,
    content: AsyncIterable<Bytes>,
    signal: AbortSignal | undefined,
    replacing: Replacing,
  ): Promise<PutResult> => {
    const body = new Uint8Array(HEAD_BYTES + announced.length);
    body.set(encodeHead(announced));
    let filled = HEAD_BYTES;
    await checked(announced, content, signal, (part) => {
      body.set(part, filled);
      filled += part.length;
    });
    if (replacing === 'damaged') await client.delete(key);
    return settle(key, announced, await client.put(key, body, signal));
  };

  const putInParts = async (
    key: string,
    announced: Announcement,
    content: AsyncIterable<Bytes>,
    signal: AbortSignal | undefined,
    replacing: Replacing,
  ): Promise<PutResult> => {
    const uploadId = await client.createUpload(key, signal);
    const parts: UploadedPart[] = [];
    const part = new Uint8Array(PART_BYTES);
    part.set(encodeHead(announced));
    let filled = HEAD_BYTES;
    const sendPart = async (): Promise<void> => {
      const number = parts.length + 1;
      parts.push(await client.uploadPart(key, uploadId, number, part.subarray(0, filled), signal));
      filled = 0;
    };
    try {
      await checked(announced, content, signal, async (piece) => {
        for (let offset = 0; offset < piece.length;) {
          if (filled === PART_BYTES) await sendPart();
          const fitting = piece.subarray(offset, offset + PART_BYTES - filled);
          part.set(fitting, filled);
          filled += fitting.length;
          offset += fitting.length;
        }
      });
      await sendPart();
      if (replacing === 'damaged') await client.delete(key);
      const written = await client.completeUpload(key, uploadId, parts, signal);
      if (written.outcome === 'taken') await client.abortUpload(key, uploadId);
      return await settle(key, announced, written);
    } catch (error) {
      // Best effort: what stays is invisible and goes at the next opening.
      await client.abortUpload(key, uploadId).catch(() => undefined);
      throw error;
    }
  };

  const write = async (
    name: StoredName,
    announced: Announcement,
    content: AsyncIterable<Bytes>,
    signal: AbortSignal | undefined,
    replacing: Replacing,
  ): Promise<PutResult> => {
    const total = HEAD_BYTES + announced.length;
    if (announced.length > objectBytesMax || total > PART_BYTES * PARTS_MAX)
      return { kind: 'tooLarge' };
    const putContent = total <= PART_BYTES ? putWhole : putInParts;
    try {
      const result = await putContent(keyOf(name), announced, content, signal, replacing);
      // Another repair came first with the same bytes.
      const isThere = replacing === 'damaged' && result.kind === 'present';
      return isThere ? { kind: 'stored' } : result;
    } catch (error) {
      if (error instanceof MismatchError) return { kind: 'mismatch' };
      throw error;
    }
  };

  const isThere = async (key: string, signal?: AbortSignal): Promise<boolean> => {
    try {
      const answer = await client.getRange(key, { start: 0, end: HEAD_BYTES }, signal);
      answer?.discard();
      return answer !== null;
    } catch (error) {
      // Something too short to be an object is still something.
      if (error instanceof ObjectStoreError && error.code === 'corrupted') return true;
      throw error;
    }
  };

  /** From `start` on, over as many answers as it takes; each must be of the same object. */
  async function* readFrom(
    key: string,
    entityTag: string,
    range: { readonly start: number; readonly end: number },
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Bytes> {
    let { start } = range;
    for (let failures = 0; start < range.end;) {
      const asked = { start, end: range.end, entityTag };
      const answer = await client.getRange(key, asked, signal);
      if (answer === null)
        throw new ObjectStoreError('missing', 'the object went away while it was read');
      try {
        for await (const part of answer.body()) {
          start += part.length;
          yield part;
        }
      } catch (error) {
        const isBroken = error instanceof ObjectStoreError && error.code === 'unavailable';
        if (!isBroken || failures >= settings.retries) throw error;
        failures += 1;
      }
    }
  }

  return {
    put: async (name, announced, content, signal) => {
      if (announced.length > objectBytesMax) return { kind: 'tooLarge' };
      // Before anything is read of the content: the answer is known.
      if (await isThere(keyOf(name), signal)) return compare(keyOf(name), announced);
      return write(name, announced, content, signal, 'nothing');
    },
    restore: (name, announced, content, signal) =>
      write(name, announced, content, signal, 'damaged'),
    inspect: (name, signal) => find(keyOf(name), signal),
    get: async (name, signal): Promise<StoredObject | null> => {
      const key = keyOf(name);
      const first = await gather(key, FIRST_READ_BYTES, signal);
      if (first === null) return null;
      const { bytes: opening, entityTag } = first;
      const announced = announcedIn(opening, first.total);
      return {
        announced,
        length: announced.length,
        read: async function* read({ start, end }) {
          const from = HEAD_BYTES + start;
          const to = HEAD_BYTES + end;
          const here = opening.subarray(from, to);
          if (here.length > 0) yield here;
          yield* readFrom(key, entityTag, { start: from + here.length, end: to }, signal);
        },
      };
    },
    erase: async (name) => {
      const key = keyOf(name);
      const wasThere = await isThere(key);
      await client.delete(key);
      if (await isThere(key))
        throw new ObjectStoreError('unavailable', 'the store still has what was erased');
      return wasThere;
    },
    close: () => {
      client.close();
      return Promise.resolve();
    },
  };
}
