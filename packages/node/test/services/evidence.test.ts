import * as fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { shareMessage } from '@yilian/api/messages-access';
import { type ShareEvidence, shareEvidenceHash } from '@yilian/api/share-evidence';
import { type Bytes, toHex, utf8 } from '@yilian/crypto/bytes';
import { deriveConditionalKey, encapsulate } from '@yilian/crypto/capsule';
import { randomScalar } from '@yilian/crypto/curve';
import { createGrant, type NewGrant } from '@yilian/crypto/grant';
import { verifyNodeShare } from '@yilian/crypto/key-share';
import { parseMonth } from '@yilian/crypto/period';
import { patientKeyOf } from '@yilian/crypto/possession';
import { encodeShare, parseShare, reEncrypt } from '@yilian/crypto/proxy-re-encryption';
import type { LedgerRecord } from '@yilian/ledger/contracts/records/record';
import { toMemberId } from '@yilian/ledger/ids';
import { toGrantId, toPid, toRecordId } from '@yilian/crypto/ids';
import { encodeTransaction } from '@yilian/ledger/transaction-codec';
import { createEvidence, type EvidenceService } from '../../src/services/evidence.ts';
import { createShelf } from '../../src/services/service-store.ts';
import { createMemoryStore } from '../../src/storage/memory-store.ts';
import {
  CONTEXT,
  ChainModel,
  contains,
  curve,
  type Person,
  person,
  randomBytes,
  recordingSender,
  START_MS,
  TestClock,
} from './support.ts';

const SUITE = { ...CONTEXT, suite: 'intl' } as const;
const SECONDS = Math.floor(START_MS / 1000);
const LABEL = {
  kind: 'class',
  resourceType: 'Condition',
  hospitalId: utf8('h-1'),
  period: parseMonth('2026-09'),
  beta: randomBytes(16),
} as const;

const regulator = person('regulator', 'regulator');
const nodes = [person('node', 'h-1'), person('node', 'h-2'), person('node', 'h-3')];
const doctor = person('doctor', 'h-4');
const stranger = person('doctor', 'h-5');
let chain: ChainModel;
let sender: ReturnType<typeof recordingSender>;
let store: ReturnType<typeof createMemoryStore>;
let service: EvidenceService;
let made: NewGrant;
let capsules: readonly { readonly c: Bytes; readonly recordId: Bytes }[];

function holder(position: number): Person {
  const found = nodes[position];
  if (found === undefined) throw new Error('no such node');
  return found;
}

function capsule(position: number): { readonly c: Bytes; readonly recordId: Bytes } {
  const found = capsules[position];
  if (found === undefined) throw new Error('no such record');
  return found;
}

function verdicts(): readonly unknown[] {
  return sender.sent.filter((body) => body.type === 'recordVerdict');
}

function ledgerRecord(id: Bytes, c: Bytes): LedgerRecord {
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

/** What holder `position` answers for an access, and the accusation that it was wrong. */
function release(
  position: number,
  options: { readonly record?: number; readonly number?: number; readonly spoil?: boolean } = {},
): ShareEvidence {
  const { record = 0, number = 1, spoil = false } = options;
  const { c, recordId } = capsule(record);
  const share = made.nodeShares[position];
  const keyShare = share && verifyNodeShare({ curve, share, randomBytes });
  const labelKey = keyShare?.keys[0];
  if (keyShare === undefined || labelKey === undefined) throw new Error('no share');
  const { grantId } = made.body;
  const honest = encodeShare(
    curve,
    reEncrypt({
      curve,
      context: SUITE,
      keyShare,
      labelKey,
      capsule: curve.parseG1(c),
      access: { grantId, number, recordId: toRecordId(recordId) },
      randomBytes,
    }),
  );
  const answer = spoil ? doubled(honest) : honest;
  const { member, signer } = holder(position);
  const point = curve.encodeG2(labelKey.point);
  const message = shareMessage(SUITE, {
    grantId,
    number,
    recordId,
    point,
    node: member.id,
    share: answer,
  });
  return {
    chainId: CONTEXT.chainId,
    grantId,
    number,
    recordId,
    index: position + 1,
    node: member.id,
    nodeKey: member.key,
    point,
    capsule: c,
    commitments: made.body.commitments.map((each) => curve.encodeG1(each)),
    share: answer,
    signature: signer.sign(message),
  };
}

/** E doubled: of the group, and wrong. */
function doubled(share: Bytes): Bytes {
  const { e } = parseShare(curve, share);
  const copy = share.slice();
  copy.set(curve.encodeG2(curve.addG2(e, e)), 0);
  return copy;
}

async function problemOf(accuser: Person, evidence: ShareEvidence): Promise<string> {
  const result = await service.accuse(accuser.member, evidence);
  return result.ok ? 'ok' : result.problem;
}

beforeEach(() => {
  const clock = new TestClock();
  chain = new ChainModel(clock);
  chain.add(regulator, ...nodes, doctor, stranger);
  chain.addBlock();
  sender = recordingSender(chain);
  store = createMemoryStore();
  service = createEvidence({
    curve,
    context: SUITE,
    chain,
    regulator: regulator.signer,
    sender,
    shelf: createShelf(store, 'evidence'),
  });
  const patientScalar = randomScalar(curve, randomBytes);
  const patientKey = patientKeyOf(curve, patientScalar);
  const context = CONTEXT;
  const label = LABEL;
  const key = deriveConditionalKey({ curve, context, patientScalar, label, randomBytes });
  capsules = [0, 1].map(() => {
    const one = encapsulate({ curve, context: SUITE, patientKey, labels: [label], randomBytes });
    const c = curve.encodeG1(one.capsule.c);
    one.erase();
    chain.records.set(toHex(one.recordId), ledgerRecord(one.recordId, c));
    return { c, recordId: one.recordId };
  });
  made = createGrant({
    curve,
    context: SUITE,
    patientKey,
    labels: [{ label, conditionalKey: key, tagNumber: 0 }],
    grantee: doctor.member.id,
    nodes: nodes.map(({ member }, i) => ({ index: i + 1, node: member.id })),
    threshold: 2,
    fromMs: 0,
    toMs: (SECONDS + 3600) * 1000,
    records: 'all',
    purpose: 'referral',
    randomBytes,
  });
  const id = toGrantId(made.body.grantId);
  chain.grants.set(toHex(id), {
    id,
    grantee: toMemberId(doctor.member.id),
    commitments: made.body.commitments.map((point) => curve.encodeG1(point)),
    holders: nodes.map(({ member }, i) => ({
      index: i + 1,
      node: toMemberId(member.id),
      blobHash: randomBytes(32),
      acknowledged: true,
      share: 'kept',
    })),
    from: SECONDS,
    to: SECONDS + 3600,
    tags: [],
    bodyHash: made.bodyHash,
    granteeBlobHash: randomBytes(32),
    copyHash: randomBytes(32),
    narrowings: [],
    revoked: false,
    granteeErased: false,
    accesses: 1,
  });
});

describe('evidence of a wrong share', () => {
  it('API-16 R11 convicts its node on chain, by hash alone', async () => {
    const evidence = release(0, { spoil: true });
    expect(await problemOf(doctor, evidence)).toBe('ok');
    expect(verdicts()).toEqual([
      {
        type: 'recordVerdict',
        node: holder(0).member.id,
        evidenceHash: shareEvidenceHash(evidence),
        verdict: 'badShare',
      },
    ]);
    const [block] = chain.blocks.slice(-1);
    const bytes =
      block?.transactions.map(({ transaction }) => encodeTransaction(transaction)) ?? [];
    expect(bytes).toHaveLength(1);
    for (const each of bytes)
      for (const secret of [evidence.point, evidence.recordId, evidence.grantId, evidence.capsule])
        expect(contains(each, secret)).toBe(false);
  });

  it('API-16 told twice makes one verdict, also when told at once', async () => {
    const evidence = release(1, { spoil: true });
    const { member } = doctor;
    const answers = await Promise.all([
      service.accuse(member, evidence),
      service.accuse(member, evidence),
    ]);
    answers.push(await service.accuse(member, evidence));
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(verdicts()).toHaveLength(1);
  });

  it('of a share that is no point at all convicts too', async () => {
    const honest = release(0);
    const share = new Uint8Array(256);
    const message = shareMessage(SUITE, { ...honest, share });
    const evidence = { ...honest, share, signature: holder(0).signer.sign(message) };
    expect(await problemOf(doctor, evidence)).toBe('ok');
  });

  it('still convicts when the grant has ended', async () => {
    const grant = chain.grant(made.body.grantId);
    if (grant === undefined) throw new Error('no grant');
    chain.grants.set(toHex(grant.id), { ...grant, revoked: true });
    expect(await problemOf(doctor, release(0, { spoil: true }))).toBe('ok');
  });

  it('API-16 F17 an honest share convicts nobody', async () => {
    for (const position of nodes.keys())
      expect(await problemOf(doctor, release(position))).toBe('evidenceInvalid');
    expect(verdicts()).toEqual([]);
  });

  it('is taken from the grantee only, and of grants and records on chain only', async () => {
    const evidence = release(0, { spoil: true });
    expect(await problemOf(stranger, evidence)).toBe('notGrantee');
    const elsewhere = { ...evidence, grantId: randomBytes(16) };
    expect(await problemOf(doctor, elsewhere)).toBe('grantUnknown');
    const unknown = { ...evidence, recordId: randomBytes(32) };
    expect(await problemOf(doctor, unknown)).toBe('recordUnknown');
    expect(verdicts()).toEqual([]);
  });

  it.each([
    ['signature', { signature: randomBytes(64) }],
    ['share', { share: randomBytes(256) }],
    ['access', { number: 2 }],
    ['index', { index: 2 }],
    ['index of nobody', { index: 9 }],
    ['chain', { chainId: 'another' }],
    ['point', { point: randomBytes(96) }],
    ['capsule', { capsule: randomBytes(48) }],
    ['commitments', { commitments: [randomBytes(48), randomBytes(48)] }],
    ['number of commitments', { commitments: [] }],
    ['node', { node: randomBytes(32) }],
    ['key', { nodeKey: person('node', 'h-9').member.key }],
  ] satisfies readonly (readonly [string, Partial<ShareEvidence>])[])(
    'with another %s than was signed or is on chain convicts nobody',
    async (_what, change) => {
      const spoilt = release(0, { spoil: true });
      expect(await problemOf(doctor, { ...spoilt, ...change })).toBe('evidenceInvalid');
      expect(verdicts()).toEqual([]);
    },
  );

  it('signed by another key under the name of a node convicts nobody', async () => {
    const evidence = release(0, { spoil: true });
    const forger = person('node', 'h-1');
    const signature = forger.signer.sign(shareMessage(SUITE, evidence));
    const forged = { ...evidence, signature, nodeKey: forger.member.key };
    expect(await problemOf(doctor, forged)).toBe('evidenceInvalid');
  });

  it('F17 no accusation put together from honest answers convicts a node', async () => {
    // Two nodes, two records, two accesses: the accuser mixes fields of what he was honestly given.
    const answers = [0, 1].flatMap((position) =>
      [0, 1].map((record) => release(position, { record, number: record + 1 })),
    );
    const names = Object.keys(answers[0] ?? {}) as (keyof ShareEvidence)[];
    const pick = fc.integer({ min: 0, max: answers.length - 1 });
    const mixed = fc.tuple(...names.map(() => pick));
    await fc.assert(
      fc.asyncProperty(mixed, fc.integer({ min: 0, max: 9 }), async (choice, flip) => {
        const entries = names.map((name, i) => [name, answers[choice[i] ?? 0]?.[name]] as const);
        const evidence = Object.fromEntries(entries) as unknown as ShareEvidence;
        const share = evidence.share.slice();
        const at = flip * 25;
        if (flip > 4) share[at] = (share[at] ?? 0) ^ 1;
        expect(await problemOf(doctor, { ...evidence, share })).toBe('evidenceInvalid');
      }),
      { numRuns: 60 },
    );
    expect(verdicts()).toEqual([]);
  });
});
