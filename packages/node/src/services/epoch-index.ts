/**
 * The search index: for each hospital and epoch the record ids and tags of every final record, packed
 * for bulk AES. Built from final blocks only; kept on the services' disk with a cursor, so that a
 * restart reads it back instead of walking the chain.
 */
import { type Bytes, concatBytes, utf8 } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';
import type { EpochIndex } from '@yilian/crypto/searchable-encryption';
import { deriveRecordId } from '@yilian/crypto/ids';
import type { ChainContext } from '@yilian/crypto/context';
import type { ChainView, FinalBlockView, LoggedTransaction } from './chain-view.ts';
import type { Shelf } from './service-store.ts';

const PREFIX_BYTES = 16;
const TAG_BYTES = 24;

/** One epoch of one hospital (records with equally many tags), in memory that workers share. */
export interface EpochBucket {
  readonly id: number;
  readonly mode: 'pk' | 'sym';
  readonly institution: string;
  readonly epoch: number;
  /** A; empty in mode `sym`. */
  readonly point: Bytes;
  /** Grows; `packed` is the state of the moment. */
  packed(): EpochIndex;
  /** Whole ids and log positions, in the order of packing. */
  recordAt(position: number): { readonly recordId: Bytes; readonly logPosition: number };
  readonly count: number;
}

class Bucket implements EpochBucket {
  readonly id: number;
  readonly mode: 'pk' | 'sym';
  readonly institution: string;
  readonly epoch: number;
  readonly point: Bytes;
  readonly #tagsPerRecord: number;
  #prefixes = new Uint8Array(new SharedArrayBuffer(PREFIX_BYTES * 8));
  #tags: Uint8Array;
  readonly #records: { readonly recordId: Bytes; readonly logPosition: number }[] = [];

  constructor(id: number, entry: IndexedRecord) {
    this.id = id;
    this.mode = entry.mode;
    this.institution = entry.institution;
    this.epoch = entry.epoch;
    this.point = entry.point;
    this.#tagsPerRecord = entry.tags.length;
    this.#tags = new Uint8Array(new SharedArrayBuffer(entry.tags.length * TAG_BYTES * 8));
  }

  get count(): number {
    return this.#records.length;
  }

  add(entry: IndexedRecord): void {
    const count = this.#records.length;
    const stride = this.#tagsPerRecord * TAG_BYTES;
    if ((count + 1) * PREFIX_BYTES > this.#prefixes.length) {
      this.#prefixes = grown(this.#prefixes);
      this.#tags = grown(this.#tags);
    }
    this.#prefixes.set(entry.recordId.subarray(0, PREFIX_BYTES), count * PREFIX_BYTES);
    entry.tags.forEach((tag, i) => this.#tags.set(tag, count * stride + i * TAG_BYTES));
    this.#records.push({ recordId: entry.recordId, logPosition: entry.logPosition });
  }

  packed(): EpochIndex {
    const count = this.#records.length;
    return {
      prefixes: this.#prefixes.subarray(0, count * PREFIX_BYTES),
      tags: this.#tags.subarray(0, count * this.#tagsPerRecord * TAG_BYTES),
      tagsPerRecord: this.#tagsPerRecord,
    };
  }

  recordAt(position: number): { readonly recordId: Bytes; readonly logPosition: number } {
    const record = this.#records[position];
    if (record === undefined) throw new RangeError(`no record ${position} in this epoch`);
    return record;
  }
}

function grown(bytes: Uint8Array<SharedArrayBuffer>): Uint8Array<SharedArrayBuffer>;
function grown(bytes: Uint8Array): Uint8Array;
function grown(bytes: Uint8Array): Uint8Array {
  const larger = new Uint8Array(new SharedArrayBuffer(bytes.length * 2));
  larger.set(bytes);
  return larger;
}

interface IndexedRecord {
  readonly mode: 'pk' | 'sym';
  readonly institution: string;
  readonly epoch: number;
  readonly point: Bytes;
  readonly recordId: Bytes;
  readonly logPosition: number;
  readonly tags: readonly Bytes[];
}

export interface EpochIndexService {
  /** Epochs of a hospital from day `fromDay` on; the `sym` ones whatever their day. */
  buckets(institution: string, mode: 'pk' | 'sym', fromDay: number): readonly EpochBucket[];
  readonly recordCount: number;
  /** Takes in the blocks up to `block`. */
  tend(block: FinalBlockView): Promise<void>;
}

function encodeEntry(entry: IndexedRecord): Bytes {
  return encode([
    entry.mode,
    entry.institution,
    entry.epoch,
    entry.point,
    entry.recordId,
    entry.logPosition,
    concatBytes(...entry.tags),
  ]);
}

function decodeEntry(bytes: Bytes): IndexedRecord | null {
  const value = decode(bytes);
  if (!Array.isArray(value)) return null;
  const [mode, institution, epoch, point, recordId, logPosition, joined]: readonly Cbor[] = value;
  if (
    (mode !== 'pk' && mode !== 'sym') ||
    typeof institution !== 'string' ||
    typeof epoch !== 'number' ||
    typeof logPosition !== 'number' ||
    !(point instanceof Uint8Array) ||
    !(recordId instanceof Uint8Array) ||
    !(joined instanceof Uint8Array)
  )
    return null;
  const tags: Bytes[] = [];
  for (let offset = 0; offset < joined.length; offset += TAG_BYTES)
    tags.push(joined.subarray(offset, offset + TAG_BYTES));
  return { mode, institution, epoch, point, recordId, logPosition, tags };
}

const CURSOR = utf8('c');
const LOGGED_AT_ONCE = 256;

function entryPlace(logPosition: number): Bytes {
  const bytes = new Uint8Array(9);
  bytes[0] = 0x72;
  new DataView(bytes.buffer).setBigUint64(1, BigInt(logPosition));
  return bytes;
}

function recordsOf(
  context: ChainContext,
  chain: ChainView,
  block: FinalBlockView,
): readonly IndexedRecord[] {
  const found: IndexedRecord[] = [];
  for (const { transaction, outcome } of block.transactions) {
    const { body } = transaction;
    if (outcome !== 'ok' || (body.type !== 'issueRecord' && body.type !== 'amendRecord')) continue;
    const logPosition = chain.logPosition(transaction.id);
    if (logPosition === undefined) continue;
    const { index } = body;
    found.push({
      mode: index.mode,
      institution: body.institution,
      epoch: index.mode === 'pk' ? index.epoch : 0,
      point: index.mode === 'pk' ? index.a : new Uint8Array(0),
      recordId: deriveRecordId(context, body.capsule.c),
      logPosition,
      tags: index.tags,
    });
  }
  return found;
}

/** The same out of log and state, where the block is not kept. */
function recordOfLog(
  chain: ChainView,
  { leaf, position }: LoggedTransaction,
): IndexedRecord | undefined {
  for (const [kind, id] of leaf.facts) {
    if (kind !== 'record' || !(id instanceof Uint8Array)) continue;
    const record = chain.record(id);
    if (record === undefined) continue;
    const { index, institution } = record;
    return {
      mode: index.mode,
      institution,
      epoch: index.mode === 'pk' ? index.epoch : 0,
      point: index.mode === 'pk' ? index.a : new Uint8Array(0),
      recordId: record.id,
      logPosition: position,
      tags: index.tags,
    };
  }
  return undefined;
}

/** Reads the index back and walks the blocks that came since. */
export async function openEpochIndex(options: {
  readonly chain: ChainView;
  readonly context: ChainContext;
  readonly shelf: Shelf;
}): Promise<EpochIndexService> {
  const { chain, context, shelf } = options;
  const buckets = new Map<string, Bucket>();
  const byHospital = new Map<string, Bucket[]>();
  let recordCount = 0;
  /** Highest log position in the index. */
  let newest = -1;
  let nextId = 0;

  const add = (entry: IndexedRecord): void => {
    const hospital = `${entry.mode}/${entry.institution}`;
    const name = `${hospital}/${entry.epoch}/${entry.tags.length}`;
    let bucket = buckets.get(name);
    if (bucket === undefined) {
      bucket = new Bucket(nextId++, entry);
      buckets.set(name, bucket);
      byHospital.set(hospital, [...(byHospital.get(hospital) ?? []), bucket]);
    }
    bucket.add(entry);
    recordCount += 1;
    newest = Math.max(newest, entry.logPosition);
  };

  for (const { key, value } of shelf.list()) {
    if (key[0] !== 0x72) continue;
    const entry = decodeEntry(value);
    if (entry !== null) add(entry);
  }
  const stored = shelf.get(CURSOR);
  const cursor = stored === undefined ? 0 : decode(stored);
  let indexed = typeof cursor === 'number' ? cursor : 0;

  const take = async (block: FinalBlockView): Promise<void> => {
    const entries = recordsOf(context, chain, block);
    // Empty blocks move the cursor now and then only: reading one again costs nothing.
    if (entries.length > 0 || block.height % 1024 === 0)
      await shelf.putAll([
        ...entries.map((entry) => ({
          key: entryPlace(entry.logPosition),
          value: encodeEntry(entry),
        })),
        { key: CURSOR, value: encode(block.height) },
      ]);
    for (const entry of entries) add(entry);
    indexed = block.height;
  };

  /** Up to the block before the first that is kept. */
  const takeLogged = async (to: number): Promise<void> => {
    let entries: IndexedRecord[] = [];
    const keep = (): Promise<void> =>
      shelf.putAll(
        entries.map((entry) => ({ key: entryPlace(entry.logPosition), value: encodeEntry(entry) })),
      );
    let read = 0;
    for (const logged of chain.logged(indexed + 1, to)) {
      // What a stop in the middle left is there already.
      const entry = logged.position <= newest ? undefined : recordOfLog(chain, logged);
      if (entry !== undefined) entries.push(entry);
      if (++read % LOGGED_AT_ONCE !== 0) continue;
      // oxlint-disable-next-line no-await-in-loop -- in order, and others have their turn
      await keep();
      for (const each of entries) add(each);
      entries = [];
    }
    await keep();
    await shelf.putAll([{ key: CURSOR, value: encode(to) }]);
    for (const each of entries) add(each);
    indexed = to;
  };

  const catchUp = async (height: number): Promise<void> => {
    // oxlint-disable-next-line no-unmodified-loop-condition -- what it calls moves it
    while (indexed < height) {
      const block = chain.block(indexed + 1);
      const first = chain.firstBlock();
      // Pruned, or before a snapshot: the log tells the same.
      const missing = (first === 0 ? height + 1 : Math.min(first, height + 1)) - 1;
      // oxlint-disable-next-line no-await-in-loop -- in order of height
      if (block !== undefined) await take(block);
      // oxlint-disable-next-line no-await-in-loop -- in order of height
      else if (missing > indexed) await takeLogged(missing);
      else return;
    }
  };
  await catchUp(chain.tip().height);

  return {
    buckets: (institution, mode, fromDay) =>
      (byHospital.get(`${mode}/${institution}`) ?? []).filter(
        (bucket) => mode === 'sym' || bucket.epoch >= fromDay,
      ),
    get recordCount() {
      return recordCount;
    },
    tend: async (block) => {
      await catchUp(block.height - 1);
      if (block.height === indexed + 1) await take(block);
    },
  };
}
