/** Blocks of `issueRecord` transactions whose signatures and points are random: three keys each, nothing verified. */
import { randomBytes as nodeRandomBytes } from 'node:crypto';
import { toPid } from '@yilian/crypto/ids';
import { pseudonymOf } from '@yilian/crypto/pseudonym';
import type { MemberDescription, Role } from '@yilian/ledger/contracts/members/member';
import { encodeGenesis } from '@yilian/ledger/genesis';
import { deriveMemberId } from '@yilian/ledger/ids';
import { encodeTransaction } from '@yilian/ledger/transaction-codec';

export const CHAIN_ID = 'bench';
export const KEYS_PER_TRANSACTION = 3;
export const START_SECONDS = 1_795_219_200;
/** Every check holds. */
export const ALL_HOLD: { readonly has: () => boolean } = { has: () => true };

const random = (length: number): Uint8Array => new Uint8Array(nodeRandomBytes(length));

function member(role: Role, institution: string, operator: string): MemberDescription {
  return {
    key: random(32),
    role,
    institution,
    operator,
    hpkeKey: random(32),
    certificateHash: random(32),
  };
}

const regulator = member('regulator', 'health-bureau', 'health-bureau');
const hospital = member('hospital', 'community-1', 'operator-1');
const doctor = member('doctor', 'community-1', 'operator-1');
const stores = [member('store', 'store-1', 'operator-1'), member('store', 'store-2', 'operator-2')];
const signature = (
  key: Uint8Array,
): { scheme: 'ed25519'; key: Uint8Array; signature: Uint8Array } => ({
  scheme: 'ed25519',
  key,
  signature: random(64),
});

/** A record whose bytes have the right form; its signatures and points are random and are not checked here. */
export function issueRecord(height: number): Uint8Array {
  const visitKey = random(32);
  const identityTag = random(32);
  return encodeTransaction({
    chainId: CHAIN_ID,
    sender: hospital.key,
    nonce: random(16),
    // Stays in state until the end of the run, so that every transaction leaves three keys.
    expiryHeight: height + 4_999,
    signatures: [signature(hospital.key)],
    body: {
      type: 'issueRecord',
      suite: 'intl',
      pid: toPid(pseudonymOf(visitKey, identityTag)),
      visitKey,
      identityTag,
      visitAuthorisation: random(64),
      institution: hospital.institution,
      number: 0,
      headerHash: random(32),
      digest: random(32),
      length: 10_000,
      capsule: { c: random(48), cBar: random(48), proof: random(64) },
      index: { mode: 'sym', tags: Array.from({ length: 8 }, () => random(24)) },
      attestations: stores.map(({ key }) => ({
        store: deriveMemberId({ chainId: CHAIN_ID }, key),
        key,
        signature: random(64),
      })),
      authorship: {
        author: deriveMemberId({ chainId: CHAIN_ID }, doctor.key),
        key: doctor.key,
        sectionRoot: random(32),
        time: START_SECONDS,
        signature: random(64),
      },
      marks: [],
    },
  });
}

/** `validators`: consensus keys of as many hospitals. */
export function appState(validators: readonly Uint8Array[]): Uint8Array {
  return encodeGenesis({
    chainId: CHAIN_ID,
    members: [regulator, hospital, doctor, ...stores],
    validators: validators.map((consensusKey, i) => ({
      consensusKey,
      institution: `h-${i}`,
      operator: `h-${i}`,
    })),
    settings: { faultsMax: 1 },
  });
}
