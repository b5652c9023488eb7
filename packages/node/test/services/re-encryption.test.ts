import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { shareMessage } from '@yilian/api/messages-access';
import type { BlobName } from '@yilian/api/parameter';
import { blobHash, sealAccess, sealNarrowing } from '@yilian/api/sealed-documents';
import { type Bytes, toHex, utf8 } from '@yilian/crypto/bytes';
import { parseMonth } from '@yilian/crypto/period';
import { deriveConditionalKey, encapsulate } from '@yilian/crypto/capsule';
import { randomScalar } from '@yilian/crypto/curve';
import { type NewGrant, createGrant } from '@yilian/crypto/grant';
import { encodeNodeShare } from '@yilian/crypto/grant-share';
import { nodeInfo } from '@yilian/crypto/grant-keys';
import { sealTo } from '@yilian/crypto/hpke';
import { patientKeyOf } from '@yilian/crypto/possession';
import { parseShare, verifyShare } from '@yilian/crypto/proxy-re-encryption';
import { publicKey, verifySignature } from '@yilian/crypto/signature';
import type { Grant } from '@yilian/ledger/contracts/consent/grant';
import type { LedgerRecord } from '@yilian/ledger/contracts/records/record';
import { toMemberId } from '@yilian/ledger/ids';
import { toGrantId, toPid, toRecordId } from '@yilian/crypto/ids';
import { type BlobShelf, createBlobShelf } from '../../src/services/blob-shelf.ts';
import { type NodeKeysService, createNodeKeys } from '../../src/services/node-keys.ts';
import { createNodeReporter } from '../../src/services/node-reporter.ts';
import { type ReEncryptionService, createReEncryption } from '../../src/services/re-encryption.ts';
import { type SecretSlots, openSecretSlots } from '../../src/services/secret-slots.ts';
import { createShelf } from '../../src/services/service-store.ts';
import { createShareVault } from '../../src/services/share-vault.ts';
import { createMemoryStore } from '../../src/storage/memory-store.ts';
import {
  CONTEXT,
  ChainModel,
  HEARTBEAT_MS,
  type Person,
  START_MS,
  TestClock,
  contains,
  curve,
  person,
  randomBytes,
  recordingSender,
  temporaryDirectory,
  transaction,
} from './support.ts';

const SUITE = { ...CONTEXT, suite: 'intl' } as const;
const SHARE: BlobName = { kind: 'share', index: 1 };
const SECONDS = Math.floor(START_MS / 1000);

interface World {
  readonly clock: TestClock;
  readonly chain: ChainModel;
  readonly node: Person;
  readonly others: readonly Person[];
  readonly doctor: Person;
  readonly slots: SecretSlots;
  readonly store: ReturnType<typeof createMemoryStore>;
  readonly sender: ReturnType<typeof recordingSender>;
  readonly keys: NodeKeysService;
  readonly blobs: BlobShelf;
  readonly service: ReEncryptionService;
}

let place: ReturnType<typeof temporaryDirectory>;
let world: World;

async function makeWorld(store = createMemoryStore()): Promise<World> {
  const clock = new TestClock();
  const chain = new ChainModel(clock);
  const node = person('node', 'h-1');
  const others = [person('node', 'h-2'), person('node', 'h-3')];
  const doctor = person('doctor', 'h-4');
  chain.add(node, ...others, doctor);
  chain.addBlock();
  const slots = await openSecretSlots(join(place.path, 'secrets'));
  const sender = recordingSender(chain, (body) => {
    if (body.type === 'publishNodeKey') {
      const name = toHex(node.member.id);
      const before = chain.published.get(name) ?? [];
      chain.published.set(name, [{ day: body.day, hpkeKey: body.hpkeKey }, ...before].slice(0, 2));
    }
    return 'ok';
  });
  const keys = await createNodeKeys({
    chain,
    clock,
    slots,
    shelf: createShelf(store, 'node-keys'),
    sender,
    node: node.member.id,
    signer: node.signer,
    randomBytes,
  });
  await keys.tend();
  const reporter = createNodeReporter({
    shelf: createShelf(store, 'reports'),
    sender,
    signer: node.signer,
    onError: (error) => {
      throw error;
    },
  });
  const vault = createShareVault({ slots, shelf: createShelf(store, 'shares'), randomBytes });
  const late: { service?: ReEncryptionService } = {};
  const blobs = createBlobShelf({
    chain,
    clock,
    shelf: createShelf(store, 'blobs'),
    reEncryption: () => {
      if (late.service === undefined) throw new Error('too early');
      return late.service;
    },
  });
  const service = createReEncryption({
    curve,
    context: SUITE,
    chain,
    clock,
    heartbeatMs: HEARTBEAT_MS,
    keys,
    vault,
    reporter,
    narrowing: (grantId, hash) => blobs.narrowing(grantId, hash),
    node: node.member.id,
    signer: node.signer,
    randomBytes,
  });
  late.service = service;
  return { clock, chain, node, others, doctor, slots, store, sender, keys, blobs, service };
}

interface MadeGrant {
  readonly grant: Grant;
  readonly made: NewGrant;
  readonly sealed: Bytes;
  readonly recordId: Bytes;
  readonly c: Bytes;
}

/** A patient's grant over one label, with one record of it on chain. */
async function makeGrant(
  { chain, node, others, doctor, keys }: World,
  options: { readonly records?: 'all' | readonly Bytes[] } = {},
): Promise<MadeGrant> {
  const patientScalar = randomScalar(curve, randomBytes);
  const patientKey = patientKeyOf(curve, patientScalar);
  const label = {
    kind: 'class',
    resourceType: 'Condition',
    hospitalId: utf8('h-1'),
    period: parseMonth('2026-09'),
    beta: randomBytes(16),
  } as const;
  const conditionalKey = deriveConditionalKey({
    curve,
    context: CONTEXT,
    patientScalar,
    label,
    randomBytes,
  });
  const encapsulation = encapsulate({
    curve,
    context: SUITE,
    patientKey,
    labels: [label],
    randomBytes,
  });
  const c = curve.encodeG1(encapsulation.capsule.c);
  encapsulation.erase();
  const holders = [node, ...others];
  const made = createGrant({
    curve,
    context: SUITE,
    patientKey,
    labels: [{ label, conditionalKey, tagNumber: 0 }],
    grantee: doctor.member.id,
    nodes: holders.map(({ member }, i) => ({ index: i + 1, node: member.id })),
    threshold: 2,
    fromMs: 0,
    toMs: (SECONDS + 3600) * 1000,
    records: options.records ?? 'all',
    purpose: 'referral',
    randomBytes,
  });
  const [share] = made.nodeShares;
  const [hpkeKey] = keys.heldKeys();
  if (share === undefined || hpkeKey === undefined) throw new Error('a share and a key expected');
  const sealed = await sealTo(hpkeKey as never, {
    info: nodeInfo(SUITE, made.body.grantId, 1, made.bodyHash),
    aad: new Uint8Array(0),
    plaintext: encodeNodeShare(curve, share),
  });
  const grant: Grant = {
    id: toGrantId(made.body.grantId),
    grantee: toMemberId(doctor.member.id),
    commitments: made.body.commitments.map((point) => curve.encodeG1(point)),
    holders: holders.map(({ member }, i) => ({
      index: i + 1,
      node: toMemberId(member.id),
      blobHash: i === 0 ? blobHash(sealed) : randomBytes(32),
      acknowledged: true,
      share: 'kept',
    })),
    from: SECONDS,
    to: SECONDS + 3600,
    tags: made.tagSeeds.map((seed) => publicKey(seed)),
    bodyHash: made.bodyHash,
    granteeBlobHash: randomBytes(32),
    copyHash: randomBytes(32),
    narrowings: [],
    revoked: false,
    granteeErased: false,
    accesses: 0,
  };
  chain.grants.set(toHex(grant.id), grant);
  const recordId = encapsulation.recordId;
  chain.records.set(toHex(recordId), record(recordId, c));
  return { grant, made, sealed, recordId, c };
}

function record(id: Bytes, c: Bytes): LedgerRecord {
  return {
    id: toRecordId(id),
    suite: 'intl',
    pid: toPid(randomBytes(20)),
    number: 0,
    institution: 'h-1',
    headerHash: randomBytes(32),
    digest: randomBytes(32),
    length: 100,
    c,
    cBar: c,
    index: { mode: 'sym', tags: [] },
    stores: [],
    authorship: null,
    marks: [],
    amends: null,
    issuedAt: SECONDS,
    answer: { kind: 'none' },
  };
}

/** An access event of this grant, final now. */
function addAccess(
  { chain, clock }: World,
  { made, grant, recordId }: MadeGrant,
  change: { readonly recordId?: Bytes; readonly label?: number; readonly salt?: Bytes } = {},
): number {
  const number = [...chain.accesses.keys()].length + 1;
  const nonce = randomBytes(16);
  const sealed = sealAccess(
    SUITE,
    { salt: change.salt ?? made.salt, grantId: made.body.grantId, nonce },
    { recordId: change.recordId ?? recordId, label: change.label ?? 0, purpose: 'open' },
  );
  chain.accesses.set(`${toHex(grant.id)}/${number}`, {
    number,
    timeSeconds: Math.floor(clock.ms / 1000),
    nonce,
    sealed,
  });
  return number;
}

const problemOf = (result: {
  readonly ok: boolean;
  readonly problem?: string;
}): string | undefined => (result.ok ? 'ok' : result.problem);

beforeEach(async () => {
  place = temporaryDirectory();
  world = await makeWorld();
});
afterEach(async () => {
  await world.slots.close();
  place.clean();
});

/** The transaction that puts it on chain. */
function grantBlock(
  { grant }: MadeGrant,
  signers: Parameters<typeof transaction>[1],
): ReturnType<typeof transaction> {
  return transaction(
    {
      type: 'grantAccess',
      grantId: grant.id,
      grantee: grant.grantee,
      commitments: grant.commitments,
      holders: grant.holders.map(({ index, node }) => ({ index, node })),
      from: 0,
      to: grant.to,
      tags: grant.tags,
      bodyHash: grant.bodyHash,
      blobHashes: grant.holders.map(({ blobHash: hash }) => hash),
      granteeBlobHash: grant.granteeBlobHash,
      copyHash: grant.copyHash,
    },
    signers,
  );
}

describe('a share arrives', () => {
  it('is checked, kept under the grant’s key and acknowledged on chain', async () => {
    const made = await makeGrant(world);
    const fresh = {
      ...made.grant,
      holders: made.grant.holders.map((each) => ({ ...each, acknowledged: false })),
    };
    world.chain.grants.set(toHex(fresh.id), fresh);
    expect(await world.blobs.put(fresh.id, SHARE, made.sealed)).toEqual({ ok: true, value: null });
    const reported = world.sender.sent.filter((body) => body.type === 'nodeReport');
    expect(reported).toMatchObject([{ acknowledgements: [{ index: 1 }], releases: [] }]);
    expect(world.service.heldCount()).toBe(1);
  });

  it('API-9 waits for its grant to be final', async () => {
    const made = await makeGrant(world);
    world.chain.grants.clear();
    expect((await world.blobs.put(made.grant.id, SHARE, made.sealed)).ok).toBe(true);
    expect(world.service.heldCount()).toBe(0);
    world.chain.grants.set(toHex(made.grant.id), made.grant);
    const signers = made.made.tagSeeds.map((seed) => ({
      key: publicKey(seed),
      sign: (): Bytes => randomBytes(64),
    }));
    await world.blobs.tend(world.chain.addBlock(grantBlock(made, signers)));
    expect(world.service.heldCount()).toBe(1);
  });

  it('API-9 is forgotten when its grant is not final within a minute', async () => {
    const made = await makeGrant(world);
    const signers = made.made.tagSeeds.map((seed) => ({
      key: publicKey(seed),
      sign: (): Bytes => randomBytes(64),
    }));
    const block = grantBlock(made, signers);
    world.chain.grants.clear();
    await world.blobs.put(made.grant.id, SHARE, made.sealed);
    world.clock.ms += 60_001;
    world.chain.grants.set(toHex(made.grant.id), made.grant);
    await world.blobs.tend(world.chain.addBlock(block));
    expect(world.service.heldCount()).toBe(0);
    // Sent again it is taken: the grant is final now.
    expect((await world.blobs.put(made.grant.id, SHARE, made.sealed)).ok).toBe(true);
    expect(world.service.heldCount()).toBe(1);
  });

  it('F6 a share blob of another grant, index, body or chain is refused', async () => {
    const first = await makeGrant(world);
    const second = await makeGrant(world);
    const at = (grant: Grant, sealed: Bytes): Grant => ({
      ...grant,
      holders: grant.holders.map((each) => ({ ...each, blobHash: blobHash(sealed) })),
    });
    // The attacker controls the hash on chain too: only the binding inside the blob is left.
    world.chain.grants.set(toHex(second.grant.id), at(second.grant, first.sealed));
    expect(problemOf(await world.blobs.put(second.grant.id, SHARE, first.sealed))).toBe(
      'shareVoid',
    );
    const changedTo = { ...first.grant, to: first.grant.to + 60 };
    world.chain.grants.set(toHex(first.grant.id), changedTo);
    expect(problemOf(await world.blobs.put(first.grant.id, SHARE, first.sealed))).toBe(
      'blobMismatch',
    );
    const otherBody = { ...first.grant, bodyHash: randomBytes(32) };
    world.chain.grants.set(toHex(first.grant.id), otherBody);
    expect(problemOf(await world.blobs.put(first.grant.id, SHARE, first.sealed))).toBe('shareVoid');
    const otherGrantee = { ...first.grant, grantee: toMemberId(randomBytes(32)) };
    world.chain.grants.set(toHex(first.grant.id), otherGrantee);
    expect(problemOf(await world.blobs.put(first.grant.id, SHARE, first.sealed))).toBe(
      'blobMismatch',
    );
    const otherV = { ...first.grant, commitments: first.grant.commitments.toReversed() };
    world.chain.grants.set(toHex(first.grant.id), otherV);
    expect(problemOf(await world.blobs.put(first.grant.id, SHARE, first.sealed))).toBe(
      'blobMismatch',
    );
    expect(world.service.heldCount()).toBe(0);
  });

  it('with other bytes than the chain’s hash is refused', async () => {
    const made = await makeGrant(world);
    const altered = made.sealed.slice();
    altered[40] = (altered[40] ?? 0) ^ 1;
    expect(problemOf(await world.blobs.put(made.grant.id, SHARE, altered))).toBe('blobMismatch');
  });

  it('whose D does not fit V is refused: the node would answer with garbage', async () => {
    const made = await makeGrant(world);
    const other = await makeGrant(world);
    const [share] = made.made.nodeShares;
    const [foreign] = other.made.nodeShares;
    const [hpkeKey] = world.keys.heldKeys();
    if (share === undefined || foreign === undefined || hpkeKey === undefined)
      throw new Error('missing');
    const sealed = await sealTo(hpkeKey as never, {
      info: nodeInfo(SUITE, made.made.body.grantId, 1, made.made.bodyHash),
      aad: new Uint8Array(0),
      plaintext: encodeNodeShare(curve, { ...share, keys: foreign.keys }),
    });
    const grant = {
      ...made.grant,
      holders: made.grant.holders.map((each) => ({ ...each, blobHash: blobHash(sealed) })),
    };
    world.chain.grants.set(toHex(grant.id), grant);
    expect(problemOf(await world.blobs.put(grant.id, SHARE, sealed))).toBe('blobMismatch');
  });

  it('for another node, or of a grant that has ended, is refused', async () => {
    const made = await makeGrant(world);
    expect(
      problemOf(await world.blobs.put(made.grant.id, { kind: 'share', index: 2 }, made.sealed)),
    ).toBe('notHolder');
    world.chain.grants.set(toHex(made.grant.id), { ...made.grant, revoked: true });
    expect(problemOf(await world.blobs.put(made.grant.id, SHARE, made.sealed))).toBe(
      'grantRevoked',
    );
    world.chain.grants.set(toHex(made.grant.id), made.grant);
    world.clock.ms = made.grant.to * 1000;
    world.chain.addBlock();
    expect(problemOf(await world.blobs.put(made.grant.id, SHARE, made.sealed))).toBe(
      'grantExpired',
    );
  });

  it('R9 F15 a blob not opened within two days is void', async () => {
    const made = await makeGrant(world);
    const old = world.keys.heldKeys();
    const [oldKey] = old;
    const seed = oldKey && world.slots.get(oldKey);
    if (seed === undefined) throw new Error('the node holds no key');
    const onDisk = (): boolean =>
      contains(new Uint8Array(readFileSync(join(place.path, 'secrets'))), seed);
    expect(onDisk()).toBe(true);
    world.clock.ms += 2 * 86_400_000;
    world.chain.addBlock();
    await world.keys.tend();
    expect(world.keys.heldKeys()).not.toContainEqual(old[0]);
    // Not on the disk either: a dump of tomorrow opens nothing of the day before yesterday.
    expect(onDisk()).toBe(false);
    const lasting = { ...made.grant, to: made.grant.to + 10 * 86_400 };
    world.chain.grants.set(toHex(made.grant.id), lasting);
    expect(problemOf(await world.blobs.put(made.grant.id, SHARE, made.sealed))).toBe('shareVoid');
  });
});

describe('a share is released', () => {
  let made: MadeGrant;
  const release = (
    number: number,
    signer = world.doctor,
  ): ReturnType<ReEncryptionService['release']> =>
    world.service.release(signer.member, { grantId: made.grant.id, number });

  beforeEach(async () => {
    made = await makeGrant(world);
    await world.blobs.put(made.grant.id, SHARE, made.sealed);
  });

  it('API-10 to the grantee, for a final event, and verifies; the release is noted on chain', async () => {
    const number = addAccess(world, made);
    const answer = await release(number);
    if (!answer.ok) throw new Error(answer.problem);
    const { share, signature } = answer.value;
    const [point] = made.made.body.points;
    const held = made.made.nodeShares[0];
    if (point === undefined || held === undefined) throw new Error('missing');
    const said = {
      grantId: made.grant.id,
      number,
      recordId: made.recordId,
      point: curve.encodeG2(point),
      node: world.node.member.id,
      share,
    };
    const isSigned = (statement: typeof said): boolean =>
      verifySignature({
        publicKey: world.node.member.key,
        message: shareMessage(CONTEXT, statement),
        signature,
      });
    expect(isSigned(said)).toBe(true);
    // A3: what the node signed names record and point, so nobody turns it into evidence about others.
    expect(isSigned({ ...said, recordId: randomBytes(32) })).toBe(false);
    expect(isSigned({ ...said, point: randomBytes(96) })).toBe(false);
    const { evaluateCommitments } = await import('@yilian/crypto/threshold');
    const claim = {
      access: { grantId: made.made.body.grantId, number, recordId: made.recordId },
      index: 1,
      point,
      verificationKey: evaluateCommitments(curve, made.made.body.commitments, 1),
      capsule: curve.parseG1(made.c),
      share: parseShare(curve, share),
    };
    expect(verifyShare(curve, SUITE, claim)).toBe(true);
    expect(
      verifyShare(curve, SUITE, { ...claim, access: { ...claim.access, number: number + 1 } }),
    ).toBe(false);
    const releases = world.sender.sent.flatMap((body) =>
      body.type === 'nodeReport' ? body.releases : [],
    );
    expect(releases).toMatchObject([{ number }]);
  });

  it('API-10 with the same bytes when it is asked for again, also at once', async () => {
    const number = addAccess(world, made);
    const [first, second] = await Promise.all([release(number), release(number)]);
    const third = await release(number);
    expect(first.ok).toBe(true);
    expect(second).toEqual(first);
    expect(third).toEqual(first);
  });

  it('API-10 to nobody but the grantee', async () => {
    const number = addAccess(world, made);
    const stranger = person('doctor', 'h-4');
    expect(problemOf(await release(number, stranger))).toBe('notGrantee');
  });

  it.each<[string, string, (w: World, m: MadeGrant) => void]>([
    [
      'F15 after revocation, though the event was final before',
      'grantRevoked',
      (w, m) => w.chain.grants.set(toHex(m.grant.id), { ...m.grant, revoked: true }),
    ],
    [
      'while it is pending',
      'grantPending',
      (w, m) =>
        w.chain.grants.set(toHex(m.grant.id), {
          ...m.grant,
          holders: m.grant.holders.map((each, i) => ({ ...each, acknowledged: i === 0 })),
        }),
    ],
    [
      'F15 after expiry by block time',
      'grantExpired',
      (w, m) => {
        w.clock.ms = m.grant.to * 1000;
        w.chain.addBlock();
      },
    ],
    [
      'F15 after expiry by the node’s own clock',
      'grantExpired',
      (w, m) => {
        w.clock.ms = m.grant.to * 1000 - 5000;
        w.chain.addBlock();
        w.clock.ms += 6000;
      },
    ],
    [
      'before it begins',
      'grantNotStarted',
      (w, m) => w.chain.grants.set(toHex(m.grant.id), { ...m.grant, from: SECONDS + 600 }),
    ],
    [
      'F15 by a node that is behind',
      'nodeBehind',
      (w) => {
        w.clock.ms += 2 * HEARTBEAT_MS;
      },
    ],
    [
      'by a node whose clock is behind block time',
      'nodeBehind',
      (w) => {
        w.clock.ms -= 2 * HEARTBEAT_MS;
      },
    ],
    [
      'more than 60 s after the event',
      'accessExpired',
      (w) => {
        w.clock.ms += 62_000;
        w.chain.addBlock();
      },
    ],
    ['for an unknown grant', 'grantUnknown', (w) => w.chain.grants.clear()],
    ['for an event that is not final', 'accessUnknown', (w) => w.chain.accesses.clear()],
    [
      'by a node that holds no share',
      'notHolder',
      (w, m) =>
        w.chain.grants.set(toHex(m.grant.id), { ...m.grant, holders: m.grant.holders.slice(1) }),
    ],
  ])('not %s', async (_why, problem, spoil) => {
    const number = addAccess(world, made);
    spoil(world, made);
    expect(problemOf(await release(number))).toBe(problem);
    const releases = world.sender.sent.flatMap((body) =>
      body.type === 'nodeReport' ? body.releases : [],
    );
    expect(releases).toEqual([]);
  });

  it('F15 not again after revocation, though it was answered before', async () => {
    const number = addAccess(world, made);
    expect((await release(number)).ok).toBe(true);
    world.chain.grants.set(toHex(made.grant.id), { ...made.grant, revoked: true });
    expect(problemOf(await release(number))).toBe('grantRevoked');
  });

  it.each<
    [string, string, { readonly recordId?: Bytes; readonly label?: number; readonly salt?: Bytes }]
  >([
    ['an event sealed under another salt', 'accessMismatch', { salt: new Uint8Array(32) }],
    ['an unknown label', 'accessMismatch', { label: 7 }],
    ['a record that is not on chain', 'recordUnknown', { recordId: new Uint8Array(32).fill(5) }],
  ])('not for %s', async (_why, problem, change) => {
    expect(problemOf(await release(addAccess(world, made, change)))).toBe(problem);
  });

  it('not for a record that the body does not name', async () => {
    made = await makeGrant(world, { records: [randomBytes(32)] });
    await world.blobs.put(made.grant.id, SHARE, made.sealed);
    expect(problemOf(await release(addAccess(world, made)))).toBe('recordNotCovered');
  });

  it('only within a narrowing, and not at all before the node has it', async () => {
    const narrow = (labels: readonly number[] | null, records: readonly Bytes[] | null): Bytes =>
      sealNarrowing(SUITE, {
        salt: made.made.salt,
        nonce: randomBytes(16),
        narrowing: { grantId: made.grant.id, labels, records },
      });
    const allowing = narrow(null, [made.recordId]);
    const number = addAccess(world, made);
    world.chain.grants.set(toHex(made.grant.id), {
      ...made.grant,
      narrowings: [blobHash(allowing)],
    });
    expect(problemOf(await release(number))).toBe('narrowingMissing');
    await world.blobs.put(made.grant.id, { kind: 'narrowing' }, allowing);
    expect((await release(number)).ok).toBe(true);
    const closing = narrow([], null);
    world.chain.grants.set(toHex(made.grant.id), {
      ...made.grant,
      narrowings: [blobHash(allowing), blobHash(closing)],
    });
    await world.blobs.put(made.grant.id, { kind: 'narrowing' }, closing);
    expect(problemOf(await release(addAccess(world, made)))).toBe('recordNotCovered');
  });
});

describe('a grant ends', () => {
  it.each<[string, (w: World, m: MadeGrant) => void]>([
    ['revoked', (w, m) => w.chain.grants.set(toHex(m.grant.id), { ...m.grant, revoked: true })],
    [
      'expired',
      (w, m) => {
        w.clock.ms = m.grant.to * 1000;
        w.chain.addBlock();
      },
    ],
  ])('F15 %s: share, answers and key are gone, and the chain is told', async (_how, end) => {
    const made = await makeGrant(world);
    await world.blobs.put(made.grant.id, SHARE, made.sealed);
    const number = addAccess(world, made);
    expect(
      (await world.service.release(world.doctor.member, { grantId: made.grant.id, number })).ok,
    ).toBe(true);
    const key = world.slots.get(made.grant.id);
    if (key === undefined) throw new Error('the grant has a key');
    end(world, made);
    await world.service.tend();
    expect(world.service.heldCount()).toBe(0);
    expect(world.slots.get(made.grant.id)).toBeUndefined();
    const { readFileSync } = await import('node:fs');
    expect(contains(new Uint8Array(readFileSync(join(place.path, 'secrets'))), key)).toBe(false);
    const erasures = world.sender.sent.flatMap((body) =>
      body.type === 'nodeReport' ? body.erasures : [],
    );
    expect(erasures.map(toHex)).toContain(toHex(made.grant.id));
  });

  it('A2 F15 a share that came after its grant’s block is erased at its end, without another grant', async () => {
    const made = await makeGrant(world);
    // The block of the grant is tended to before the share is there; nothing else is ever granted.
    await world.service.tend();
    await world.blobs.put(made.grant.id, SHARE, made.sealed);
    expect(world.service.heldCount()).toBe(1);
    const block = (): ReturnType<ChainModel['addBlock']> => world.chain.addBlock();
    world.clock.ms = (made.grant.to - 1) * 1000;
    expect(world.service.isDue(block())).toBe(false);
    world.clock.ms = made.grant.to * 1000;
    expect(world.service.isDue(block())).toBe(true);
    await world.service.tend();
    expect(world.service.heldCount()).toBe(0);
    expect(world.slots.get(made.grant.id)).toBeUndefined();
  });

  it('R9 the other grants of the node still work', async () => {
    const [first, second] = [await makeGrant(world), await makeGrant(world)];
    for (const each of [first, second]) await world.blobs.put(each.grant.id, SHARE, each.sealed);
    world.chain.grants.set(toHex(first.grant.id), { ...first.grant, revoked: true });
    await world.service.tend();
    const number = addAccess(world, second);
    expect(
      (await world.service.release(world.doctor.member, { grantId: second.grant.id, number })).ok,
    ).toBe(true);
  });

  it('a node that lost its share says so', async () => {
    const made = await makeGrant(world);
    await world.blobs.put(made.grant.id, SHARE, made.sealed);
    await world.slots.erase(made.grant.id);
    await world.service.tend();
    const losses = world.sender.sent.flatMap((body) =>
      body.type === 'nodeReport' ? body.losses : [],
    );
    expect(losses.map(toHex)).toEqual([toHex(made.grant.id)]);
    const number = addAccess(world, made);
    const answer = await world.service.release(world.doctor.member, {
      grantId: made.grant.id,
      number,
    });
    expect(problemOf(answer)).toBe('shareLost');
  });
});
