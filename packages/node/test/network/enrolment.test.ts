/** Request and answer between a new hospital and the regulator: what each side refuses of the other's. */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DemoConsortium } from '@yilian/api/documents';
import { type Bytes, fromHex, toHex } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import { publicKey, sign } from '@yilian/crypto/signature';
import { parseTransaction, requiredSigners } from '@yilian/ledger/transaction-codec';
import { parseNodeConfig, parseNodeSeeds, readNodeFiles } from '../../src/config.ts';
import { checkAnswer, completeHome } from '../../src/network/complete-home.ts';
import {
  type EnrolmentAnswerContent,
  parseEnrolmentAnswer,
  signEnrolmentAnswer,
} from '../../src/network/enrolment-answer.ts';
import { EnrolmentError } from '../../src/network/enrolment-error.ts';
import { listEnrolmentRecords, readEnrolmentRecord } from '../../src/network/enrolment-record.ts';
import {
  encodeEnrolmentRequest,
  enrolmentRequestHash,
  type EnrolmentRequest,
  fingerprintOf,
  isFingerprint,
  makeEnrolmentRequest,
  parseEnrolmentRequest,
} from '../../src/network/enrolment-request.ts';
import {
  answerRequest,
  checkRequest,
  openRegulatorHome,
} from '../../src/network/enrol-hospital.ts';
import { initNetwork } from '../../src/network/init-network.ts';
import { parseHospitalFile, parseNetworkFile } from '../../src/network/network-file.ts';
import { isAwaitingAnswer, prepareHome, readOwnRequest } from '../../src/network/prepare-home.ts';

const root = mkdtempSync(join(tmpdir(), 'yl-enrolment-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const NETWORK = `
chain: stroke-network
snapshotEvery: 777
hospitals:
  - { institution: city-first, tier: tertiary, host: 10.0.0.11 }
  - { institution: county, tier: secondary, host: 10.0.0.13 }
regulator: { institution: commission, host: 10.0.0.20 }
`;
const network = join(root, 'net');
const regulator = join(network, 'nodes', 'commission');
let consortium: DemoConsortium;

beforeAll(async () => {
  consortium = await initNetwork(parseNetworkFile(NETWORK), network);
});

let made = 0;

async function prepared(
  institution: string,
): Promise<{ readonly home: string; readonly request: EnrolmentRequest }> {
  const home = join(root, `${institution}-${made++}`);
  const member = parseHospitalFile(
    `{ institution: ${institution}, tier: tertiary, host: 10.0.1.1 }`,
  );
  const { anchor } = consortium;
  const request = await prepareHome({ home, member, anchor, place: 'consortium.json' });
  return { home, request };
}

const answered = (request: EnrolmentRequest, height = 100n): Bytes =>
  answerRequest(openRegulatorHome(regulator), request, { height }).answer;

function contentOf(answer: Bytes, request: EnrolmentRequest): EnrolmentAnswerContent {
  const { chainId, genesisId, regulatorKey } = openRegulatorHome(regulator).chain;
  const hash = enrolmentRequestHash(request);
  const expected = { place: 'answer', chainId, genesisId, regulatorKey, request: hash };
  return parseEnrolmentAnswer(answer, expected);
}

/** As a careless regulator would sign it. */
function resigned(content: EnrolmentAnswerContent): Bytes {
  const { regulator: seed } = openRegulatorHome(regulator);
  return signEnrolmentAnswer(content, {
    key: publicKey(seed),
    sign: (message) => sign(seed, message),
  });
}

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof EnrolmentError) return error.code;
    throw error;
  }
  return 'none';
}

describe('a request', () => {
  test('says the same again, byte by byte, and has one fingerprint', async () => {
    const { home, request } = await prepared('north');
    const stored = new Uint8Array(readFileSync(join(home, 'request.cbor')));
    expect(parseEnrolmentRequest(stored, 'r')).toEqual(request);
    expect(readOwnRequest(home)).toEqual(request);
    expect(fingerprintOf(request)).toMatch(/^([0-9a-f]{4} ){7}[0-9a-f]{4}$/);
    expect(isFingerprint(request, fingerprintOf(request).toUpperCase().replaceAll(' ', '-'))).toBe(
      true,
    );
    expect(isFingerprint(request, fingerprintOf(request).slice(0, -1))).toBe(false);
    expect(isFingerprint(request, '')).toBe(false);
  });

  test('is refused when any byte of it is another', async () => {
    const { request } = await prepared('north');
    const bytes = encodeEnrolmentRequest(request);
    for (let at = 0; at < bytes.length; at += 7) {
      const other = bytes.slice();
      other[at] = (other[at] ?? 0) ^ 1;
      expect(['requestAltered', 'requestUnreadable']).toContain(
        codeOf(() => parseEnrolmentRequest(other, 'r')),
      );
    }
    for (const short of [new Uint8Array(0), bytes.slice(0, -1), encode('x')])
      expect(codeOf(() => parseEnrolmentRequest(short, 'r'))).toBe('requestUnreadable');
  });

  test('with a key of somebody else, without his signature, enrols nobody', async () => {
    const { request: own } = await prepared('north');
    const { request: other } = await prepared('south');
    const { description, proofs } = own;
    const keys = { ...description.keys, hospital: other.description.keys.hospital };
    for (const proof of [proofs.hospital, other.proofs.hospital])
      expect(
        codeOf(() =>
          parseEnrolmentRequest(
            encodeEnrolmentRequest({
              description: { ...description, keys },
              proofs: { ...proofs, hospital: proof },
            }),
            'r',
          ),
        ),
      ).toBe('requestAltered');
  });

  test('with one key in two places is refused though that key has signed both', async () => {
    const { home, request } = await prepared('north');
    const seeds = parseNodeSeeds('keys', JSON.parse(readFileSync(join(home, 'keys.json'), 'utf8')));
    const { chainId, genesisId } = request.description;
    const member = parseHospitalFile('{ institution: north, tier: tertiary, host: 10.0.1.1 }');
    const twice = await makeEnrolmentRequest({
      chainId,
      genesisId,
      member,
      tier: 'tertiary',
      seeds: { ...seeds, store: seeds.hospital },
    });
    expect(codeOf(() => parseEnrolmentRequest(encodeEnrolmentRequest(twice), 'r'))).toBe(
      'requestAltered',
    );
  });

  test('names a chain: another genesis under the same id is another chain', async () => {
    const elsewhere = join(root, 'elsewhere');
    const { anchor } = await initNetwork(parseNetworkFile(NETWORK), elsewhere);
    const home = join(root, 'foreign');
    const member = parseHospitalFile('{ institution: north, tier: tertiary, host: 10.0.1.1 }');
    const request = await prepareHome({ home, member, anchor, place: 'c' });
    const own = openRegulatorHome(regulator);
    expect(request.description.chainId).toBe(own.chain.chainId);
    expect(codeOf(() => checkRequest(own, request, 'r'))).toBe('requestOtherChain');
  });
});

describe('an answer', () => {
  test('carries enrolments that lack nothing but the new keys’ own signatures', async () => {
    const { home, request } = await prepared('east');
    const answer = answered(request);
    const { enrolments } = checkAnswer(home, answer, 'a');
    expect(enrolments.map(({ role }) => role)).toEqual(['node', 'store', 'hospital']);
    contentOf(answer, request).enrolments.forEach((encoded, at) => {
      const parsing = parseTransaction(encoded);
      if (!parsing.ok) throw new Error('no transaction');
      expect(parsing.transaction.signatures).toHaveLength(1);
      const complete = enrolments[at]?.transaction;
      if (complete === undefined) throw new Error('no enrolment');
      expect(complete.signatures.map(({ key }) => key)).toEqual(requiredSigners(complete));
    });
  });

  test('can be had again: the same certificates, later transactions', async () => {
    const { home, request } = await prepared('west');
    const first = checkAnswer(home, answered(request, 100n), 'a');
    const second = checkAnswer(home, answered(request, 9_000n), 'a');
    expect(second.enrolments.map(({ certificate }) => certificate)).toEqual(
      first.enrolments.map(({ certificate }) => certificate),
    );
    const expiry = (each: typeof first): number =>
      each.enrolments[0]?.transaction.expiryHeight ?? 0;
    expect(expiry(second) - expiry(first)).toBe(8_900);
    const names = listEnrolmentRecords(regulator).filter((path) => path.endsWith('west.cbor'));
    expect(names).toHaveLength(1);
  });

  test('names all who were there, the regulator too, and those who came before', async () => {
    const before = await prepared('first-comer');
    answered(before.request);
    const { home, request } = await prepared('second-comer');
    completeHome(checkAnswer(home, answered(request), 'a'));
    const { config } = readNodeFiles(home);
    const keyOf = (each: EnrolmentRequest): string => toHex(each.description.keys.consensus);
    const keys = config.peers.map(({ key }) => key);
    for (const node of consortium.nodes) expect(keys).toContain(node.consensusKey);
    expect(keys).toContain(keyOf(before.request));
    expect(keys.filter((key) => key === keyOf(request))).toHaveLength(1);
    expect(config.cometbft?.peers.map(({ host }) => host)).toEqual(
      expect.arrayContaining(['10.0.0.11', '10.0.0.13', '10.0.0.20', '10.0.1.1']) as string[],
    );
    expect(config.settings.snapshotEvery).toBe(777);
    const { copies } = readNodeFiles(home);
    const stores = consortium.nodes.flatMap(({ store }) => (store === null ? [] : [store]));
    expect(copies.map(({ store }) => toHex(store)).sort()).toEqual(stores.sort());
    expect(config.http.host).toBe('127.0.0.1');
    expect(config.peer.host).toBe('0.0.0.0');
    expect(readdirSync(home).sort()).toEqual([
      'certificates.cbor',
      'config.json',
      'genesis.cbor',
      'keys.json',
      'request.cbor',
    ]);
    expect(isAwaitingAnswer(home)).toBe(false);
  });

  test('leaves a configuration that is there as it is', async () => {
    const { home, request } = await prepared('careful');
    const checked = checkAnswer(home, answered(request), 'a');
    completeHome(checked);
    const path = join(home, 'config.json');
    const own = { ...(JSON.parse(readFileSync(path, 'utf8')) as object), name: 'my own name' };
    writeFileSync(path, JSON.stringify(own));
    completeHome(checked);
    expect(parseNodeConfig('c', JSON.parse(readFileSync(path, 'utf8'))).name).toBe('my own name');
  });

  test.each<[string, (own: EnrolmentAnswerContent, other: EnrolmentAnswerContent) => object]>([
    ['introduces another node', (_own, { introduction }) => ({ introduction })],
    ['certifies other keys', (_own, { certificates }) => ({ certificates })],
    ['enrols other keys', (_own, { enrolments }) => ({ enrolments })],
    ['mixes up the roles', ({ enrolments }) => ({ enrolments: enrolments.toReversed() })],
    ['lacks a certificate', ({ certificates }) => ({ certificates: certificates.slice(1) })],
    ['lacks an enrolment', ({ enrolments }) => ({ enrolments: enrolments.slice(0, 2) })],
    [
      'carries a transaction that is none',
      () => ({ enrolments: [encode(1), encode(2), encode(3)] }),
    ],
    ['was for another request', (_own, { request }) => ({ request })],
  ])('that %s is refused even when the regulator signed it', async (_what, change) => {
    const mine = await prepared(`mine-${made}`);
    const theirs = await prepared(`theirs-${made}`);
    const own = contentOf(answered(mine.request), mine.request);
    const other = contentOf(answered(theirs.request), theirs.request);
    const answer = resigned({ ...own, ...change(own, other) });
    expect(codeOf(() => checkAnswer(mine.home, answer, 'a'))).toBe('answerForAnother');
    expect(isAwaitingAnswer(mine.home)).toBe(true);
  });

  test('that somebody else signed, or of another chain, is refused', async () => {
    const { home, request } = await prepared(`signed-${made}`);
    const content = contentOf(answered(request), request);
    const stranger = new Uint8Array(32).fill(5);
    const forged = signEnrolmentAnswer(content, {
      key: publicKey(stranger),
      sign: (message) => sign(stranger, message),
    });
    expect(codeOf(() => checkAnswer(home, forged, 'a'))).toBe('answerForged');
    for (const change of [{ chainId: 'other' }, { genesisId: new Uint8Array(32) }])
      expect(codeOf(() => checkAnswer(home, resigned({ ...content, ...change }), 'a'))).toBe(
        'answerOtherChain',
      );
    // Peers' addresses are under the signature as well.
    const value = decode(answered(request));
    if (!Array.isArray(value)) throw new Error('no answer');
    const moved = resigned({ ...content, peers: [] });
    const other = decode(moved);
    if (!Array.isArray(other)) throw new Error('no answer');
    const spliced = encode([other[0] ?? null, value[1] ?? null]);
    expect(codeOf(() => checkAnswer(home, spliced, 'a'))).toBe('answerForged');
  });

  test('is for the home whose keys made the request', async () => {
    const mine = await prepared(`home-${made}`);
    const theirs = await prepared(`home-${made}`);
    const answer = answered(mine.request);
    copyFileSync(join(theirs.home, 'keys.json'), join(mine.home, 'keys.json'));
    expect(codeOf(() => checkAnswer(mine.home, answer, 'a'))).toBe('notPrepared');
    expect(codeOf(() => checkAnswer(theirs.home, answer, 'a'))).toBe('answerForAnother');
  });
});

describe('the regulator’s home', () => {
  test('is the one with the key of this chain’s regulator', () => {
    expect(codeOf(() => openRegulatorHome(join(network, 'nodes', 'county')))).toBe('notRegulator');
    const other = join(root, 'other-regulator');
    mkdirSync(other);
    for (const name of ['config.json', 'genesis.cbor'])
      copyFileSync(join(regulator, name), join(other, name));
    const keys = JSON.parse(readFileSync(join(regulator, 'keys.json'), 'utf8')) as object;
    writeFileSync(
      join(other, 'keys.json'),
      JSON.stringify({ ...keys, regulator: toHex(fromHex('17'.repeat(32))) }),
    );
    expect(codeOf(() => openRegulatorHome(other))).toBe('notRegulator');
  });

  test('answers no second request under a name, and says where the first one lies', async () => {
    const first = await prepared('twice');
    answered(first.request);
    const second = await prepared('twice');
    const own = openRegulatorHome(regulator);
    expect(() => checkRequest(own, second.request, 'r')).toThrow(/enrolments\/twice\.cbor/);
    expect(codeOf(() => checkRequest(own, first.request, 'r'))).toBe('none');
    for (const taken of ['county', 'commission']) {
      const { request } = await prepared(taken);
      expect(codeOf(() => checkRequest(own, request, 'r'))).toBe('nameTaken');
    }
  });

  test('a damaged record is named, and nothing is issued in its place', async () => {
    const { request } = await prepared('damaged');
    answered(request);
    const path = join(regulator, 'enrolments', 'damaged.cbor');
    writeFileSync(path, 'half');
    expect(() => readEnrolmentRecord(path)).toThrow(path);
    expect(() => answered(request)).toThrow(path);
    rmSync(path);
  });
});

test('a home is made once, whole or not at all', async () => {
  const { home } = await prepared('once');
  const before = readFileSync(join(home, 'keys.json'), 'utf8');
  const member = parseHospitalFile('{ institution: once, tier: tertiary, host: 10.0.1.1 }');
  const { anchor } = consortium;
  await expect(prepareHome({ home, member, anchor, place: 'c' })).rejects.toThrow(EnrolmentError);
  expect(readFileSync(join(home, 'keys.json'), 'utf8')).toBe(before);
  const never = join(root, 'never');
  const other = { ...anchor, genesisId: '00'.repeat(32) };
  await expect(prepareHome({ home: never, member, anchor: other, place: 'c' })).rejects.toThrow(
    /genesis document/,
  );
  expect(readdirSync(root).filter((name) => name.startsWith('never'))).toEqual([]);
});
