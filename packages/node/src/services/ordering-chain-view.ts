/** `ChainView` on the ordering engine: final state, parsed by the ledger's own parsers. */
import type { Bytes } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';
import {
  parseListAnswer,
  parseLogAnswer,
  parseStateAnswer,
  parseStatusAnswer,
} from '@yilian/ledger/answers';
import { parseGrant } from '@yilian/ledger/contracts/consent/grant';
import { parseMember } from '@yilian/ledger/contracts/members/member';
import { parseNodeKeys } from '@yilian/ledger/contracts/members/node-keys';
import { parseRecord } from '@yilian/ledger/contracts/records/record';
import { parseCopyFindings } from '@yilian/ledger/contracts/records/storage-finding';
import { toMemberId } from '@yilian/ledger/ids';
import { type LogLeaf, parseLogLeaf } from '@yilian/ledger/log-leaf';
import { type KeyHash, stateKeys } from '@yilian/ledger/state';
import { parseTransaction } from '@yilian/ledger/transaction-codec';
import type { FinalBlock } from '../ordering/final-block.ts';
import type { OrderingNode } from '../ordering-node.ts';
import type { ChainView, FinalBlockView, FinalTransaction } from './chain-view.ts';

const EVENTS_PER_QUESTION = 1000;
const MEMBERS_PER_QUESTION = 1000;

function toMs(timeNs: bigint): number {
  return Number(timeNs / 1_000_000n);
}

function leafOf(
  answer: Bytes | undefined,
): { readonly leaf: LogLeaf; readonly position: number } | undefined {
  if (answer === undefined) return undefined;
  const { leaf, position } = parseLogAnswer(answer);
  return { leaf: parseLogLeaf(leaf), position };
}

function view(block: Pick<FinalBlock, 'height' | 'timeNs' | 'txs' | 'outcomes'>): FinalBlockView {
  const transactions: FinalTransaction[] = [];
  block.txs.forEach((bytes, index) => {
    const parsing = parseTransaction(bytes);
    const outcome = block.outcomes.find((each) => each.index === index)?.outcome;
    if (!parsing.ok || outcome === undefined) return;
    transactions.push({
      transaction: parsing.transaction,
      outcome: outcome.ok ? 'ok' : outcome.rejection.code,
    });
  });
  return { height: Number(block.height), timeMs: toMs(block.timeNs), transactions };
}

/** Reads from `node`; keeps nothing. */
export function createOrderingChainView(node: OrderingNode): ChainView {
  const ask = (path: string, key: Bytes): Bytes | undefined => {
    const result = node.query({ path, key, height: 0n, prove: false });
    return result.ok ? result.value : undefined;
  };

  const state = (key: KeyHash): Bytes | undefined => {
    const answer = ask('state', key);
    return answer === undefined ? undefined : (parseStateAnswer(answer).value ?? undefined);
  };

  const transactionAt = (leaf: LogLeaf): FinalTransaction | undefined => {
    const bytes = node.block(BigInt(leaf.height))?.txs[leaf.index];
    if (bytes === undefined) return undefined;
    const parsing = parseTransaction(bytes);
    return parsing.ok ? { transaction: parsing.transaction, outcome: leaf.outcome } : undefined;
  };

  const member = (id: Bytes): ReturnType<typeof parseMember> | undefined => {
    const value = state(stateKeys.member(id));
    return value === undefined ? undefined : parseMember(value);
  };

  return {
    tip: () => {
      const { height, timeNs } = node.latest();
      return { height: Number(height), timeMs: toMs(timeNs) };
    },
    member,
    memberByKey: (key) => {
      const id = state(stateKeys.memberKey(key));
      return id === undefined ? undefined : member(toMemberId(id));
    },
    grant: (grantId) => {
      const value = state(stateKeys.grant(grantId));
      return value === undefined ? undefined : parseGrant(value);
    },
    access: (grantId, number) => {
      const found = leafOf(ask('access', encode([grantId, number])));
      if (found === undefined) return undefined;
      const body = transactionAt(found.leaf)?.transaction.body;
      if (body === undefined || body.type !== 'recordAccess') return undefined;
      const fact = found.leaf.facts.find(([kind]) => kind === 'access');
      const timeSeconds = fact?.[3];
      if (typeof timeSeconds !== 'number') return undefined;
      return { number, timeSeconds, nonce: body.accessNonce, sealed: body.sealed };
    },
    record: (recordId) => {
      const value = state(stateKeys.record(recordId));
      return value === undefined ? undefined : parseRecord(value);
    },
    copyFindings: (recordId, storeId) => {
      const value = state(stateKeys.storage(recordId, storeId));
      return value === undefined ? [] : parseCopyFindings(value);
    },
    nodeKeys: (id) => {
      const value = state(stateKeys.nodeKey(id));
      return value === undefined ? [] : parseNodeKeys(value);
    },
    epochKey: (institution, epoch) => state(stateKeys.epochKey(institution, epoch)),
    transaction: (id) => {
      const found = leafOf(ask('transaction', id));
      return found === undefined ? undefined : transactionAt(found.leaf);
    },
    logPosition: (id) => leafOf(ask('transaction', id))?.position,
    block: (height) => {
      const stored = node.block(BigInt(height));
      if (stored === undefined) return undefined;
      const transactions: FinalTransaction[] = [];
      for (const bytes of stored.txs) {
        const parsing = parseTransaction(bytes);
        if (!parsing.ok) continue;
        const { transaction } = parsing;
        const found = leafOf(ask('transaction', transaction.id));
        if (found !== undefined) transactions.push({ transaction, outcome: found.leaf.outcome });
      }
      return { height, timeMs: 0, transactions };
    },
    firstBlock: () => Number(node.firstBlock()),
    logged: function* (from, to) {
      const leafAt = (position: number): LogLeaf | undefined =>
        leafOf(ask('log', encode([position])))?.leaf;
      const status = ask('status', new Uint8Array(0));
      let low = 0;
      let high = status === undefined ? 0 : parseStatusAnswer(status).parts.logSize;
      while (low < high) {
        const middle = Math.floor((low + high) / 2);
        if ((leafAt(middle)?.height ?? from) < from) low = middle + 1;
        else high = middle;
      }
      for (let position = low; ; position++) {
        const leaf = leafAt(position);
        if (leaf === undefined || leaf.height > to) return;
        yield { position, leaf };
      }
    },
    subscribe: (listener) => node.subscribe((block) => listener(view(block))),
  };
}

/** Ids of all members; patients are none. */
export function* memberIds(node: OrderingNode): Generator<Bytes> {
  for (let from = 0; ;) {
    const key = encode([from, MEMBERS_PER_QUESTION]);
    const result = node.query({ path: 'members', key, height: 0n, prove: false });
    if (!result.ok) return;
    const { items } = parseListAnswer(result.value);
    yield* items;
    from += items.length;
    if (items.length < MEMBERS_PER_QUESTION) return;
  }
}

/** Log positions of everything that happened to a grant, from the one with number `from` on. */
export function grantEventPositions(
  node: OrderingNode,
  grantId: Bytes,
  from: number,
  limit: number,
): readonly number[] {
  const key = encode([grantId, from, Math.min(limit, EVENTS_PER_QUESTION)]);
  const result = node.query({ path: 'grant/events', key, height: 0n, prove: false });
  if (!result.ok) return [];
  return parseListAnswer(result.value).items.flatMap((item) => {
    const value = decode(item);
    const position: Cbor | undefined = Array.isArray(value) ? value[0] : undefined;
    return typeof position === 'number' ? [position] : [];
  });
}
