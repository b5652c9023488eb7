import { describe, expect, test } from 'vitest';
import { encodeCertificate } from '@yilian/consensus/certificate';
import { encodeSignedHeader, type Header, headerId } from '@yilian/consensus/header';
import { lightEngineOf } from '@yilian/consensus/light/light-engines';
import { type TrustCheckpoint, trustCheckpointBody } from '@yilian/consensus/light/trust';
import {
  decodeTrustCheckpoint,
  encodeTrustCheckpoint,
} from '@yilian/consensus/light/trust-checkpoint';
import { createValidatorSet } from '@yilian/consensus/validator-set';
import { type Bytes, concatBytes } from '@yilian/crypto/bytes';
import { publicKey, sign } from '@yilian/crypto/signature';
import { createMemoryNetwork } from '../../src/peers/memory-peers.ts';
import { splitNotices } from '../../src/peers/notices.ts';
import { createShelf, type Shelf } from '../../src/services/service-store.ts';
import {
  CHECKPOINT_INTERVAL_NS,
  createTrustCheckpoints,
  type TrustCheckpoints,
} from '../../src/services/trust-checkpoints.ts';
import { createMemoryStore } from '../../src/storage/memory-store.ts';
import { CONTEXT } from './support.ts';

const HOUR_NS = CHECKPOINT_INTERVAL_NS / 24n;
const START_NS = 1_790_000_000_000_000_000n;
const seedOf = (n: number): Bytes => new Uint8Array(32).fill(n);
const REGULATOR = seedOf(1);
const regulatorSigner = {
  key: publicKey(REGULATOR),
  sign: (message: Bytes) => sign(REGULATOR, message),
};
const anchor = {
  ...CONTEXT,
  genesisId: seedOf(9),
  regulatorKey: regulatorSigner.key,
};
const validators = createValidatorSet({
  ...CONTEXT,
  epoch: 0,
  validators: [2, 3, 4, 5].map((n) => ({ key: publicKey(seedOf(n)), power: 1n, leads: true })),
});

/** What a node knows of its chain: headers that a test appends. */
class Chain {
  readonly headers: Header[] = [];
  readonly #branch: number;

  constructor(branch = 0) {
    this.#branch = branch;
  }

  append(timeNs: bigint): void {
    this.headers.push({
      version: 1,
      ...CONTEXT,
      height: BigInt(this.headers.length + 1),
      previousId: seedOf(this.#branch),
      timeNs,
      transactionsRoot: seedOf(0),
      appHash: seedOf(0),
      parentCertificateHash: null,
      validatorsHash: validators.hash,
      nextValidatorsHash: validators.hash,
      proposer: publicKey(seedOf(2)),
      count: 0,
      size: 0,
      difficulty: 0,
      puzzleNonce: null,
    });
  }

  readonly ordering = {
    latest: (): { height: bigint; timeNs: bigint } => ({
      height: BigInt(this.headers.length),
      timeNs: this.headers.at(-1)?.timeNs ?? START_NS,
    }),
    lastValidators: () => validators,
    header: (asked: bigint | 'latest') => {
      const height = asked === 'latest' ? BigInt(this.headers.length) : asked;
      const header = this.headers[Number(height) - 1];
      if (header === undefined) return undefined;
      const blockId = headerId(header);
      return {
        height,
        header: encodeSignedHeader({ header, signature: new Uint8Array(64) }),
        certificate: encodeCertificate({ height, view: 0, blockId, signatures: [] }),
      };
    },
  };
}

interface Place {
  readonly checkpoints: TrustCheckpoints;
  readonly told: Bytes[];
  readonly forks: bigint[];
}

function open(
  chain: Chain,
  options: { readonly isRegulator?: boolean; readonly shelf?: Shelf } = {},
): Place {
  const told: Bytes[] = [];
  const forks: bigint[] = [];
  const checkpoints = createTrustCheckpoints({
    anchor,
    engine: lightEngineOf({}),
    ordering: chain.ordering,
    shelf: options.shelf ?? createShelf(createMemoryStore(), 'checkpoints'),
    notices: {
      broadcast: (notice) => told.push(notice),
      onNotice: () => undefined,
      cut: () => undefined,
    },
    regulator: options.isRegulator === true ? regulatorSigner : null,
    onFork: (height) => forks.push(height),
  });
  return { checkpoints, told, forks };
}

function latestOf({ checkpoints }: Place): TrustCheckpoint {
  const encoded = checkpoints.latest();
  if (encoded === undefined) throw new Error('no checkpoint');
  return decodeTrustCheckpoint(encoded);
}

function signedBy(seed: Bytes, chain: Chain, changes: Partial<TrustCheckpoint> = {}): Bytes {
  const header = chain.headers.at(-1);
  if (header === undefined) throw new Error('the chain is empty');
  const content = {
    chainId: anchor.chainId,
    genesisId: anchor.genesisId,
    height: header.height,
    blockId: headerId(header),
    timeNs: header.timeNs,
    validators,
    nextValidatorsHash: header.nextValidatorsHash,
    ...changes,
  };
  return encodeTrustCheckpoint({ ...content, signature: sign(seed, trustCheckpointBody(content)) });
}

describe('the regulator’s node', () => {
  test('API-14 LC-5 signs its first final header, then one per 24 hours of block time', async () => {
    const chain = new Chain();
    const own = open(chain, { isRegulator: true });
    await own.checkpoints.tend();
    expect(own.checkpoints.latest()).toBeUndefined();
    for (let hour = 0n; hour <= 49n; hour++) {
      chain.append(START_NS + hour * HOUR_NS);
      await own.checkpoints.onBlock();
    }
    expect(own.told.map((encoded) => decodeTrustCheckpoint(encoded).height)).toEqual([
      1n,
      25n,
      49n,
    ]);
    expect(latestOf(own)).toMatchObject({ timeNs: START_NS + 48n * HOUR_NS, validators });
  });

  test('LC-5 goes on after a restart where it stopped, and signs at once when that is old', async () => {
    const chain = new Chain();
    const shelf = createShelf(createMemoryStore(), 'checkpoints');
    chain.append(START_NS);
    await open(chain, { isRegulator: true, shelf }).checkpoints.tend();
    chain.append(START_NS + HOUR_NS);
    const again = open(chain, { isRegulator: true, shelf });
    await again.checkpoints.tend();
    expect(latestOf(again).height).toBe(1n);
    chain.append(START_NS + 720n * HOUR_NS);
    const later = open(chain, { isRegulator: true, shelf });
    await later.checkpoints.tend();
    expect(latestOf(later).height).toBe(3n);
  });

  test('LC-5 signs no second history: after a fork it is silent', async () => {
    const shelf = createShelf(createMemoryStore(), 'checkpoints');
    const chain = new Chain();
    chain.append(START_NS);
    await open(chain, { isRegulator: true, shelf }).checkpoints.tend();
    const other = new Chain(7);
    other.append(START_NS);
    other.append(START_NS + 48n * HOUR_NS);
    const forked = open(other, { isRegulator: true, shelf });
    await forked.checkpoints.tend();
    expect(forked.forks).toEqual([1n]);
    expect(forked.checkpoints.latest()).toBeUndefined();
    expect(forked.told).toEqual([]);
  });

  test('another key than the one of genesis does not start', () => {
    const shelf = createShelf(createMemoryStore(), 'checkpoints');
    expect(() =>
      createTrustCheckpoints({
        anchor: { ...anchor, regulatorKey: publicKey(seedOf(8)) },
        engine: lightEngineOf({}),
        ordering: new Chain().ordering,
        shelf,
        notices: { broadcast: () => undefined, onNotice: () => undefined, cut: () => undefined },
        regulator: regulatorSigner,
        onFork: () => undefined,
      }),
    ).toThrow(/regulator key/);
  });
});

describe('any other node', () => {
  const chain = new Chain();
  chain.append(START_NS);

  test('API-14 LC-5 keeps the regulator’s word over a restart, tells it on once, and never signs', async () => {
    const shelf = createShelf(createMemoryStore(), 'checkpoints');
    const own = open(chain, { shelf });
    await own.checkpoints.tend();
    expect(own.checkpoints.latest()).toBeUndefined();
    const encoded = signedBy(REGULATOR, chain);
    expect(await own.checkpoints.learn(encoded)).toBe('kept');
    expect(await own.checkpoints.learn(encoded)).toBe('known');
    expect(own.told).toEqual([encoded]);
    const again = open(chain, { shelf });
    expect(again.checkpoints.latest()).toEqual(encoded);
    await again.checkpoints.tend();
    expect(again.told).toEqual([encoded]);
  });

  test('LC-5 may be behind: a checkpoint above its own chain is kept', async () => {
    const own = open(new Chain());
    expect(await own.checkpoints.learn(signedBy(REGULATOR, chain))).toBe('kept');
  });

  test('LC-5 a lower one does not replace a higher one', async () => {
    const long = new Chain();
    long.append(START_NS);
    long.append(START_NS + HOUR_NS);
    const own = open(long);
    await own.checkpoints.learn(signedBy(REGULATOR, long));
    expect(await own.checkpoints.learn(signedBy(REGULATOR, chain))).toBe('known');
    expect(own.checkpoints.height()).toBe(2n);
  });

  test.each<[string, () => Bytes, string]>([
    ['by a stranger', () => signedBy(seedOf(6), chain), 'forged'],
    ['by a validator', () => signedBy(seedOf(2), chain), 'forged'],
    ['of another genesis', () => signedBy(REGULATOR, chain, { genesisId: seedOf(3) }), 'forged'],
    ['of another block', () => signedBy(REGULATOR, chain, { blockId: seedOf(3) }), 'forked'],
    ['cut short', () => signedBy(REGULATOR, chain).subarray(0, -1), 'malformed'],
    ['of nothing', () => new Uint8Array(), 'malformed'],
  ])('LC-5 one %s is not kept and not told on', async (_, make, verdict) => {
    const own = open(chain);
    expect(await own.checkpoints.learn(make())).toBe(verdict);
    expect(own.checkpoints.latest()).toBeUndefined();
    expect(own.told).toEqual([]);
    expect(own.forks).toEqual(verdict === 'forked' ? [1n] : []);
  });

  test('nothing is written after it is closed', async () => {
    const own = open(chain);
    await own.checkpoints.close();
    await expect(own.checkpoints.learn(signedBy(REGULATOR, chain))).rejects.toThrow();
  });
});

test('notices of each kind and consensus messages share a connection and do not meet', async () => {
  const network = createMemoryNetwork();
  const left = splitNotices(network.join(seedOf(1)));
  const rightPeers = network.join(seedOf(2));
  const right = splitNotices(rightPeers);
  const heard: [string, number, number][] = [];
  right.consensus.onMessage((from, message) =>
    heard.push(['consensus', from[0] ?? 0, message[0] ?? 0]),
  );
  right.checkpoints.onNotice((from, notice) =>
    heard.push(['checkpoint', from[0] ?? 0, notice[0] ?? 0]),
  );
  right.certificates.onNotice((from, notice) =>
    heard.push(['certificate', from[0] ?? 0, notice[0] ?? 0]),
  );
  right.introductions.onNotice((from, notice) =>
    heard.push(['introduction', from[0] ?? 0, notice[0] ?? 0]),
  );
  left.consensus.broadcast(Uint8Array.of(0x82, 1));
  left.introductions.broadcast(Uint8Array.of(0x81, 4));
  left.checkpoints.broadcast(Uint8Array.of(0x88, 2));
  left.certificates.send(seedOf(2), Uint8Array.of(0x84, 3));
  left.consensus.send(seedOf(2), concatBytes(Uint8Array.of(0x83)));
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  expect(heard).toEqual([
    ['consensus', 1, 0x82],
    ['introduction', 1, 0x81],
    ['checkpoint', 1, 0x88],
    ['certificate', 1, 0x84],
    ['consensus', 1, 0x83],
  ]);
});

test('notices arrive where nobody listens for messages of consensus, as beside another engine', async () => {
  const network = createMemoryNetwork();
  const left = splitNotices(network.join(seedOf(1)));
  const right = splitNotices(network.join(seedOf(2)));
  const heard: number[] = [];
  right.certificates.onNotice((_from, notice) => heard.push(notice[0] ?? 0));
  left.certificates.broadcast(Uint8Array.of(0x84));
  left.consensus.broadcast(Uint8Array.of(0x82));
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  expect(heard).toEqual([0x84]);
});
