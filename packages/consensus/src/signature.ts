/** Signatures enter as functions, so that every engine and every host brings its own Ed25519. */
import type { Bytes } from '@yilian/crypto/bytes';

export type { SignatureVerifier } from '@yilian/crypto/signature';

/** The replica's own consensus key at work. Deterministic (RFC 8032), hence usable in a pure core. */
export type Signer = (message: Bytes) => Bytes;

/** SHA-256, passed in where a host has a faster one than the portable default. */
export type Hasher = (message: Bytes) => Bytes;
