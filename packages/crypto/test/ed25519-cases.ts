/** Ed25519 inputs on which verifiers in the field disagree, built from the curve itself. */
import { ed25519, ED25519_TORSION_SUBGROUP } from '@noble/curves/ed25519.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { at } from './at.ts';
import { type Bytes, concatBytes, fromHex, utf8 } from '../src/bytes.ts';
import { publicKey, sign, type SignatureClaim } from '../src/signature.ts';

export interface NamedClaim {
  readonly name: string;
  readonly claim: SignatureClaim;
  /** What the rule says. */
  readonly accepted: boolean;
}

const { Point } = ed25519;
const ORDER = Point.Fn.ORDER;

export const TORSION: readonly Bytes[] = ED25519_TORSION_SUBGROUP.map(fromHex);

function scalarBytes(value: bigint): Bytes {
  const bytes = new Uint8Array(32);
  let rest = value;
  for (let i = 0; i < 32; i++, rest >>= 8n) bytes[i] = Number(rest & 255n);
  return bytes;
}

function readScalar(bytes: Bytes): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

function challenge(r: Bytes, key: Bytes, message: Bytes): bigint {
  return readScalar(sha512(concatBytes(r, key, message))) % ORDER;
}

/** A signature under key a·B + T, with nonce r and R = r·B + U: T and U from the torsion group. */
export function signMixed(input: {
  readonly a: bigint;
  readonly r: bigint;
  readonly keyTorsion: Bytes;
  readonly nonceTorsion: Bytes;
  readonly message: Bytes;
}): SignatureClaim {
  const key = Point.BASE.multiplyUnsafe(input.a).add(Point.fromBytes(input.keyTorsion, true));
  const nonce = Point.BASE.multiplyUnsafe(input.r).add(Point.fromBytes(input.nonceTorsion, true));
  const publicKeyBytes = key.toBytes();
  const r = nonce.toBytes();
  const s = (input.r + challenge(r, publicKeyBytes, input.message) * input.a) % ORDER;
  return {
    publicKey: publicKeyBytes,
    message: input.message,
    signature: concatBytes(r, scalarBytes(s)),
  };
}

/** Its holder's own signature in a form that only ZIP-215 takes: R has a torsion part. */
export function signWithTorsion(signingSeed: Bytes, signed: Bytes): Bytes {
  const { scalar } = ed25519.utils.getExtendedPublicKey(signingSeed);
  return signMixed({
    a: scalar,
    r: 11n,
    keyTorsion: at(TORSION, 0),
    nonceTorsion: at(TORSION, 1),
    message: signed,
  }).signature;
}

/** Whether the cofactorless equation holds, by points and not by bytes. */
function equationHolds(claim: SignatureClaim): boolean {
  const r = claim.signature.subarray(0, 32);
  const key = Point.fromBytes(claim.publicKey, true);
  const k = challenge(r, claim.publicKey, claim.message);
  const s = readScalar(claim.signature.subarray(32));
  return Point.BASE.multiplyUnsafe(s).equals(Point.fromBytes(r, true).add(key.multiplyUnsafe(k)));
}

const seed = new Uint8Array(32).fill(7);
const message = utf8('grant');

/** All 64 pairs of small-order key and small-order R with S = 0. */
export const smallOrderPairs: readonly SignatureClaim[] = TORSION.flatMap((key) =>
  TORSION.map((r) => ({
    publicKey: key,
    message,
    signature: concatBytes(r, new Uint8Array(32)),
  })),
);

/** Canonical and non-canonical encodings of small-order points. */
export const smallOrderEncodings: readonly Bytes[] = [
  ...TORSION,
  ...['01', 'ec'].map((low) =>
    fromHex(low === '01' ? `01${'00'.repeat(30)}80` : `ec${'ff'.repeat(31)}`),
  ),
  ...['ed', 'ee'].flatMap((low) => [
    fromHex(`${low}${'ff'.repeat(30)}7f`),
    fromHex(`${low}${'ff'.repeat(31)}`),
  ]),
];

function valid(): SignatureClaim {
  return { publicKey: publicKey(seed), message, signature: sign(seed, message) };
}

function withSignature(signature: Bytes): SignatureClaim {
  return { ...valid(), signature };
}

function malleated(times: bigint): Bytes {
  const { signature } = valid();
  const s = readScalar(signature.subarray(32)) + times * ORDER;
  return concatBytes(signature.subarray(0, 32), scalarBytes(s));
}

export const claims: readonly NamedClaim[] = [
  { name: 'a valid signature', claim: valid(), accepted: true },
  ...[1n, 2n, 8n].map((times) => ({
    name: `S + ${times}·L`,
    claim: withSignature(malleated(times)),
    accepted: false,
  })),
  {
    name: 'S = L',
    claim: withSignature(concatBytes(valid().signature.subarray(0, 32), scalarBytes(ORDER))),
    accepted: false,
  },
  {
    name: 'a signature one byte short',
    claim: withSignature(valid().signature.subarray(0, 63)),
    accepted: false,
  },
  {
    name: 'a signature one byte long',
    claim: withSignature(concatBytes(valid().signature, new Uint8Array(1))),
    accepted: false,
  },
  { name: 'an empty signature', claim: withSignature(new Uint8Array(0)), accepted: false },
  {
    name: 'another message',
    claim: { ...valid(), message: utf8('revoke') },
    accepted: false,
  },
  {
    name: 'a key one byte short',
    claim: { ...valid(), publicKey: valid().publicKey.subarray(0, 31) },
    accepted: false,
  },
  {
    name: 'a key that is no point',
    claim: { ...valid(), publicKey: scalarBytes(2n) },
    accepted: false,
  },
  ...TORSION.map((nonceTorsion, i) => ({
    name: `small-order R ${i} with a fitting S under an honest key`,
    claim: signMixed({ a: 5n, r: 0n, keyTorsion: at(TORSION, 0), nonceTorsion, message }),
    accepted: false,
  })),
  ...TORSION.slice(1).map((nonceTorsion, i) => ({
    name: `R with torsion ${i + 1}: only a cofactored verifier takes it`,
    claim: signMixed({ a: 5n, r: 11n, keyTorsion: at(TORSION, 0), nonceTorsion, message }),
    accepted: false,
  })),
  ...TORSION.flatMap((keyTorsion, i) =>
    TORSION.map((nonceTorsion, j) => {
      const claim = signMixed({ a: 9n, r: 13n, keyTorsion, nonceTorsion, message });
      return {
        name: `key with torsion ${i}, R with torsion ${j}: by the equation alone`,
        claim,
        accepted: equationHolds(claim),
      };
    }),
  ),
];
