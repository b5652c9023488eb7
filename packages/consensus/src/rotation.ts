/**
 * Who is primary: a fixed rotation over the validators that lead (accounting nodes: tertiary and
 * secondary hospitals), the turn passing on every k blocks (QJ-8). A primary whose height needed a
 * view change goes to the end of the order for a while. All of it is computed from the chain alone, so
 * every replica has the same answer.
 */
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import type { Block } from './block.ts';
import { faultsTolerated, indexOfKey, type ValidatorSet } from './validator-set.ts';

/** A leader that failed lately, by consensus key, and the height from which it leads again. */
export interface SkippedLeader {
  readonly key: Bytes;
  readonly untilHeight: bigint;
}

/** What of a chain's tip decides who leads above it. */
export interface Turn {
  readonly height: bigint;
  /** The set of the next height. */
  readonly validators: ValidatorSet;
  readonly skipped: readonly SkippedLeader[];
}

/** PB-22. Keys of the primaries of views 0, 1, 2 … at the height after `tip`; view v is led by entry v mod length. */
export function primariesOf(tip: Turn, blocksPerTurn: number): readonly Bytes[] {
  const height = tip.height + 1n;
  const leaders = tip.validators.validators.filter(({ leads }) => leads).map(({ key }) => key);
  const turn = Number((tip.height / BigInt(blocksPerTurn)) % BigInt(leaders.length));
  const order = [...leaders.slice(turn), ...leaders.slice(0, turn)];
  const isSkipped = (key: Bytes): boolean =>
    tip.skipped.some((entry) => entry.untilHeight > height && equalBytes(entry.key, key));
  return [...order.filter((key) => !isSkipped(key)), ...order.filter(isSkipped)];
}

/** Position in the validator set of the primary of `view` at the height after `tip`. */
export function primaryIndex(tip: Turn, view: number, blocksPerTurn: number): number {
  const primaries = primariesOf(tip, blocksPerTurn);
  const key = primaries[view % primaries.length];
  return key === undefined ? -1 : (indexOfKey(tip.validators, key) ?? -1);
}

/**
 * PB-22. The list of failed leaders after `block`, whose parent certificate tells in which view the block below
 * was committed. At most f leaders, the latest to fail, and never all of them.
 */
export function skippedAfter(
  tip: Turn & { readonly primaries: readonly Bytes[] },
  block: Pick<Block, 'header' | 'parentCertificate'>,
  skipBlocks: number,
): readonly SkippedLeader[] {
  const { height } = block.header;
  const failedViews = block.parentCertificate?.view ?? 0;
  const winner = tip.primaries[failedViews % Math.max(1, tip.primaries.length)];
  const failed = tip.primaries
    .slice(0, failedViews)
    .filter((key) => winner === undefined || !equalBytes(key, winner));
  const untilHeight = height + BigInt(skipBlocks);
  const kept = tip.skipped.filter(
    (entry) => entry.untilHeight > height && !failed.some((key) => equalBytes(key, entry.key)),
  );
  const leaders = tip.validators.validators.filter(({ leads }) => leads).length;
  const most = Math.max(0, Math.min(faultsTolerated(tip.validators), leaders - 1));
  const all = [...kept, ...failed.map((key) => ({ key, untilHeight }))];
  return all.slice(Math.max(0, all.length - most));
}
