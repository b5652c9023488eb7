/** The platform's SHA-256: several times the speed of the portable one. */
import { hash } from 'node:crypto';
import type { Bytes } from '@yilian/crypto/bytes';

/** As a Map key: one character per byte. */
export function sha256Name(bytes: Bytes): string {
  return hash('sha256', bytes, 'binary');
}

/** By way of text: a digest of its own as a Buffer costs more than the hashing of a transaction. */
export function sha256(bytes: Bytes): Bytes {
  const text = hash('sha256', bytes, 'binary');
  const digest = new Uint8Array(32);
  for (let i = 0; i < 32; i++) digest[i] = text.charCodeAt(i);
  return digest;
}
