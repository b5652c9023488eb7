/** Identifiers that follow from what the schemes make. Hexadecimal only at the edge. */
import type { Brand } from './brand.ts';
import { type Bytes, CodecError } from './bytes.ts';
import { bindChain, type ChainContext } from './context.ts';
import { DOMAIN_TAGS } from './domain-tags.ts';
import { sha256 } from './hash.ts';

/** 32 bytes; a function of the capsule's C alone, so a repeated C is a repeated id (F2). */
export type RecordId = Brand<Bytes, 'RecordId'>;
/** 20 bytes; the pseudonym of one visit (QJ-3). */
export type Pid = Brand<Bytes, 'Pid'>;
/** 16 bytes from the patient's random source; never reused, a retry is a new grant. */
export type GrantId = Brand<Bytes, 'GrantId'>;

export const GRANT_ID_BYTES = 16;

function checkLength(name: string, bytes: Bytes, length: number): void {
  if (bytes.length !== length) throw new CodecError('malformed', `${name} has ${length} bytes`);
}

/** @throws CodecError `malformed` when the length is wrong, as do its neighbours */
export function toRecordId(bytes: Bytes): RecordId {
  checkLength('a record id', bytes, 32);
  return bytes as RecordId;
}

export function toPid(bytes: Bytes): Pid {
  checkLength('a PID', bytes, 20);
  return bytes as Pid;
}

export function toGrantId(bytes: Bytes): GrantId {
  checkLength('a grant id', bytes, GRANT_ID_BYTES);
  return bytes as GrantId;
}

/** The id of the record whose capsule carries `c` (48 bytes, compressed G1). */
export function deriveRecordId(context: ChainContext, c: Bytes): RecordId {
  return toRecordId(sha256(bindChain(DOMAIN_TAGS.recordId, context, c)));
}
