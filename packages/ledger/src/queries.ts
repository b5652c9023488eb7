/**
 * The questions a node answers from its committed ledger.
 *
 * | path | key | answer |
 * |---|---|---|
 * | state | key hash, 32 bytes | StateAnswer (inclusion or absence) |
 * | subtree | prefix, hex digits in ASCII | SubtreeAnswer; `tooMany` above `SUBTREE_LEAVES_MAX` keys or `SUBTREE_BYTES_MAX` |
 * | log | `[position]` | LogAnswer |
 * | log/consistency | `[oldSize]` | ConsistencyAnswer |
 * | transaction | transaction id | LogAnswer |
 * | access | `[grantId, number]` | LogAnswer |
 * | grant/events | `[grantId, from, limit]` | ListAnswer of positions, `[position]` each |
 * | misbehaviour | `[from, limit]` | ListAnswer of log positions, `[position]` each |
 * | members | `[from, limit]` | ListAnswer of member ids |
 * | epochs | `[from, limit]` | ListAnswer of `[institution, epoch]` |
 * | epoch/records | `[institution, epoch, from, limit]` | ListAnswer of record ids (epoch −1: `sym`) |
 * | visit | `[pid, from, limit]` | ListAnswer of record ids in order (count = those found) |
 * | status | empty | StatusAnswer |
 *
 * Keys in brackets are canonical CBOR. Lists are unproved: what they point to is proved by `state` or
 * `log`. `height` 0 means the latest; older ones are served for `HEIGHTS_KEPT` heights.
 */
import { type Bytes, CodecError } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import {
  encodeConsistencyAnswer,
  encodeListAnswer,
  encodeLogAnswer,
  encodeStateAnswer,
  encodeStatusAnswer,
  encodeSubtreeAnswer,
} from './answers.ts';
import type { AppHashParts } from './app-hash.ts';
import { parseVisitEntry } from './contracts/records/record.ts';
import { Fields } from '@yilian/crypto/fields';
import { storeAtHeight } from './history.ts';
import { type LedgerMeta, partsAtHeight } from './ledger-meta.ts';
import type { Query, QueryResult } from './ledger-port.ts';
import { logLeaf, logRoot, proveLogConsistency, proveLogInclusion } from './log.ts';
import { checkPrefix } from './state-proof.ts';
import { proveState, proveSubtree } from './state-tree.ts';
import {
  type LookupList,
  getPosition,
  lookupCount,
  lookupItems,
  lookups,
  stateKeys,
} from './state.ts';
import { type Store, readNumber } from './store.ts';

/**
 * More keys than this are asked for with one digit more. A sixteenth of it must stay well above the 64
 * keys among which a question hides (R2): of 2,048, with hashed keys, 128 ± 11.
 */
export const SUBTREE_LEAVES_MAX = 2_048;
/** Of an encoded subtree: what a client takes is 8 MiB with header and certificate. */
export const SUBTREE_BYTES_MAX = 6_291_456;
export const LIST_ITEMS_MAX = 1_000;

/** One question at one height. */
interface Question {
  /** Latest committed store: log, look-ups. */
  readonly store: Store;
  /** State as of `height`. */
  readonly state: Store;
  readonly height: number;
  readonly parts: AppHashParts;
  readonly meta: LedgerMeta;
  readonly key: Bytes;
}

type Answer = Bytes | { readonly code: 'notFound' | 'tooMany' };

const NOT_FOUND = { code: 'notFound' } as const;

const ANSWERS: { readonly [path: string]: (question: Question) => Answer } = {
  state({ state, height, parts, key }) {
    if (key.length !== 32) throw new CodecError('malformed', 'a key hash has 32 bytes');
    const { value, proof } = proveState(state, key);
    return encodeStateAnswer({ height, parts, value: value ?? null, proof });
  },
  subtree({ state, height, parts, key }) {
    const prefix = String.fromCharCode(...key);
    checkPrefix(prefix);
    const subtree = proveSubtree(state, prefix, SUBTREE_LEAVES_MAX);
    if (subtree === undefined) return { code: 'tooMany' };
    const answer = encodeSubtreeAnswer({ height, parts, subtree });
    return answer.length > SUBTREE_BYTES_MAX ? { code: 'tooMany' } : answer;
  },
  log(question) {
    return answerLog(question, Fields.of(decode(question.key), 1).whole());
  },
  'log/consistency'({ store, height, parts, key }) {
    const oldSize = Fields.of(decode(key), 1).whole();
    if (oldSize > parts.logSize) return NOT_FOUND;
    return encodeConsistencyAnswer({
      height,
      parts,
      oldSize,
      oldRoot: logRoot(store, oldSize),
      path: proveLogConsistency(store, oldSize, parts.logSize),
    });
  },
  transaction(question) {
    const position = getPosition(question.store, lookups.transaction(question.key));
    return position === undefined ? NOT_FOUND : answerLog(question, position);
  },
  access(question) {
    const fields = Fields.of(decode(question.key), 2);
    const key = lookups.access(fields.bytes(16), fields.whole());
    const position = getPosition(question.store, key);
    return position === undefined ? NOT_FOUND : answerLog(question, position);
  },
  'grant/events'({ store, key }) {
    const fields = Fields.of(decode(key), 3);
    const list = lookups.grantEvents(fields.bytes(16));
    return answerList(store, list, fields, (item) => encode([readNumber(item, 0)]));
  },
  misbehaviour({ store, key }) {
    const position = (item: Bytes): Bytes => encode([readNumber(item, 0)]);
    return answerList(store, lookups.misbehaviour(), Fields.of(decode(key), 2), position);
  },
  members({ store, key }) {
    return answerList(store, lookups.members(), Fields.of(decode(key), 2));
  },
  epochs({ store, key }) {
    return answerList(store, lookups.epochs(), Fields.of(decode(key), 2));
  },
  'epoch/records'({ store, key }) {
    const fields = Fields.of(decode(key), 4);
    const list = lookups.epochRecords(fields.name(), fields.integer());
    return answerList(store, list, fields);
  },
  visit({ state, key }) {
    const fields = Fields.of(decode(key), 3);
    const pid = fields.bytes(20);
    const from = fields.whole();
    const limit = fields.whole(LIST_ITEMS_MAX);
    const items: Bytes[] = [];
    for (let number = from; items.length < limit; number++) {
      const { value } = proveState(state, stateKeys.visit(pid, number));
      if (value === undefined) break;
      items.push(parseVisitEntry(value).record);
    }
    return encodeListAnswer({ count: from + items.length, items });
  },
  status({ height, parts, meta }) {
    return encodeStatusAnswer({ height, parts, time: meta.time, stateSize: meta.stateSize });
  },
};

function answerLog({ store, height, parts }: Question, position: number): Answer {
  if (position >= parts.logSize) return NOT_FOUND;
  const leaf = logLeaf(store, position);
  if (leaf === undefined) return NOT_FOUND;
  const path = proveLogInclusion(store, position, parts.logSize);
  return encodeLogAnswer({ height, parts, position, leaf, path });
}

function answerList(
  store: Store,
  list: LookupList,
  range: Fields,
  convert: (item: Bytes) => Bytes = (item) => item,
): Answer {
  const from = range.whole();
  const limit = range.whole(LIST_ITEMS_MAX);
  const items = lookupItems(store, list, from, limit).map(convert);
  return encodeListAnswer({ count: lookupCount(store, list), items });
}

/** Never throws on a wrong question: codes are `pathUnknown`, `heightUnknown`, `malformed`, `notFound`, `tooMany`. */
export function answerQuery(store: Store, meta: LedgerMeta, query: Query): QueryResult {
  const answer = Object.hasOwn(ANSWERS, query.path) ? ANSWERS[query.path] : undefined;
  if (answer === undefined) return { ok: false, code: 'pathUnknown' };
  const height = query.height === 0n ? meta.height : Number(query.height);
  const parts = height <= meta.height ? partsAtHeight(store, height) : undefined;
  if (parts === undefined) return { ok: false, code: 'heightUnknown' };
  const state = storeAtHeight(store, height, meta.height);
  try {
    const result = answer({ store, state, height, parts, meta, key: query.key });
    if (!(result instanceof Uint8Array)) return { ok: false, code: result.code };
    return { ok: true, height: BigInt(height), value: result };
  } catch (error) {
    if (error instanceof CodecError) return { ok: false, code: 'malformed' };
    throw error;
  }
}
