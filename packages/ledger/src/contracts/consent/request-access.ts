import type { Bytes } from '@yilian/crypto/bytes';
import type { Cbor } from '@yilian/crypto/cbor';
import { Fields } from '../../fields.ts';

/** Every request has this length, so that its length says nothing. */
export const REQUEST_LENGTH = 512;

/** A doctor or department asks for access; the chain sees a commitment only. */
export interface RequestAccess {
  readonly type: 'requestAccess';
  readonly commitment: Bytes;
  /** Zero bytes that fill the transaction to `REQUEST_LENGTH`. */
  readonly padding: Bytes;
}

export function encodeRequestAccess(body: RequestAccess): readonly Cbor[] {
  return [body.commitment, body.padding];
}

export function parseRequestAccess(items: Cbor): RequestAccess {
  const fields = Fields.of(items, 2);
  return {
    type: 'requestAccess',
    commitment: fields.bytes(32),
    padding: fields.bytesUpTo(REQUEST_LENGTH),
  };
}
