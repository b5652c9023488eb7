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
  const [chainId, patientSecret, scalar] = readItems(decodeOrRefuse(kit), 3);
  return emptyPatientKeyring({
    chainId: readText(chainId),
    patientSecret: readBytes(patientSecret, SECRET_BYTES),
    scalar: readBytes(scalar, SCALAR_BYTES),
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
  const value = decodeOrRefuse(bytes);
  const [kind] = Array.isArray(value) ? (value as readonly Cbor[]) : [];
  if (kind === 'patient') return readPatient(value);
  if (kind === 'member') return readMember(value);
  return refuse();
}

function readPatient(value: Cbor): PatientKeyring {
  const items = readItems(value, 12);
  return {
    kind: 'patient',
    chainId: readText(items[1]),
    patientSecret: readBytes(items[2], SECRET_BYTES),
    scalar: readBytes(items[3], SCALAR_BYTES),
    identity: readText(items[4]),
    certificate: items[5] === null ? null : readBytes(items[5]),
    certificateSalt: items[6] === null ? null : readBytes(items[6], 32),
    visits: readItems(items[7]).map((each) => {
      const [hospital, counter, month] = readItems(each, 3);
      return { hospital: readText(hospital), counter: readCount(counter), month: readText(month) };
    }),
    drawnVisits: readItems(items[8]).map((each) => readBytes(each)),
    handles: readCount(items[9]),
    authorities: readItems(items[10]).map((each) => {
      const [name, patientKey, labels, mayGrant] = readItems(each, 4);
      return {
        name: readText(name),
        patientKey: readBytes(patientKey, 48),
        labels: readItems(labels).map((pair) => {
          const [label, conditionalKey] = readItems(pair, 2);
          return { label: readBytes(label), conditionalKey: readBytes(conditionalKey, 96) };
        }),
        mayGrant: mayGrant === true,
      };
    }),
    undelivered: readItems(items[11]).map((each) => {
      const [grantId, node, name, blob, until] = readItems(each, 5);
      return {
        grantId: readBytes(grantId, 16),
        node: readBytes(node, 32),
        name: readText(name),
        blob: readBytes(blob),
        until: readCount(until),
      };
    }),
  };
}

const ROLES: readonly Role[] = ['regulator', 'hospital', 'node', 'doctor', 'department', 'store'];

function readMember(value: Cbor): MemberKeyring {
  const items = readItems(value, 11);
  const role = ROLES.find((each) => each === items[2]) ?? refuse();
  return {
    kind: 'member',
    chainId: readText(items[1]),
    role,
    institution: readText(items[3]),
    operator: readText(items[4]),
    name: readText(items[5]),
    signingSeed: readBytes(items[6], SECRET_BYTES),
    hpkeSeed: readBytes(items[7], SECRET_BYTES),
    certificate: items[8] === null ? null : readBytes(items[8]),
    grants: readItems(items[9]).map((each) => {
      const [grantId, share] = readItems(each, 2);
      return { grantId: readBytes(grantId, 16), share: readBytes(share) };
    }),
    evidence: readItems(items[10]).map((each) => readBytes(each)),
  };
}

function refuse(): never {
  throw new ClientError('badKeyring', 'these bytes are not a keyring');
}

function decodeOrRefuse(bytes: Bytes): Cbor {
  try {
    return decode(bytes, { bytesMax: 16 * 1024 * 1024, depthMax: 8 });
  } catch (error) {
    if (error instanceof CodecError) return refuse();
    throw error;
  }
}

function readItems(value: Cbor | undefined, count?: number): readonly Cbor[] {
  if (!Array.isArray(value) || (count !== undefined && value.length !== count)) return refuse();
  return value;
}

function readText(value: Cbor | undefined): string {
  return typeof value === 'string' ? value : refuse();
}

function readCount(value: Cbor | undefined): number {
  return typeof value === 'number' && value >= 0 ? value : refuse();
}

function readBytes(value: Cbor | undefined, length?: number): Bytes {
  if (!(value instanceof Uint8Array)) return refuse();
  return length === undefined || value.length === length ? value : refuse();
}
