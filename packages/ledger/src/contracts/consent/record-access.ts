import type { Bytes } from '@yilian/crypto/bytes';
import type { Cbor } from '@yilian/crypto/cbor';
import { Fields } from '../../fields.ts';
import { type GrantId, toGrantId } from '../../ids.ts';

const SEALED_MAX = 512;

/** The grantee announces one opening; the ledger numbers it 1, 2, 3 … within the grant (R1). */
export interface RecordAccess {
  readonly type: 'recordAccess';
  readonly grantId: GrantId;
  /** 16 bytes; part of the key under which `sealed` is sealed. */
  readonly accessNonce: Bytes;
  /** AEAD over [recordId, label, purpose]: patient, nodes and grantee open it, nobody else. */
  readonly sealed: Bytes;
}

export function encodeRecordAccess(body: RecordAccess): readonly Cbor[] {
  return [body.grantId, body.accessNonce, body.sealed];
}

export function parseRecordAccess(items: Cbor): RecordAccess {
  const fields = Fields.of(items, 3);
  return {
    type: 'recordAccess',
    grantId: toGrantId(fields.bytes(16)),
    accessNonce: fields.bytes(16),
    sealed: fields.bytesUpTo(SEALED_MAX),
  };
}
