import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { provenLogEntry } from '@yilian/api/messages-chain';
import { encodeMessage, parseMessage } from '@yilian/api/codec';
import { ROUTES, type RouteName } from '@yilian/api/routes';
import { LIMITS } from '@yilian/api/sizes';
import { toHex } from '@yilian/crypto/bytes';
import { labelPoint } from '@yilian/crypto/label';
import type { TransactionId } from '@yilian/ledger/ids';
import type { GrantId, RecordId } from '@yilian/crypto/ids';
import { stateKeys } from '@yilian/ledger/state';
import type { Grant } from '@yilian/ledger/contracts/consent/grant';
import { createNetwork } from '../src/network.ts';
import { createVerifiedReader, type VerifiedReader } from '../src/verified-reader.ts';
import { connectToDemo } from '../src/demo-consortium.ts';
import type { Doctor } from '../src/doctor.ts';
import type { SearchHit } from '../src/granted-search.ts';
import { VerificationError } from '../src/failure.ts';
import { createMemoryStorage } from '../src/platform/platform.ts';
import { fetchRecord } from '../src/stored-record.ts';
import { deriveObjectKey } from '../src/record-location.ts';
import { createKeyringSlot } from '../src/keyring.ts';
import { createDoctor } from '../src/doctor.ts';
import { createPatient, type Patient } from '../src/patient.ts';
import { type Cast, createCast, hoursFromNow, STROKE_DRAFT } from './support/cast.ts';
import { startConsortium, type TestConsortium } from './support/consortium.ts';
import { alterGenesis, createWire, flipBit, type Wire } from './support/wire.ts';

let consortium: TestConsortium;
let cast: Cast;
const wire: Wire = createWire();
let patient: Patient;
let author: Doctor;
let referred: Doctor;
let recordId: RecordId;
let transaction: TransactionId;
let position: number;
let grantId: GrantId;
let grant: Grant;
let hit: SearchHit;

beforeAll(async () => {
  consortium = await startConsortium();
  cast = await createCast(consortium, { fetch: wire.fetch });
  const { reader } = cast.connection;
  patient = await cast.patient('patient-1');
  author = await cast.doctor('community-1', 1);
  referred = await cast.doctor('tertiary-1', 1);
  const visit = await cast.visitAt(patient, 'community-1');
  const issued = await author.issueRecord({ visit, draft: STROKE_DRAFT });
  ({ recordId } = issued);
  transaction = issued.final.transaction.id;
  ({ position } = issued.final);
  const { handle } = await patient.createHandle();
  await referred.requestAccess(handle, {
    purpose: 'p',
    hospitals: [],
    classes: [],
    keywords: [],
    until: hoursFromNow(cast.platform, 1),
  });
  const made = await patient.grantAccess({
    grantee: referred.id,
    to: hoursFromNow(cast.platform, 1),
    purpose: 'p',
  });
  ({ grantId } = made);
  await referred.receiveGrant(grantId);
  const [first] = await referred.search(grantId);
  if (first === undefined) throw new Error('nothing found');
  hit = first;
  const opened = await referred.openRecord({ grantId, hit, purpose: 'p' });
  await opened.stored.dispose();
  const found = await reader.grant(grantId, { fresh: true });
  if (found === undefined) throw new Error('no grant');
  grant = found;
}, 180_000);

afterEach(() => wire.heal());

afterAll(async () => {
  await consortium.stop();
});

/** A client that knows one node only: nobody else can help it out. */
function onlyNode(name: string): VerifiedReader {
  const { network } = cast.connection;
  const nodes = network.nodes.filter((node) => node.name === name);
  return createVerifiedReader(
    createNetwork({
      platform: { ...cast.platform, storage: createMemoryStorage() },
      anchor: network.anchor,
      nodes,
      retries: 0,
    }),
  );
}

interface Lie {
  readonly route: RouteName;
  /** Asks the route in a way that shows the caller its verified value. */
  readonly ask: (reader: VerifiedReader) => Promise<unknown>;
  readonly path: RegExp;
  readonly alter?: (body: Uint8Array) => Uint8Array;
  readonly node?: string;
}

const LIES: readonly Lie[] = [
  {
    route: 'getAnchor',
    path: /\/v1\/anchor$/,
    ask: (reader) => reader.genesis(),
    alter: alterGenesis,
  },
  {
    route: 'getHeader',
    path: /\/v1\/headers\/latest$/,
    ask: (reader) => reader.head({ fresh: true }),
  },
  { route: 'getBlock', path: /\/v1\/blocks\/2$/, ask: (reader) => reader.block(2n) },
  { route: 'getReceipt', path: /\/receipt$/, ask: (reader) => reader.transaction(transaction) },
  { route: 'getState', path: /\/v1\/state\//, ask: (reader) => reader.record(recordId) },
  { route: 'getLogEntry', path: /\/v1\/log\/\d+$/, ask: (reader) => reader.logEntry(position) },
  { route: 'getLogRange', path: /\/v1\/log\/ranges\//, ask: (reader) => reader.logRange(1, 0) },
  { route: 'getGrantEvents', path: /\/events$/, ask: (reader) => reader.grantEvents(grant) },
  {
    route: 'getCheckpoint',
    path: /\/v1\/checkpoints\/latest$/,
    ask: (reader) => reader.headers.renew(),
  },
  {
    route: 'getBlob',
    path: /\/blobs\/grantee$/,
    ask: (reader) => reader.blob(grantId, { kind: 'grantee' }, grant.granteeBlobHash),
  },
  {
    route: 'getCertificate',
    path: /\/certificate$/,
    ask: (reader) => reader.certificate(author.id),
    node: 'regulator',
  },
];

const PLACES = [0.02, 0.3, 0.5, 0.8, 0.999];

describe('a lying node is caught on each GET route', () => {
  test.each(LIES)(
    '$route',
    async ({ route, path, ask, alter, node }) => {
      const name = node ?? toNodeOfGrant();
      // The truth is told first, so that a failure below is the lie's.
      await ask(onlyNode(name));
      for (const place of PLACES) {
        wire.heal();
        const reader = onlyNode(name);
        await reader.genesis();
        const fresh = route === 'getAnchor' ? onlyNode(name) : reader;
        wire.alter((_method, url) => path.test(url.pathname), alter ?? flipBit(place));
        const failure = await ask(fresh).then(
          () => undefined,
          (error: unknown) => error,
        );
        expect(failure, `${route} altered at ${place}`).toBeInstanceOf(VerificationError);
        expect(failure).toMatchObject({ source: { node: name, route } });
      }
    },
    60_000,
  );

  test('getCiphertext, at every place of the object: digest', async () => {
    const { network } = cast.connection;
    const objectKey = deriveObjectKey(network.context, hit.locationSecret, recordId);
    for (const place of [0, ...PLACES]) {
      wire.alter((_method, url) => url.pathname.includes('/ciphertexts/'), flipBit(place));
      await expect(fetchRecord(network, hit.ledgerRecord, objectKey)).rejects.toMatchObject({
        code: 'digest',
      });
    }
  });

  test('getCiphertext cut short, or with something behind: digest', async () => {
    const { network } = cast.connection;
    const objectKey = deriveObjectKey(network.context, hit.locationSecret, recordId);
    const isCiphertext = (_method: string, url: URL): boolean =>
      url.pathname.includes('/ciphertexts/');
    wire.alter(isCiphertext, (body) => body.slice(0, -1));
    await expect(fetchRecord(network, hit.ledgerRecord, objectKey)).rejects.toMatchObject({
      code: 'digest',
    });
    wire.alter(isCiphertext, (body) => Uint8Array.from([...body, 0]));
    await expect(fetchRecord(network, hit.ledgerRecord, objectKey)).rejects.toMatchObject({
      code: 'digest',
    });
  });

  test('getLocation: a location that was swapped does not open', async () => {
    wire.alter((_method, url) => url.pathname.endsWith('/location'), flipBit(0.9));
    await expect(author.openOwnRecord(recordId)).rejects.toBeInstanceOf(VerificationError);
  });

  test('getInbox: an altered request is not shown, and the node is named', async () => {
    const before = cast.connection.network.lies.length;
    expect(await patient.listRequests()).toHaveLength(1);
    for (const place of [0.3, 0.6, 0.9]) {
      wire.alter((_method, url) => url.pathname.includes('/inbox/'), flipBit(place));
      expect(await patient.listRequests()).toHaveLength(0);
    }
    expect(cast.connection.network.lies.length).toBeGreaterThan(before);
  });

  test('API-3 every GET route that proves something stands in these tests', () => {
    const advisory = /advisory|none|it is the contract/;
    const proving = Object.values(ROUTES)
      .filter(
        ({ method, proof, answer }) =>
          method === 'GET' && !advisory.test(proof) && answer.kind !== 'events',
      )
      .map(({ name }) => name);
    const covered = new Set<string>([
      ...LIES.map(({ route }) => route),
      // By `getHeader`'s own function, header by header: the client asks for no lists of headers.
      'getHeaders',
      // Sets never change here: header-validators.test.ts.
      'getValidators',
      'getCiphertext',
      // Asked by nodes only: repair.test.ts.
      'getStoredCopy',
      'getLocation',
      'getInbox',
    ]);
    expect(proving.filter((name) => !covered.has(name))).toEqual([]);
  });
});

/** A node that holds a share, and so the grant's blobs. */
function toNodeOfGrant(): string {
  const [holder] = grant.holders;
  const node = cast.connection.network.nodes.find(
    ({ memberId }) => holder !== undefined && toHex(memberId) === toHex(holder.node),
  );
  if (node === undefined) throw new Error('no holder');
  return node.name;
}

describe('a client with more than one node', () => {
  test('gets the truth from another one and keeps the lie', async () => {
    const { platform } = cast;
    const { network, reader } = connectToDemo(
      { ...platform, storage: createMemoryStorage() },
      consortium.document,
    );
    const liar = network.nodes[0];
    if (liar === undefined) throw new Error('no node');
    wire.alter((_method, url) => liar.url.endsWith(url.host), flipBit(0.5));
    // Whom it asks nobody can foretell: until the liar's turn has come.
    for (let i = 0; i < 100 && network.lies.length === 0; i++)
      expect((await reader.record(recordId, { fresh: true }))?.id).toEqual(recordId);
    expect(network.lies.length).toBeGreaterThan(0);
    expect(new Set(network.lies.map(({ source }) => source.node))).toEqual(new Set([liar.name]));
  });

  test('R2 her walk asks for whole subtrees, at two nodes at least', async () => {
    const { network, reader } = connectToDemo(
      { ...cast.platform, storage: createMemoryStorage() },
      consortium.document,
    );
    const elsewhere = createPatient(network, reader, createKeyringSlot(patient.keyring.current));
    const from = wire.requests.length;
    expect(await elsewhere.accessLog()).not.toEqual([]);
    const reads = wire.requests
      .slice(from)
      .filter(({ url }) => url.pathname.includes('/v1/state/'));
    // The state of this chain is small: the only honest subtree is the whole of it.
    expect(new Set(reads.map(({ url }) => url.pathname))).toEqual(new Set(['/v1/state/-']));
    const from2 = wire.requests.length;
    for (let i = 0; i < 4; i++) await reader.state(new Uint8Array(32), { fresh: true });
    const hosts = wire.requests.slice(from2).map(({ url }) => url.host);
    expect(new Set(hosts).size).toBeGreaterThanOrEqual(2);
  });

  test('an anchor of another chain is refused before anything is read', async () => {
    const { anchor } = consortium.document;
    const { reader } = connectToDemo(
      { ...cast.platform, storage: createMemoryStorage() },
      { ...consortium.document, anchor: { ...anchor, genesisId: '00'.repeat(32) } },
    );
    await expect(reader.record(recordId)).rejects.toMatchObject({ code: 'chain' });
  });
});

/** Whether the regulator's verdict on this evidence is in state before long. */
async function awaitVerdict(reader: VerifiedReader, evidenceHash: Uint8Array): Promise<boolean> {
  for (let attempt = 0; attempt < 100; attempt++) {
    if ((await reader.state(stateKeys.verdict(evidenceHash), { fresh: true })) !== undefined)
      return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}

describe('a node that lies about a share', () => {
  test('R11 F17 is convicted by what it signed, and the record opens by another share', async () => {
    // A wrong share under the node's own signature: its signing is part of the node, so the test takes
    // the place of one holder and signs with that node's key.
    const { convicts, shareEvidence, shareEvidenceHash } =
      await import('@yilian/api/share-evidence');
    const { encodeMessage, parseMessage } = await import('@yilian/api/codec');
    const { reEncryptionAnswer, shareMessage } = await import('@yilian/api/messages-access');
    const { sign } = await import('@yilian/crypto/signature');
    // A client of its own: the one above shuns the node for what it did in other tests.
    const { network, reader } = connectToDemo(
      { ...cast.platform, storage: createMemoryStorage() },
      consortium.document,
    );
    const { curve } = cast.platform;
    const liar = network.nodes.find(({ name }) => name === toNodeOfGrant());
    if (liar === undefined) throw new Error('no node');
    const seed = consortium.nodeSeed(liar.name);
    const [label] = patient.labelsOf({});
    if (label === undefined) throw new Error('no label');
    const visitPoint = curve.encodeG2(labelPoint(curve, network.context, label));
    let number = 0;
    const isShare = (method: string, url: URL): boolean =>
      method === 'POST' && url.pathname.endsWith('/re-encryptions') && liar.url.endsWith(url.host);
    wire.alter(isShare, (body) => {
      const parsed = parseMessage(reEncryptionAnswer, body, 4096);
      if (!parsed.ok) throw new Error('no share');
      const share = parsed.value.share.slice();
      // E doubled: a point of the group, and a wrong one.
      const e = curve.parseG2(share.subarray(0, 96));
      share.set(curve.encodeG2(curve.addG2(e, e)), 0);
      const message = shareMessage(network.context, {
        grantId,
        number,
        recordId,
        point: visitPoint,
        node: liar.memberId,
        share,
      });
      return encodeMessage(reEncryptionAnswer, { share, signature: sign(seed, message) });
    });
    const doctor = createDoctor(network, reader, createKeyringSlot(referred.keyring.current));
    // Only t of the n holders are asked: in turn, so the liar is among them before long.
    for (let attempt = 0; attempt < 6; attempt++) {
      number = ((await reader.grant(grantId, { fresh: true }))?.accesses ?? 0) + 1;
      const opened = await doctor.openRecord({ grantId, hit, purpose: 'p' });
      await opened.stored.dispose();
      expect(opened.accessNumber).toBe(number);
      expect(opened.servedBy).toHaveLength(grant.commitments.length);
      const [first] = opened.evidence;
      if (first === undefined) continue;
      expect(toHex(first.node)).toBe(toHex(liar.memberId));
      expect(opened.servedBy).not.toContain(liar.name);
      const context = { ...network.context, suite: 'intl' } as const;
      const read = parseMessage(shareEvidence, encodeMessage(shareEvidence, first), 65_536);
      if (!read.ok) throw new Error('the evidence does not parse');
      const copy = read.value;
      const { verifySignature } = cast.platform;
      expect(convicts(curve, context, copy, verifySignature)).toBe(true);
      expect(shareEvidenceHash(copy)).toHaveLength(32);
      // The same evidence says nothing against another node or another access.
      expect(convicts(curve, context, { ...copy, number: number + 1 }, verifySignature)).toBe(
        false,
      );
      // The regulator was told without being asked for it, and its verdict is on chain.
      expect(doctor.keyring.current.evidence).toEqual([]);
      expect(await awaitVerdict(reader, shareEvidenceHash(copy))).toBe(true);
      return;
    }
    throw new Error('the liar was never asked');
  });

  test('F17 the regulator away: the record opens, the evidence waits and is told later', async () => {
    const { keepEvidence } = await import('../src/accusation.ts');
    const { network, reader } = connectToDemo(
      { ...cast.platform, storage: createMemoryStorage() },
      consortium.document,
    );
    const regulator = network.nodes.find(({ isRegulator }) => isRegulator);
    if (regulator === undefined) throw new Error('no regulator');
    const slot = createKeyringSlot(referred.keyring.current);
    const doctor = createDoctor(network, reader, slot);
    // One that does not convict: the regulator's refusal shows that it was told.
    const honest = {
      chainId: network.anchor.chainId,
      grantId,
      number: 1,
      recordId,
      index: 1,
      node: regulator.memberId,
      nodeKey: new Uint8Array(32),
      point: new Uint8Array(96),
      capsule: new Uint8Array(48),
      commitments: grant.commitments,
      share: new Uint8Array(256),
      signature: new Uint8Array(64),
    };
    await keepEvidence(slot, [honest, honest]);
    expect(slot.current.evidence).toHaveLength(1);
    const { decodeKeyring, encodeKeyring } = await import('../src/keyring.ts');
    expect(decodeKeyring(encodeKeyring(slot.current))).toEqual(slot.current);
    wire.cut((_method, url) => regulator.url.endsWith(url.host));
    const opened = await doctor.openRecord({ grantId, hit, purpose: 'p' });
    await opened.stored.dispose();
    expect(slot.current.evidence).toHaveLength(1);
    wire.heal();
    const told = await doctor.reportEvidence();
    expect(told).toEqual({ verdicts: [], refused: ['evidenceInvalid'], waiting: 0 });
    expect(slot.current.evidence).toEqual([]);
  });
});

test('R3 K_patient and a alone: another device finds visits, records, grants and accesses', async () => {
  const { network, reader } = cast.connection;
  const { importRecoveryKit } = await import('../src/keyring.ts');
  const fresh = createPatient(
    network,
    reader,
    createKeyringSlot(importRecoveryKit(patient.recoveryKit())),
  );
  await fresh.recover({ identity: 'id-patient-1' });
  expect((await fresh.listRecords()).map(({ ledgerRecord }) => toHex(ledgerRecord.id))).toEqual([
    toHex(recordId),
  ]);
  const grants = await fresh.listGrants();
  expect(grants.map((own) => toHex(own.grantId))).toEqual([toHex(grantId)]);
  const log = await fresh.accessLog();
  expect(log.length).toBe((await reader.grant(grantId, { fresh: true }))?.accesses);
  expect(
    log.every(({ asked }) => asked !== null && toHex(asked.recordId) === toHex(recordId)),
  ).toBe(true);
  await fresh.revoke(grantId);
  expect((await reader.grant(grantId, { fresh: true }))?.revoked).toBe(true);
});

test('a node cannot leave a transaction out by calling its entry misbehaviour that the engine reported', async () => {
  const hide = (body: Uint8Array): Uint8Array => {
    const parsed = parseMessage(provenLogEntry, body, LIMITS.answerBytesMax);
    if (!parsed.ok) throw new Error('no entry came');
    return encodeMessage(provenLogEntry, { ...parsed.value, transaction: new Uint8Array(0) });
  };
  const reader = onlyNode('tertiary-1');
  await expect(reader.logEntry(position)).resolves.toMatchObject({ position });
  wire.alter((_, url) => /\/v1\/log\/\d+$/.test(url.pathname), hide);
  await expect(reader.logEntry(position)).rejects.toMatchObject({ code: 'logProof' });
  wire.alter((_, url) => url.pathname.endsWith('/receipt'), hide);
  await expect(reader.transaction(transaction)).rejects.toBeInstanceOf(VerificationError);
});
