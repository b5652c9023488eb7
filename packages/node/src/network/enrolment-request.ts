/**
 * What a hospital that wants to join tells the consortium: who it is, where its node is met, its public keys.
 * Each signing key signs the whole description, so that nobody has another's key enrolled, and the fingerprint
 * that both sides compare by phone covers every word, the genesis document of the chain included.
 */
import {
  type Codec,
  encodeMessage,
  fields,
  fixedBytes,
  oneOf,
  parseMessage,
  text,
  uint,
} from '@yilian/api/codec';
import { type Bytes, toHex } from '@yilian/crypto/bytes';
import { bindChain } from '@yilian/crypto/context';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { deriveHpkeKeyPair, parseHpkePublicKey } from '@yilian/crypto/hpke';
import { publicKey, sign } from '@yilian/crypto/signature';
import type { NodeSeeds } from '../config.ts';
import { sha256 } from '../verification/sha256.ts';
import { verifySignature } from '../verification/verify-signature.ts';
import { EnrolmentError } from './enrolment-error.ts';
import { HOST, type NetworkMember, type NodePorts, URL_FORM } from './network-file.ts';
import { SHORT_NAME } from './yaml-fields.ts';

export const REQUEST_BYTES_MAX = 8_192;
/** 128 bits: nobody makes a second request with the fingerprint of a first. */
const FINGERPRINT_BYTES = 16;

/** Keys that sign, in the order of their proofs. */
export const SIGNING_KEYS = ['node', 'store', 'hospital', 'consensus', 'engine'] as const;
export type SigningKey = (typeof SIGNING_KEYS)[number];

export type HospitalTier = 'tertiary' | 'secondary' | 'community';

/** Public facts only. Keys: 32 bytes each. */
export interface HospitalDescription {
  readonly chainId: string;
  /** Of the genesis document that the hospital was given. */
  readonly genesisId: Bytes;
  readonly institution: string;
  readonly tier: HospitalTier;
  readonly operator: string;
  readonly host: string;
  readonly url: string;
  readonly ports: NodePorts;
  readonly keys: Readonly<Record<SigningKey, Bytes>>;
  /** X25519, of the node. */
  readonly nodeHpke: Bytes;
}

export interface EnrolmentRequest {
  readonly description: HospitalDescription;
  readonly proofs: Readonly<Record<SigningKey, Bytes>>;
}

const port = uint(65_535);

function ofEachKey(length: number): Codec<Readonly<Record<SigningKey, Bytes>>> {
  return fields<Readonly<Record<SigningKey, Bytes>>>({
    node: fixedBytes(length),
    store: fixedBytes(length),
    hospital: fixedBytes(length),
    consensus: fixedBytes(length),
    engine: fixedBytes(length),
  });
}

const description: Codec<HospitalDescription> = fields<HospitalDescription>({
  chainId: text(64, /^[a-z0-9-]{1,64}$/),
  genesisId: fixedBytes(32),
  institution: text(40, SHORT_NAME),
  tier: oneOf('tertiary', 'secondary', 'community'),
  operator: text(40, SHORT_NAME),
  host: text(253, HOST),
  url: text(262, URL_FORM),
  ports: fields<NodePorts>({ http: port, peer: port, engine: port }),
  keys: ofEachKey(32),
  nodeHpke: fixedBytes(32),
});

const request: Codec<EnrolmentRequest> = fields<EnrolmentRequest>({
  description,
  proofs: ofEachKey(64),
});

function proofMessage(value: HospitalDescription, key: SigningKey): Bytes {
  return bindChain(DOMAIN_TAGS.institutionRequest, value, description.toCbor(value), key);
}

function secretsOf(seeds: NodeSeeds): Readonly<Record<SigningKey, Bytes>> {
  const { node, store, hospital, consensus, engine } = seeds;
  if (store === null || hospital === null || engine === null)
    throw new Error('a hospital has keys of a store, a signing server and an engine');
  return { node, store, hospital, consensus, engine };
}

function forEachKey<T>(make: (key: SigningKey) => T): Readonly<Record<SigningKey, T>> {
  return {
    node: make('node'),
    store: make('store'),
    hospital: make('hospital'),
    consensus: make('consensus'),
    engine: make('engine'),
  };
}

/** Deterministic: the same facts and keys give the same bytes. */
export async function makeEnrolmentRequest(input: {
  readonly chainId: string;
  readonly genesisId: Bytes;
  readonly member: NetworkMember;
  readonly tier: HospitalTier;
  readonly seeds: NodeSeeds;
}): Promise<EnrolmentRequest> {
  const { chainId, genesisId, member, tier, seeds } = input;
  const { institution, operator, host, url, ports } = member;
  const secrets = secretsOf(seeds);
  const stated: HospitalDescription = {
    chainId,
    genesisId,
    institution,
    tier,
    operator,
    host,
    url,
    ports,
    keys: forEachKey((key) => publicKey(secrets[key])),
    nodeHpke: (await deriveHpkeKeyPair(seeds.nodeHpke)).publicKey,
  };
  return {
    description: stated,
    proofs: forEachKey((key) => sign(secrets[key], proofMessage(stated, key))),
  };
}

export function encodeEnrolmentRequest(value: EnrolmentRequest): Bytes {
  return encodeMessage(request, value);
}

/**
 * A request whose every key has signed it. `place`: where it comes from, for messages.
 * @throws EnrolmentError `requestUnreadable`, `requestAltered`
 */
export function parseEnrolmentRequest(bytes: Bytes, place: string): EnrolmentRequest {
  const parsing = parseMessage(request, bytes, REQUEST_BYTES_MAX);
  if (!parsing.ok)
    throw new EnrolmentError('requestUnreadable', place, 'this is no enrolment request');
  const { description: stated, proofs } = parsing.value;
  const keys = SIGNING_KEYS.map((key) => toHex(stated.keys[key]));
  if (new Set(keys).size !== keys.length || parseHpkePublicKey(stated.nodeHpke) === null)
    throw new EnrolmentError('requestAltered', place, 'the keys are not five and one of their own');
  for (const key of SIGNING_KEYS)
    if (
      !verifySignature({
        publicKey: stated.keys[key],
        message: proofMessage(stated, key),
        signature: proofs[key],
      })
    )
      throw new EnrolmentError('requestAltered', place, `the ${key} key did not sign this`);
  return parsing.value;
}

/** Names the request in answers, 32 bytes. */
export function enrolmentRequestHash(value: EnrolmentRequest): Bytes {
  return sha256(
    bindChain(
      DOMAIN_TAGS.institutionRequest,
      value.description,
      description.toCbor(value.description),
    ),
  );
}

/** As people read it to each other: eight groups of four hexadecimal digits. */
export function fingerprintOf(value: EnrolmentRequest): string {
  const digits = toHex(enrolmentRequestHash(value).subarray(0, FINGERPRINT_BYTES));
  return (digits.match(/.{4}/g) ?? []).join(' ');
}

/** Whether `told` is the fingerprint, however it is grouped and spelt. */
export function isFingerprint(value: EnrolmentRequest, told: string): boolean {
  const plain = (text: string): string => text.toLowerCase().replace(/[\s:-]/g, '');
  return plain(told) === plain(fingerprintOf(value));
}
