import { expect, test } from 'vitest';
import { type Bytes, toHex } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import { parseStateAnswer, parseStatusAnswer } from '../src/answers.ts';
import { encodeGenesis, parseGenesis } from '../src/genesis.ts';
import { createLedger } from '../src/ledger.ts';
import { logLeaf } from '../src/log.ts';
import { parseLogLeaf } from '../src/log-leaf.ts';
import { readerStore } from '../src/store.ts';
import {
  Chain,
  START,
  acknowledgementTxs,
  bytesOf,
  doctors,
  genesis,
  grantBody,
  grantTx,
  introduce,
  nodes,
  recordTx,
  regulator,
  signerOf,
  tagSigner,
  tx,
  verifyAll,
  visit,
} from './consortium.ts';
import { MemoryDisk } from './memory-disk.ts';

const stroke = visit('stroke', 'hospital-a');
const { grantId } = grantBody('g');
const nobody = signerOf('nobody');
introduce(nobody);

const sequence: readonly Bytes[] = [
  recordTx({ visit: stroke, name: 'ct' }),
  grantTx('g'),
  ...acknowledgementTxs('g'),
  tx(regulator.signer, {
    type: 'suspendMember',
    target: { kind: 'member', id: doctors['hospital-d'].id },
    status: 'suspended',
  }),
  tx(doctors['hospital-b'].signer, {
    type: 'recordAccess',
    grantId,
    accessNonce: bytesOf('n', 16),
    sealed: bytesOf('s', 64),
  }),
  recordTx({ visit: stroke, name: 'labs', number: 1 }),
  tx(tagSigner('g', 1), { type: 'revokeAccess', grantId }),
  tx(tagSigner('g', 1), { type: 'revokeAccess', grantId }),
];

/** Runs the sequence in blocks of the given sizes at one and the same block time. */
function inBlocks(...sizes: readonly number[]): Chain {
  const chain = new Chain();
  let start = 0;
  for (const size of sizes) {
    const txs = sequence.slice(start, start + size);
    const block = { ...chain.block(txs), timeNs: BigInt(START + 60) * 1_000_000_000n };
    chain.ledger.finalizeBlock(block, verifyAll(chain.ledger, txs));
    chain.disk.write(chain.ledger.commit().writes);
    start += size;
  }
  expect(start).toBe(sequence.length);
  return chain;
}

function partsOf(chain: Chain): ReturnType<typeof parseStatusAnswer>['parts'] {
  const result = chain.ledger.query({
    path: 'status',
    key: new Uint8Array(0),
    height: 0n,
    prove: false,
  });
  if (!result.ok) throw new Error(result.code);
  return parseStatusAnswer(result.value).parts;
}

function leavesOf(chain: Chain): readonly ReturnType<typeof parseLogLeaf>[] {
  const store = readerStore(chain.disk);
  return Array.from({ length: partsOf(chain).logSize }, (_, i) =>
    parseLogLeaf(logLeaf(store, i) ?? new Uint8Array()),
  );
}

function contentOf(disk: MemoryDisk): readonly string[] {
  return [...disk.entries()].map(([name, value]) => `${name}=${toHex(value)}`).sort();
}

function startWith(appState: Bytes): unknown {
  return createLedger({ reader: new MemoryDisk() }).initChain({ ...genesis, appState });
}

/** Executed, refused by a rule: adds a live id and nothing else. */
function refusedTx(n: number, expiryHeight: number): Bytes {
  const body = { type: 'revokeAccess', grantId } as const;
  return tx(nobody, body, { expiryHeight, nonce: bytesOf(`n${n}`, 16) });
}

test('the same sequence in other blocks gives the same state; the log differs in height and index only', () => {
  const one = inBlocks(sequence.length);
  const many = inBlocks(...sequence.map(() => 1));
  const some = inBlocks(3, 1, sequence.length - 4);
  for (const other of [many, some]) {
    expect(partsOf(other).stateRoot).toEqual(partsOf(one).stateRoot);
    expect(partsOf(other).logSize).toBe(partsOf(one).logSize);
    expect(partsOf(other).logRoot).not.toEqual(partsOf(one).logRoot);
    const without = (leaves: ReturnType<typeof leavesOf>): unknown =>
      leaves.map(({ transaction, outcome, facts }) => ({ transaction, outcome, facts }));
    expect(without(leavesOf(other))).toEqual(without(leavesOf(one)));
  }
});

test('the same blocks give the same bytes on disk, restarted after each or not', () => {
  const steady = new Chain();
  const restless = new Chain();
  for (const each of sequence) {
    const outcome = steady.codes(each);
    expect(restless.codes(each)).toEqual(outcome);
    restless.disk.crash();
    restless.restart();
  }
  expect(contentOf(restless.disk)).toEqual(contentOf(steady.disk));
});

test('a store that gives its keys in another order changes nothing', () => {
  // The reader has no iteration at all; what could differ is the order in which writes arrive.
  const forwards = new Chain();
  const backwards = new Chain();
  for (const each of sequence) {
    forwards.run(each);
    backwards.time += 1;
    const block = backwards.block([each]);
    backwards.ledger.finalizeBlock(block, verifyAll(backwards.ledger, [each]));
    const { puts, deletes } = backwards.ledger.commit().writes;
    backwards.disk.write({ puts: puts.toReversed(), deletes: deletes.toReversed() });
    expect(backwards.ledger.info().appHash).toEqual(forwards.ledger.info().appHash);
  }
});

test('no key occurs twice in a batch, as a put or as a delete', () => {
  const chain = new Chain();
  for (const each of sequence) {
    chain.time += 1;
    chain.ledger.finalizeBlock(chain.block([each]), verifyAll(chain.ledger, [each]));
    const { puts, deletes } = chain.ledger.commit().writes;
    const keys = [...puts.map(({ key }) => toHex(key)), ...deletes.map(toHex)];
    expect(new Set(keys).size).toBe(keys.length);
    expect(Math.max(...keys.map((key) => key.length / 2))).toBeLessThanOrEqual(80);
    chain.disk.write({ puts, deletes });
  }
});

test('every member of the genesis is there before the first block', () => {
  const chain = new Chain();
  const report = tx(nodes['hospital-a'].signer, {
    type: 'publishNodeKey',
    hpkeKey: bytesOf('k'),
    day: Math.floor(START / 86_400),
  });
  const verified = verifyAll(chain.ledger, [report]);
  expect(chain.ledger.checkTransaction(report, 'new', verified)).toEqual({ ok: true });
});

test('a genesis of another chain, without or with two regulators, or with one key twice is refused', () => {
  const state = parseGenesis(genesis.appState);
  expect(encodeGenesis(state)).toEqual(genesis.appState);
  const [first, ...others] = state.members;
  if (first === undefined) throw new Error('a genesis has members');
  expect(() => startWith(encodeGenesis({ ...state, chainId: 'other' }))).toThrow();
  expect(() => startWith(encodeGenesis({ ...state, members: others }))).toThrow();
  expect(() =>
    startWith(
      encodeGenesis({ ...state, members: [first, ...others, { ...first, key: bytesOf('k') }] }),
    ),
  ).toThrow();
  expect(() =>
    startWith(encodeGenesis({ ...state, members: [first, ...others, ...others.slice(0, 1)] })),
  ).toThrow();
  expect(() => startWith(encode(decode(genesis.appState)).subarray(1))).toThrow();
});

test('ids that expire together are dropped a few per transaction, and all in the end', () => {
  const chain = new Chain();
  const live = (): number => {
    const result = chain.ledger.query({
      path: 'status',
      key: new Uint8Array(0),
      height: 0n,
      prove: false,
    });
    return result.ok ? parseStatusAnswer(result.value).stateSize : -1;
  };
  const before = live();
  chain.run(...Array.from({ length: 20 }, (_, n) => refusedTx(n, 3)));
  expect(live()).toBe(before + 20);
  chain.run();
  chain.run();
  expect(live()).toBe(before + 20);
  // One transaction drops four, itself adding one.
  for (let n = 0; n < 5; n++) {
    chain.run(refusedTx(100 + n, 1_000));
    expect(live()).toBe(before + 20 - 4 * (n + 1) + (n + 1));
  }
  chain.run(refusedTx(105, 1_000));
  expect(live()).toBe(before + 6);
  const answer = chain.ledger.query({
    path: 'state',
    key: bytesOf('nothing'),
    height: 0n,
    prove: true,
  });
  expect(answer.ok && parseStateAnswer(answer.value).value).toBeNull();
});
