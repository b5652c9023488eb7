/** Four hospitals and a regulator for tests: keys, genesis, transactions, nodes in one process. */
import { createHash, randomBytes } from 'node:crypto';
import type { Genesis } from '@yilian/consensus/application';
import type { Bytes } from '@yilian/crypto/bytes';
import { publicKey } from '@yilian/crypto/signature';
import { encodeGenesis } from '@yilian/ledger/genesis';
import { toPatientCommitment } from '@yilian/ledger/ids';
import type { MemberDescription, Role } from '@yilian/ledger/contracts/members/member';
import type { TransactionBody } from '@yilian/ledger/transaction';
import {
  encodeTransaction,
  paddedRequestAccess,
  signTransaction,
} from '@yilian/ledger/transaction-codec';
import {
  createOrderingNode,
  type OrderingDisk,
  type OrderingNode,
  type OrderingSettings,
} from '../../src/ordering-node.ts';
import type { MemoryNetwork } from '../../src/peers/memory-peers.ts';
import { createSigner } from '../../src/verification/verify-signature.ts';

export const CHAIN_ID = 'engine-test';

export interface Keys {
  readonly seed: Bytes;
  readonly key: Bytes;
  readonly sign: (message: Bytes) => Bytes;
}

export function keysOf(name: string): Keys {
  const seed = new Uint8Array(createHash('sha256').update(name).digest());
  return { seed, key: publicKey(seed), sign: createSigner(seed) };
}

export const regulator: Keys = keysOf('regulator');
export const doctor: Keys = keysOf('doctor');
export const observer: Keys = keysOf('observer');
export const validators: readonly Keys[] = [0, 1, 2, 3].map((i) => keysOf(`validator ${i}`));

const describe = (keys: Keys, role: Role, place: string): MemberDescription => ({
  key: keys.key,
  role,
  institution: place,
  operator: place,
  hpkeKey: new Uint8Array(32),
  certificateHash: new Uint8Array(32),
});

export const genesis: Genesis = {
  chainId: CHAIN_ID,
  timeNs: 1_700_000_000_000_000_000n,
  // The last hospital votes and never leads.
  validators: validators.map(({ key }, i) => ({ key, power: 1n, leads: i < 3 })),
  appState: encodeGenesis({
    chainId: CHAIN_ID,
    members: [
      describe(regulator, 'regulator', 'health-commission'),
      describe(doctor, 'doctor', 'h-0'),
    ],
    validators: validators.map(({ key }, i) => ({
      consensusKey: key,
      institution: `h-${i}`,
      operator: `h-${i}`,
    })),
    settings: { faultsMax: 1 },
  }),
};

const EXPIRY_HEIGHT = 4_000;

export function transaction(
  body: TransactionBody,
  sender: Keys,
  envelope: { readonly expiryHeight?: number; readonly chainId?: string } = {},
): Bytes {
  const nonce = new Uint8Array(randomBytes(16));
  const { expiryHeight = EXPIRY_HEIGHT, chainId = CHAIN_ID } = envelope;
  const unsigned = { chainId, body, sender: sender.key, nonce, expiryHeight };
  return encodeTransaction(signTransaction(unsigned, [sender]));
}

/** The regulator admits one more patient: always valid, never twice the same. */
export function enrolPatient(chainId = CHAIN_ID): Bytes {
  const commitment = toPatientCommitment(new Uint8Array(randomBytes(32)));
  return transaction({ type: 'enrolMember', kind: 'patient', commitment }, regulator, { chainId });
}

export function request(sender: Keys = doctor): Bytes {
  const unsigned = paddedRequestAccess({
    chainId: CHAIN_ID,
    commitment: new Uint8Array(randomBytes(32)),
    sender: sender.key,
    nonce: new Uint8Array(randomBytes(16)),
    expiryHeight: EXPIRY_HEIGHT,
  });
  return encodeTransaction(signTransaction(unsigned, [sender]));
}

/** Short waits, so that tests are; the order of events is what they check, never the time. */
export const QUICK: Partial<OrderingSettings> = {
  blockIntervalMs: 20,
  heartbeatMs: 10_000,
  viewTimeoutMs: 400,
  verificationWorkers: 0,
};

export function startNode(input: {
  readonly keys: Keys;
  readonly network: MemoryNetwork;
  readonly directory: string;
  readonly settings?: Partial<OrderingSettings>;
  readonly disk?: OrderingDisk;
}): Promise<OrderingNode> {
  const { keys, network, directory, settings, disk } = input;
  return createOrderingNode({
    directory,
    genesis,
    secretKey: keys.seed,
    peers: network.join(keys.key),
    settings: { ...QUICK, ...settings },
    ...(disk === undefined ? {} : { disk }),
  });
}

/** Submits and waits; throws unless admitted and final. */
export async function order(node: OrderingNode, tx: Bytes, timeoutMs = 20_000): Promise<bigint> {
  const submission = await node.submit(tx);
  if (!submission.admitted) throw new Error(`not admitted: ${submission.rejection.code}`);
  const outcome = await node.outcome(submission.id, timeoutMs);
  if (outcome === 'timeout') throw new Error('not final in time');
  if (!outcome.outcome.ok) throw new Error(`refused: ${outcome.outcome.rejection.code}`);
  return outcome.height;
}
