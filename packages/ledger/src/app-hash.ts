/** What a header carries of the ledger: app hash(H) = SHA-256(state root ‖ log root ‖ log size), in header H+1. */
import { type Bytes, concatBytes, u64be } from '@yilian/crypto/bytes';
import type { Cbor } from '@yilian/crypto/cbor';
import { sha256 } from '@yilian/crypto/hash';
import { Fields } from '@yilian/crypto/fields';

export interface AppHashParts {
  readonly stateRoot: Bytes;
  readonly logRoot: Bytes;
  /** Leaves. */
  readonly logSize: number;
}

export function hashAppHashParts(parts: AppHashParts): Bytes {
  return sha256(concatBytes(parts.stateRoot, parts.logRoot, u64be(BigInt(parts.logSize))));
}

export function appHashPartsItems(parts: AppHashParts): Cbor {
  return [parts.stateRoot, parts.logRoot, parts.logSize];
}

/** @throws CodecError */
export function readAppHashParts(value: Cbor): AppHashParts {
  const fields = Fields.of(value, 3);
  return { stateRoot: fields.bytes(32), logRoot: fields.bytes(32), logSize: fields.whole() };
}
