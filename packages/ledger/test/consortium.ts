/** Four hospitals with two stores, their keys, and a chain on a memory disk. Everything signs for real. */
import { pseudonymOf } from '@yilian/crypto/pseudonym';
import { createHash } from 'node:crypto';
import { type Bytes, utf8 } from '@yilian/crypto/bytes';
import { parseMonth } from '@yilian/crypto/period';
import { encapsulate, encodeCapsule } from '@yilian/crypto/capsule';
import { type Curve, type G1, randomScalar } from '@yilian/crypto/curve';
import { createMclCurve } from '@yilian/crypto/curve-mcl';
import { encodeProof } from '@yilian/crypto/proof';
import { createEpochKey } from '@yilian/crypto/searchable-encryption';
import { publicKey, sign, verifySignature } from '@yilian/crypto/signature';
import { toHex } from '@yilian/crypto/bytes';
import { type CapsuleContextBody, capsuleContext } from '../src/capsule-context.ts';
import {
  authorSignatureMessage,
  epochText,
  runCheck,
  storageAttestationMessage,
  visitAuthorisationMessage,
} from '../src/checks.ts';
import type { GrantAccess } from '../src/contracts/consent/grant-access.ts';
import type { MemberDescription, Role } from '../src/contracts/members/member.ts';
import type { AmendRecord } from '../src/contracts/records/amend-record.ts';
import type { IssueRecord } from '../src/contracts/records/issue-record.ts';
import type { RecordStatement } from '../src/contracts/records/record-entry.ts';
import { encodeGenesis } from '../src/genesis.ts';
import { type MemberId, deriveMemberId } from '../src/ids.ts';
import { type RecordId, deriveRecordId, toGrantId, toPid } from '@yilian/crypto/ids';
import { type Ledger, createLedger } from '../src/ledger.ts';
import type { Block, Check, Genesis, Outcome, Verified } from '../src/ledger-port.ts';
import {
  type Signer,
  encodeTransaction,
  requiredSigners,
  signTransaction,
} from '../src/transaction-codec.ts';
import type { Transaction, TransactionBody, UnsignedTransaction } from '../src/transaction.ts';
import { MemoryDisk } from './memory-disk.ts';

export const CHAIN_ID = 'yilian-test';
/** 2026-11-21T00:00:00Z */
export const START = 1_795_219_200;

export const curve: Curve = await createMclCurve();

/** SHA-256 of a name: bytes that look random and are the same in every run. */
export function bytesOf(name: string, length = 32): Bytes {
  const blocks: number[] = [];
  for (let i = 0; blocks.length < length; i++)
    blocks.push(...createHash('sha256').update(`${name}/${i}`).digest());
  return Uint8Array.from(blocks.slice(0, length));
}

/** A repeatable stream of bytes for one purpose. */
export function randomOf(name: string): (length: number) => Bytes {
  let calls = 0;
  return (length) => bytesOf(`${name}#${calls++}`, length);
}

export function signerOf(name: string): Signer {
  const seed = bytesOf(`seed:${name}`);
  return { key: publicKey(seed), sign: (message) => sign(seed, message) };
}

export interface Person {
  readonly name: string;
  readonly signer: Signer;
  readonly id: MemberId;
  readonly member: MemberDescription;
}

export function person(name: string, role: Role, institution: string, operator: string): Person {
  const signer = signerOf(name);
  return {
    name,
    signer,
    id: deriveMemberId({ chainId: CHAIN_ID }, signer.key),
    member: {
      key: signer.key,
      role,
      institution,
      operator,
      hpkeKey: bytesOf(`hpke:${name}`),
      certificateHash: bytesOf(`certificate:${name}`),
    },
  };
}

export const regulator = person('regulator', 'regulator', 'health-bureau', 'health-bureau');
const INSTITUTIONS = ['hospital-a', 'hospital-b', 'hospital-c', 'hospital-d'] as const;
type Institution = (typeof INSTITUTIONS)[number];

function each(role: Role): { readonly [I in Institution]: Person } {
  const of = (institution: Institution): Person =>
    person(`${role}@${institution}`, role, institution, `operator-${institution.at(-1)}`);
  return {
    'hospital-a': of('hospital-a'),
    'hospital-b': of('hospital-b'),
    'hospital-c': of('hospital-c'),
    'hospital-d': of('hospital-d'),
  };
}

export const hospitals = each('hospital');
export const nodes = each('node');
export const doctors = each('doctor');
export const departments = each('department');
export const stores: readonly [Person, Person] = [
  person('store-1', 'store', 'store-one', 'operator-one'),
  person('store-2', 'store', 'store-two', 'operator-two'),
];

export const people: readonly Person[] = [
  regulator,
  ...Object.values(hospitals),
  ...Object.values(nodes),
  ...Object.values(doctors),
  ...Object.values(departments),
  ...stores,
];

const signers = new Map<string, Signer>(people.map(({ signer }) => [toHex(signer.key), signer]));

/** Lets `signed` find the key of somebody who is not in the genesis. */
export function introduce(...more: readonly Signer[]): void {
  for (const signer of more) signers.set(toHex(signer.key), signer);
}

export const genesis: Genesis = {
  chainId: CHAIN_ID,
  timeNs: BigInt(START) * 1_000_000_000n,
  validators: INSTITUTIONS.map((institution) => ({
    key: signerOf(`consensus@${institution}`).key,
    power: 1n,
    leads: institution !== 'hospital-d',
  })),
  appState: encodeGenesis({
    chainId: CHAIN_ID,
    members: people.map(({ member }) => member),
    validators: INSTITUTIONS.map((institution) => ({
      consensusKey: signerOf(`consensus@${institution}`).key,
      institution,
      operator: `operator-${institution.at(-1)}`,
    })),
    settings: { faultsMax: 1 },
  }),
};

let nonces = 0;

export function unsigned<Body extends TransactionBody>(
  sender: Signer,
  body: Body,
  changes: Partial<UnsignedTransaction<Body>> = {},
): UnsignedTransaction<Body> {
  return {
    chainId: CHAIN_ID,
    body,
    sender: sender.key,
    nonce: bytesOf(`nonce:${nonces++}`, 16),
    expiryHeight: 1_000,
    ...changes,
  };
}

/** Signs with the keys of everybody the body asks for. */
export function signed(transaction: UnsignedTransaction): Transaction {
  const keys = requiredSigners(transaction).map((key) => {
    const signer = signers.get(toHex(key));
    if (signer === undefined) throw new Error(`nobody here holds the key ${toHex(key)}`);
    return signer;
  });
  return signTransaction(transaction, keys);
}

/** The bytes of a signed transaction. */
export function tx(
  sender: Signer,
  body: TransactionBody,
  changes: Partial<UnsignedTransaction> = {},
): Bytes {
  return encodeTransaction(signed(unsigned(sender, body, changes)));
}

const tools = { curve, verifySignature };

/** What a node's workers do before each call. */
export function verifyAll(
  ledger: {
    inspect(
      tx: Bytes,
    ): { readonly ok: true; readonly checks: readonly Check[] } | { readonly ok: false };
  },
  txs: readonly Bytes[],
): Verified {
  const holding = new Set<string>();
  for (const bytes of txs) {
    const inspection = ledger.inspect(bytes);
    if (!inspection.ok) continue;
    for (const check of inspection.checks) if (runCheck(check, tools)) holding.add(toHex(check.id));
  }
  return { has: (id) => holding.has(toHex(id)) };
}

/** A ledger on its disk, driven block by block as an engine would. */
export class Chain {
  readonly disk: MemoryDisk = new MemoryDisk();
  ledger: Ledger;
  time: number = START;

  constructor() {
    this.ledger = createLedger({ reader: this.disk });
    this.ledger.initChain(genesis);
  }

  get height(): number {
    return Number(this.ledger.info().height);
  }

  block(txs: readonly Bytes[]): Block & { votes: []; misbehaviour: []; proposer: Bytes } {
    return {
      height: BigInt(this.height + 1),
      timeNs: BigInt(this.time) * 1_000_000_000n,
      proposer: new Uint8Array(32),
      txs,
      votes: [],
      misbehaviour: [],
    };
  }

  /** One block; a second passes. */
  run(...txs: readonly Bytes[]): readonly Outcome[] {
    this.time += 1;
    const { outcomes } = this.ledger.finalizeBlock(this.block(txs), verifyAll(this.ledger, txs));
    this.disk.write(this.ledger.commit().writes);
    this.disk.flush();
    return outcomes;
  }

  /** `ok` or the code, one per transaction. */
  codes(...txs: readonly Bytes[]): readonly string[] {
    return this.run(...txs).map((outcome) => (outcome.ok ? 'ok' : outcome.rejection.code));
  }

  restart(): void {
    this.ledger = createLedger({ reader: this.disk });
  }
}

export interface Visit {
  readonly name: string;
  readonly institution: Institution;
  readonly signer: Signer;
  readonly pid: ReturnType<typeof toPid>;
  /** h */
  readonly identityTag: Bytes;
}

export function visit(name: string, institution: Institution): Visit {
  const signer = signerOf(`visit:${name}`);
  introduce(signer);
  const identityTag = bytesOf(`h:${name}`);
  return {
    name,
    institution,
    signer,
    identityTag,
    pid: toPid(pseudonymOf(signer.key, identityTag)),
  };
}

/** The patient's public key P: in no byte that the ledger sees. */
export function patientKeyOf(name: string): G1 {
  return curve.multiplyG1(curve.g1, randomScalar(curve, randomOf(`patient:${name}`)));
}

const epochKeys = new Map<string, { readonly a: Bytes; readonly proof: Bytes }>();

/** `variant` gives another A for the same hospital and epoch. */
export function epochKeyOf(
  institution: string,
  epoch: number,
  variant = '',
): { readonly a: Bytes; readonly proof: Bytes } {
  const name = `${institution}/${epoch}/${variant}`;
  const known = epochKeys.get(name);
  if (known !== undefined) return known;
  const { key } = createEpochKey({
    curve,
    context: { chainId: CHAIN_ID },
    hospitalId: utf8(institution),
    epoch: epochText(epoch),
    randomBytes: randomOf(`epoch:${name}`),
  });
  const made = { a: curve.encodeG1(key.point), proof: encodeProof(curve, key.proof) };
  epochKeys.set(name, made);
  return made;
}

export interface RecordDraft {
  readonly visit: Visit;
  readonly number?: number;
  /** Makes the capsule's randomness, so that two records differ. */
  readonly name: string;
  readonly amends?: RecordId;
  readonly patient?: string;
  /** Applied before proof and signatures are made. */
  readonly statement?: Partial<RecordStatement>;
  /** Applied at the very end. */
  readonly body?: Partial<IssueRecord>;
  readonly sender?: Signer;
  readonly author?: Person;
  readonly stores?: readonly Person[];
  readonly envelope?: Partial<UnsignedTransaction>;
}

/** A record as a doctor's client and a hospital make it, unsigned. */
export function recordTransaction(
  draft: RecordDraft,
): UnsignedTransaction<IssueRecord | AmendRecord> {
  const { visit: at, name } = draft;
  const context = { chainId: CHAIN_ID };
  const encapsulation = encapsulate({
    curve,
    context: { ...context, suite: draft.statement?.suite ?? 'intl' },
    patientKey: patientKeyOf(draft.patient ?? 'somebody'),
    labels: [
      {
        kind: 'visit',
        visitKey: at.signer.key,
        hospitalId: utf8(at.institution),
        period: parseMonth('2026-11'),
        beta: bytesOf('beta', 16),
      },
    ],
    randomBytes: randomOf(`record:${name}`),
  });
  const points = encodeCapsule(curve, encapsulation.capsule);
  const author = draft.author ?? doctors[at.institution];
  const epoch = Math.floor(START / 86_400);
  const statement: RecordStatement = {
    suite: 'intl',
    pid: at.pid,
    visitKey: at.signer.key,
    identityTag: at.identityTag,
    institution: at.institution,
    number: draft.number ?? 0,
    headerHash: bytesOf(`header:${name}`),
    digest: bytesOf(`digest:${name}`),
    length: 4_096,
    capsule: { c: points.subarray(0, 48), cBar: points.subarray(48) },
    index: {
      mode: 'pk',
      epoch,
      ...epochKeyOf(at.institution, epoch),
      tags: Array.from({ length: 8 }, (_, i) => bytesOf(`tag:${name}:${i}`, 24)),
    },
    authorship: {
      author: author.id,
      key: author.signer.key,
      sectionRoot: bytesOf(`sections:${name}`),
      time: START,
    },
    marks: [],
    ...draft.statement,
  };
  const typed: CapsuleContextBody =
    draft.amends === undefined
      ? { type: 'issueRecord', ...statement }
      : { type: 'amendRecord', amends: draft.amends, ...statement };
  const sender = draft.sender ?? hospitals[at.institution].signer;
  const envelope = {
    chainId: CHAIN_ID,
    sender: sender.key,
    nonce: bytesOf(`nonce:${nonces++}`, 16),
    expiryHeight: 1_000,
    ...draft.envelope,
  };
  const proof = encodeProof(curve, encapsulation.prove(capsuleContext(envelope, typed)));
  const { authorship } = statement;
  const body: IssueRecord = {
    type: 'issueRecord',
    ...statement,
    capsule: { ...statement.capsule, proof },
    visitAuthorisation: at.signer.sign(
      visitAuthorisationMessage(context, statement.pid, statement.institution),
    ),
    attestations: (draft.stores ?? stores).map((store) => ({
      store: store.id,
      key: store.signer.key,
      signature: store.signer.sign(storageAttestationMessage(context, statement)),
    })),
    authorship:
      authorship === null
        ? null
        : {
            ...authorship,
            signature: author.signer.sign(
              authorSignatureMessage(context, { pid: statement.pid, ...authorship }),
            ),
          },
    ...draft.body,
  };
  return draft.amends === undefined
    ? { ...envelope, body }
    : { ...envelope, body: { ...body, type: 'amendRecord', amends: draft.amends } };
}

export function recordTx(draft: RecordDraft): Bytes {
  return encodeTransaction(signed(recordTransaction(draft)));
}

export function recordIdOf(draft: RecordDraft): RecordId {
  const { body } = recordTransaction(draft);
  return deriveRecordId({ chainId: CHAIN_ID }, body.capsule.c);
}

/** Compressed points that a patient could have chosen. */
export function pointsOf(name: string, count: number): readonly Bytes[] {
  const randomBytes = randomOf(`points:${name}`);
  return Array.from({ length: count }, () =>
    curve.encodeG1(curve.multiplyG1(curve.g1, randomScalar(curve, randomBytes))),
  );
}

/** A 2-of-3 grant to the doctor of hospital B, held by the other three hospitals' nodes. */
export function grantBody(name: string, changes: Partial<GrantAccess> = {}): GrantAccess {
  const tags = [signerOf(`tag:${name}:0`), signerOf(`tag:${name}:1`)];
  introduce(...tags);
  const holders = [nodes['hospital-a'], nodes['hospital-c'], nodes['hospital-d']];
  return {
    type: 'grantAccess',
    grantId: toGrantId(bytesOf(`grant:${name}`, 16)),
    grantee: doctors['hospital-b'].id,
    commitments: pointsOf(name, 2),
    holders: holders.map(({ id }, i) => ({ index: i + 1, node: id })),
    from: 0,
    to: START + 30 * 86_400,
    tags: tags.map(({ key }) => key),
    bodyHash: bytesOf(`body:${name}`),
    blobHashes: holders.map((_, i) => bytesOf(`blob:${name}:${i}`)),
    granteeBlobHash: bytesOf(`grantee-blob:${name}`),
    copyHash: bytesOf(`copy:${name}`),
    ...changes,
  };
}

/** The signer of tag `i` of a grant made by `grantBody`. */
export function tagSigner(name: string, i = 0): Signer {
  return signerOf(`tag:${name}:${i}`);
}

export function grantTx(name: string, changes: Partial<GrantAccess> = {}): Bytes {
  return tx(tagSigner(name), grantBody(name, changes));
}

/** Holders 1 … `count` acknowledge a grant. */
export function acknowledgementTxs(name: string, count = 2): readonly Bytes[] {
  const holders = [nodes['hospital-a'], nodes['hospital-c'], nodes['hospital-d']];
  const { grantId } = grantBody(name);
  return holders.slice(0, count).map(({ signer }, i) =>
    tx(signer, {
      type: 'nodeReport',
      acknowledgements: [{ grantId, index: i + 1 }],
      releases: [],
      erasures: [],
      losses: [],
    }),
  );
}
