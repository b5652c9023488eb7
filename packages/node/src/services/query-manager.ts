/**
 * The query manager (QJ-1, a service of every node): it takes a doctor's request only when the chain
 * has his commitment to it and he is who his certificate says, and puts it into the patient's inbox.
 * The inbox is named by a one-time handle; what is in it is sealed to her. It survives restarts, is
 * numbered without gaps so that a stream resumes where it broke, and is capped.
 */
import { accessRequestCommitment, inboxItem } from '@yilian/api/messages-access';
import type { AccessRequestPost, InboxItem } from '@yilian/api/messages-access';
import { encodeMessage, parseMessage } from '@yilian/api/codec';
import { type Bytes, concatBytes, equalBytes, toHex } from '@yilian/crypto/bytes';
import type { ChainContext } from '@yilian/crypto/context';
import type { Member } from '@yilian/ledger/contracts/members/member';
import { type Clock, nowSeconds } from '../clock.ts';
import { checkCertificate } from './certificate-check.ts';
import type { ChainView } from './chain-view.ts';
import { type Served, refuse, served } from './served.ts';
import type { Shelf } from './service-store.ts';

const ITEMS_PER_HANDLE_MAX = 64;
const HANDLES_MAX = 100_000;
/** A handle is for one visit or letter: its requests are of no use after this. */
const ITEM_LIFE_SECONDS = 40 * 86_400;

export interface QueryManager {
  post(signer: Member, request: AccessRequestPost): Promise<Served<null>>;
  /** Items with a number above `after`. */
  list(handle: Bytes, after: number): readonly InboxItem[];
  /** Told of each new item of the handle, after it is durable. */
  subscribe(handle: Bytes, listener: (item: InboxItem) => void): () => void;
  /** Drops what is too old. */
  tend(): Promise<void>;
}

export interface QueryManagerOptions {
  readonly chain: ChainView;
  readonly clock: Clock;
  readonly context: ChainContext;
  readonly regulatorKey: Bytes;
  readonly shelf: Shelf;
}

function numberBytes(number: number): Bytes {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}

function readNumber(key: Bytes): number {
  return new DataView(key.buffer, key.byteOffset + 32, 4).getUint32(0);
}

export function createQueryManager(options: QueryManagerOptions): QueryManager {
  const { chain, clock, context, regulatorKey, shelf } = options;
  const listeners = new Map<string, Set<(item: InboxItem) => void>>();
  /** Last number given per handle, and how many items it holds. */
  const handles = new Map<string, { last: number; count: number }>();
  for (const { key } of shelf.list()) note(toHex(key.subarray(0, 32)), readNumber(key), 1);
  let writing: Promise<unknown> = Promise.resolve();

  function note(handle: string, number: number, added: number): void {
    const known = handles.get(handle);
    handles.set(handle, {
      last: Math.max(known?.last ?? 0, number),
      count: (known?.count ?? 0) + added,
    });
  }

  const itemsOf = (handle: Bytes): readonly InboxItem[] => {
    const items: InboxItem[] = [];
    for (const { value } of shelf.list(handle)) {
      const parsed = parseMessage(inboxItem, value, value.length);
      if (parsed.ok) items.push(parsed.value);
    }
    return items;
  };

  const add = async (request: AccessRequestPost): Promise<Served<null>> => {
    const { handle, transactionId, sealed, certificate } = request;
    const name = toHex(handle);
    const known = handles.get(name);
    if (known === undefined && handles.size >= HANDLES_MAX)
      return refuse('inboxFull', { retryAfterSeconds: 3600 });
    const isRepeated = itemsOf(handle).some((item) =>
      equalBytes(item.transactionId, transactionId),
    );
    if (isRepeated) return served(null);
    if ((known?.count ?? 0) >= ITEMS_PER_HANDLE_MAX)
      return refuse('inboxFull', { retryAfterSeconds: 3600 });
    const number = (known?.last ?? 0) + 1;
    const item = { number, timeSeconds: nowSeconds(clock), transactionId, sealed, certificate };
    await shelf.put(concatBytes(handle, numberBytes(number)), encodeMessage(inboxItem, item));
    note(name, number, 1);
    for (const listener of listeners.get(name) ?? []) listener(item);
    return served(null);
  };

  return {
    post: async (signer, request) => {
      if (signer.role !== 'doctor' && signer.role !== 'department') return refuse('notPermitted');
      const certificate = checkCertificate({
        context,
        regulatorKey,
        member: signer,
        encoded: request.certificate,
        nowSeconds: nowSeconds(clock),
      });
      if (certificate === null) return refuse('certificateInvalid');
      const final = chain.transaction(request.transactionId);
      if (final === undefined || final.outcome !== 'ok') return refuse('notFinal');
      const { body, sender } = final.transaction;
      const commitment = accessRequestCommitment(context, request);
      if (
        body.type !== 'requestAccess' ||
        !equalBytes(sender, signer.key) ||
        !equalBytes(body.commitment, commitment)
      )
        return refuse('commitmentMismatch');
      const added = writing.then(() => add(request));
      writing = added.catch(() => undefined);
      return added;
    },
    list: (handle, after) => itemsOf(handle).filter(({ number }) => number > after),
    subscribe: (handle, listener) => {
      const name = toHex(handle);
      const known = listeners.get(name) ?? new Set();
      known.add(listener);
      listeners.set(name, known);
      return () => {
        known.delete(listener);
        if (known.size === 0) listeners.delete(name);
      };
    },
    tend: async () => {
      const oldest = nowSeconds(clock) - ITEM_LIFE_SECONDS;
      for (const { key, value } of shelf.list()) {
        const parsed = parseMessage(inboxItem, value, value.length);
        if (parsed.ok && parsed.value.timeSeconds >= oldest) continue;
        await shelf.delete(key);
        // The last number stays known while the process lives; a later one never repeats it then.
        note(toHex(key.subarray(0, 32)), readNumber(key), -1);
      }
    },
  };
}
