/**
 * Ed25519 by libsodium, where its prebuilt binding loads: about 43 µs a signature where OpenSSL, whose field arithmetic
 * for this curve is the portable one, takes 70 to 78. libsodium's verification is cofactorless, like OpenSSL's, so that
 * behind the precheck of @yilian/crypto/signature both give the one answer of its rule; tests hold all three
 * together on Wycheproof's vectors and on keys and R with a part of small order. The dependency is optional and its
 * version exact: another one is another verifier, and is to be held to the rule first.
 */
import { createRequire } from 'node:module';
import { precheckSignature, type SignatureVerifier } from '@yilian/crypto/signature';

type VerifyDetached = (signature: Buffer, message: Buffer, publicKey: Buffer) => boolean;

function loadBinding(): VerifyDetached | undefined {
  try {
    const binding: unknown = createRequire(import.meta.url)('sodium-native');
    if (typeof binding !== 'object' || binding === null) return undefined;
    const { crypto_sign_verify_detached: verify }: Partial<Record<string, unknown>> = {
      ...binding,
    };
    return typeof verify === 'function' ? (verify as VerifyDetached) : undefined;
  } catch {
    // Not installed, or no build of it for this platform.
    return undefined;
  }
}

/** A view: the binding takes buffers only. */
function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Undefined where libsodium is not there. The verifier never throws. */
export function loadSodiumVerifier(): SignatureVerifier | undefined {
  const verify = loadBinding();
  if (verify === undefined) return undefined;
  return ({ publicKey, message, signature }) =>
    precheckSignature({ publicKey, signature }) &&
    verify(viewOf(signature), viewOf(message), viewOf(publicKey));
}
