/**
 * Several client transactions in one transaction of the engine, because an engine's cost is per
 * transaction: `['yilian/bundle/1', [tx, …]]` in deterministic CBOR. Framing and nothing else: it is not
 * signed, and state, log, ids and receipts know only the list of client transactions that is left when the
 * frames are gone.
 */
import { type Bytes, CodecError, concatBytes, equalBytes, utf8 } from '@yilian/crypto/bytes';
import { decodeInPlace, encode } from '@yilian/crypto/cbor';
import { ANY_COUNT, Fields } from '@yilian/crypto/fields';

const BUNDLE_TAG = 'yilian/bundle/1';
export const BUNDLE_COUNT_MAX: number = 64;
/** Bytes of all items together. */
export const BUNDLE_BYTES_MAX: number = 64 * 1024;
/** Heads: of the two arrays, of the tag and of each item. */
const HEADS_BYTES_MAX = 32 + 5 * BUNDLE_COUNT_MAX;

/** An array of two, and the tag: with these bytes begins every bundle and no client transaction. */
const PREFIX: Bytes = concatBytes(Uint8Array.of(0x82, 0x60 | BUNDLE_TAG.length), utf8(BUNDLE_TAG));

export type BundleFault = 'notCanonical' | 'empty' | 'tooManyItems' | 'tooManyBytes' | 'nested';

/** Whether these bytes claim to be a bundle. What does not is one client transaction, good or bad. */
export function isBundle(bytes: Bytes): boolean {
  return bytes.length >= PREFIX.length && equalBytes(bytes.subarray(0, PREFIX.length), PREFIX);
}

function faultOf(items: readonly Bytes[]): BundleFault | undefined {
  if (items.length === 0) return 'empty';
  if (items.length > BUNDLE_COUNT_MAX) return 'tooManyItems';
  let length = 0;
  for (const item of items) length += item.length;
  if (length > BUNDLE_BYTES_MAX) return 'tooManyBytes';
  return items.some(isBundle) ? 'nested' : undefined;
}

/** @throws CodecError `malformed` when the items break a limit */
export function encodeBundle(items: readonly Bytes[]): Bytes {
  const fault = faultOf(items);
  if (fault !== undefined) throw new CodecError('malformed', `not a bundle: ${fault}`);
  return encode([BUNDLE_TAG, items]);
}

export type ParsedBundle =
  | { readonly ok: true; readonly items: readonly Bytes[] }
  | { readonly ok: false; readonly fault: BundleFault };

/** Items are views of `bytes`, which nobody may write to any more; whoever keeps one alone copies it. */
export function parseBundle(bytes: Bytes): ParsedBundle {
  if (bytes.length > BUNDLE_BYTES_MAX + HEADS_BYTES_MAX)
    return { ok: false, fault: 'tooManyBytes' };
  const items = readItems(bytes);
  if (items === undefined) return { ok: false, fault: 'notCanonical' };
  const fault = faultOf(items);
  return fault === undefined ? { ok: true, items } : { ok: false, fault };
}

function readItems(bytes: Bytes): readonly Bytes[] | undefined {
  try {
    const fields = Fields.of(decodeInPlace(bytes, { bytesMax: bytes.length, depthMax: 2 }), 2);
    fields.oneOf([BUNDLE_TAG]);
    return fields.list(ANY_COUNT, (list) => list.bytes());
  } catch (error) {
    if (error instanceof CodecError) return undefined;
    throw error;
  }
}

/** One transaction of the engine: how many client transactions it gave, or that it is a broken bundle. */
export type Framing = { readonly ok: true; readonly count: number } | { readonly ok: false };

export interface Flattened {
  /** The client transactions of all frames, in order. */
  readonly txs: readonly Bytes[];
  /** One per engine transaction, in order. */
  readonly framings: readonly Framing[];
}

/** A broken bundle counts as no client transaction. */
export function flatten(engineTxs: readonly Bytes[]): Flattened {
  const txs: Bytes[] = [];
  const framings = engineTxs.map((bytes): Framing => {
    if (!isBundle(bytes)) {
      txs.push(bytes);
      return { ok: true, count: 1 };
    }
    const bundle = parseBundle(bytes);
    if (!bundle.ok) return { ok: false };
    for (const item of bundle.items) txs.push(item);
    return { ok: true, count: bundle.items.length };
  });
  return { txs, framings };
}
