import { beforeEach, describe, expect, it } from 'vitest';
import { searchTokenInfo } from '@yilian/api/messages-access';
import { type Bytes, toHex, utf8 } from '@yilian/crypto/bytes';
import { randomScalar } from '@yilian/crypto/curve';
import { type GrantId, toGrantId, deriveRecordId, toPid } from '@yilian/crypto/ids';
import { type HpkeKeyPair, deriveHpkeKeyPair, openWith, sealTo } from '@yilian/crypto/hpke';
import { blindKeyword, deriveKeywordSecret } from '@yilian/crypto/keyword';
import { parseMonth } from '@yilian/crypto/period';
import { patientKeyOf, provePossession, verifyPossessedKey } from '@yilian/crypto/possession';
import {
  createEpochKey,
  createIndexTags,
  deriveTagKey,
  deriveTrapdoor,
  encodeSearchToken,
  shareEpochSecret,
} from '@yilian/crypto/searchable-encryption';
import { encodeProof } from '@yilian/crypto/proof';
import type { Grant } from '@yilian/ledger/contracts/consent/grant';
import { toMemberId } from '@yilian/ledger/ids';
import { epochText } from '@yilian/ledger/checks';
import type { IssueRecord } from '@yilian/ledger/contracts/records/issue-record';
import { dayOf } from '../../src/clock.ts';
import { createRateLimit } from '../../src/http/rate-limit.ts';
import { encryptBlocks } from '../../src/native-primitives.ts';
import { type EpochIndexService, openEpochIndex } from '../../src/services/epoch-index.ts';
import { createSearchPool } from '../../src/services/search-pool.ts';
import { type SearchService, createSearch } from '../../src/services/search.ts';
import { createShelf } from '../../src/services/service-store.ts';
import { createMemoryStore } from '../../src/storage/memory-store.ts';
import {
  CONTEXT,
  ChainModel,
  HEARTBEAT_MS,
  type Person,
  START_MS,
  TestClock,
  curve,
  person,
  randomBytes,
  transaction,
} from './support.ts';

const HOSPITAL = 'h-1';
const MONTH = parseMonth('2026-09');
const TODAY = dayOf(START_MS);
const KEYWORD = { type: 'code', text: 'icd10#I63.9' } as const;

let clock: TestClock;
let chain: ChainModel;
let doctor: Person;
let grantId: GrantId;
let nodeKeys: HpkeKeyPair;
let node: Person;
let service: SearchService;
let index: EpochIndexService;
let store: ReturnType<typeof createMemoryStore>;
const patientSecret = randomBytes(32);
const patientScalar = randomScalar(curve, randomBytes);
const patientKey = patientKeyOf(curve, patientScalar);

function keywordOf(hospital: string, month: string): ReturnType<typeof blindKeyword> {
  const secret = deriveKeywordSecret({
    context: CONTEXT,
    patientSecret,
    hospitalId: utf8(hospital),
    month: parseMonth(month),
  });
  return blindKeyword(CONTEXT, secret, KEYWORD);
}

/** A record as the ledger holds it, indexed under the keyword, with LK. */
function indexedRecord(
  epochSecret: ReturnType<typeof createEpochKey>,
  hospital: string,
): { readonly body: IssueRecord; readonly locationSecret: Bytes } {
  const visitKey = randomBytes(32);
  const purpose = { kind: 'visit', hospitalId: utf8(hospital), visitKey } as const;
  const proof = provePossession({
    curve,
    context: CONTEXT,
    patientScalar,
    patientKey,
    purpose,
    randomBytes,
  });
  const possessed = verifyPossessedKey({
    curve,
    context: CONTEXT,
    patientKey,
    hospitalId: utf8(hospital),
    visitKey,
    proof,
  });
  if (possessed === undefined) throw new Error('possession holds');
  const c = curve.encodeG1(curve.multiplyG1(curve.g1, randomScalar(curve, randomBytes)));
  const locationSecret = randomBytes(16);
  const tagKey = deriveTagKey({
    curve,
    context: CONTEXT,
    epochPoint: epochSecret.key.point,
    sharedPoint: shareEpochSecret(curve, epochSecret, possessed),
    keyword: keywordOf(hospital, MONTH),
  });
  const tags = createIndexTags({
    tagKeys: [tagKey],
    recordId: deriveRecordId(CONTEXT, c),
    locationSecret,
    count: 8,
    encryptBlocks,
    randomBytes,
  });
  const body: IssueRecord = {
    type: 'issueRecord',
    suite: 'intl',
    pid: toPid(randomBytes(20)),
    visitKey,
    identityTag: randomBytes(32),
    visitAuthorisation: randomBytes(64),
    institution: hospital,
    number: 0,
    headerHash: randomBytes(32),
    digest: randomBytes(32),
    length: 1000,
    capsule: { c, cBar: c, proof: randomBytes(64) },
    index: {
      mode: 'pk',
      epoch: TODAY,
      a: curve.encodeG1(epochSecret.key.point),
      proof: encodeProof(curve, epochSecret.key.proof),
      tags,
    },
    attestations: [
      { store: toMemberId(randomBytes(32)), key: randomBytes(32), signature: randomBytes(64) },
    ],
    authorship: null,
    marks: [],
  };
  return { body, locationSecret };
}

const epochOf = (hospital: string): ReturnType<typeof createEpochKey> =>
  createEpochKey({
    curve,
    context: CONTEXT,
    hospitalId: utf8(hospital),
    epoch: epochText(TODAY),
    randomBytes,
  });

async function sealToken(
  change: {
    grantId?: GrantId;
    hospital?: string;
    month?: string;
    node?: Bytes;
    key?: HpkeKeyPair;
  } = {},
): Promise<Bytes> {
  const hospital = change.hospital ?? HOSPITAL;
  const month = change.month ?? MONTH;
  const plaintext = encodeSearchToken(curve, {
    mode: 'pk',
    grantId: change.grantId ?? grantId,
    hospitalId: utf8(hospital),
    month: parseMonth(month),
    trapdoor: deriveTrapdoor({
      curve,
      context: CONTEXT,
      patientScalar,
      keyword: keywordOf(hospital, month),
      randomBytes,
    }),
  });
  const info = searchTokenInfo(CONTEXT, grantId, change.node ?? node.member.id);
  return sealTo((change.key ?? nodeKeys).publicKey, { info, aad: new Uint8Array(0), plaintext });
}

const search = (tokens: readonly Bytes[], signer = doctor): ReturnType<SearchService['search']> =>
  service.search(signer.member, { grantId, tokens });

function problem(result: { readonly ok: boolean; readonly problem?: string }): string | undefined {
  return result.ok ? 'ok' : result.problem;
}

beforeEach(async () => {
  clock = new TestClock();
  chain = new ChainModel(clock);
  doctor = person('doctor', 'h-4');
  node = person('node', 'h-2');
  chain.add(doctor, node);
  chain.addBlock();
  nodeKeys = await deriveHpkeKeyPair(randomBytes(32));
  grantId = toGrantId(randomBytes(16));
  const grant: Grant = {
    id: toGrantId(grantId),
    grantee: toMemberId(doctor.member.id),
    commitments: [randomBytes(48)],
    holders: [
      {
        index: 1,
        node: toMemberId(node.member.id),
        blobHash: randomBytes(32),
        acknowledged: true,
        share: 'kept',
      },
    ],
    from: Math.floor(START_MS / 1000),
    to: Math.floor(START_MS / 1000) + 3600,
    tags: [randomBytes(32)],
    bodyHash: randomBytes(32),
    granteeBlobHash: randomBytes(32),
    copyHash: randomBytes(32),
    narrowings: [],
    revoked: false,
    granteeErased: false,
    accesses: 0,
  };
  chain.grants.set(toHex(grantId), grant);
  store = createMemoryStore();
  index = await openEpochIndex({ chain, context: CONTEXT, shelf: createShelf(store, 'index') });
  service = createSearch({
    curve,
    context: CONTEXT,
    chain,
    clock,
    heartbeatMs: HEARTBEAT_MS,
    node: node.member.id,
    openSealed: (info, sealed) =>
      openWith(nodeKeys.privateKey, { info, aad: new Uint8Array(0), sealed }),
    index,
    pool: createSearchPool({ workers: 0, context: CONTEXT, curve }),
    budget: createRateLimit({
      perSecond: 10,
      burst: 100,
      callersMax: 10,
      nowMs: () => clock.nowMs(),
    }),
  });
});

describe('a search', () => {
  it('finds the records of the keyword, with LK and their place in the log', async () => {
    const epoch = epochOf(HOSPITAL);
    const records = [indexedRecord(epoch, HOSPITAL), indexedRecord(epoch, HOSPITAL)];
    const author = person('hospital', HOSPITAL);
    const parsed = records.map(({ body }) => transaction(body, [author.signer]));
    await index.tend(chain.addBlock(...parsed));
    const answer = await search([await sealToken()]);
    if (!answer.ok) throw new Error(answer.problem);
    expect(answer.value).toEqual([
      records.map(({ body, locationSecret }, position) => ({
        recordId: deriveRecordId(CONTEXT, body.capsule.c),
        logPosition: BigInt(chain.logPosition(parsed[position]?.id ?? new Uint8Array(0)) ?? -1),
        locationKey: locationSecret,
      })),
    ]);
  });

  it('finds them again after a restart, from the disk and from blocks that came meanwhile', async () => {
    const author = person('hospital', HOSPITAL);
    const epoch = epochOf(HOSPITAL);
    await index.tend(
      chain.addBlock(transaction(indexedRecord(epoch, HOSPITAL).body, [author.signer])),
    );
    chain.addBlock(transaction(indexedRecord(epoch, HOSPITAL).body, [author.signer]));
    const again = await openEpochIndex({
      chain,
      context: CONTEXT,
      shelf: createShelf(store, 'index'),
    });
    expect(again.recordCount).toBe(2);
    expect(again.buckets(HOSPITAL, 'pk', 0)[0]?.count).toBe(2);
  });

  it('finds records whose blocks are pruned or came as a snapshot, each once', async () => {
    const author = person('hospital', HOSPITAL);
    const records = Array.from({ length: 3 }, () => indexedRecord(epochOf(HOSPITAL), HOSPITAL));
    for (const { body } of records) {
      const id = deriveRecordId(CONTEXT, body.capsule.c);
      chain.records.set(toHex(id), {
        ...body,
        ...body.capsule,
        id,
        stores: [],
        authorship: null,
        amends: null,
        issuedAt: 0,
        answer: { kind: 'none' },
      });
      chain.addBlock(transaction(body, [author.signer]));
    }
    chain.oldest = chain.blocks.length;
    const options = { chain, context: CONTEXT, shelf: createShelf(createMemoryStore(), 'index') };
    const pruned = await openEpochIndex(options);
    const whole = await openEpochIndex({ ...options, shelf: createShelf(store, 'index') });
    const found = (each: typeof pruned): unknown =>
      each
        .buckets(HOSPITAL, 'pk', 0)
        .flatMap((bucket) => Array.from({ length: bucket.count }, (_, i) => bucket.recordAt(i)));
    expect(pruned.recordCount).toBe(3);
    expect(found(pruned)).toEqual(found(whole));
    const again = await openEpochIndex(options);
    expect(again.recordCount).toBe(3);
    // Everything came as a snapshot: not one block is here.
    chain.oldest = chain.blocks.length + 1;
    const restored = await openEpochIndex({
      ...options,
      shelf: createShelf(createMemoryStore(), 'index'),
    });
    expect(restored.recordCount).toBe(3);
  });

  it('R6 F19 a token finds nothing of another month or another hospital', async () => {
    const other = 'h-9';
    const author = person('hospital', HOSPITAL);
    await index.tend(
      chain.addBlock(
        transaction(indexedRecord(epochOf(HOSPITAL), HOSPITAL).body, [author.signer]),
        transaction(indexedRecord(epochOf(other), other).body, [author.signer]),
      ),
    );
    const november = await search([await sealToken({ month: '2026-08' })]);
    expect(november).toEqual({ ok: true, value: [[]] });
    const elsewhere = await search([await sealToken({ hospital: other })]);
    if (!elsewhere.ok) throw new Error(elsewhere.problem);
    expect(elsewhere.value[0]).toHaveLength(1);
    expect(index.buckets(HOSPITAL, 'pk', TODAY + 1)).toEqual([]);
  });

  it.each<[string, () => Promise<Bytes>]>([
    ['R6 made for another grant', () => sealToken({ grantId: toGrantId(randomBytes(16)) })],
    ['R6 sealed for another node', () => sealToken({ node: randomBytes(32) })],
    [
      'R6 sealed to another key',
      async () => sealToken({ key: await deriveHpkeKeyPair(randomBytes(32)) }),
    ],
    ['of noise', () => Promise.resolve(randomBytes(200))],
    ['that is empty', () => Promise.resolve(new Uint8Array(0))],
  ])('refuses a token %s', async (_why, make) => {
    expect(problem(await search([await make()]))).toBe('tokenInvalid');
  });

  it('R6 serves the grantee only, and only while the grant is active', async () => {
    const token = await sealToken();
    expect(problem(await search([token], person('doctor', 'h-4')))).toBe('notGrantee');
    const grant = chain.grant(grantId);
    if (grant === undefined) throw new Error('missing');
    chain.grants.set(toHex(grantId), { ...grant, revoked: true });
    expect(problem(await search([token]))).toBe('grantRevoked');
    chain.grants.set(toHex(grantId), grant);
    clock.ms = grant.to * 1000;
    chain.addBlock();
    expect(problem(await search([token]))).toBe('grantExpired');
    clock.ms += 10 * HEARTBEAT_MS;
    expect(problem(await search([token]))).toBe('nodeBehind');
  });

  it('is paid by the institution, not by the doctor alone', async () => {
    const colleague = person('doctor', 'h-4');
    const token = await sealToken();
    const many = Array.from({ length: 100 }, () => token);
    expect((await search(many)).ok).toBe(true);
    const refused = await search([token]);
    expect(refused).toMatchObject({ ok: false, problem: 'budgetExhausted' });
    expect(refused.ok ? 0 : refused.retryAfterSeconds).toBeGreaterThan(0);
    const grant = chain.grant(grantId);
    if (grant === undefined) throw new Error('missing');
    chain.grants.set(toHex(grantId), { ...grant, grantee: toMemberId(colleague.member.id) });
    expect(problem(await search([token], colleague))).toBe('budgetExhausted');
    clock.ms += 9_000;
    expect((await search([token], colleague)).ok).toBe(true);
  });

  it('F7 the index holds no patient key and needs none', async () => {
    const author = person('hospital', HOSPITAL);
    await index.tend(
      chain.addBlock(transaction(indexedRecord(epochOf(HOSPITAL), HOSPITAL).body, [author.signer])),
    );
    const everything = Buffer.concat(
      store
        .range({ from: new Uint8Array(0), to: new Uint8Array(64).fill(0xff) })
        .map(({ value }) => Buffer.from(value)),
    );
    expect(everything.includes(Buffer.from(curve.encodeG1(patientKey)))).toBe(false);
    expect(everything.length).toBeGreaterThan(100);
  });
});
