/** Four replicas for the embedded bench: each with LMDB, keys and verification of its own. */
import { createHash, randomBytes as nodeRandomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Genesis } from '@yilian/consensus/application';
import { pseudonymOf } from '@yilian/crypto/pseudonym';
import { utf8 } from '@yilian/crypto/bytes';
import { encapsulate, encodeCapsule } from '@yilian/crypto/capsule';
import { type Curve, type G1, randomScalar } from '@yilian/crypto/curve';
import { deriveOwnLabel, type Label } from '@yilian/crypto/label';
import { parseMonth } from '@yilian/crypto/period';
import { encodeProof } from '@yilian/crypto/proof';
import { createEpochKey } from '@yilian/crypto/searchable-encryption';
import { publicKey } from '@yilian/crypto/signature';
import { capsuleContext } from '@yilian/ledger/capsule-context';
import {
  authorSignatureMessage,
  epochText,
  storageAttestationMessage,
  visitAuthorisationMessage,
} from '@yilian/ledger/checks';
import type { MemberDescription, Role } from '@yilian/ledger/contracts/members/member';
import { encodeGenesis } from '@yilian/ledger/genesis';
import { deriveMemberId } from '@yilian/ledger/ids';
import { toPid } from '@yilian/crypto/ids';
import {
  encodeTransaction,
  paddedRequestAccess,
  signTransaction,
} from '@yilian/ledger/transaction-codec';
import {
  createOrderingNode,
  type OrderingNode,
  type OrderingSettings,
} from '@yilian/node/ordering-node';
import type { Submission } from '@yilian/node/ordering/submission';
import { createMemoryNetwork } from '@yilian/node/peers/memory-peers';
import { createSigner } from '@yilian/node/verification/verify-signature';

const CHAIN_ID = 'bench';
const INSTITUTION = 'community-1';
const EXPIRY_HEIGHT = 4_500;
const CONTEXT = { chainId: CHAIN_ID, suite: 'intl' } as const;
const TAGS = 32;
export const random = (length: number): Uint8Array => new Uint8Array(nodeRandomBytes(length));

interface Keys {
  readonly seed: Uint8Array;
  readonly key: Uint8Array;
  sign(message: Uint8Array): Uint8Array;
}

function keysOf(name: string): Keys {
  const seed = new Uint8Array(createHash('sha256').update(`bench ${name}`).digest());
  return { seed, key: publicKey(seed), sign: createSigner(seed) };
}

const validators = [0, 1, 2, 3].map((index) => keysOf(`validator ${index}`));
export const validatorSeeds: readonly Uint8Array[] = validators.map(({ seed }) => seed);
const regulator = keysOf('regulator');
export const doctor: Keys = keysOf('doctor');
const hospital = keysOf('hospital');
const stores = [keysOf('store 1'), keysOf('store 2')];

function member(
  { key }: Keys,
  role: Role,
  institution: string,
  operator: string,
): MemberDescription {
  return {
    key,
    role,
    institution,
    operator,
    hpkeKey: new Uint8Array(32),
    certificateHash: new Uint8Array(32),
  };
}

/** The consortium's state at the beginning, with validators of these keys. */
export function createAppState(keys: readonly Uint8Array[]): Uint8Array {
  return encodeGenesis({
    chainId: CHAIN_ID,
    members: [
      member(regulator, 'regulator', 'regulator', 'regulator'),
      member(doctor, 'doctor', INSTITUTION, 'operator-1'),
      member(hospital, 'hospital', INSTITUTION, 'operator-1'),
      ...stores.map((store, index) =>
        member(store, 'store', `store-${index}`, `operator-${index}`),
      ),
    ],
    validators: keys.map((key, index) => ({
      consensusKey: key,
      institution: `hospital-${index}`,
      operator: `operator-${index}`,
    })),
    settings: { faultsMax: 1 },
  });
}

export const genesis: Genesis = {
  chainId: CHAIN_ID,
  timeNs: BigInt(Date.now()) * 1_000_000n,
  validators: validators.map(({ key }, index) => ({ key, power: 1n, leads: index < 3 })),
  appState: createAppState(validators.map(({ key }) => key)),
};

/** A 512-byte `requestAccess`. */
export function requestAccess(): Uint8Array {
  const unsigned = paddedRequestAccess({
    chainId: CHAIN_ID,
    commitment: random(32),
    sender: doctor.key,
    nonce: random(16),
    expiryHeight: EXPIRY_HEIGHT,
  });
  return encodeTransaction(signTransaction(unsigned, [doctor]));
}

/** What a day's records of one hospital share. */
export interface RecordMaker {
  make(): Uint8Array;
}

/** Complete, valid `issueRecord` transactions: capsule with proof, index under one epoch key, five signatures. */
export function createRecordMaker(curve: Curve): RecordMaker {
  const patientKey: G1 = curve.multiplyG1(curve.g1, randomScalar(curve, random));
  const epoch = Math.floor(Date.now() / 86_400_000);
  const { key } = createEpochKey({
    curve,
    context: CONTEXT,
    hospitalId: utf8(INSTITUTION),
    epoch: epochText(epoch),
    randomBytes: random,
  });
  const label: Label = deriveOwnLabel(CONTEXT, random(32), {
    kind: 'visit',
    visitKey: random(32),
    hospitalId: utf8(INSTITUTION),
    period: parseMonth('2026-11'),
  });
  const author = deriveMemberId(CONTEXT, doctor.key);
  return {
    make() {
      const visit = keysOf(Buffer.from(random(16)).toString('hex'));
      const sealed = encapsulate({
        curve,
        context: CONTEXT,
        patientKey,
        labels: [label],
        randomBytes: random,
      });
      const identityTag = random(32);
      const pid = toPid(pseudonymOf(visit.key, identityTag));
      const encoded = encodeCapsule(curve, sealed.capsule);
      const stored = { headerHash: random(32), digest: random(32), length: 10_000 };
      const authorship = {
        author,
        key: doctor.key,
        sectionRoot: random(32),
        time: Math.floor(Date.now() / 1000),
      };
      const statement = {
        type: 'issueRecord' as const,
        suite: 'intl' as const,
        pid,
        visitKey: visit.key,
        identityTag,
        institution: INSTITUTION,
        number: 0,
        ...stored,
        capsule: { c: encoded.slice(0, 48), cBar: encoded.slice(48) },
        index: {
          mode: 'pk' as const,
          epoch,
          a: curve.encodeG1(key.point),
          proof: encodeProof(curve, key.proof),
          tags: Array.from({ length: TAGS }, () => random(24)),
        },
        authorship,
        marks: [],
      };
      const envelope = {
        chainId: CHAIN_ID,
        sender: hospital.key,
        nonce: random(16),
        expiryHeight: EXPIRY_HEIGHT,
      };
      const proof = encodeProof(curve, sealed.prove(capsuleContext(envelope, statement)));
      const attested = storageAttestationMessage(CONTEXT, stored);
      const body = {
        ...statement,
        capsule: { ...statement.capsule, proof },
        visitAuthorisation: visit.sign(visitAuthorisationMessage(CONTEXT, pid, INSTITUTION)),
        attestations: stores.map((store) => ({
          store: deriveMemberId(CONTEXT, store.key),
          key: store.key,
          signature: store.sign(attested),
        })),
        authorship: {
          ...authorship,
          signature: doctor.sign(authorSignatureMessage(CONTEXT, { pid, ...authorship })),
        },
      };
      return encodeTransaction(signTransaction({ ...envelope, body }, [hospital]));
    },
  };
}

export interface EmbeddedConsortium {
  readonly nodes: readonly OrderingNode[];
  stop(): Promise<void>;
}

export async function startEmbedded(
  settings: Partial<OrderingSettings>,
): Promise<EmbeddedConsortium> {
  const directory = mkdtempSync(join(tmpdir(), 'yilian-bench-embedded-'));
  const network = createMemoryNetwork();
  const nodes: OrderingNode[] = [];
  for (const [index, { seed, key }] of validators.entries())
    nodes.push(
      await createOrderingNode({
        directory: join(directory, `replica-${index}`),
        genesis,
        secretKey: seed,
        peers: network.join(key),
        settings,
      }),
    );
  return {
    nodes,
    async stop() {
      await Promise.all(nodes.map((node) => node.stop()));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

const FULL_WAIT_MS = 20;

/** A client that is told to come again comes again. */
async function submit(node: OrderingNode, tx: Uint8Array): Promise<Submission> {
  for (;;) {
    const submission = await node.submit(tx);
    if (submission.admitted || submission.rejection.code !== 'mempoolFull') return submission;
    await new Promise((resolve) => setTimeout(resolve, FULL_WAIT_MS));
  }
}

/**
 * Closed loop: at most `window` transactions that are not final at their entry replica. Returns
 * transactions per second.
 */
export async function drive(
  nodes: readonly OrderingNode[],
  txs: readonly Uint8Array[],
  window: number,
): Promise<number> {
  let next = 0;
  const started = performance.now();
  async function worker(node: OrderingNode): Promise<void> {
    for (let index = next++; index < txs.length; index = next++) {
      const tx = txs[index];
      if (tx === undefined) return;
      const submission = await submit(node, tx);
      if (!submission.admitted)
        throw new Error(`a bench transaction was not admitted: ${submission.rejection.code}`);
      const outcome = await node.outcome(submission.id, 60_000);
      if (outcome === 'timeout') throw new Error('a bench transaction was not final in a minute');
      if (!outcome.outcome.ok)
        throw new Error(`a bench transaction was refused: ${outcome.outcome.rejection.code}`);
    }
  }
  const workers = Array.from({ length: window }, (_, index) =>
    worker(nodes[index % nodes.length] ?? (nodes[0] as OrderingNode)),
  );
  await Promise.all(workers);
  return (txs.length * 1000) / (performance.now() - started);
}
