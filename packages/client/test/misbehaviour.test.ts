/** What the engine reported, as a client believes it: every entry proven, none left out. */
import { describe, expect, test } from 'vitest';
import { type Bytes, toHex } from '@yilian/crypto/bytes';
import { encode } from '@yilian/crypto/cbor';
import { parseListAnswer, parseStateAnswer } from '@yilian/ledger/answers';
import { validatorAddress } from '@yilian/ledger/contracts/governance/validators';
import { parseLogAnswer } from '@yilian/ledger/answers';
import { parseLogLeaf } from '@yilian/ledger/log-leaf';
import { Chain, regulator, tx } from '../../ledger/test/consortium.ts';
import { changeTo, consensusSigner, five } from '../../ledger/test/governance.ts';
import { createLogReader } from '../src/log-reader.ts';
import type { Network } from '../src/network.ts';
import { createNodePlatform } from '../src/platform/node-platform.ts';
import { createMemoryStorage } from '../src/platform/platform.ts';
import { readMisbehaviour } from '../src/validators.ts';

const platform = await createNodePlatform({ storage: createMemoryStorage() });

/** A chain with a transaction and two double signatures in block 1, and one more in block 2. */
function troubled(): { readonly chain: Chain; readonly transaction: Bytes } {
  const chain = new Chain();
  const transaction = tx(regulator.signer, changeTo(five));
  const offence = (letter: string, height: bigint) => ({
    kind: 'duplicateVote',
    address: validatorAddress(consensusSigner(letter).key),
    height,
  });
  const all = { has: () => true };
  const run = (
    txs: readonly Bytes[],
    misbehaviour: readonly ReturnType<typeof offence>[],
  ): void => {
    chain.ledger.finalizeBlock({ ...chain.block(txs), misbehaviour }, all);
    chain.disk.write(chain.ledger.commit().writes);
    chain.disk.flush();
  };
  run([transaction], [offence('b', 1n), offence('c', 1n)]);
  run([], [offence('b', 2n)]);
  return { chain, transaction };
}

/** A node that answers from this ledger; `lie` changes the positions that it lists. */
function nodeOf(
  { chain, transaction }: ReturnType<typeof troubled>,
  lie: (items: readonly Bytes[]) => readonly Bytes[] = (items) => items,
): Pick<Network, 'platform' | 'context' | 'transport' | 'ask' | 'attempt'> {
  const query = (path: string, key: Bytes): Bytes => {
    const answer = chain.ledger.query({ path, key, height: 0n, prove: true });
    if (!answer.ok) throw new Error(answer.code);
    return answer.value;
  };
  const answerTo = (route: string, params: { readonly position?: number }): unknown => {
    if (route === 'getListing') {
      const list = parseListAnswer(query('misbehaviour', encode([0, 100])));
      return { ...list, items: lie(list.items) };
    }
    const answer = query('log', encode([params.position ?? 0]));
    const { index, height } = parseLogLeaf(parseLogAnswer(answer).leaf);
    const isSent = index === 0 && height === 1;
    return {
      header: new Uint8Array(0),
      certificate: new Uint8Array(0),
      answer,
      transaction: isSent ? transaction : new Uint8Array(0),
    };
  };
  const unused = (): never => {
    throw new Error('not asked for here');
  };
  const ask: Network['ask'] = async (route, input, verify) => ({
    value: await verify(answerTo(route.name, input.params) as never, {
      node: 'node',
      route: route.name,
    }),
    node: { name: 'node', url: '', memberId: new Uint8Array(32) } as never,
  });
  return {
    platform,
    context: { chainId: 'yilian-test' },
    transport: {
      call: unused,
      upload: unused,
      download: unused,
      events: unused,
      expectHeight: unused,
      expectedHeight: () => null,
    },
    ask,
    attempt: unused,
  };
}

function readerOf(node: ReturnType<typeof nodeOf>, { chain }: ReturnType<typeof troubled>) {
  const header = {
    height: BigInt(chain.height + 1),
    appHash: chain.ledger.info().appHash,
  };
  const log = createLogReader(node, { verify: async () => ({ header }) as never });
  return {
    logEntry: log.logEntry,
    state: async (key: Bytes) => {
      const answer = chain.ledger.query({ path: 'state', key, height: 0n, prove: true });
      const value = answer.ok ? parseStateAnswer(answer.value).value : null;
      return { value: value ?? undefined, height: BigInt(chain.height) };
    },
  };
}

describe('misbehaviour that the engine reported', () => {
  test('is read with who, what, when, and the block that brought it', async () => {
    const place = troubled();
    const node = nodeOf(place);
    const found = await readMisbehaviour(node, readerOf(node, place));
    expect(found).toEqual([
      { institution: 'hospital-b', kind: 'duplicateVote', height: 1, reportedAt: 1, position: 1 },
      { institution: 'hospital-c', kind: 'duplicateVote', height: 1, reportedAt: 1, position: 2 },
      { institution: 'hospital-b', kind: 'duplicateVote', height: 2, reportedAt: 2, position: 3 },
    ]);
  });

  test('a chain without any has none to show', async () => {
    const chain = new Chain();
    chain.run();
    const place = { chain, transaction: new Uint8Array(0) };
    const node = nodeOf(place, () => {
      throw new Error('nobody needs to be asked');
    });
    expect(await readMisbehaviour(node, readerOf(node, place))).toEqual([]);
  });

  test.each<[string, (items: readonly Bytes[]) => readonly Bytes[]]>([
    ['leaves all out', () => []],
    ['leaves one out and repeats another', (items) => items.slice(0, 2).concat(items.slice(1, 2))],
    ['names another entry', (items) => [encode([0]), ...items.slice(1)]],
    ['shows them in another order', (items) => items.toReversed()],
  ])('a node that %s is found out', async (_, lie) => {
    const place = troubled();
    const node = nodeOf(place, lie);
    await expect(readMisbehaviour(node, readerOf(node, place))).rejects.toMatchObject({
      code: 'eventCount',
    });
  });

  test('its entry stands in the log without a transaction, and proves itself', async () => {
    const place = troubled();
    const entry = await readerOf(nodeOf(place), place).logEntry(1);
    expect(entry.transaction).toBeNull();
    expect(toHex(entry.leaf.transaction)).toHaveLength(64);
    expect((await readerOf(nodeOf(place), place).logEntry(0)).transaction).not.toBeNull();
  });
});
