import { encode } from '@yilian/crypto/cbor';
import {
  type Applied,
  type Contract,
  type ExecutionContext,
  NO_CHECKS,
  NO_COSIGNERS,
  accept,
} from '../../contract.ts';
import { reject } from '../../rejection.ts';
import { type State, stateKeys } from '../../state.ts';
import { activeSender, getMember } from './member.ts';
import { equalBytes } from '@yilian/crypto/bytes';
import type { Bytes } from '@yilian/crypto/bytes';
import type { Cbor } from '@yilian/crypto/cbor';
import { Fields } from '@yilian/crypto/fields';
import { type MemberId, toMemberId } from '../../ids.ts';

export const VERDICTS = ['badShare', 'cleared'] as const;
export type Verdict = (typeof VERDICTS)[number];

/** The regulator's finding about a node. Evidence by hash only: it names Q and a record (R11). */
export interface RecordVerdict {
  readonly type: 'recordVerdict';
  readonly node: MemberId;
  readonly evidenceHash: Bytes;
  readonly verdict: Verdict;
}

export function encodeRecordVerdict(body: RecordVerdict): readonly Cbor[] {
  return [body.node, body.evidenceHash, body.verdict];
}

export function parseRecordVerdict(items: Cbor): RecordVerdict {
  const fields = Fields.of(items, 3);
  return {
    type: 'recordVerdict',
    node: toMemberId(fields.bytes(32)),
    evidenceHash: fields.bytes(32),
    verdict: fields.oneOf(VERDICTS),
  };
}

/**
 * - RV-1 The sender is the active regulator.
 * - RV-2 The member is known and a node.
 * - RV-3 The same verdict on the same evidence was not given before.
 */
function applyRecordVerdict(state: State, body: RecordVerdict, context: ExecutionContext): Applied {
  const sender = activeSender(state, context, 'regulator');
  if (!sender.ok) return sender; // RV-1
  const member = getMember(state, body.node);
  if (member === undefined) return reject('memberUnknown'); // RV-2
  if (member.role !== 'node') return reject('notANode'); // RV-2
  const key = stateKeys.verdict(body.evidenceHash);
  const value = encode([body.node, body.verdict]);
  const known = state.get(key);
  if (known !== undefined && equalBytes(known, value)) return reject('evidenceKnown'); // RV-3
  state.put(key, value);
  return accept(['verdict', body.node, body.evidenceHash, body.verdict]);
}

export const recordVerdict: Contract<RecordVerdict> = {
  encodeBody: encodeRecordVerdict,
  parseBody: parseRecordVerdict,
  cosigners: NO_COSIGNERS,
  checks: NO_CHECKS,
  apply: applyRecordVerdict,
};
