/** The state as contracts see it: keys by name and parts, values in bytes; and the unproved look-ups. */
import type { Bytes } from '@yilian/crypto/bytes';
import { type Cbor, withEncoding } from '@yilian/crypto/cbor';
import { sha256 } from '@yilian/crypto/hash';
import { valueKey } from './state-tree.ts';
import { type Overlay, type Store, bytesToKey, numberKey, readNumber } from './store.ts';

/** SHA-256 of a key's canonical form: its place in the tree. */
export type KeyHash = Bytes;

/** Where the store keeps the value under a key hash. */
export type ValueKey = string;

function keyHash(...items: readonly Cbor[]): KeyHash {
  return withEncoding(items, sha256);
}

/** Keys that recur: senders are asked for with every transaction. */
const RECURRING_MAX = 4_096;
const recurring = new Map<string, KeyHash>();

function recurringKeyHash(kind: string, part: Bytes): KeyHash {
  const name = kind + bytesToKey(part);
  const known = recurring.get(name);
  if (known !== undefined) return known;
  const made = keyHash(kind, part);
  if (recurring.size >= RECURRING_MAX) recurring.clear();
  recurring.set(name, made);
  return made;
}

/** Every kind of state key; clients use the same functions to ask for proofs. */
export const stateKeys = {
  settings: (): KeyHash => keyHash('settings'),
  validators: (): KeyHash => keyHash('validators'),
  validatorChange: (): KeyHash => keyHash('validatorChange'),
  validatorAddress: (address: Bytes): KeyHash => keyHash('validatorAddress', address),
  /** How often anything was reported. */
  misbehaviourCount: (): KeyHash => keyHash('misbehaviourCount'),
  misbehaviour: (institution: string, kind: string, height: bigint): KeyHash =>
    keyHash('misbehaviour', institution, kind, height),
  member: (id: Bytes): KeyHash => recurringKeyHash('member', id),
  memberKey: (key: Bytes): KeyHash => recurringKeyHash('memberKey', key),
  patient: (commitment: Bytes): KeyHash => keyHash('patient', commitment),
  nodeKey: (member: Bytes): KeyHash => keyHash('nodeKey', member),
  verdict: (evidenceHash: Bytes): KeyHash => keyHash('verdict', evidenceHash),
  record: (id: Bytes): KeyHash => keyHash('record', id),
  visit: (pid: Bytes, number: number): KeyHash => keyHash('visit', pid, number),
  epochKey: (institution: string, epoch: number): KeyHash =>
    keyHash('epochKey', institution, epoch),
  storage: (record: Bytes, store: Bytes): KeyHash => keyHash('storage', record, store),
  grant: (id: Bytes): KeyHash => keyHash('grant', id),
  tag: (key: Bytes): KeyHash => keyHash('tag', key),
  live: (transaction: Bytes): KeyHash => keyHash('live', transaction),
} as const;

/** Contracts write through this; one per block, or per pool of pending transactions. */
export class State {
  readonly #overlay: Overlay;

  constructor(overlay: Overlay) {
    this.#overlay = overlay;
  }

  /** As `has` and `put`, for a key that was prepared once since many steps ask for it. */
  hasAt(key: ValueKey): boolean {
    return this.#overlay.get(key) !== undefined;
  }

  putAt(key: ValueKey, value: Bytes): void {
    this.#overlay.put(key, value);
  }

  get(key: KeyHash): Bytes | undefined {
    return this.#overlay.get(valueKey(key));
  }

  has(key: KeyHash): boolean {
    return this.get(key) !== undefined;
  }

  put(key: KeyHash, value: Bytes): void {
    this.#overlay.put(valueKey(key), value);
  }

  delete(key: KeyHash): void {
    this.#overlay.delete(valueKey(key));
  }

  lengthOf(list: LookupList): number {
    return lookupCount(this.#overlay, list);
  }

  /** Appends to a list that only serves questions (unproved; every answer is checked against proofs). */
  append(list: LookupList, item: Bytes): void {
    const count = lookupCount(this.#overlay, list);
    this.#overlay.putNew(`${list}${numberKey(count)}`, item);
    this.#overlay.put(list, numberBytes(count + 1));
  }
}

/** The key under which a list keeps its length; items follow under the key and their number. */
export type LookupList = string;

function numberBytes(value: number): Bytes {
  const key = numberKey(value);
  return Uint8Array.from(key, (character) => character.charCodeAt(0));
}

/** Lists by what they hold. Names have a letter each, so that no key of one is a key of another. */
export const lookups = {
  members: (): LookupList => 'im',
  epochs: (): LookupList => 'ie',
  /** Record ids of one hospital and epoch (`sym` records: epoch −1). */
  epochRecords: (institution: string, epoch: number): LookupList =>
    `ir${institution}\0${numberKey(epoch + 1)}`,
  /** Log positions of everything that happened to a grant. */
  grantEvents: (grantId: Bytes): LookupList => `ig${bytesToKey(grantId)}`,
  /** Log positions of misbehaviour that the engine reported. */
  misbehaviour: (): LookupList => 'ib',
  /** Log position of access `number` of a grant (not a list). */
  access: (grantId: Bytes, number: number): string =>
    `ia${bytesToKey(grantId)}${numberKey(number)}`,
  /** Log position of a transaction (not a list). */
  transaction: (id: Bytes): string => `it${bytesToKey(id)}`,
} as const;

export function lookupCount(store: Store, list: LookupList): number {
  const bytes = store.get(list);
  return bytes === undefined ? 0 : readNumber(bytes, 0);
}

/** Items `from … from + limit − 1` of a list, as far as there are. */
export function lookupItems(
  store: Store,
  list: LookupList,
  from: number,
  limit: number,
): readonly Bytes[] {
  const items: Bytes[] = [];
  const end = Math.min(lookupCount(store, list), from + limit);
  for (let i = from; i < end; i++) {
    const item = store.get(`${list}${numberKey(i)}`);
    if (item !== undefined) items.push(item);
  }
  return items;
}

export function putPosition(overlay: Overlay, key: string, position: number): void {
  overlay.putNew(key, numberBytes(position));
}

export function getPosition(store: Store, key: string): number | undefined {
  const bytes = store.get(key);
  return bytes === undefined ? undefined : readNumber(bytes, 0);
}
