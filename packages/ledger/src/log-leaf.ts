/** One leaf of the log: what became of one transaction. */
import type { Bytes } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';
import type { Fact } from './contract.ts';
import { Fields } from '@yilian/crypto/fields';
import { type TransactionId, toTransactionId } from './ids.ts';

export interface LogLeaf {
  readonly transaction: TransactionId;
  readonly height: number;
  /** Position among the block's transactions. */
  readonly index: number;
  /** `ok`, or the code of the rule that refused it. */
  readonly outcome: string;
  /** Each begins with its kind; see docs/spec/state-and-log.md. */
  readonly facts: readonly Fact[];
}

export function encodeLogLeaf(leaf: LogLeaf): Bytes {
  return encode([leaf.transaction, leaf.height, leaf.index, leaf.outcome, [...leaf.facts]]);
}

function readFact(value: Cbor): Fact {
  const fields = new Fields(value, { min: 1, max: 8 });
  const items: Cbor[] = [];
  for (let i = 0; i < fields.count; i++) items.push(fields.any());
  return items;
}

/** @throws CodecError */
export function parseLogLeaf(bytes: Bytes): LogLeaf {
  const fields = Fields.of(decode(bytes), 5);
  return {
    transaction: toTransactionId(fields.bytes(32)),
    height: fields.whole(),
    index: fields.whole(),
    outcome: fields.word(),
    facts: fields.list({ min: 0, max: 1024 }, (list) => readFact(list.any())),
  };
}

const GRANT_FACTS: ReadonlySet<Cbor> = new Set([
  'grant',
  'acknowledgement',
  'access',
  'release',
  'narrowing',
  'revocation',
  'erasure',
  'loss',
  'granteeErasure',
]);

/** The grant that a fact is about, if it is about one. */
export function grantOfFact(fact: Fact): Bytes | undefined {
  const [kind = null, grantId] = fact;
  return GRANT_FACTS.has(kind) && grantId instanceof Uint8Array ? grantId : undefined;
}
