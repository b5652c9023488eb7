/** Who came later is known on every node, by the regulator's word alone. */
import { beforeEach, describe, expect, test } from 'vitest';
import { type Bytes, toHex } from '@yilian/crypto/bytes';
import { encode } from '@yilian/crypto/cbor';
import { publicKey, sign } from '@yilian/crypto/signature';
import type { Member } from '@yilian/ledger/contracts/members/member';
import {
  encodeIntroduction,
  type IntroductionContent,
  introductionMessage,
  parseIntroduction,
} from '../../src/network/introduction.ts';
import { createMemoryNetwork, type MemoryNetwork } from '../../src/peers/memory-peers.ts';
import { splitNotices } from '../../src/peers/notices.ts';
import { createIntroductions, type Introductions } from '../../src/services/introductions.ts';
import { createShelf } from '../../src/services/service-store.ts';
import { createMemoryStore } from '../../src/storage/memory-store.ts';
import { CONTEXT, person, randomBytes } from './support.ts';

const REGULATOR = randomBytes(32);
const seedOf = (n: number): Bytes => new Uint8Array(32).fill(n);

const { member: newcomer } = person('node', 'city-third');

function introduced(change: Partial<IntroductionContent> = {}, secret = REGULATOR): Bytes {
  const content = {
    member: newcomer.id,
    store: new Uint8Array(32).fill(5),
    url: 'https://third.example',
    institution: 'city-third',
    operator: 'city-third',
    consensusKey: new Uint8Array(32).fill(7),
    engineId: new Uint8Array(20).fill(9),
    host: '10.0.0.15',
    peerPort: 19_400,
    enginePort: 26_656,
    issuedAt: 1_000,
    ...change,
  };
  return encodeIntroduction({
    content,
    signature: sign(secret, introductionMessage(CONTEXT, content)),
  });
}
const ENGINE = '09'.repeat(20);
const admits = (each: Introductions): boolean =>
  each.list().some(({ engineId }) => toHex(engineId) === ENGINE);

/** What is under way has arrived, and what it causes too. */
async function arrived(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

interface Node {
  readonly introductions: Introductions;
  readonly cut: string[];
  readonly changes: () => number;
  readonly tell: (notice: Bytes) => void;
}

let network: MemoryNetwork;
let onChain: Map<string, Member>;

beforeEach(() => {
  network = createMemoryNetwork();
  onChain = new Map();
});

function join(n: number, store = createMemoryStore()): Node {
  const peers = network.join(publicKey(seedOf(n)));
  const cut: string[] = [];
  const { introductions: notices } = splitNotices({
    ...peers,
    cut: (peer, reason) => {
      cut.push(reason);
      peers.cut(peer, reason);
    },
  });
  let changes = 0;
  const introductions = createIntroductions({
    context: CONTEXT,
    regulatorKey: publicKey(REGULATOR),
    chain: { member: (id) => onChain.get(toHex(id)) },
    shelf: createShelf(store, 'introductions'),
    notices,
    onChanged: () => void changes++,
  });
  notices.onNotice((from, notice) => void introductions.learn(from, notice));
  return { introductions, cut, changes: () => changes, tell: (each) => notices.broadcast(each) };
}

describe('introductions', () => {
  test('reach every node, and from there those who were away', async () => {
    const regulator = join(1);
    const hospital = join(2);
    expect(await regulator.introductions.put(introduced())).toBe(true);
    await arrived();
    expect(admits(hospital.introductions)).toBe(true);
    expect(hospital.introductions.list()).toEqual(regulator.introductions.list());
    expect(hospital.changes()).toBe(1);
    const late = join(3);
    expect(admits(late.introductions)).toBe(false);
    hospital.introductions.tend();
    await arrived();
    expect(admits(late.introductions)).toBe(true);
    // Whoever knows it already neither changes nor answers, so that telling ends.
    expect([regulator.changes(), hospital.changes(), late.changes()]).toEqual([1, 1, 1]);
  });

  test('outlive a restart', async () => {
    const store = createMemoryStore();
    await join(1, store).introductions.put(introduced());
    expect(admits(join(1, store).introductions)).toBe(true);
  });

  test('the later one of a member counts, in whatever order they come', async () => {
    const { introductions } = join(1);
    const moved = introduced({ host: '10.0.0.99', issuedAt: 2_000 });
    await introductions.put(moved);
    await introductions.put(introduced());
    expect(introductions.list().map(({ host }) => host)).toEqual(['10.0.0.99']);
    const again = join(2);
    await again.introductions.put(introduced());
    await again.introductions.put(moved);
    expect(again.introductions.list().map(({ host }) => host)).toEqual(['10.0.0.99']);
    expect(again.changes()).toBe(2);
  });

  test('a member that this node does not know yet is welcome: it may only be behind', async () => {
    const { introductions } = join(1);
    await introductions.put(introduced());
    expect(admits(introductions)).toBe(true);
    onChain.set(toHex(newcomer.id), { ...newcomer, status: 'active' });
    expect(admits(introductions)).toBe(true);
  });

  test('a member that the ledger has suspended is not', async () => {
    const { introductions } = join(1);
    await introductions.put(introduced());
    onChain.set(toHex(newcomer.id), { ...newcomer, status: 'suspended' });
    expect(admits(introductions)).toBe(false);
    expect(introductions.list()).toEqual([]);
  });

  test.each<[string, () => Bytes]>([
    ['somebody else’s word', () => encode([introduced({}, randomBytes(32))])],
    [
      'another chain’s',
      () => {
        const value = parseIntroduction(introduced());
        if (value === null) throw new Error('no introduction');
        const { content } = value;
        const signature = sign(REGULATOR, introductionMessage({ chainId: 'other' }, content));
        return encode([encodeIntroduction({ content, signature })]);
      },
    ],
    [
      'an altered address',
      () => {
        const value = parseIntroduction(introduced());
        if (value === null) throw new Error('no introduction');
        return encode([
          encodeIntroduction({ ...value, content: { ...value.content, host: '10.6.6.6' } }),
        ]);
      },
    ],
    ['no introduction', () => encode([new Uint8Array(8)])],
    ['no list', () => encode('hello')],
    ['no CBOR', () => Uint8Array.of(0xff)],
    ['more than fits', () => encode(Array.from({ length: 65 }, () => introduced()))],
    ['a host that is a path', () => encode([introduced({ host: '../etc' })])],
  ])('%s is not kept, and its sender cut off', async (_what, notice) => {
    const liar = join(1);
    const honest = join(2);
    liar.tell(notice());
    await arrived();
    expect(honest.introductions.list()).toEqual([]);
    expect(honest.cut).toHaveLength(1);
    expect(honest.changes()).toBe(0);
  });

  test('one that is not the regulator’s is not taken out of the node’s own folder either', async () => {
    const { introductions } = join(1);
    expect(await introductions.put(introduced({}, randomBytes(32)))).toBe(false);
    expect(introductions.list()).toEqual([]);
  });

  test('nothing is written after it is closed', async () => {
    const store = createMemoryStore();
    const { introductions } = join(1, store);
    await introductions.close();
    await introductions.put(introduced());
    expect(join(2, store).introductions.list()).toEqual([]);
  });
});
