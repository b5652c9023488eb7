/** The platform's SHA-256: several times the speed of the portable one. */
import { hash } from 'node:crypto';
import type { Bytes } from '@yilian/crypto/bytes';

export function sha256(bytes: Bytes): Bytes {
  const digest = hash('sha256', bytes, 'buffer');
  return new Uint8Array(digest.buffer, digest.byteOffset, digest.length);
}

/** Shorter inputs (nodes of Merkle trees) are hashed once anyway. */
const REMEMBERED_BYTES_MIN = 100;

const digests = new WeakMap<Bytes, Bytes>();

/** As `sha256`, remembered by identity: one copy of a transaction is hashed once on its way. */
export function sha256Of(bytes: Bytes): Bytes {
  if (bytes.length < REMEMBERED_BYTES_MIN) return sha256(bytes);
  let digest = digests.get(bytes);
  if (digest === undefined) {
    digest = sha256(bytes);
    digests.set(bytes, digest);
  }
  return digest;
}
