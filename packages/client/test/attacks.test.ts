/** Findings of docs/reports/attack-review.md that concern clients: each one a test. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { encodeMessage, parseMessage } from '@yilian/api/codec';
import {
  accessRequestCommitment,
  searchTokenInfo,
  shareMessage,
} from '@yilian/api/messages-access';
import { listing, type ProvenEntry, provenLogEntries } from '@yilian/api/messages-chain';
import { ROUTES } from '@yilian/api/routes';
import { blobHash } from '@yilian/api/sealed-documents';
import { LIMITS } from '@yilian/api/sizes';
import { type Bytes, toHex, utf8 } from '@yilian/crypto/bytes';
import { deriveConditionalKey, encapsulate } from '@yilian/crypto/capsule';
import { type G2, randomScalar } from '@yilian/crypto/curve';
import { createGrant, type NewGrant } from '@yilian/crypto/grant';
import { encodeGranteeShare } from '@yilian/crypto/grant-share';
import { type GrantBody, hashGrantBody } from '@yilian/crypto/grant-body';
import { granteeInfo } from '@yilian/crypto/grant-keys';
import { verifyNodeShare } from '@yilian/crypto/key-share';
import { deriveHpkeKeyPair, openWith, parseHpkePublicKey, sealTo } from '@yilian/crypto/hpke';
import { parseMonth } from '@yilian/crypto/period';
import { patientKeyOf } from '@yilian/crypto/possession';
import { encodeShare, reEncrypt } from '@yilian/crypto/proxy-re-encryption';
import { publicKey, sign } from '@yilian/crypto/signature';
import type { Grant } from '@yilian/ledger/contracts/consent/grant';
import { toMemberId } from '@yilian/ledger/ids';
import { toGrantId } from '@yilian/crypto/ids';
import { paddedRequestAccess, signTransaction } from '@yilian/ledger/transaction-codec';
import { connectToDemo } from '../src/demo-consortium.ts';
import { createDoctor, type Doctor } from '../src/doctor.ts';
import { decodeHeldToken, grantContext, NO_AAD } from '../src/grant-making.ts';
import { createKeyringSlot, importRecoveryKit, signerOf } from '../src/keyring.ts';
import { createNetwork } from '../src/network.ts';
import { createPatient, type Patient } from '../src/patient.ts';
import { currentMonth } from '../src/patient-secrets.ts';
import { createMemoryStorage } from '../src/platform/platform.ts';
import { convicts, type ShareEvidence } from '@yilian/api/share-evidence';
import { expiryHeight, submitTransaction } from '../src/submission.ts';
import { drawVisit } from '../src/visit-for-writing.ts';
import { createVerifiedReader } from '../src/verified-reader.ts';
import { type Cast, createCast, hoursFromNow, STROKE_DRAFT } from './support/cast.ts';
import { startConsortium, type TestConsortium } from './support/consortium.ts';
import { createWire, type Wire } from './support/wire.ts';

let consortium: TestConsortium;
let cast: Cast;
const wire: Wire = createWire();
let patient: Patient;
let author: Doctor;
let referred: Doctor;

beforeAll(async () => {
  consortium = await startConsortium();
  cast = await createCast(consortium, { fetch: wire.fetch });
  patient = await cast.patient('patient-1');
  author = await cast.doctor('community-1', 1);
  referred = await cast.doctor('tertiary-1', 1);
  const visit = await cast.visitAt(patient, 'community-1');
  await author.issueRecord({ visit, draft: STROKE_DRAFT });
}, 120_000);

afterEach(() => wire.heal());

afterAll(async () => {
  await consortium.stop();
});

/** A grant of a patient of our own making, with everything that its maker knows. */
function forge(): { readonly made: NewGrant; readonly point: G2; readonly conditionalKey: G2 } {
  const { curve, randomBytes } = cast.platform;
  const { chainId } = cast.connection.network.anchor;
  const scalar = randomScalar(curve, randomBytes);
  const label = {
    kind: 'class',
    resourceType: 'Condition',
    hospitalId: utf8('community-1'),
    period: parseMonth('2026-09'),
    beta: randomBytes(16),
  } as const;
  const context = grantContext(chainId);
  const conditionalKey = deriveConditionalKey({
    curve,
    context,
    patientScalar: scalar,
    label,
    randomBytes,
  });
  const made = createGrant({
    curve,
    context,
    patientKey: patientKeyOf(curve, scalar),
    labels: [{ label, conditionalKey, tagNumber: 0 }],
    grantee: referred.id,
    nodes: [1, 2, 3].map((index) => ({ index, node: randomBytes(32) })),
    threshold: 2,
    fromMs: 0,
    toMs: hoursFromNow(cast.platform, 1) * 1000,
    records: 'all',
    purpose: 'p',
    randomBytes,
  });
  const [point] = made.body.points;
  if (point === undefined) throw new Error('no point');
  return { made, point, conditionalKey };
}

function onChain(body: GrantBody, bodyHash: Bytes, granteeBlob: Bytes): Grant {
  const { curve, randomBytes } = cast.platform;
  return {
    id: toGrantId(body.grantId),
    grantee: toMemberId(body.grantee),
    commitments: body.commitments.map((each) => curve.encodeG1(each)),
    holders: body.nodes.map(({ index, node }) => ({
      index,
      node: toMemberId(node),
      blobHash: randomBytes(32),
      acknowledged: true,
      share: 'kept',
    })),
    from: 0,
    to: body.toMs / 1000,
    tags: [randomBytes(32)],
    bodyHash,
    granteeBlobHash: blobHash(granteeBlob),
    copyHash: randomBytes(32),
    narrowings: [],
    revoked: false,
    granteeErased: false,
    accesses: 0,
  };
}

describe('A1 a grant blob that is not the grant on chain', () => {
  const changes: readonly (readonly [string, (body: GrantBody) => GrantBody])[] = [
    [
      'other commitments, which would put the blame for every share on honest nodes',
      (body) => ({ ...body, commitments: [body.commitments[0], body.commitments[0]] as never }),
    ],
    ['another end', (body) => ({ ...body, toMs: body.toMs + 86_400_000 })],
    ['other records', (body) => ({ ...body, records: [new Uint8Array(32)] })],
    ['another purpose', (body) => ({ ...body, purpose: 'research' })],
    [
      'other holders',
      (body) => ({
        ...body,
        nodes: body.nodes.toReversed().map(({ node }, i) => ({ index: i + 1, node })),
      }),
    ],
  ];

  const receive = async (grant: Grant, sealed: Bytes): Promise<unknown> => {
    const { network, reader } = cast.connection;
    const doctor = createDoctor(
      network,
      { ...reader, grant: () => Promise.resolve(grant), blob: () => Promise.resolve(sealed) },
      createKeyringSlot(referred.keyring.current),
    );
    return doctor.receiveGrant(grant.id);
  };

  const sealFor = async (made: NewGrant, bodyHash: Bytes, body: GrantBody): Promise<Bytes> => {
    const { curve } = cast.platform;
    const { reader, network } = cast.connection;
    const member = await reader.member(referred.id);
    const key = member === undefined ? null : parseHpkePublicKey(member.hpkeKey);
    if (key === null) throw new Error('no key');
    return sealTo(key, {
      info: granteeInfo(grantContext(network.anchor.chainId), body.grantId, referred.id, bodyHash),
      aad: NO_AAD,
      plaintext: encodeGranteeShare(curve, { ...made.granteeShare, body }),
    });
  };

  test('the grant as it is on chain is taken', async () => {
    const { made } = forge();
    const sealed = await sealFor(made, made.bodyHash, made.body);
    const taken = await receive(onChain(made.body, made.bodyHash, sealed), sealed);
    expect(taken).toMatchObject({ grantId: made.body.grantId });
  });

  test.each(changes)('%s: refused by the hash', async (_name, change) => {
    const { made } = forge();
    const sealed = await sealFor(made, made.bodyHash, change(made.body));
    const grant = onChain(made.body, made.bodyHash, sealed);
    await expect(receive(grant, sealed)).rejects.toMatchObject({ code: 'grantVoid' });
  });

  test('a hash that fits the blob but clear fields that do not: refused', async () => {
    const { curve } = cast.platform;
    const { made } = forge();
    const change = changes[0]?.[1];
    if (change === undefined) throw new Error('no change');
    const body = change(made.body);
    const context = grantContext(cast.connection.network.anchor.chainId);
    const bodyHash = hashGrantBody(curve, context, made.salt, body);
    const sealed = await sealFor(made, bodyHash, body);
    const grant = onChain(made.body, bodyHash, sealed);
    await expect(receive(grant, sealed)).rejects.toMatchObject({ code: 'grantVoid' });
  });
});

test('A3 F17 an honest share convicts nobody, whatever else the accuser writes beside it', () => {
  const { curve, randomBytes, verifySignature } = cast.platform;
  const { chainId } = cast.connection.network.anchor;
  const context = grantContext(chainId);
  const { made, point } = forge();
  const [share] = made.nodeShares;
  const keyShare = share && verifyNodeShare({ curve, share, randomBytes });
  const labelKey = keyShare?.keys[0];
  if (keyShare === undefined || labelKey === undefined) throw new Error('no share');
  const patientKey = made.granteeShare.patientKey;
  const [label] = made.granteeShare.labels;
  if (label === undefined) throw new Error('no label');
  const newCapsule = (): { readonly c: Bytes; readonly recordId: Bytes } => {
    const one = encapsulate({ curve, context, patientKey, labels: [label], randomBytes });
    const c = curve.encodeG1(one.capsule.c);
    one.erase();
    return { c, recordId: one.recordId };
  };
  const record = newCapsule();
  const other = newCapsule();
  const seed = randomBytes(32);
  const node = randomBytes(32);
  const { grantId } = made.body;
  const answer = encodeShare(
    curve,
    reEncrypt({
      curve,
      context,
      keyShare,
      labelKey,
      capsule: curve.parseG1(record.c),
      access: { grantId, number: 1, recordId: record.recordId },
      randomBytes,
    }),
  );
  const encodedPoint = curve.encodeG2(point);
  const evidence: ShareEvidence = {
    chainId,
    grantId,
    number: 1,
    recordId: record.recordId,
    index: 1,
    node,
    nodeKey: publicKey(seed),
    point: encodedPoint,
    capsule: record.c,
    commitments: made.body.commitments.map((each) => curve.encodeG1(each)),
    share: answer,
    signature: sign(
      seed,
      shareMessage(context, {
        grantId,
        number: 1,
        recordId: record.recordId,
        point: encodedPoint,
        node,
        share: answer,
      }),
    ),
  };
  const lies: readonly Partial<ShareEvidence>[] = [
    {},
    { recordId: other.recordId },
    { recordId: other.recordId, capsule: other.c },
    { capsule: other.c },
    { capsule: randomBytes(48) },
    { capsule: new Uint8Array(0) },
    { point: curve.encodeG2(forge().point) },
    { point: randomBytes(96) },
    { number: 2 },
    { grantId: randomBytes(16) },
    { commitments: [randomBytes(48)] },
    { share: answer.slice(0, 255) },
    { chainId: 'another' },
  ];
  for (const lie of lies) {
    const claim = { ...evidence, ...lie };
    const convicted = convicts(curve, context, claim, verifySignature);
    expect(convicted, Object.keys(lie).join(', ')).toBe(false);
  }
});

describe('A4 the inbox', () => {
  const wish = (): Parameters<Doctor['requestAccess']>[1] => ({
    purpose: 'p',
    hospitals: [],
    classes: [],
    keywords: [],
    until: hoursFromNow(cast.platform, 1),
  });

  test('a request that does not open hides no other one, and no node is blamed for it', async () => {
    const { network, reader } = cast.connection;
    const { handle } = await patient.createHandle();
    const { certificate, signingSeed } = author.keyring.current;
    const signer = signerOf(signingSeed);
    const sealed = cast.platform.randomBytes(200);
    const final = await submitTransaction(
      network,
      reader,
      signTransaction(
        paddedRequestAccess({
          chainId: network.anchor.chainId,
          commitment: accessRequestCommitment(network.context, { handle: handle.key, sealed }),
          sender: signer.key,
          nonce: cast.platform.randomBytes(16),
          expiryHeight: await expiryHeight(reader, 1_000n),
        }),
        [signer],
      ),
    );
    if (certificate === null) throw new Error('not certified');
    const request = {
      transactionId: final.transaction.id,
      handle: handle.key,
      sealed,
      certificate,
    };
    // At every node, so that it comes first wherever the honest one goes.
    for (const node of network.nodes)
      await expect
        .poll(() =>
          network.transport.call(node, ROUTES.postRequest, { params: {}, request, signer }).then(
            () => true,
            () => false,
          ),
        )
        .toBe(true);
    await referred.requestAccess(handle, wish());
    const lies = network.lies.length;
    const requests = await patient.listRequests();
    expect(requests.map(({ requester }) => toHex(requester.member))).toEqual([toHex(referred.id)]);
    expect(network.lies).toHaveLength(lies);
  });

  test('nobody asks for a third person: his certificate would not be seen', async () => {
    const { handle, number } = await patient.createHandle();
    await referred.requestAccess(handle, { ...wish(), grantee: author.id });
    const requests = await patient.listRequests();
    expect(requests.filter((each) => each.handle === number)).toEqual([]);
  });
});

test('A5 R6 the search node cannot tell decoys by their place', async () => {
  let isAlwaysFirst = true;
  for (let i = 0; i < 3; i++) {
    const { grantId } = await patient.grantAccess({
      grantee: referred.id,
      to: hoursFromNow(cast.platform, 1),
      purpose: 'p',
      keywords: ['a', 'b', 'c'].map((text) => ({ type: 'text', text }) as const),
    });
    const { share } = await referred.receiveGrant(grantId);
    const hints = share.searchTokens.map((token) => decodeHeldToken(token).hint);
    const real = hints.filter((hint) => hint !== '').length;
    expect(real).toBeGreaterThanOrEqual(4);
    expect(hints.length).toBeGreaterThan(real);
    isAlwaysFirst &&= hints.slice(0, real).every((hint) => hint !== '');
  }
  expect(isAlwaysFirst).toBe(false);
});

test('A6 R1 no grant is made on a label that her own walk would not find', async () => {
  const grant = {
    grantee: referred.id,
    to: hoursFromNow(cast.platform, 1),
    purpose: 'p',
  };
  await expect(
    patient.grantAccess({ ...grant, scope: { classes: ['Whatever'] } }),
  ).rejects.toMatchObject({ code: 'noLabel' });
  const [visit] = patient.visits();
  if (visit === undefined) throw new Error('no visit');
  await expect(
    patient.grantAccess({ ...grant, labels: [visit.label({ kind: 'section', path: 'x' })] }),
  ).rejects.toMatchObject({ code: 'noLabel' });
  expect(() => patient.exportAuthority({ classes: ['Whatever'] }, true)).toThrow(
    expect.objectContaining({ code: 'noLabel' }) as Error,
  );
});

test('A7 R1 a state of long ago, proven but old, does not hide a grant', async () => {
  const { network, reader } = cast.connection;
  const freshReader = (): typeof reader =>
    createVerifiedReader(
      createNetwork({
        platform: { ...cast.platform, storage: createMemoryStorage() },
        anchor: network.anchor,
        nodes: network.nodes,
        retries: 0,
      }),
    );
  const isState = (_method: string, url: URL): boolean => url.pathname.includes('/v1/state/');
  const kept: { bytes?: Uint8Array } = {};
  wire.alter(isState, (body) => (kept.bytes = body));
  await freshReader().settings();
  const { height } = await reader.head({ fresh: true });
  wire.heal();
  const { grantId } = await patient.grantAccess({
    grantee: referred.id,
    to: hoursFromNow(cast.platform, 1),
    purpose: 'p',
  });
  await expect
    .poll(async () => (await reader.head({ fresh: true })).height, { timeout: 40_000 })
    .toBeGreaterThan(height + 12n);
  const old = kept.bytes;
  if (old === undefined) throw new Error('nothing was kept');
  wire.alter(isState, () => old);
  await expect(freshReader().grant(grantId)).rejects.toMatchObject({ code: 'staleHeader' });
}, 60_000);

test('A10 R6 a search token opens under the search node’s lasting key, for as long as the grant', async () => {
  const { network } = cast.connection;
  const { grantId } = await patient.grantAccess({
    grantee: referred.id,
    to: hoursFromNow(cast.platform, 1),
    purpose: 'p',
  });
  const { share } = await referred.receiveGrant(grantId);
  const [token] = share.searchTokens.map(decodeHeldToken);
  if (token === undefined) throw new Error('no token');
  const node = network.findNode(token.searchNode);
  if (node === undefined) throw new Error('no search node');
  const { privateKey } = await deriveHpkeKeyPair(consortium.nodeHpkeSeed(node.name));
  const opened = await openWith(privateKey, {
    info: searchTokenInfo(network.context, grantId, node.memberId),
    aad: NO_AAD,
    sealed: token.sealed,
  });
  expect(opened).not.toBeNull();
});

test('A11 F23 a record in a suite that her certificate does not allow is not acknowledged', async () => {
  const visit = await cast.visitAt(patient, 'community-1');
  const { recordId } = await author.issueRecord({
    visit,
    draft: { ...STROKE_DRAFT, suite: 'paper' },
  });
  await expect(patient.acknowledge(recordId)).rejects.toMatchObject({ code: 'profileNotAllowed' });
});

describe('A12 R3 visits that a hospital drew', () => {
  const isList = (_method: string, url: URL): boolean => url.pathname.includes('/v1/lists/');
  const isCiphertext = (_method: string, url: URL): boolean => url.pathname.includes('ciphertexts');
  let person: Patient;

  beforeAll(async () => {
    person = await cast.patient('patient-2');
    const visit = drawVisit({
      context: cast.connection.network.context,
      hospital: 'community-1',
      month: currentMonth(cast.platform),
      identity: person.keyring.current.identity,
      patientKey: person.secrets.patientKey,
      randomBytes: cast.platform.randomBytes,
    });
    await author.issueRecord({ visit, draft: STROKE_DRAFT });
  });

  test('are found though all nodes leave them out of their lists', async () => {
    wire.alter(isList, () => encodeMessage(listing, { count: 0, items: [] }));
    expect(await person.findDrawnVisits()).toBe(1);
    const { network, reader } = cast.connection;
    const fresh = createPatient(
      network,
      reader,
      createKeyringSlot(importRecoveryKit(person.recoveryKit())),
    );
    await fresh.recover({ identity: person.keyring.current.identity });
    expect(fresh.visits()).toHaveLength(1);
  });

  test.each([
    ['an entry less', (entries: readonly ProvenEntry[]) => entries.slice(0, -1)],
    ['none', () => []],
    [
      'another one twice',
      (entries: readonly ProvenEntry[]) => [...entries.slice(0, -1), ...entries.slice(0, 1)],
    ],
  ] as const)('a log with %s is refused: nothing is recovered in part', async (_what, change) => {
    // All nodes lie together; with one honest one she would get the truth from it.
    const isRange = (_method: string, url: URL): boolean => url.pathname.includes('/log/ranges/');
    wire.alter(isRange, (body) => {
      const parsed = parseMessage(provenLogEntries, body, LIMITS.answerBytesMax);
      if (!parsed.ok) throw new Error('no range');
      return encodeMessage(provenLogEntries, {
        ...parsed.value,
        entries: change(parsed.value.entries),
      });
    });
    const { network, reader } = connectToDemo(
      { ...cast.platform, storage: createMemoryStorage() },
      consortium.document,
    );
    const fresh = createPatient(
      network,
      reader,
      createKeyringSlot(importRecoveryKit(person.recoveryKit())),
    );
    await expect(fresh.findDrawnVisits()).rejects.toMatchObject({ code: 'logProof' });
  });

  test('are not forgotten when nobody shows them any more, or their ciphertext', async () => {
    wire.alter(isList, () => encodeMessage(listing, { count: 0, items: [] }));
    expect(await person.findDrawnVisits()).toBe(1);
    wire.heal();
    wire.cut(isCiphertext);
    expect(await person.findDrawnVisits()).toBe(1);
  });

  test('whose ciphertext is withheld do not keep the rest from being recovered', async () => {
    const { network, reader } = cast.connection;
    const fresh = createPatient(
      network,
      reader,
      createKeyringSlot(importRecoveryKit(patient.recoveryKit())),
    );
    wire.cut(isCiphertext);
    await fresh.recover({ identity: patient.keyring.current.identity });
    expect(fresh.visits().length).toBeGreaterThan(0);
    const drawn = createPatient(
      network,
      reader,
      createKeyringSlot(importRecoveryKit(person.recoveryKit())),
    );
    await drawn.recover({ identity: person.keyring.current.identity });
    expect(drawn.visits()).toEqual([]);
  });
});

test('A13 R3 a visit whose hospital left out the tag of the pseudonym is recovered all the same', async () => {
  const { network, reader } = cast.connection;
  const person = await cast.patient('patient-3');
  const visit = await cast.visitAt(person, 'community-1');
  const keywordSecret = cast.platform.randomBytes(32);
  await author.issueRecord({ visit: { ...visit, keywordSecret }, draft: STROKE_DRAFT });
  const fresh = createPatient(
    network,
    reader,
    createKeyringSlot(importRecoveryKit(person.recoveryKit())),
  );
  await fresh.recover({ identity: person.keyring.current.identity });
  expect(fresh.visits()).toHaveLength(1);
  const records = await fresh.listRecords();
  expect(records).toHaveLength(1);
  const [record] = records;
  if (record === undefined) throw new Error('no record');
  await expect(fresh.acknowledge(record.ledgerRecord.id)).rejects.toMatchObject({
    code: 'noRecord',
  });
});
