/**
 * The secrets of one person or member, as plain values, and their encoding for the keyring file.
 *
 * A patient's whole power is K_patient (32 random bytes) and the scalar a: visits, labels, keywords,
 * tags, handles and her signing key are derived from them, so those two are the recovery kit. The rest
 * of her keyring is convenience: counters and what she called things.
 */
import { type Bytes, CodecError, type RandomBytes } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';
import { bindChain, type ChainContext } from '@yilian/crypto/context';
import { type Curve, randomScalar, SCALAR_BYTES } from '@yilian/crypto/curve';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { ANY_COUNT, Fields } from '@yilian/crypto/fields';
import { hkdf } from '@yilian/crypto/hash';
import { deriveHpkeKeyPair, type HpkePrivateKey, type HpkePublicKey } from '@yilian/crypto/hpke';
import { type PublicKey, publicKey, sign } from '@yilian/crypto/signature';
import type { Role } from '@yilian/ledger/contracts/members/member';
import type { Signer } from '@yilian/ledger/transaction-codec';
import { ClientError } from './failure.ts';

const SECRET_BYTES = 32;

/** One visit that this device has prepared. */
export interface VisitNote {
  /** Institution id of the hospital. */
  readonly hospital: string;
  /** n of the n-th visit there: 0, 1, 2 … */
  readonly counter: number;
  /** `YYYY-MM` of the admission. */
  readonly month: string;
}

/** D_ℓ of somebody else's label, held as her agent. */
export interface AgentAuthority {
  /** What the agent calls the person. */
  readonly name: string;
  /** P of the person, 48 bytes. */
  readonly patientKey: Bytes;
  /** Encoded labels with D_ℓ (96 bytes) each. */
  readonly labels: readonly { readonly label: Bytes; readonly conditionalKey: Bytes }[];
  readonly mayGrant: boolean;
}

/** A sealed blob of a grant that waits for its node (undelivered.ts). */
export interface UndeliveredBlob {
  readonly grantId: Bytes;
  /** Member id of the node. */
  readonly node: Bytes;
  /** As in the path: `share-2`, `grantee`, `copy`. */
  readonly name: string;
  readonly blob: Bytes;
  /** Seconds since 1970: after this it is of no use. */
  readonly until: number;
}

export interface PatientKeyring {
  readonly kind: 'patient';
  readonly chainId: string;
  /** K_patient, 32 bytes. */
  readonly patientSecret: Bytes;
  /** a, 32 bytes. */
  readonly scalar: Bytes;
  /** The identity that the regulator certified (health card number); empty before. */
  readonly identity: string;
  readonly certificate: Bytes | null;
  /** Opens the commitment on chain, 32 bytes. */
  readonly certificateSalt: Bytes | null;
  readonly visits: readonly VisitNote[];
  /** Visits that a hospital drew for her, encoded (visit-for-writing.ts). */
  readonly drawnVisits: readonly Bytes[];
  /** One-time handles given out so far. */
  readonly handles: number;
  readonly authorities: readonly AgentAuthority[];
  /** Sealed blobs of her grants that their nodes have not taken yet. */
  readonly undelivered: readonly UndeliveredBlob[];
}

/** What a grantee keeps of a grant: the opened blob, encoded (crypto/grant `encodeGranteeShare`). */
export interface HeldGrant {
  readonly grantId: Bytes;
  readonly share: Bytes;
}

export interface MemberKeyring {
  readonly kind: 'member';
  readonly chainId: string;
  readonly role: Role;
  readonly institution: string;
  readonly operator: string;
  readonly name: string;
  /** Ed25519 seed, 32 bytes. */
  readonly signingSeed: Bytes;
  /** Seed of the HPKE key pair, 32 bytes. */
  readonly hpkeSeed: Bytes;
  readonly certificate: Bytes | null;
  readonly grants: readonly HeldGrant[];
  /** Evidence of wrong shares (api/share-evidence) that the regulator has not taken yet. */
  readonly evidence: readonly Bytes[];
}

export type Keyring = PatientKeyring | MemberKeyring;

/** Where a client keeps its keyring; `update` resolves when the new value is durable. */
export interface KeyringSlot<T extends Keyring> {
  readonly current: T;
  update(next: T): Promise<void>;
}

/** A slot that calls `save` before the new value is seen. */
export function createKeyringSlot<T extends Keyring>(
  initial: T,
  save: (next: T) => Promise<void> = () => Promise.resolve(),
): KeyringSlot<T> {
  let current = initial;
  return {
    get current() {
      return current;
    },
    update: async (next) => {
      await save(next);
      current = next;
    },
  };
}

/** Fresh keys of a patient; nothing is asked of anybody. */
export function createPatientKeyring(input: {
  readonly chainId: string;
  readonly curve: Curve;
  readonly randomBytes: RandomBytes;
}): PatientKeyring {
  const scalar = randomScalar(input.curve, input.randomBytes);
  const keyring = emptyPatientKeyring({
    chainId: input.chainId,
    patientSecret: input.randomBytes(SECRET_BYTES),
    scalar: input.curve.encodeScalar(scalar),
  });
  input.curve.wipeScalar(scalar);
  return keyring;
}

function emptyPatientKeyring(input: {
  readonly chainId: string;
  readonly patientSecret: Bytes;
  readonly scalar: Bytes;
}): PatientKeyring {
  return {
    kind: 'patient',
    ...input,
    identity: '',
    certificate: null,
    certificateSalt: null,
    visits: [],
    drawnVisits: [],
    handles: 0,
    authorities: [],
    undelivered: [],
  };
}

/** Fresh keys of a doctor, department or other member. */
export function createMemberKeyring(input: {
  readonly chainId: string;
  readonly role: Role;
  readonly institution: string;
  readonly operator: string;
  readonly name: string;
  readonly randomBytes: RandomBytes;
}): MemberKeyring {
  const { randomBytes, ...rest } = input;
  return {
    kind: 'member',
    ...rest,
    signingSeed: randomBytes(SECRET_BYTES),
    hpkeSeed: randomBytes(SECRET_BYTES),
    certificate: null,
    grants: [],
    evidence: [],
  };
}

/** The recovery kit: `[chainId, K_patient, a]`, all that a new device needs. */
export function exportRecoveryKit(keyring: PatientKeyring): Bytes {
  return encode([keyring.chainId, keyring.patientSecret, keyring.scalar]);
}

/** A keyring that knows nothing but K_patient and a. @throws ClientError `badKeyring` */
export function importRecoveryKit(kit: Bytes): PatientKeyring {
  return readOrRefuse(kit, (value) => {
    const fields = Fields.of(value, 3);
    return emptyPatientKeyring({
      chainId: fields.text(),
      patientSecret: fields.bytes(SECRET_BYTES),
      scalar: fields.bytes(SCALAR_BYTES),
    });
  });
}

/** One who signs with an Ed25519 seed. */
export function signerOf(seed: Bytes): Signer & { readonly key: PublicKey } {
  return { key: publicKey(seed), sign: (message) => sign(seed, message) };
}

/** The patient's certified signing key: enrolment only, never for visits or grants. */
export function patientSigner(keyring: PatientKeyring): Signer & { readonly key: PublicKey } {
  const info = bindChain(DOMAIN_TAGS.patientSigningSeed, keyring);
  return signerOf(hkdf({ ikm: keyring.patientSecret, info, length: 32 }));
}

/** A one-time address under which somebody may ask the patient for access. */
export interface HandleKeys {
  readonly signer: Signer & { readonly key: PublicKey };
  readonly hpkePublicKey: HpkePublicKey;
  readonly hpkePrivateKey: HpkePrivateKey;
}

/** The n-th handle: nothing but K_patient links it to her. */
export async function deriveHandle(
  context: ChainContext,
  patientSecret: Bytes,
  number: number,
): Promise<HandleKeys> {
  const info = bindChain(DOMAIN_TAGS.handleSeeds, context, number);
  const seeds = hkdf({ ikm: patientSecret, info, length: 64 });
  const pair = await deriveHpkeKeyPair(seeds.subarray(32));
  return {
    signer: signerOf(seeds.slice(0, 32)),
    hpkePublicKey: pair.publicKey,
    hpkePrivateKey: pair.privateKey,
  };
}

/** Canonical CBOR of a keyring, to be sealed (keyring-file.ts). */
export function encodeKeyring(keyring: Keyring): Bytes {
  return encode(keyring.kind === 'patient' ? patientItems(keyring) : memberItems(keyring));
}

function patientItems(keyring: PatientKeyring): Cbor {
  return [
    'patient',
    keyring.chainId,
    keyring.patientSecret,
    keyring.scalar,
    keyring.identity,
    keyring.certificate,
    keyring.certificateSalt,
    keyring.visits.map(({ hospital, counter, month }) => [hospital, counter, month]),
    [...keyring.drawnVisits],
    keyring.handles,
    keyring.authorities.map((authority) => [
      authority.name,
      authority.patientKey,
      authority.labels.map(({ label, conditionalKey }) => [label, conditionalKey]),
      authority.mayGrant,
    ]),
    keyring.undelivered.map(({ grantId, node, name, blob, until }) => [
      grantId,
      node,
      name,
      blob,
      until,
    ]),
  ];
}

function memberItems(keyring: MemberKeyring): Cbor {
  return [
    'member',
    keyring.chainId,
    keyring.role,
    keyring.institution,
    keyring.operator,
    keyring.name,
    keyring.signingSeed,
    keyring.hpkeSeed,
    keyring.certificate,
    keyring.grants.map(({ grantId, share }) => [grantId, share]),
    [...keyring.evidence],
  ];
}

/** @throws ClientError `badKeyring` */
export function decodeKeyring(bytes: Bytes): Keyring {
  return readOrRefuse(bytes, (value) => {
    const fields = new Fields(value, { min: 11, max: 12 });
    const kind = fields.oneOf(['patient', 'member']);
    fields.checkCount(kind === 'patient' ? 12 : 11);
    return kind === 'patient' ? readPatient(fields) : readMember(fields);
  });
}

function readOrRefuse<T>(bytes: Bytes, read: (value: Cbor) => T): T {
  try {
    return read(decode(bytes, { bytesMax: 16 * 1024 * 1024, depthMax: 8 }));
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    throw new ClientError('badKeyring', 'these bytes are not a keyring');
  }
}

function readPatient(fields: Fields): PatientKeyring {
  return {
    kind: 'patient',
    chainId: fields.text(),
    patientSecret: fields.bytes(SECRET_BYTES),
    scalar: fields.bytes(SCALAR_BYTES),
    identity: fields.text(),
    certificate: fields.orNull((own) => own.bytes()),
    certificateSalt: fields.orNull((own) => own.bytes(32)),
    visits: fields.list(ANY_COUNT, (list) => {
      const visit = list.nested(3);
      return { hospital: visit.text(), counter: visit.whole(), month: visit.text() };
    }),
    drawnVisits: fields.list(ANY_COUNT, (list) => list.bytes()),
    handles: fields.whole(),
    authorities: fields.list(ANY_COUNT, (list) => {
      const authority = list.nested(4);
      return {
        name: authority.text(),
        patientKey: authority.bytes(48),
        labels: authority.list(ANY_COUNT, (labels) => {
          const pair = labels.nested(2);
          return { label: pair.bytes(), conditionalKey: pair.bytes(96) };
        }),
        mayGrant: authority.flag(),
      };
    }),
    undelivered: fields.list(ANY_COUNT, (list) => {
      const blob = list.nested(5);
      return {
        grantId: blob.bytes(16),
        node: blob.bytes(32),
        name: blob.text(),
        blob: blob.bytes(),
        until: blob.whole(),
      };
    }),
  };
}

const ROLES: readonly Role[] = ['regulator', 'hospital', 'node', 'doctor', 'department', 'store'];

function readMember(fields: Fields): MemberKeyring {
  return {
    kind: 'member',
    chainId: fields.text(),
    role: fields.oneOf(ROLES),
    institution: fields.text(),
    operator: fields.text(),
    name: fields.text(),
    signingSeed: fields.bytes(SECRET_BYTES),
    hpkeSeed: fields.bytes(SECRET_BYTES),
    certificate: fields.orNull((own) => own.bytes()),
    grants: fields.list(ANY_COUNT, (list) => {
      const grant = list.nested(2);
      return { grantId: grant.bytes(16), share: grant.bytes() };
    }),
    evidence: fields.list(ANY_COUNT, (list) => list.bytes()),
  };
}
