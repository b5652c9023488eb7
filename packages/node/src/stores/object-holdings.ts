/**
 * A store with the memory of what must be in it. Every access compares what the store says with the
 * inventory; whole objects are read through the check of their digest. What turns out lost or damaged is
 * marked, counted and left to `object-repair.ts`. What was erased stays erased: neither an upload nor a
 * repair nor a store that serves old states brings it back.
 */
import type { Bytes } from '@yilian/crypto/bytes';
import type { ChainContext } from '@yilian/crypto/context';
import type { LedgerRecord } from '@yilian/ledger/contracts/records/record';
import { ObjectStoreError, isLoss } from './object-store-error.ts';
import type {
  Announcement,
  ObjectStore,
  PutResult,
  StoredObject,
  VerifyContent,
} from './object-store.ts';
import type { Holding, HoldingState, ObjectInventory, Origin } from './object-inventory.ts';
import { type StoredName, sameAnnouncement, storedName } from './stored-head.ts';
import { readVerified } from './verified-read.ts';

export interface NamedObject extends StoredObject {
  readonly name: StoredName;
}

export interface ObjectHoldings {
  readonly inventory: ObjectInventory;
  nameOf(objectKey: Bytes): StoredName;
  put(
    objectKey: Bytes,
    announced: Announcement,
    content: AsyncIterable<Bytes>,
    signal?: AbortSignal,
  ): Promise<PutResult>;
  /**
   * A read of the whole is verified on the way; of ranges the reader checks the chunks.
   * @throws ObjectStoreError `missing` when it was attested and is not there, `corrupted`, …
   */
  get(objectKey: Bytes, signal?: AbortSignal): Promise<NamedObject | null>;
  /** The same by name. */
  open(name: StoredName, signal?: AbortSignal): Promise<NamedObject | null>;
  /** What this store keeps of a record; null when it never saw it. */
  openRecord(record: LedgerRecord, signal?: AbortSignal): Promise<NamedObject | null>;
  /** Reads the whole object and marks what it finds. @throws ObjectStoreError when it cannot look */
  audit(holding: Holding, depth: 'head' | 'content'): Promise<HoldingState>;
  /**
   * Takes a record's bytes, from whomever, in place of what is lost: they are checked against the chain.
   * `present`: nothing is lost; the content is not read then.
   */
  restore(
    record: LedgerRecord,
    named: { readonly name: StoredName; readonly origin: Origin },
    content: () => AsyncIterable<Bytes> | Promise<AsyncIterable<Bytes>>,
    signal?: AbortSignal,
  ): Promise<PutResult>;
  erase(objectKey: Bytes): Promise<boolean>;
  /** Resolves when the store is closed. */
  close(): Promise<void>;
}

export interface ObjectHoldingsOptions {
  readonly context: ChainContext;
  readonly objects: ObjectStore;
  readonly inventory: ObjectInventory;
  readonly verify: VerifyContent;
}

export function createObjectHoldings(options: ObjectHoldingsOptions): ObjectHoldings {
  const { context, objects, inventory, verify } = options;

  const mark = (name: StoredName, state: HoldingState): Promise<void> =>
    inventory.change(name, (before) =>
      before === undefined || before.state === state || before.state === 'erased'
        ? null
        : { ...before, state },
    );

  const markLoss = async (name: StoredName, error: unknown): Promise<void> => {
    if (isLoss(error)) await mark(name, error.code === 'missing' ? 'missing' : 'damaged');
  };

  /** False when it was erased meanwhile: then what was just written goes, too. */
  const keep = async (
    name: StoredName,
    announced: Announcement,
    origin: Origin,
    recordId: Holding['recordId'] = null,
  ): Promise<boolean> => {
    const known = inventory.findByHeader(announced.headerHash);
    let isErased = false;
    await inventory.change(name, (before) => {
      isErased = before?.state === 'erased';
      if (isErased) return null;
      return {
        announced,
        state: 'held',
        origin: before?.origin === 'uploaded' ? 'uploaded' : origin,
        recordId: recordId ?? before?.recordId ?? known?.recordId ?? null,
      };
    });
    if (isErased) await objects.erase(name);
    return !isErased;
  };

  async function* readWhole(object: StoredObject, name: StoredName): AsyncGenerator<Bytes> {
    const { announced, length } = object;
    try {
      yield* readVerified(announced, object.read({ start: 0, end: length }), verify);
    } catch (error) {
      await markLoss(name, error);
      throw error;
    }
    await mark(name, 'held');
  }

  const open = async (name: StoredName, signal?: AbortSignal): Promise<NamedObject | null> => {
    const holding = inventory.get(name);
    if (holding?.state === 'erased') return null;
    try {
      const object = await objects.get(name, signal);
      if (object === null) {
        if (holding === undefined) return null;
        throw new ObjectStoreError('missing', 'the store has lost an object');
      }
      if (holding === undefined) await keep(name, object.announced, 'uploaded');
      else if (!sameAnnouncement(holding.announced, object.announced))
        throw new ObjectStoreError('corrupted', 'the store has another object in its place');
      return {
        name,
        announced: object.announced,
        length: object.length,
        read: (range) =>
          range.start === 0 && range.end === object.length
            ? readWhole(object, name)
            : object.read(range),
      };
    } catch (error) {
      await markLoss(name, error);
      throw error;
    }
  };

  const lookAtHead = async (holding: Holding): Promise<void> => {
    const { name } = holding;
    try {
      const announced = await objects.inspect(name);
      if (announced === null) throw new ObjectStoreError('missing', 'the store has lost an object');
      if (!sameAnnouncement(holding.announced, announced))
        throw new ObjectStoreError('corrupted', 'the store has another object in its place');
    } catch (error) {
      await markLoss(name, error);
      throw error;
    }
    // Of a damaged one only its content can tell.
    if (holding.state === 'missing') await mark(name, 'held');
  };

  const audit = async (holding: Holding, depth: 'head' | 'content'): Promise<HoldingState> => {
    const { name } = holding;
    try {
      if (depth === 'head') await lookAtHead(holding);
      else {
        const object = await open(name);
        if (object === null) return 'erased';
        // Reading it is the check.
        for await (const part of object.read({ start: 0, end: object.length })) void part;
      }
    } catch (error) {
      if (!isLoss(error)) throw error;
    }
    return inventory.get(name)?.state ?? 'missing';
  };

  const openRecord = async (
    record: LedgerRecord,
    signal?: AbortSignal,
  ): Promise<NamedObject | null> => {
    const holding = inventory.findByHeader(record.headerHash);
    if (holding === undefined || !sameAnnouncement(holding.announced, record)) return null;
    return open(holding.name, signal);
  };

  return {
    inventory,
    openRecord,
    nameOf: (objectKey) => storedName(context, objectKey),
    open,
    audit,
    get: (objectKey, signal) => open(storedName(context, objectKey), signal),

    put: async (objectKey, announced, content, signal) => {
      const name = storedName(context, objectKey);
      const holding = inventory.get(name);
      if (holding !== undefined) {
        const isSame = sameAnnouncement(holding.announced, announced);
        if (!isSame || holding.state === 'erased') return { kind: 'occupied' };
      }
      const isLost = holding?.state === 'missing' || holding?.state === 'damaged';
      const result = await (isLost
        ? objects.restore(name, announced, content, signal)
        : objects.put(name, announced, content, signal));
      if (result.kind !== 'stored' && result.kind !== 'present') return result;
      return (await keep(name, announced, 'uploaded')) ? result : { kind: 'occupied' };
    },

    restore: async (record, { name, origin }, content, signal) => {
      const known = inventory.findByHeader(record.headerHash);
      const atName = inventory.get(name);
      if (known?.state === 'erased' || atName?.state === 'erased') return { kind: 'occupied' };
      if (atName !== undefined && !sameAnnouncement(atName.announced, record))
        return { kind: 'occupied' };
      if (known !== undefined && known.name !== name && known.origin === 'uploaded')
        return { kind: 'occupied' };
      if (atName !== undefined && (await audit(atName, 'content')) === 'held')
        return { kind: 'present' };
      const announced = {
        headerHash: record.headerHash,
        digest: record.digest,
        length: record.length,
      };
      const result = await objects.restore(name, announced, await content(), signal);
      if (result.kind !== 'stored') return result;
      if (!(await keep(name, announced, origin, record.id))) return { kind: 'occupied' };
      await inventory.forgetUnseen(record.id);
      // The name that another operator told was not the right one.
      if (known !== undefined && known.name !== name) await objects.erase(known.name);
      return result;
    },

    erase: async (objectKey) => {
      const name = storedName(context, objectKey);
      const wasErased = inventory.get(name)?.state === 'erased';
      // First the word, then the deed: after a crash in between nobody gets it, and erasing goes on.
      await inventory.change(name, (before) =>
        before === undefined ? null : { ...before, state: 'erased' },
      );
      const wasThere = await objects.erase(name);
      return wasThere && !wasErased;
    },

    close: () => objects.close(),
  };
}
