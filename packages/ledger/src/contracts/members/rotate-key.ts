import type { Bytes } from '@yilian/crypto/bytes';
import type { Cbor } from '@yilian/crypto/cbor';
import { Fields } from '../../fields.ts';
import { type MemberId, toMemberId } from '../../ids.ts';

/** A member (by its old key) or the regulator replaces a key; the id stays. The new key co-signs. */
export interface RotateKey {
  readonly type: 'rotateKey';
  readonly member: MemberId;
  readonly newKey: Bytes;
  readonly newHpkeKey: Bytes;
  readonly newCertificateHash: Bytes;
}

export function encodeRotateKey(body: RotateKey): readonly Cbor[] {
  return [body.member, body.newKey, body.newHpkeKey, body.newCertificateHash];
}

export function parseRotateKey(items: Cbor): RotateKey {
  const fields = Fields.of(items, 4);
  return {
    type: 'rotateKey',
    member: toMemberId(fields.bytes(32)),
    newKey: fields.bytes(32),
    newHpkeKey: fields.bytes(32),
    newCertificateHash: fields.bytes(32),
  };
}
