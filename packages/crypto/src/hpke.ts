/**
 * HPKE (RFC 9180), base mode, one message per encapsulation, one suite:
 * DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305 (0x0020, 0x0001, 0x0003).
 * ChaCha20 and not AES, because both run in script here, where a table-driven AES leaks through
 * caches and ChaCha20 does not; the bodies are small.
 *
 * Promises: IND-CCA2 against outsiders, bound to `info` and `aad`. Does not authenticate the sender,
 * and gives no forward secrecy for the recipient's key.
 *
 * Protocol and key schedule are the kept library `hpke`; its KEM draws the ephemeral key itself from
 * the platform's CSPRNG, so this is the one place that does not take randomness as a parameter
 * (docs/decisions/0003-hpke-library.md).
 * Notation: enc = `encapsulation`, pkR = `publicKey`, skR = `privateKey`, ikm = `seed`.
 */
import {
  AEAD_ChaCha20Poly1305,
  KDF_HKDF_SHA256,
  KEM_DHKEM_X25519_HKDF_SHA256,
} from '@panva/hpke-noble';
import { CipherSuite } from 'hpke';
import type { Brand } from './brand.ts';
import { type Bytes, concatBytes } from './bytes.ts';

export const HPKE_KEY_BYTES = 32;
/** What sealing adds to the plaintext: encapsulation (32) and tag (16). */
export const HPKE_OVERHEAD_BYTES = 48;

/** An X25519 public key that is canonical and not of small order. */
export type HpkePublicKey = Brand<Bytes, 'HpkePublicKey'>;
export type HpkePrivateKey = Brand<Bytes, 'HpkePrivateKey'>;

export interface HpkeKeyPair {
  readonly publicKey: HpkePublicKey;
  readonly privateKey: HpkePrivateKey;
}

const ENCAPSULATION_BYTES = 32;

/** What a message is bound to beside its recipient; both sides must say the same. */
export interface HpkeBinding {
  /** `bindSuite(tag, …)` of the purpose. */
  readonly info: Bytes;
  readonly aad: Bytes;
}

const suite = new CipherSuite(KEM_DHKEM_X25519_HKDF_SHA256, KDF_HKDF_SHA256, AEAD_ChaCha20Poly1305);

const PRIME = 2n ** 255n - 19n;

/** u coordinates whose order divides 8, on the curve or its twist (RFC 7748 §6.1, all-zero output). */
const SMALL_ORDER_U: readonly bigint[] = [
  0n,
  1n,
  PRIME - 1n,
  325606250916557431795983626356110631294008115727848805560023387167927233504n,
  39382357235489614581723060781553021112529911719440698176882885853963445705823n,
];

/** The key, or `null`: 32 bytes, u < 2^255 − 19 (RFC 7748 would mask and reduce), not of small order. */
export function parseHpkePublicKey(bytes: Bytes): HpkePublicKey | null {
  if (bytes.length !== HPKE_KEY_BYTES) return null;
  let u = 0n;
  for (const byte of bytes.toReversed()) u = (u << 8n) | BigInt(byte);
  if (u >= PRIME || SMALL_ORDER_U.includes(u)) return null;
  return bytes.slice() as HpkePublicKey;
}

/** The private key, or `null`: any 32 bytes (X25519 clamps them itself). */
export function parseHpkePrivateKey(bytes: Bytes): HpkePrivateKey | null {
  return bytes.length === HPKE_KEY_BYTES ? (bytes.slice() as HpkePrivateKey) : null;
}

/** RFC 9180 §7.1.3 DeriveKeyPair; `seed` is at least 32 secret bytes. */
export async function deriveHpkeKeyPair(seed: Bytes): Promise<HpkeKeyPair> {
  if (seed.length < HPKE_KEY_BYTES) throw new RangeError('an HPKE seed has at least 32 bytes');
  const pair = await suite.DeriveKeyPair(seed, true);
  return {
    publicKey: (await suite.SerializePublicKey(pair.publicKey)) as HpkePublicKey,
    privateKey: (await suite.SerializePrivateKey(pair.privateKey)) as HpkePrivateKey,
  };
}

/** encapsulation ‖ ciphertext ‖ tag: the plaintext and 48 bytes. Two calls never give the same bytes. */
export async function sealTo(
  recipient: HpkePublicKey,
  message: HpkeBinding & { readonly plaintext: Bytes },
): Promise<Bytes> {
  const key = await suite.DeserializePublicKey(recipient);
  const { encapsulatedSecret, ciphertext } = await suite.Seal(key, message.plaintext, {
    info: message.info,
    aad: message.aad,
  });
  return concatBytes(encapsulatedSecret, ciphertext);
}

/** The plaintext, or `null` when key, info, aad or any byte differs, or the encapsulation is refused. */
export async function openWith(
  privateKey: HpkePrivateKey,
  message: HpkeBinding & { readonly sealed: Bytes },
): Promise<Bytes | null> {
  if (message.sealed.length < HPKE_OVERHEAD_BYTES) return null;
  const encapsulation = parseHpkePublicKey(message.sealed.subarray(0, ENCAPSULATION_BYTES));
  if (encapsulation === null) return null;
  const key = await suite.DeserializePrivateKey(privateKey);
  try {
    return await suite.Open(key, encapsulation, message.sealed.subarray(ENCAPSULATION_BYTES), {
      info: message.info,
      aad: message.aad,
    });
  } catch {
    return null;
  }
}
