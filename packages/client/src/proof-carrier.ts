/**
 * What every proven answer shares: it parses, and the header above its height carries the app hash that it
 * is proven against.
 */
import { type Bytes, CodecError } from '@yilian/crypto/bytes';
import { type Source, VerificationError } from './failure.ts';
import type { HeaderStore, VerifiedHeader } from './header-store.ts';

/** An answer's header and the certificate that makes it believable. */
export interface CertifiedHeader {
  readonly header: Bytes;
  readonly certificate: Bytes;
}

/**
 * The header that carries the app hash of an answer of height `answerHeight`.
 * @throws VerificationError when it is not certified, or of another height
 */
export async function verifyCarrier(
  headers: Pick<HeaderStore, 'verify'>,
  certified: CertifiedHeader,
  answerHeight: number,
  source: Source,
): Promise<VerifiedHeader> {
  const verified = await headers.verify(certified, source);
  if (verified.header.height !== BigInt(answerHeight) + 1n)
    throw new VerificationError(
      'stateProof',
      source,
      'the header is not the one above the height of the answer',
    );
  return verified;
}

/** @throws VerificationError `malformed` where `parse` throws a CodecError */
export function parseProof<T>(source: Source, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof CodecError)
      throw new VerificationError('malformed', source, 'the proof does not parse', error);
    throw error;
  }
}
