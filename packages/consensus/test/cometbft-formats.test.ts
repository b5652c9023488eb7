import { readFileSync } from 'node:fs';
import { concatBytes, equalBytes, toHex } from '@yilian/crypto/bytes';
import { sha256 } from '@yilian/crypto/hash';
import { publicKey } from '@yilian/crypto/signature';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeBundle } from '../src/bundle.ts';
import { decodeGenesisDocument, encodeGenesisDocument, genesisId } from '../src/genesis.ts';
import { cometLightEngine } from '../src/light/cometbft/cometbft-light-engine.ts';
import {
  commitHash,
  createCommitEntry,
  decodeCommit,
  encodeCommit,
  voteSignBytes,
  ZERO_TIME_NS,
} from '../src/light/cometbft/commit.ts';
import {
  cometHeaderHash,
  decodeCometHeader,
  encodeCometHeader,
} from '../src/light/cometbft/header.ts';
import {
  parseRpcBlock,
  parseRpcCommit,
  parseRpcValidators,
} from '../src/light/cometbft/rpc-json.ts';
import {
  createCometValidatorSet,
  decodeCometValidatorSet,
  encodeCometValidatorSet,
  TOTAL_POWER_MAX,
} from '../src/light/cometbft/validator-set.ts';
import { encodeLightValidators, lightEngineOf } from '../src/light/light-engines.ts';
import {
  CHECKPOINT_BYTES_MAX,
  decodeTrustCheckpoint,
  encodeTrustCheckpoint,
} from '../src/light/trust-checkpoint.ts';
import { transactionsRoot } from '../src/transactions-root.ts';
import { createValidatorSet, VALIDATORS_MAX } from '../src/validator-set.ts';
import { blockAt, blocks, genesis, recording, seedOf } from './comet-chain.ts';

test('the hash of every recorded header is the block id that its validators signed', () => {
  for (const { header, commit } of blocks)
    expect(cometHeaderHash(header)).toEqual(commit.blockId.hash);
});

test('header, commit, set and signed bytes are those that CometBFT’s own code writes', () => {
  const encodings = JSON.parse(
    readFileSync(new URL('vectors/cometbft-encodings.json', import.meta.url), 'utf8'),
  ) as readonly {
    readonly header: string;
    readonly commit: string;
    readonly validators: string;
    readonly signBytes: readonly string[];
    readonly nilSignBytes: string;
  }[];
  expect(encodings).toHaveLength(blocks.length);
  for (const [index, { header, commit, validators }] of blocks.entries()) {
    const { chainId } = header;
    const votes = commit.entries.filter((entry) => entry.kind !== 'absent');
    const [vote] = votes;
    if (vote === undefined) throw new Error('a commit without votes');
    expect({
      header: toHex(encodeCometHeader(header)),
      commit: toHex(encodeCommit(commit)),
      validators: toHex(encodeCometValidatorSet(validators)),
      signBytes: votes.map((entry) => toHex(voteSignBytes(chainId, commit, entry))),
      nilSignBytes: toHex(voteSignBytes(chainId, commit, { ...vote, kind: 'nil' })),
    }).toEqual({ ...encodings[index], height: undefined });
  }
});

test('each header names the block below, its commit and the set of its height', () => {
  for (const [index, { header, validators }] of blocks.entries()) {
    expect(validators.hash).toEqual(header.validatorsHash);
    const above = blocks[index + 1];
    if (above === undefined) continue;
    expect(above.header.lastBlockId).toEqual(blockAt(index + 1).commit.blockId);
    expect(above.header.lastCommitHash).toEqual(commitHash(blockAt(index + 1).commit));
    expect(above.validators.hash).toEqual(header.nextValidatorsHash);
  }
});

test('the transactions of a block are those of its header', () => {
  const { header, transactions, lastCommit } = parseRpcBlock(recording.block);
  expect(transactions.length).toBeGreaterThan(0);
  expect(transactionsRoot(transactions.map((each) => sha256(each)))).toEqual(header.dataHash);
  expect(transactionsRoot([])).toEqual(blockAt(1).header.dataHash);
  expect(lastCommit).toEqual(blockAt(Number(header.height) - 1).commit);
});

test('client transactions come out of their bundles, in order', () => {
  const [a, b, c] = [Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(3)];
  const ordered = [encodeBundle([a, b]), c, encodeBundle([a])];
  expect(cometLightEngine.clientTransactions(ordered)).toEqual([a, b, c, a]);
  // A broken bundle holds none, and the other engine knows no bundles.
  expect(cometLightEngine.clientTransactions([encodeBundle([a]).subarray(0, -1), b])).toEqual([b]);
  expect(lightEngineOf({}).clientTransactions(ordered)).toEqual(ordered);
});

test('headers, commits and sets survive their encoding', () => {
  for (const { header, commit, validators } of blocks) {
    expect(decodeCometHeader(encodeCometHeader(header))).toEqual(header);
    expect(decodeCommit(encodeCommit(commit))).toEqual(commit);
    expect(decodeCometValidatorSet(encodeCometValidatorSet(validators))).toEqual(validators);
  }
});

const codecs = [
  {
    name: 'header',
    bytes: encodeCometHeader(blockAt(6).header),
    recode: (bytes: Uint8Array) => encodeCometHeader(decodeCometHeader(bytes)),
  },
  {
    name: 'commit',
    bytes: encodeCommit(blockAt(6).commit),
    recode: (bytes: Uint8Array) => encodeCommit(decodeCommit(bytes)),
  },
  {
    name: 'validator set',
    bytes: encodeCometValidatorSet(blockAt(6).validators),
    recode: (bytes: Uint8Array) => encodeCometValidatorSet(decodeCometValidatorSet(bytes)),
  },
];

test.each(codecs)('a $name has one encoding: damage is refused or is another value', (codec) => {
  const { bytes, recode } = codec;
  const damage = fc.record({ at: fc.nat(bytes.length - 1), by: fc.integer({ min: 1, max: 255 }) });
  fc.assert(
    fc.property(damage, ({ at, by }) => {
      const damaged = bytes.slice();
      damaged[at] = (damaged[at] ?? 0) ^ by;
      try {
        expect(recode(damaged)).toEqual(damaged);
      } catch (error) {
        expect(['CodecError', 'ValidatorSetError']).toContain((error as Error).name);
      }
    }),
    { numRuns: 300 },
  );
  expect(() => recode(bytes.subarray(0, -1))).toThrow();
  // A field that nobody knows, and a field twice.
  expect(() => recode(concatBytes(bytes, Uint8Array.of(0xf8, 0x01, 0x01)))).toThrow();
  expect(() => recode(concatBytes(bytes, bytes))).toThrow();
});

const header = blockAt(6).header;
const short = new Uint8Array(31);

test.each([
  ['without a chain id', { chainId: '' }],
  ['with a chain id of 51 characters', { chainId: 'x'.repeat(51) }],
  ['of height 0', { height: 0n }],
  ['of a negative height', { height: -1n }],
  ['from before 1970', { timeNs: -1n }],
  ['on nothing, but not the first', { lastBlockId: blockAt(1).header.lastBlockId }],
  ['of height 1 on something', { height: 1n }],
  ['with a short validators hash', { validatorsHash: short }],
  ['without a hash of the next set', { nextValidatorsHash: new Uint8Array() }],
  ['with a short data hash', { dataHash: short }],
  ['with a short evidence hash', { evidenceHash: short }],
  ['with an endless app hash', { appHash: new Uint8Array(65) }],
  ['with a short proposer address', { proposerAddress: new Uint8Array(19) }],
])('a header %s is malformed', (_, change) => {
  expect(() => decodeCometHeader(encodeCometHeader({ ...header, ...change }))).toThrow(
    expect.objectContaining({ name: 'CodecError' }),
  );
});

const { commit } = blockAt(6);

test.each([
  ['of height 0', { height: 0n }],
  ['of a negative round', { round: -1 }],
  ['of no block', { blockId: blockAt(1).header.lastBlockId }],
  ['without votes', { entries: [] }],
  [
    'of more votes than a set may have',
    { entries: Array.from({ length: VALIDATORS_MAX + 1 }, () => ({ kind: 'absent' as const })) },
  ],
])('a commit %s is malformed', (_, change) => {
  expect(() => decodeCommit(encodeCommit({ ...commit, ...change }))).toThrow(
    expect.objectContaining({ name: 'CodecError' }),
  );
});

const vote = {
  flag: 2,
  address: new Uint8Array(20),
  timeNs: 5n,
  signature: new Uint8Array(64),
};

test.each([
  ['of an unknown kind', { ...vote, flag: 4 }],
  ['without a kind', { ...vote, flag: 0 }],
  ['with a short address', { ...vote, address: new Uint8Array(19) }],
  ['without a signature', { ...vote, signature: new Uint8Array() }],
  ['that is absent and signed', { ...vote, flag: 1, timeNs: ZERO_TIME_NS }],
  [
    'that is absent at a time',
    { ...vote, flag: 1, address: short.subarray(31), signature: short.subarray(31) },
  ],
])('a vote %s is malformed', (_, entry) => {
  expect(createCommitEntry(vote)).toMatchObject({ kind: 'commit' });
  expect(() => createCommitEntry(entry)).toThrow(expect.objectContaining({ code: 'malformed' }));
});

test('what is signed names chain, height, round, block, time, and whether the block is meant', () => {
  const bytes = (change: object, chainId = 'c', kind: 'commit' | 'nil' = 'commit'): string =>
    toHex(voteSignBytes(chainId, { ...commit, ...change }, { kind, timeNs: 7n }));
  const { blockId } = commit;
  const all = [
    bytes({}),
    bytes({}, 'd'),
    bytes({}, 'c', 'nil'),
    bytes({ height: 7n }),
    bytes({ round: 1 }),
    bytes({ blockId: { ...blockId, hash: blockId.partsHash } }),
    bytes({ blockId: { ...blockId, partsTotal: 2 } }),
    bytes({ blockId: { ...blockId, partsHash: blockId.hash } }),
    toHex(voteSignBytes('c', commit, { kind: 'commit', timeNs: 8n })),
  ];
  expect(new Set(all).size).toBe(all.length);
  // A length of one byte, then type precommit and the height in eight bytes.
  expect(all[0]).toMatch(/^[0-7][0-9a-f]0802110600000000000000/);
});

const keyOf = (index: number): Uint8Array => publicKey(seedOf(index));
const memberOf = (index: number, power = 1n) => ({ key: keyOf(index), power });

test('sets are ordered by power, then by address, whatever the order they are given in', () => {
  const members = [memberOf(0), memberOf(1, 3n), memberOf(2), memberOf(3, 2n)];
  const set = createCometValidatorSet(members);
  expect(set.validators.map(({ power }) => power)).toEqual([3n, 2n, 1n, 1n]);
  expect(createCometValidatorSet(members.toReversed()).hash).toEqual(set.hash);
  const [, , third, fourth] = set.validators.map(({ address }) => toHex(address));
  expect([third, fourth].toSorted()).toEqual([third, fourth]);
});

test.each([
  ['empty', []],
  ['duplicateKey', [memberOf(0), memberOf(1), memberOf(0, 2n)]],
  ['badKey', [{ key: short, power: 1n }]],
  ['badPower', [memberOf(0, 0n)]],
  ['badPower', [memberOf(0, -1n)]],
  ['badPower', [memberOf(0, TOTAL_POWER_MAX), memberOf(1)]],
  [
    'tooMany',
    Array.from({ length: VALIDATORS_MAX + 1 }, (_, index) => ({
      key: sha256(Uint8Array.of(index, index >> 8)),
      power: 1n,
    })),
  ],
])('a list that can never be a set is refused: %s', (code, members) => {
  expect(() => createCometValidatorSet(members)).toThrow(expect.objectContaining({ code }));
});

test('a checkpoint with the largest set fits its limit', () => {
  const members = Array.from({ length: VALIDATORS_MAX }, (_, index) => ({
    key: sha256(Uint8Array.of(index)),
    power: TOTAL_POWER_MAX / BigInt(VALIDATORS_MAX),
  }));
  const validators = createCometValidatorSet(members);
  const encoded = encodeTrustCheckpoint({
    chainId: 'x'.repeat(50),
    genesisId: validators.hash,
    height: 1n << 62n,
    blockId: validators.hash,
    timeNs: 1n << 62n,
    validators,
    nextValidatorsHash: validators.hash,
    signature: new Uint8Array(64),
  });
  expect(encoded.length).toBeLessThan(CHECKPOINT_BYTES_MAX);
  expect(decodeTrustCheckpoint(encoded).validators).toEqual(validators);
});

test('sets travel in the form of their engine, and neither is taken for the other', () => {
  const comet = createCometValidatorSet(genesis.validators);
  const pbft = createValidatorSet({ chainId: 'c', epoch: 0, validators: genesis.validators });
  const engineOf = { comet: lightEngineOf({ engine: 'cometbft' }), pbft: lightEngineOf({}) };
  expect(engineOf.comet).toBe(cometLightEngine);
  expect(engineOf.comet.decodeValidators(encodeLightValidators(comet))).toEqual(comet);
  expect(engineOf.pbft.decodeValidators(encodeLightValidators(pbft))).toEqual(pbft);
  expect(() => engineOf.comet.decodeValidators(encodeLightValidators(pbft))).toThrow();
  expect(() => engineOf.pbft.decodeValidators(encodeLightValidators(comet))).toThrow();
});

test('the engine is part of the genesis document and of its id, and absent in old ones', () => {
  const { engine: _, ...old } = genesis;
  expect(decodeGenesisDocument(encodeGenesisDocument(genesis))).toEqual(genesis);
  expect(decodeGenesisDocument(encodeGenesisDocument(old))).toEqual(old);
  expect(equalBytes(genesisId(genesis), genesisId(old))).toBe(false);
  const named = encodeGenesisDocument(genesis);
  const other = named.slice();
  other[other.length - 1] = 'x'.charCodeAt(0);
  expect(() => decodeGenesisDocument(other)).toThrow();
  expect(() => decodeGenesisDocument(named.subarray(0, -1))).toThrow();
});

type Json = Record<string, unknown>;
interface CommitAnswer {
  readonly signed_header: { header: Json; readonly commit: Json & { signatures: Json[] } };
}
const commitAnswer = (): CommitAnswer => structuredClone(recording.commits[5]) as CommitAnswer;
const inHeader =
  (field: string, value: unknown) =>
  ({ signed_header: { header: it } }: CommitAnswer): void => {
    it[field] = value;
  };
const inCommit =
  (field: string, value: unknown) =>
  ({ signed_header: { commit: it } }: CommitAnswer): void => {
    Object.assign(it, { [field]: value });
  };
const inVotes =
  (field: string, value: unknown) =>
  ({ signed_header: { commit: it } }: CommitAnswer): void => {
    for (const each of it.signatures) each[field] = value;
  };

test.each<[string, (answer: CommitAnswer) => void]>([
  ['a height that is no text', inHeader('height', 6)],
  ['a height with a plus', inHeader('height', '+6')],
  ['a height beyond 64 bits', inHeader('height', '9223372036854775808')],
  ['a time with an offset', inHeader('time', '2026-11-21T07:11:45+01:00')],
  ['a time with ten digits', inHeader('time', '2026-11-21T07:11:45.0123456789Z')],
  ['a thirteenth month', inHeader('time', '2026-13-21T07:11:45Z')],
  ['the 29th of February of 2026', inHeader('time', '2026-02-29T07:11:45Z')],
  ['hour 24', inHeader('time', '2026-11-21T24:00:00Z')],
  ['a hash in small letters', inHeader('data_hash', 'e3'.repeat(32))],
  ['half a byte', inHeader('app_hash', 'ABC')],
  ['no version', inHeader('version', undefined)],
  [
    'a header that is a list',
    ({ signed_header: it }) => {
      Object.assign(it, { header: [] });
    },
  ],
  ['votes that are no list', inCommit('signatures', {})],
  ['a vote that is null', inCommit('signatures', [null])],
  ['a negative round', inCommit('round', -1)],
  ['a broken round', inCommit('round', 0.5)],
  ['a round beyond 31 bits', inCommit('round', 2 ** 31)],
  ['a signature in the other base64', inVotes('signature', `${'_'.repeat(86)}==`)],
  ['a vote of kind 9', inVotes('block_id_flag', 9)],
])('an answer of the RPC with %s is refused', (_, change) => {
  expect(parseRpcCommit(commitAnswer())).toMatchObject({ isCanonical: true });
  const changed = commitAnswer();
  change(changed);
  expect(() => parseRpcCommit(changed)).toThrow(expect.objectContaining({ name: 'CodecError' }));
});

test('times are those of the calendar, from the year 1 on', () => {
  const day = fc.date({ min: new Date(0), max: new Date('9999-12-31'), noInvalidDate: true });
  const timeOf = (time: string): bigint => {
    const changed = commitAnswer();
    inHeader('time', time)(changed);
    return parseRpcCommit(changed).header.timeNs;
  };
  fc.assert(
    fc.property(day, fc.nat(999_999_999), (date, nanos) => {
      const seconds = Math.floor(date.getTime() / 1000);
      const whole = new Date(seconds * 1000).toISOString().slice(0, 19);
      const expected = BigInt(seconds) * 1_000_000_000n + BigInt(nanos);
      if (expected >= 1n << 64n) return;
      expect(timeOf(`${whole}.${String(nanos).padStart(9, '0')}Z`)).toBe(expected);
    }),
  );
  // Go's zero time stands in absent votes.
  expect(blockAt(6).commit.entries).toContainEqual({ kind: 'absent' });
});

test.each([null, undefined, 7, 'text', [], {}, { signed_header: null }])(
  'an answer of the RPC that is something else is refused: %j',
  (value) => {
    for (const parse of [parseRpcCommit, parseRpcValidators, parseRpcBlock])
      expect(() => parse(value)).toThrow(expect.objectContaining({ name: 'CodecError' }));
  },
);

test('a page of validators says how many there are, and keys of another kind are refused', () => {
  const page = structuredClone(recording.validators[5]) as {
    validators: { pub_key: { type: string } }[];
  };
  const { height, total, validators } = parseRpcValidators(page);
  expect([height, total]).toEqual([6n, validators.length]);
  for (const each of page.validators) each.pub_key.type = 'tendermint/PubKeySecp256k1';
  expect(() => parseRpcValidators(page)).toThrow();
});
