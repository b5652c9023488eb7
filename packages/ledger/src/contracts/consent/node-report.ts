import { equalBytes, toHex } from '@yilian/crypto/bytes';
import type { MemberId } from '../../ids.ts';
import {
  type Applied,
  type Contract,
  type ExecutionContext,
  type Fact,
  NO_CHECKS,
  NO_COSIGNERS,
} from '../../contract.ts';
import { type Rejected, type RuleCode, reject } from '../../rejection.ts';
import type { State } from '../../state.ts';
import { activeSender } from '../members/member.ts';
import { type Grant, type GrantHolder, getGrant, hasEnded, putGrant } from './grant.ts';
import type { Cbor } from '@yilian/crypto/cbor';
import { Fields } from '@yilian/crypto/fields';
import { type GrantId, toGrantId } from '@yilian/crypto/ids';

/** Per list. */
export const REPORT_ITEMS_MAX = 128;

/** What a node has to say about its shares, at most once per block. */
export interface NodeReport {
  readonly type: 'nodeReport';
  /** Shares received and checked against V. */
  readonly acknowledgements: readonly { readonly grantId: GrantId; readonly index: number }[];
  /** Shares handed out for a numbered access. */
  readonly releases: readonly { readonly grantId: GrantId; readonly number: number }[];
  /** Share keys erased after revocation or expiry. */
  readonly erasures: readonly GrantId[];
  /** Shares lost before that. */
  readonly losses: readonly GrantId[];
}

export function encodeNodeReport(body: NodeReport): readonly Cbor[] {
  return [
    body.acknowledgements.map((each) => [each.grantId, each.index]),
    body.releases.map((each) => [each.grantId, each.number]),
    [...body.erasures],
    [...body.losses],
  ];
}

export function parseNodeReport(items: Cbor): NodeReport {
  const fields = Fields.of(items, 4);
  const counts = { min: 0, max: REPORT_ITEMS_MAX };
  return {
    type: 'nodeReport',
    acknowledgements: fields.list(counts, (list) => {
      const each = list.nested(2);
      return { grantId: toGrantId(each.bytes(16)), index: each.whole(0xff) };
    }),
    releases: fields.list(counts, (list) => {
      const each = list.nested(2);
      return { grantId: toGrantId(each.bytes(16)), number: each.whole(0xffffffff) };
    }),
    erasures: fields.list(counts, (list) => toGrantId(list.bytes(16))),
    losses: fields.list(counts, (list) => toGrantId(list.bytes(16))),
  };
}

/**
 * - NR-1 The sender is an active node.
 * - NR-2 It did not report in this block yet.
 * - NR-3 The report says something.
 * - NR-4 Every item names a known grant in which the sender holds a share.
 * - NR-5 An acknowledgement names the sender's index, once, of a grant that has not ended.
 * - NR-6 A release names an access that was recorded.
 * - NR-7 An erasure concerns a grant that has ended; erasure or loss is stated once.
 * - NR-8 An item that breaks NR-4 … NR-7 is passed over (the grant may have ended since the report was
 *   made); a report of which nothing is left is refused, with the reason of its first item.
 */
function applyNodeReport(state: State, body: NodeReport, context: ExecutionContext): Applied {
  const sender = activeSender(state, context, 'node');
  if (!sender.ok) return sender; // NR-1
  const node = sender.member.id;
  const reporter = toHex(node);
  if (context.reporters.has(reporter)) return reject('reportRepeated'); // NR-2

  const facts: Fact[] = [];
  let firstRefusal: Rejected<RuleCode> | undefined;
  const note = (result: ItemResult): void => {
    if (result.ok) facts.push(result.fact);
    else firstRefusal ??= result; // NR-8
  };
  for (const item of body.acknowledgements)
    note(
      onShare(state, item.grantId, node, (grant, holder) =>
        acknowledge(grant, holder, item.index, context.time),
      ),
    );
  for (const item of body.releases)
    note(onShare(state, item.grantId, node, (grant) => release(grant, item.number, node)));
  for (const grantId of body.erasures)
    note(onShare(state, grantId, node, (grant, holder) => erase(grant, holder, context.time)));
  for (const grantId of body.losses) note(onShare(state, grantId, node, lose));

  if (facts.length === 0) return firstRefusal ?? reject('reportEmpty'); // NR-3, NR-8
  context.reporters.add(reporter);
  return { ok: true, facts };
}

type ItemResult = { readonly ok: true; readonly fact: Fact } | Rejected<RuleCode>;

/** What an item does to the sender's share: a fact, and the holder's new entry when it changes. */
type ShareResult =
  | { readonly ok: true; readonly fact: Fact; readonly holder?: GrantHolder }
  | Rejected<RuleCode>;

function onShare(
  state: State,
  grantId: GrantId,
  node: MemberId,
  act: (grant: Grant, holder: GrantHolder) => ShareResult,
): ItemResult {
  const grant = getGrant(state, grantId);
  if (grant === undefined) return reject('grantUnknown'); // NR-4
  const holder = grant.holders.find((each) => equalBytes(each.node, node));
  if (holder === undefined) return reject('notAHolder'); // NR-4
  const result = act(grant, holder);
  if (result.ok && result.holder !== undefined) {
    const changed = result.holder;
    const holders = grant.holders.map((each) => (each === holder ? changed : each));
    putGrant(state, { ...grant, holders });
  }
  return result;
}

function acknowledge(grant: Grant, holder: GrantHolder, index: number, time: number): ShareResult {
  if (holder.index !== index) return reject('notAHolder'); // NR-5
  if (holder.acknowledged) return reject('alreadyReported'); // NR-5
  if (grant.revoked) return reject('grantRevoked'); // NR-5
  if (time >= grant.to) return reject('grantExpired'); // NR-5
  const fact = ['acknowledgement', grant.id, index];
  return { ok: true, fact, holder: { ...holder, acknowledged: true } };
}

function release(grant: Grant, number: number, node: MemberId): ShareResult {
  if (number < 1 || number > grant.accesses) return reject('numberUnknown'); // NR-6
  return { ok: true, fact: ['release', grant.id, number, node] };
}

function erase(grant: Grant, holder: GrantHolder, time: number): ShareResult {
  if (!hasEnded(grant, time)) return reject('grantNotEnded'); // NR-7
  if (holder.share !== 'kept') return reject('alreadyReported'); // NR-7
  return {
    ok: true,
    fact: ['erasure', grant.id, holder.index],
    holder: { ...holder, share: 'erased' },
  };
}

function lose(grant: Grant, holder: GrantHolder): ShareResult {
  if (holder.share !== 'kept') return reject('alreadyReported'); // NR-7
  const fact = ['loss', grant.id, holder.index];
  return { ok: true, fact, holder: { ...holder, share: 'lost' } };
}

export const nodeReport: Contract<NodeReport> = {
  encodeBody: encodeNodeReport,
  parseBody: parseNodeReport,
  cosigners: NO_COSIGNERS,
  checks: NO_CHECKS,
  apply: applyNodeReport,
};
