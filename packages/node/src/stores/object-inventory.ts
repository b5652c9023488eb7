/**
 * What a store has attested and must therefore have: one durable entry for each object, on the node's
 * own disk and not in the store itself, so that a store which loses, swaps or revives objects is found
 * out. Object keys are not in it, only the names derived from them (R5).
 */
import { type Bytes, concatBytes, fromHex, toHex } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';
import { type RecordId, toRecordId } from '@yilian/crypto/ids';
import type { Shelf } from '../services/service-store.ts';
import type { Announcement } from './object-store.ts';
import { type StoredName, parseStoredName } from './stored-head.ts';

export const HOLDING_STATES = ['held', 'missing', 'damaged', 'erased'] as const;
export type HoldingState = (typeof HOLDING_STATES)[number];

/** What a look at a copy shows. */
export type SeenCopy = 'held' | 'missing' | 'altered';

/** How its name is known: from whoever had the object key, or only from another operator's word. */
const ORIGINS = ['uploaded', 'copied'] as const;
export type Origin = (typeof ORIGINS)[number];

export interface Holding {
  readonly name: StoredName;
  readonly announced: Announcement;
  readonly state: HoldingState;
  readonly origin: Origin;
  /** Once a final transaction names it. */
  readonly recordId: RecordId | null;
}

export interface ObjectInventory {
  get(name: StoredName): Holding | undefined;
  findByHeader(headerHash: Bytes): Holding | undefined;
  /**
   * The entry becomes what `change` makes of it (null: stays as it is). Changes of one entry come one
   * after the other, each sees what the one before wrote.
   */
  change(
    name: StoredName,
    change: (before: Holding | undefined) => Omit<Holding, 'name'> | null,
  ): Promise<void>;
  /** In the order of names, after `after`. */
  list(after: StoredName | null, count: number): readonly Holding[];
  /** Lost, as far as is known; a state never becomes `held` but by a look at the object. */
  broken(): readonly Holding[];
  /** Records on chain that name this store, of which it has never seen the object. */
  unseen(): readonly RecordId[];
  noteUnseen(recordId: RecordId): Promise<void>;
  forgetUnseen(recordId: RecordId): Promise<void>;
  count(state: HoldingState): number;
  /** Told of each copy of a known record that is found lost, or there again. One listener. */
  watch(listener: (recordId: RecordId, seen: SeenCopy) => void): void;
  /** Height up to which the chain was read. */
  cursor(): number;
  moveCursor(height: number): Promise<void>;
}

const NAME = 0x6e;
const HEADER = 0x68;
const UNSEEN = 0x75;
const CURSOR: Bytes = Uint8Array.of(0x63);

function place(kind: number, key: Bytes): Bytes {
  return concatBytes(Uint8Array.of(kind), key);
}

function encodeHolding({ announced, state, origin, recordId }: Holding): Bytes {
  const { headerHash, digest, length } = announced;
  return encode([headerHash, digest, length, state, origin, recordId]);
}

function decodeHolding(name: StoredName, bytes: Bytes): Holding | null {
  const value = decode(bytes);
  if (!Array.isArray(value)) return null;
  const [headerHash, digest, length, stateText, originText, recordId]: readonly Cbor[] = value;
  const state = HOLDING_STATES.find((each) => each === stateText);
  const origin = ORIGINS.find((each) => each === originText);
  if (
    !(headerHash instanceof Uint8Array) ||
    !(digest instanceof Uint8Array) ||
    typeof length !== 'number' ||
    state === undefined ||
    origin === undefined ||
    !(recordId === null || recordId instanceof Uint8Array)
  )
    return null;
  return {
    name,
    announced: { headerHash, digest, length },
    state,
    origin,
    recordId: recordId === null ? null : toRecordId(recordId),
  };
}

/** Only counts and what is broken or unseen are held in memory. */
export function openObjectInventory(shelf: Shelf): ObjectInventory {
  const counts = new Map<HoldingState, number>(HOLDING_STATES.map((state) => [state, 0]));
  const brokenNames = new Set<StoredName>();
  const unseenIds = new Map<string, RecordId>();

  const nameOf = (key: Bytes): StoredName | null => parseStoredName(toHex(key.subarray(1)));
  const tally = (state: HoldingState, by: 1 | -1): void => {
    counts.set(state, (counts.get(state) ?? 0) + by);
  };
  let tell: (recordId: RecordId, seen: SeenCopy) => void = () => undefined;
  const isBroken = (state: HoldingState): boolean => state === 'missing' || state === 'damaged';

  /** Entries whose name begins with this byte, in order: a 256th of all is in memory at a time. */
  const listBucket = (first: number): readonly Holding[] =>
    shelf.list(Uint8Array.of(NAME, first)).flatMap(({ key, value }) => {
      const name = nameOf(key);
      return name === null ? [] : (decodeHolding(name, value) ?? []);
    });

  for (let first = 0; first < 256; first++)
    for (const { name, state } of listBucket(first)) {
      tally(state, 1);
      if (isBroken(state)) brokenNames.add(name);
    }
  for (const { key } of shelf.list(Uint8Array.of(UNSEEN))) {
    const id = toRecordId(key.slice(1));
    unseenIds.set(toHex(id), id);
  }

  const get = (name: StoredName): Holding | undefined => {
    const bytes = shelf.get(place(NAME, fromHex(name)));
    return bytes === undefined ? undefined : (decodeHolding(name, bytes) ?? undefined);
  };

  const write = async (holding: Holding): Promise<void> => {
    const { name, announced, state } = holding;
    const before = get(name);
    const bytes = fromHex(name);
    await shelf.putAll([
      { key: place(NAME, bytes), value: encodeHolding(holding) },
      { key: place(HEADER, announced.headerHash), value: bytes },
    ]);
    if (before !== undefined) tally(before.state, -1);
    tally(state, 1);
    if (isBroken(state)) brokenNames.add(name);
    else brokenNames.delete(name);
    const { recordId } = holding;
    if (recordId === null) return;
    if (isBroken(state)) tell(recordId, state === 'missing' ? 'missing' : 'altered');
    const wasLost =
      (before !== undefined && isBroken(before.state)) || unseenIds.has(toHex(recordId));
    if (state === 'held' && wasLost) tell(recordId, 'held');
  };
  /** The last change under way of each entry. */
  const changing = new Map<StoredName, Promise<void>>();

  return {
    get,
    findByHeader: (headerHash) => {
      const bytes = shelf.get(place(HEADER, headerHash));
      const name = bytes === undefined ? null : parseStoredName(toHex(bytes));
      return name === null ? undefined : get(name);
    },
    change: (name, change) => {
      const before = changing.get(name) ?? Promise.resolve();
      const done = before
        .catch(() => undefined)
        .then(async () => {
          const next = change(get(name));
          if (next !== null) await write({ ...next, name });
        });
      changing.set(name, done);
      const forget = (): void => {
        if (changing.get(name) === done) changing.delete(name);
      };
      done.then(forget, forget);
      return done;
    },
    list: (after, count) => {
      const found: Holding[] = [];
      const from = after === null ? 0 : Number.parseInt(after.slice(0, 2), 16);
      for (let first = from; first < 256 && found.length < count; first++)
        found.push(...listBucket(first).filter(({ name }) => after === null || name > after));
      return found.slice(0, count);
    },
    broken: () => [...brokenNames].flatMap((name) => get(name) ?? []),
    unseen: () => [...unseenIds.values()],
    noteUnseen: async (recordId) => {
      await shelf.put(place(UNSEEN, recordId), new Uint8Array(0));
      unseenIds.set(toHex(recordId), recordId);
      tell(recordId, 'missing');
    },
    forgetUnseen: async (recordId) => {
      if (!unseenIds.delete(toHex(recordId))) return;
      await shelf.delete(place(UNSEEN, recordId));
    },
    watch: (listener) => {
      tell = listener;
    },
    count: (state) => counts.get(state) ?? 0,
    cursor: () => {
      const bytes = shelf.get(CURSOR);
      const height = bytes === undefined ? 0 : decode(bytes);
      return typeof height === 'number' ? height : 0;
    },
    moveCursor: (height) => shelf.put(CURSOR, encode(height)),
  };
}
