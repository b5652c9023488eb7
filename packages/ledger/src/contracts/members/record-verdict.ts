import type { Bytes } from '@yilian/crypto/bytes';
import type { Cbor } from '@yilian/crypto/cbor';
import { Fields } from '../../fields.ts';
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
