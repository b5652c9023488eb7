import {
  type Applied,
  type Contract,
  type ExecutionContext,
  NO_CHECKS,
  NO_COSIGNERS,
  accept,
} from '../../contract.ts';
import { reject } from '../../rejection.ts';
import type { State } from '../../state.ts';
import { activeSender } from '../members/member.ts';
import type { Bytes } from '@yilian/crypto/bytes';
import type { Cbor } from '@yilian/crypto/cbor';
import { Fields } from '@yilian/crypto/fields';

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

function isZero(bytes: Bytes): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}

/**
 * - RQ-1 The sender is an active doctor or department.
 * - RQ-2 The transaction has `REQUEST_LENGTH` bytes; its padding is zero.
 */
function applyRequestAccess(state: State, body: RequestAccess, context: ExecutionContext): Applied {
  const sender = activeSender(state, context, 'doctor', 'department');
  if (!sender.ok) return sender; // RQ-1
  const padded = context.length === REQUEST_LENGTH && isZero(body.padding);
  if (!padded) return reject('wrongLength'); // RQ-2
  return accept(['request', body.commitment]);
}

export const requestAccess: Contract<RequestAccess> = {
  encodeBody: encodeRequestAccess,
  parseBody: parseRequestAccess,
  cosigners: NO_COSIGNERS,
  checks: NO_CHECKS,
  apply: applyRequestAccess,
};
