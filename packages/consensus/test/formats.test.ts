import { type Bytes, CodecError, toHex } from '@yilian/crypto/bytes';
import { encode } from '@yilian/crypto/cbor';
import { merkleRoot } from '@yilian/crypto/merkle';
import { expect, test } from 'vitest';
import {
  decodeBlock,
  decodeCertifiedBlock,
  encodeBlock,
  encodeCertifiedBlock,
  toApplicationBlock,
} from '../src/block.ts';
import {
  certificateHash,
  decodeCertificate,
  encodeCertificate,
  medianTimeNs,
  verifyCertificate,
} from '../src/certificate.ts';
import { decodeChainTip, encodeChainTip } from '../src/chain-tip.ts';
import { genesisId } from '../src/genesis.ts';
import { decodeSignedHeader, encodeSignedHeader, type Header, headerId } from '../src/header.ts';
import { decodeMessage, decodeWalRecord, encodeMessage } from '../src/pbft/message-codec.ts';
import { transactionsRoot } from '../src/transactions-root.ts';
import {
  addressOf,
  createValidatorSet,
  faultsTolerated,
  isQuorum,
  isWeakQuorum,
  powerOf,
  updateValidatorSet,
  ValidatorSetError,
} from '../src/validator-set.ts';
import { actorAt, createScript, hash, propose, sentBy, transaction } from './script.ts';

const key = (n: number): Bytes => new Uint8Array(32).fill(n);
const setOf = (...powers: readonly number[]): ReturnType<typeof createValidatorSet> =>
  createValidatorSet({
    chainId: 'c',
    epoch: 0,
    validators: powers.map((power, i) => ({ key: key(i + 1), power: BigInt(power), leads: true })),
  });

function must<T>(value: T | undefined | null): T {
  if (value === undefined || value === null) throw new Error('missing');
  return value;
}

const script = createScript({ validators: 4 });
propose(script);
script.deliver();
for (const index of [0, 1, 2, 3]) script.expire(index, 'view');
script.deliver();
const decided = must(actorAt(script, 0).blocks[1]);

test('QJ-8 f = ⌊(n−1)/3⌋', () => {
  expect(
    [1, 2, 3, 4, 6, 7, 10].map((n) =>
      faultsTolerated(setOf(...Array.from({ length: n }, () => 1))),
    ),
  ).toEqual([0, 0, 0, 1, 1, 2, 3]);
});

test.each([
  [[1, 1, 1, 1], [0, 1], false],
  [[1, 1, 1, 1], [0, 1, 2], true],
  [[1, 1, 1], [0, 1], false],
  [[1, 1, 1], [0, 1, 2], true],
  [[2, 2, 2], [0, 1], false], // exactly two thirds is not more than two thirds
  [[5, 1, 1, 1], [0], false],
  [[7, 1, 1, 1], [0], true],
  [[1, 1, 1, 1], [2, 2, 2], false], // one signer counts once
  [[1, 1, 1, 1], [7, 8, 9], false], // strangers count nothing
])(
  'a quorum is more than two thirds of the power: %j signed by %j is %s',
  (powers, signers, expected) => {
    const set = setOf(...powers);
    expect(isQuorum(set, powerOf(set, signers))).toBe(expected);
  },
);

test('a weak quorum is more than one third of the power', () => {
  const set = setOf(1, 1, 1);
  expect(isWeakQuorum(set, 1n)).toBe(false);
  expect(isWeakQuorum(set, 2n)).toBe(true);
});

test.each<[string, () => unknown, string]>([
  ['nobody', () => setOf(), 'empty'],
  ['no power', () => setOf(1, 0), 'badPower'],
  [
    'enormous power',
    () =>
      createValidatorSet({
        chainId: 'c',
        epoch: 0,
        validators: [{ key: key(1), power: 1n << 50n, leads: true }],
      }),
    'badPower',
  ],
  [
    'a key twice',
    () =>
      createValidatorSet({
        chainId: 'c',
        epoch: 0,
        validators: [1, 1].map((n) => ({ key: key(n), power: 1n, leads: true })),
      }),
    'duplicateKey',
  ],
  [
    'a short key',
    () =>
      createValidatorSet({
        chainId: 'c',
        epoch: 0,
        validators: [{ key: new Uint8Array(31), power: 1n, leads: true }],
      }),
    'badKey',
  ],
  [
    'nobody that leads',
    () =>
      createValidatorSet({
        chainId: 'c',
        epoch: 0,
        validators: [{ key: key(1), power: 1n, leads: false }],
      }),
    'noLeader',
  ],
])('a validator set with %s is refused', (_, make, code) => {
  expect(make).toThrow(ValidatorSetError);
  expect(make).toThrow(code);
});

test('PB-23 an update makes a new epoch only if it changes something, and never an impossible set', () => {
  const set = setOf(1, 1);
  expect(updateValidatorSet(set, [])).toBe(set);
  expect(updateValidatorSet(set, [{ key: key(1), power: 1n, leads: true }])).toBe(set);
  const grown = updateValidatorSet(set, [{ key: key(9), power: 3n, leads: false }]);
  expect(grown).toMatchObject({ epoch: 1, totalPower: 5n });
  expect(toHex(grown.hash)).not.toBe(toHex(set.hash));
  expect(
    updateValidatorSet(
      set,
      [1, 2].map((n) => ({ key: key(n), power: 0n, leads: true })),
    ),
  ).toBe(set);
  expect(
    updateValidatorSet(
      set,
      [1, 2].map((n) => ({ key: key(n), power: 1n, leads: false })),
    ),
  ).toBe(set);
  expect(updateValidatorSet(set, [{ key: new Uint8Array(5), power: 1n, leads: true }])).toBe(set);
});

test('the hash of a set covers chain, epoch, keys, power and who leads', () => {
  const base = {
    chainId: 'c',
    epoch: 0,
    validators: [
      { key: key(1), power: 1n, leads: true },
      { key: key(2), power: 1n, leads: true },
    ],
  };
  const variants = [
    base,
    { ...base, chainId: 'd' },
    { ...base, epoch: 1 },
    {
      ...base,
      validators: [
        { key: key(1), power: 2n, leads: true },
        { key: key(2), power: 1n, leads: true },
      ],
    },
    {
      ...base,
      validators: [
        { key: key(1), power: 1n, leads: false },
        { key: key(2), power: 1n, leads: true },
      ],
    },
    {
      ...base,
      validators: [
        { key: key(3), power: 1n, leads: true },
        { key: key(2), power: 1n, leads: true },
      ],
    },
  ];
  expect(new Set(variants.map((set) => toHex(createValidatorSet(set).hash))).size).toBe(
    variants.length,
  );
});

test('an address is the first 20 bytes of SHA-256 over the key, as on CometBFT', () => {
  expect(addressOf(key(1))).toEqual(hash(key(1)).slice(0, 20));
});

test('QJ-9 each field of a header changes the id, the signature does not', () => {
  const { header } = decided.block;
  const changes: readonly Partial<Header>[] = [
    { version: 2 },
    { chainId: 'x' },
    { height: 9n },
    { previousId: key(1) },
    { timeNs: 1n },
    { transactionsRoot: key(1) },
    { appHash: key(1) },
    { parentCertificateHash: null },
    { validatorsHash: key(1) },
    { nextValidatorsHash: key(1) },
    { proposer: key(1) },
    { count: 9 },
    { size: 9 },
    { difficulty: 1 },
    { puzzleNonce: key(1) },
  ];
  expect(changes.length).toBe(Object.keys(header).length);
  const ids = [header, ...changes.map((change) => ({ ...header, ...change }))].map((each) =>
    toHex(headerId(each)),
  );
  expect(new Set(ids).size).toBe(changes.length + 1);
});

test('the transactions root is RFC 9162 over SHA-256(transaction): no two lists share one', () => {
  const hashes = [1, 2, 3].map((n) => hash(transaction(n)));
  expect(transactionsRoot(hashes)).toEqual(merkleRoot(hashes));
  expect(transactionsRoot(hashes, hash)).toEqual(transactionsRoot(hashes));
  expect(transactionsRoot([])).toEqual(hash(new Uint8Array(0)));
  const doubled = [...hashes, must(hashes[2])];
  expect(toHex(transactionsRoot(doubled))).not.toBe(toHex(transactionsRoot(hashes)));
});

test('a certificate is refused when anything in it is not as signed', () => {
  const { certificate } = decided;
  const { lastValidators: validators } = actorAt(script, 0).tip;
  const verify = (changed: typeof certificate): string => {
    const { verifySignature } = script.keys;
    const result = verifyCertificate({
      certificate: changed,
      height: 2n,
      blockId: certificate.blockId,
      validators,
      verifySignature,
    });
    return result.ok ? 'ok' : result.code;
  };
  const { signatures } = certificate;
  const [first, second, third] = [must(signatures[0]), must(signatures[1]), must(signatures[2])];
  expect(verify(certificate)).toBe('ok');
  expect(verify({ ...certificate, height: 3n })).toBe('wrongBlock');
  expect(verify({ ...certificate, blockId: key(1) })).toBe('wrongBlock');
  expect(verify({ ...certificate, view: certificate.view + 1 })).toBe('badSignature');
  expect(verify({ ...certificate, signatures: [first, second] })).toBe('noQuorum');
  expect(verify({ ...certificate, signatures: [first, first, second] })).toBe('signersUnordered');
  expect(verify({ ...certificate, signatures: [second, first, third] })).toBe('signersUnordered');
  expect(verify({ ...certificate, signatures: [first, second, { ...third, signer: 9 }] })).toBe(
    'signerUnknown',
  );
  expect(
    verify({
      ...certificate,
      signatures: [first, second, { ...third, timeNs: third.timeNs + 1n }],
    }),
  ).toBe('badSignature');
  expect(
    verify({
      ...certificate,
      signatures: [first, second, { ...third, signature: first.signature }],
    }),
  ).toBe('badSignature');
});

test('PB-6 the median is weighted by power', () => {
  const times = [10n, 20n, 1_000n];
  const certificate = {
    height: 1n,
    view: 0,
    blockId: key(0),
    signatures: times.map((timeNs, signer) => ({ signer, timeNs, signature: new Uint8Array(64) })),
  };
  expect(medianTimeNs(certificate, setOf(1, 1, 1))).toBe(20n);
  expect(medianTimeNs(certificate, setOf(1, 1, 5))).toBe(1_000n);
  expect(medianTimeNs(certificate, setOf(5, 1, 1))).toBe(10n);
});

test('the id of genesis covers all that the chain starts from', () => {
  const { genesis } = script;
  const variants = [
    genesis,
    { ...genesis, chainId: 'x' },
    { ...genesis, timeNs: 1n },
    { ...genesis, appState: key(1) },
    { ...genesis, validators: genesis.validators.slice(1) },
  ];
  expect(new Set(variants.map((each) => toHex(genesisId(each)))).size).toBe(variants.length);
});

test('all that is stored or sent decodes to what was encoded', () => {
  const { block, certificate } = decided;
  expect(decodeBlock(encodeBlock(block))).toEqual(block);
  expect(decodeCertifiedBlock(encodeCertifiedBlock(decided))).toEqual(decided);
  expect(decodeCertificate(encodeCertificate(certificate))).toEqual(certificate);
  expect(decodeSignedHeader(encodeSignedHeader(block))).toEqual({
    header: block.header,
    signature: block.signature,
  });
  const { tip } = actorAt(script, 0);
  expect(decodeChainTip(encodeChainTip(tip))).toEqual(tip);
  const seen = new Set<string>();
  for (const { sent } of script.actors)
    for (const { message } of sent) {
      seen.add(message.kind);
      expect(decodeMessage(encodeMessage(message))).toEqual(message);
    }
  expect([...seen].toSorted()).toEqual(
    ['commit', 'newView', 'prePrepare', 'prepare', 'request', 'status', 'viewChange'].toSorted(),
  );
});

test.each<[string, Bytes]>([
  ['nothing', new Uint8Array(0)],
  ['an unknown kind', encode([99, 1])],
  ['no array', encode(5)],
  ['an empty array', encode([])],
  ['a field too many', encode([9, 1, 1])],
  ['a field too few', encode([8, 1, 0])],
  ['a negative height', encode([9, -1])],
  ['a height over 64 bits', Uint8Array.of(0x82, 9, 0xc2, 0x49, 1, 0, 0, 0, 0, 0, 0, 0, 0)],
  ['a wrong type', encode([8, 1, 0, 1])],
  ['a short signature', encode([2, 0, 1, 0, key(0), 0, new Uint8Array(63)])],
  ['a long way of writing a number', Uint8Array.of(0x82, 0x18, 0x09, 0x01)],
  ['bytes behind the end', Uint8Array.of(...encode([9, 1]), 0)],
])('a message with %s is refused', (_, bytes) => {
  expect(() => decodeMessage(bytes)).toThrow(CodecError);
});

test('a record of the log that is no vote is refused', () => {
  expect(() => decodeWalRecord(encode([1, 1, [9, 1]]))).toThrow(CodecError);
  expect(() => decodeWalRecord(encode([3, 1]))).toThrow(CodecError);
  expect(() => decodeWalRecord(encode([2, 1]))).toThrow(CodecError);
});

test('the hash of a certificate covers its chain and its signatures', () => {
  const { certificate } = decided;
  const fewer = { ...certificate, signatures: certificate.signatures.slice(1) };
  const hashes = [
    certificateHash('a', certificate),
    certificateHash('b', certificate),
    certificateHash('a', fewer),
  ];
  expect(new Set(hashes.map(toHex)).size).toBe(3);
});

test('the application sees who signed the block below', () => {
  const { lastValidators } = actorAt(script, 0).tip;
  const block = toApplicationBlock(decided.block, lastValidators);
  const signers = must(decided.block.parentCertificate).signatures.map(({ signer }) => signer);
  expect(block.votes.map(({ signed }) => signed)).toEqual(
    [0, 1, 2, 3].map((index) => signers.includes(index)),
  );
  expect(block.votes.map(({ address }) => toHex(address))).toEqual(
    script.keys.keys.map((each) => toHex(addressOf(each))),
  );
});

test('PB-3 only the primary of the view proposes, and once', () => {
  const fresh = createScript({ validators: 4 });
  const primary = fresh.primary(0);
  const other = (primary + 1) % 4;
  const receiver = (primary + 2) % 4;
  fresh.submit(other, transaction(1));
  expect(actorAt(fresh, other).timers.has('propose')).toBe(false);
  propose(fresh);
  fresh.submit(primary, transaction(2));
  const proposals = sentBy(fresh, primary, 'prePrepare');
  expect(proposals).toHaveLength(1);
  const { epoch, height, view, blockId, block } = must(proposals[0]);
  const content = { kind: 'prePrepare', epoch, height, view, blockId } as const;
  fresh.inject(receiver, other, {
    ...content,
    signer: other,
    signature: fresh.sign(other, content),
    block,
  });
  expect(sentBy(fresh, receiver, 'prepare')).toHaveLength(0);
});
