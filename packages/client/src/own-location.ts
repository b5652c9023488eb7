/**
 * Where a member's own record lies: sealed to the author and kept by the hospital, so that what somebody
 * wrote can be read again without asking the patient's tags.
 */
import type { ChainContext } from '@yilian/crypto/context';
import { bindChain } from '@yilian/crypto/context';
import { type Bytes, CodecError } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { type HpkePublicKey, openWith, sealTo } from '@yilian/crypto/hpke';
import { ROUTES } from '@yilian/api/routes';
import type { RecordId } from '@yilian/crypto/ids';
import { VerificationError } from './failure.ts';
import { NO_AAD } from './grant-making.ts';
import type { WorkingMember } from './working-member.ts';

/** Info of the sealed record location that the hospital keeps for the author. */
function sealedLocationInfo(context: ChainContext, recordId: Bytes): Bytes {
  return bindChain(DOMAIN_TAGS.sealedLocationInfo, context, recordId);
}

/** Stores (member ids) and object key of a record, for its author. */
export function sealLocation(
  context: ChainContext,
  author: HpkePublicKey,
  recordId: Bytes,
  location: { readonly stores: readonly Bytes[]; readonly objectKey: Bytes },
): Promise<Bytes> {
  return sealTo(author, {
    info: sealedLocationInfo(context, recordId),
    aad: NO_AAD,
    plaintext: encode([location.stores, location.objectKey]),
  });
}

/** Object key of a record that this member wrote, from his hospital's nodes. */
export async function fetchOwnLocation(
  { network, signer, hpke, ownNodes }: WorkingMember,
  recordId: RecordId,
): Promise<Bytes> {
  const { privateKey } = await hpke();
  const { value: objectKey } = await network.ask(
    ROUTES.getLocation,
    { params: { recordId }, signer },
    async ({ sealedLocation }, source) => {
      const plaintext = await openWith(privateKey, {
        info: sealedLocationInfo(network.context, recordId),
        aad: NO_AAD,
        sealed: sealedLocation,
      });
      const key = plaintext === null ? null : objectKeyOf(plaintext);
      if (key === null)
        throw new VerificationError('malformed', source, 'the location does not open');
      return key;
    },
    ownNodes(),
  );
  return objectKey;
}

function objectKeyOf(plaintext: Bytes): Bytes | null {
  try {
    const value = decode(plaintext, { bytesMax: 1024, depthMax: 2 });
    const [, objectKey]: readonly unknown[] = Array.isArray(value) ? value : [];
    return objectKey instanceof Uint8Array && objectKey.length === 32 ? objectKey : null;
  } catch (error) {
    if (error instanceof CodecError) return null;
    throw error;
  }
}
