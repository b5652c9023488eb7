/** A chain that is 30 days older than the trust anchor: clocks of nodes and devices are moved, nothing waits. */
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { encodeMessage, parseMessage } from '@yilian/api/codec';
import { provenLogEntry } from '@yilian/api/messages-chain';
import { toHex } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import { publicKey, sign } from '@yilian/crypto/signature';
import { type TrustCheckpoint, trustCheckpointBody } from '@yilian/consensus/light/trust';
import {
  decodeTrustCheckpoint,
  encodeTrustCheckpoint,
} from '@yilian/consensus/light/trust-checkpoint';
import type { Genesis } from '@yilian/consensus/application';
import { decodeGenesisDocument, encodeGenesisDocument, genesisId } from '@yilian/consensus/genesis';
import { encodeCommit } from '@yilian/consensus/light/cometbft/commit';
import { encodeCometHeader } from '@yilian/consensus/light/cometbft/header';
import { lightEngineOf } from '@yilian/consensus/light/light-engines';
import { createValidatorSet } from '@yilian/consensus/validator-set';
import {
  blockAt,
  type CometBlock,
  genesis as recorded,
  recommit,
} from '../../consensus/test/comet-chain.ts';
import { createNetwork, type Network } from '../src/network.ts';
import {
  createReceiptFile,
  type TrustPoint,
  verifyReceiptFile,
} from '../src/receipt-verification.ts';
import { createVerifiedReader, type VerifiedReader } from '../src/verified-reader.ts';
import { endpointsOf } from '../src/demo-consortium.ts';
import { createNodePlatform } from '../src/platform/node-platform.ts';
import {
  createMemoryStorage,
  type Fetch,
  type Platform,
  type Storage,
} from '../src/platform/platform.ts';
import {
  encodeTrustAnchor,
  parseTrustAnchor,
  type TrustAnchor,
  trustAnchorFromHex,
} from '../src/trust-anchor.ts';
import { createCast } from './support/cast.ts';
import { startConsortium, type TestConsortium } from './support/consortium.ts';
import { createWire, flipBit } from './support/wire.ts';

const DAY_MS = 86_400_000;
const AGE_MS = 30 * DAY_MS;

let consortium: TestConsortium;
let platform: Platform;
let anchor: TrustAnchor;
const wire = createWire();
/** As the regulator's node signed it. */
let genuine: TrustCheckpoint;

beforeAll(async () => {
  consortium = await startConsortium(60, () => Date.now() + AGE_MS);
  platform = await createNodePlatform();
  anchor = trustAnchorFromHex(consortium.document.anchor);
  const regulator = consortium.nodes.find(({ institution }) => institution === 'regulator');
  if (regulator === undefined) throw new Error('no regulator');
  const { checkpoints } = regulator.node.services;
  await vi.waitUntil(() => isRecent(checkpoints.latest()), { timeout: 20_000 });
  await checkpoints.tend();
  genuine = decodeTrustCheckpoint(checkpoints.latest() ?? new Uint8Array());
  for (const { node } of consortium.nodes)
    await vi.waitUntil(() => node.services.checkpoints.height() === genuine.height, {
      timeout: 5_000,
    });
}, 60_000);

afterEach(() => wire.heal());
afterAll(() => consortium.stop());

function isRecent(encoded: Uint8Array | undefined): boolean {
  if (encoded === undefined) return false;
  const { timeNs } = decodeTrustCheckpoint(encoded);
  return Number(timeNs / 1_000_000n) > Date.now() + AGE_MS - DAY_MS;
}

interface Device {
  readonly network: Network;
  readonly reader: VerifiedReader;
}

/** A device with nothing but a trust anchor, unless something is in its storage. */
function device(
  options: {
    readonly nowMs?: () => number;
    readonly storage?: Storage;
    readonly anchor?: TrustAnchor;
    readonly fetch?: Fetch;
  } = {},
): Device {
  const network = createNetwork({
    platform: {
      ...platform,
      fetch: options.fetch ?? wire.fetch,
      storage: options.storage ?? createMemoryStorage(),
      nowMs: options.nowMs ?? ((): number => Date.now() + AGE_MS),
    },
    anchor: options.anchor ?? anchor,
    nodes: endpointsOf(consortium.document),
    retries: 0,
  });
  return { network, reader: createVerifiedReader(network) };
}

const isCheckpoint = (_method: string, url: URL): boolean =>
  url.pathname === '/v1/checkpoints/latest';

/** From now on every node answers with this checkpoint. */
function serve(checkpoint: TrustCheckpoint): void {
  const encoded = encodeTrustCheckpoint(checkpoint);
  wire.alter(isCheckpoint, () => encoded);
}

/** What a regulator's key signs, changed. */
function signed(
  changes: Partial<TrustCheckpoint>,
  seed = consortium.regulatorSeed(),
): TrustCheckpoint {
  const content = { ...genuine, ...changes };
  return { ...content, signature: sign(seed, trustCheckpointBody(content)) };
}

function codes({ network }: Device): readonly string[] {
  return network.lies.map(({ code }) => code);
}

test('LC-5 a device with nothing but its anchor reads a chain that is 30 days older', async () => {
  const own = device();
  const head = await own.reader.head();
  expect(head.height).toBeGreaterThanOrEqual(genuine.height);
  expect(await own.reader.settings()).toBeDefined();
  expect(own.network.lies).toEqual([]);
  expect(own.reader.headers.trustedHeight).toBeGreaterThanOrEqual(genuine.height);
});

test('LC-5 one checkpoint is asked for, once per trusting period, and kept', async () => {
  const before = wire.requests.length;
  const storage = createMemoryStorage();
  const own = device({ storage });
  await own.reader.head();
  await own.reader.head({ fresh: true });
  const asked = wire.requests.slice(before).filter(({ url }) => isCheckpoint('GET', url));
  expect(asked).toHaveLength(1);
  wire.cut(isCheckpoint);
  const later = device({ storage });
  expect((await later.reader.head()).height).toBeGreaterThanOrEqual(genuine.height);
});

test('LC-5 any single node answers, also while the regulator is cut off', async () => {
  for (const { institution, url } of consortium.nodes) {
    wire.cut((method, target) => isCheckpoint(method, target) && !url.endsWith(target.host));
    const own = device();
    expect((await own.reader.head()).height, institution).toBeGreaterThanOrEqual(genuine.height);
  }
});

const STRANGER = new Uint8Array(32).fill(7);

test.each<[string, () => TrustCheckpoint, string]>([
  ['forged by another key', () => signed({}, STRANGER), 'regulatorSignature'],
  [
    'with a set of the forger’s choice',
    () => ({ ...genuine, validators: strangers() }),
    'regulatorSignature',
  ],
  [
    'with a younger time',
    () => ({ ...genuine, timeNs: genuine.timeNs + 1n }),
    'regulatorSignature',
  ],
  ['of another genesis', () => signed({ genesisId: new Uint8Array(32) }), 'chain'],
  ['of another chain', () => signed({ chainId: 'other', validators: strangers('other') }), 'chain'],
  [
    'older than the trusting period',
    () => signed({ timeNs: genuine.timeNs - 15n * 86_400_000_000_000n }),
    'staleCheckpoint',
  ],
  [
    'of next week',
    () => signed({ timeNs: genuine.timeNs + 7n * 86_400_000_000_000n }),
    'staleCheckpoint',
  ],
])('LC-5 a checkpoint %s is refused, and nothing is believed', async (_, make, code) => {
  serve(make());
  const own = device();
  await expect(own.reader.head()).rejects.toMatchObject({
    name: 'VerificationError',
    code,
    source: { route: 'getCheckpoint' },
  });
  expect(own.reader.headers.trustedHeight).toBe(0n);
});

function strangers(chainId = genuine.chainId): TrustCheckpoint['validators'] {
  const key = publicKey(STRANGER);
  return createValidatorSet({ chainId, epoch: 0, validators: [{ key, power: 1n, leads: true }] });
}

test('LC-5 a lying node is passed over and named', async () => {
  const [liar] = consortium.nodes;
  if (liar === undefined) throw new Error('no node');
  const isLiars = (method: string, url: URL): boolean =>
    isCheckpoint(method, url) && liar.url.endsWith(url.host);
  let caught = 0;
  for (let attempt = 0; attempt < 40 && caught === 0; attempt++) {
    wire.alter(isLiars, flipBit(0.999));
    const own = device();
    await own.reader.headers.renew();
    caught = own.network.lies.length;
    for (const { source, code } of own.network.lies)
      expect({ node: source.node, code }).toEqual({
        node: liar.institution,
        code: 'regulatorSignature',
      });
  }
  expect(caught).toBe(1);
});

test('LC-5 a checkpoint below what is known is refused', async () => {
  const own = device();
  await own.reader.headers.renew();
  serve(signed({ height: genuine.height - 1n, blockId: new Uint8Array(32) }));
  await expect(own.reader.headers.renew()).rejects.toMatchObject({ code: 'staleCheckpoint' });
  expect(own.reader.headers.trustedHeight).toBe(genuine.height);
});

test('LC-5 a checkpoint that contradicts a verified header is a fork: refused, reported, with evidence', async () => {
  let nowMs = Date.now() + AGE_MS;
  const own = device({ nowMs: () => nowMs });
  await own.reader.head();
  const block = await own.reader.block(genuine.height + 1n);
  const known = own.reader.headers.trustedHeight;
  // The device sleeps for 15 days; meanwhile the regulator's key signs another history.
  nowMs += 15 * DAY_MS;
  const other = signed({
    height: block.height,
    blockId: new Uint8Array(32).fill(9),
    timeNs: BigInt(nowMs - DAY_MS) * 1_000_000n,
  });
  serve(other);
  await expect(own.reader.head({ fresh: true })).rejects.toMatchObject({
    code: 'fork',
    cause: { checkpoint: encodeTrustCheckpoint(other) },
  });
  expect(codes(own)).toContain('fork');
  expect(new Set(own.network.lies).size).toBe(own.network.lies.length);
  expect(own.reader.headers.trustedHeight).toBe(known);
});

test('LC-5 when the regulator has been silent too long the message says what to do', async () => {
  const own = device({ nowMs: () => Date.now() + AGE_MS + 20 * DAY_MS });
  await expect(own.reader.head()).rejects.toMatchObject({
    code: 'staleCheckpoint',
    message: expect.stringContaining('ask the regulator for a new trust anchor') as string,
  });
  // Honest nodes that have nothing newer are not called liars.
  expect(codes(own)).toEqual([]);
});

const NOT_FOUND = JSON.stringify({
  type: 'about:blank',
  title: 'Not found',
  status: 404,
  code: 'notFound',
  detail: '',
});
const withoutCheckpoints: Fetch = (url, init) =>
  isCheckpoint('GET', new URL(url))
    ? Promise.resolve(
        new Response(NOT_FOUND, {
          status: 404,
          headers: { 'content-type': 'application/problem+json' },
        }),
      )
    : globalThis.fetch(url, init);

test('LC-5 when nobody has a checkpoint the client says so, and a new anchor helps', async () => {
  await expect(device({ fetch: withoutCheckpoints }).reader.head()).rejects.toMatchObject({
    name: 'ClientError',
    code: 'trustExpired',
    message: expect.stringContaining('ask the regulator for a new trust anchor') as string,
  });
  const text = encodeTrustAnchor({ ...anchor, checkpoint: encodeTrustCheckpoint(genuine) });
  const fresh = parseTrustAnchor(text);
  const own = device({ fetch: withoutCheckpoints, anchor: fresh });
  expect((await own.reader.head()).height).toBeGreaterThanOrEqual(genuine.height);
});

test('an anchor with a checkpoint that the regulator did not sign is no anchor', () => {
  const bad = [
    [encodeTrustCheckpoint(signed({}, STRANGER)), 'anchorForged'],
    [encodeTrustCheckpoint(signed({ genesisId: new Uint8Array(32) })), 'anchorOtherChain'],
    [encodeTrustCheckpoint(genuine).subarray(1), 'badAnchor'],
    [new Uint8Array(), 'badAnchor'],
  ] as const;
  for (const [checkpoint, code] of bad)
    expect(() => parseTrustAnchor(encodeTrustAnchor({ ...anchor, checkpoint }))).toThrow(
      expect.objectContaining({ code }) as Error,
    );
});

test('LC-5 a checkpoint to hand on is had from the nodes, also when this device knows more', async () => {
  const own = device();
  const encoded = await own.reader.headers.checkpoint();
  expect(decodeTrustCheckpoint(encoded).height).toBe(genuine.height);
  await own.reader.head();
  expect(own.reader.headers.trustedHeight).toBeGreaterThanOrEqual(genuine.height);
  expect(await own.reader.headers.checkpoint()).toEqual(encoded);
  serve(signed({}, STRANGER));
  await expect(own.reader.headers.checkpoint()).rejects.toMatchObject({
    code: 'regulatorSignature',
  });
});

test('LC-5 a kept header that the anchor’s checkpoint contradicts stops the client', async () => {
  const storage = createMemoryStorage();
  const own = device({ storage });
  await own.reader.headers.renew();
  await own.reader.headers.save();
  const checkpoint = encodeTrustCheckpoint(signed({ blockId: new Uint8Array(32).fill(9) }));
  await expect(
    device({ storage, anchor: { ...anchor, checkpoint } }).reader.head(),
  ).rejects.toMatchObject({ code: 'badAnchor' });
  expect(toHex(genuine.blockId)).not.toBe(toHex(new Uint8Array(32).fill(9)));
});

test('LM-11 a receipt says from where it is believed', async () => {
  const cast = await createCast(consortium, { nowMs: () => Date.now() + AGE_MS });
  await cast.patient('patient-1');
  const { network, reader } = cast.connection;
  const { leaf } = await reader.logEntry(0);
  const final = await reader.transaction(leaf.transaction);
  if (final === undefined) throw new Error('the first transaction is not final');
  const file = await createReceiptFile(network, final.receipt);
  const trustPointOf = (given: TrustAnchor): TrustPoint | string => {
    const verdict = verifyReceiptFile(given, file, platform.verifySignature);
    return verdict.ok ? verdict.receipt.trustPoint : verdict.code;
  };
  expect(trustPointOf(anchor)).toMatchObject({ kind: 'genesis', height: 0n, isOld: true });
  const withCheckpoint = { ...anchor, checkpoint: encodeTrustCheckpoint(genuine) };
  expect(trustPointOf(withCheckpoint)).toEqual({
    kind: 'checkpoint',
    height: genuine.height,
    timeMs: Number(genuine.timeNs / 1_000_000n),
    isOld: false,
  });
  // Another set in the regulator's checkpoint: the old validators' word does not count any more.
  const others = encodeTrustCheckpoint(signed({ validators: strangers() }));
  expect(trustPointOf({ ...anchor, checkpoint: others })).toBe('certificate');
  // A stranger's checkpoint is none.
  const foreign = encodeTrustCheckpoint(signed({ validators: strangers() }, STRANGER));
  expect(trustPointOf({ ...anchor, checkpoint: foreign })).toMatchObject({ kind: 'genesis' });
});

test('LM-11 a receipt of a CometBFT chain holds offline, and its alterations do not', async () => {
  const cast = await createCast(consortium, { nowMs: () => Date.now() + AGE_MS });
  await cast.patient('patient-2');
  const { network, reader } = cast.connection;
  const { leaf } = await reader.logEntry(0);
  const final = await reader.transaction(leaf.transaction);
  if (final === undefined) throw new Error('the first transaction is not final');
  const file = decode(await createReceiptFile(network, final.receipt));
  if (!Array.isArray(file) || !(file[2] instanceof Uint8Array)) throw new Error('not a receipt');
  const parsed = parseMessage(provenLogEntry, final.receipt, 1024 * 1024);
  if (!parsed.ok) throw new Error('not a receipt');
  // The same application under the other engine: its app hash stands in a header of CometBFT.
  const { header } = lightEngineOf({}).decodeHeader(parsed.value);
  const { chainId, appState } = decodeGenesisDocument(file[2]);
  const cometGenesis: Genesis = { ...recorded, chainId, appState, timeNs: header.timeNs - 1n };
  const block = recommit(blockAt(2), {
    header: { chainId, height: header.height, timeNs: header.timeNs, appHash: header.appHash },
    kinds: ['commit', 'absent', 'commit', 'commit'],
  });
  const cometAnchor = { ...anchor, genesisId: genesisId(cometGenesis) };
  const verdictOn = (
    { header: own, commit }: CometBlock,
    given: TrustAnchor = cometAnchor,
    document: Genesis = cometGenesis,
  ): unknown => {
    const receipt = encodeMessage(provenLogEntry, {
      ...parsed.value,
      header: encodeCometHeader(own),
      certificate: encodeCommit(commit),
    });
    const items = ['yilian-receipt', 1, encodeGenesisDocument(document), receipt];
    const verdict = verifyReceiptFile(given, encode(items), platform.verifySignature);
    return verdict.ok ? verdict.receipt : verdict.code;
  };
  expect(verdictOn(block)).toMatchObject({
    signers: 3,
    validators: 4,
    provenBy: { height: header.height },
    trustPoint: { kind: 'genesis', isOld: false },
  });
  expect(verdictOn(block, anchor)).toBe('otherChain');
  const { engine: _, ...otherEngine } = cometGenesis;
  const pbftAnchor = { ...anchor, genesisId: genesisId(otherEngine) };
  expect(verdictOn(block, pbftAnchor, otherEngine)).toBe('malformed');
  const half = recommit(block, { kinds: ['commit', 'nil', 'absent', 'commit'] });
  expect(verdictOn(half)).toBe('certificate');
  const otherHash = recommit(block, { header: { appHash: new Uint8Array(32) } });
  expect(verdictOn(otherHash)).toBe('logProof');
  const short = recommit(block, { header: { appHash: new Uint8Array() } });
  expect(verdictOn(short)).toBe('logProof');
  const later = recommit(block, { header: { height: header.height + 1n } });
  expect(verdictOn(later)).toBe('logProof');
  const unknown = recommit(block, { header: { blockVersion: 12n } });
  expect(verdictOn(unknown)).toBe('certificate');
  const seeds = block.validators.validators.map(() => STRANGER);
  expect(verdictOn(recommit(block, { seeds }))).toBe('certificate');
});

test('LC-5 with the regulator’s node stopped the others still serve it', async () => {
  await consortium.stopNode('regulator');
  const own = device();
  expect((await own.reader.head()).height).toBeGreaterThanOrEqual(genuine.height);
});
