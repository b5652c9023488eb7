/**
 * Who is primary: a fixed rotation over the validators that lead (accounting nodes: tertiary and
 * secondary hospitals), the turn passing on every k blocks (QJ-8). Where powers differ (LK-3) each has
 * turns in proportion to its power. A primary whose height needed a view change goes to the end of the
 * order for a while. All of it is computed from the chain alone, so every replica has the same answer.
 */
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import type { Validator } from './application.ts';
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

/** The golden section (√5 − 1)/2 in units of 2^−64. */
const GOLDEN = 0x9e3779b97f4a7c15n;

function isCoprime(a: bigint, b: bigint): boolean {
  let [x, y] = [a, b];
  while (y !== 0n) [x, y] = [y, x % y];
  return x === 1n;
}

/**
 * By how much the point moves that chooses a leader: nearly the golden section of the total, so that every
 * run of turns is spread evenly (the three-distance theorem), and coprime to it, so that within `total` turns
 * each point comes once and each leader exactly as often as its power says.
 */
function strideOf(total: bigint): bigint {
  let stride = (total * GOLDEN) >> 64n;
  while (!isCoprime(stride, total)) stride += 1n;
  return stride;
}

interface Schedule {
  readonly leaders: readonly Validator[];
  readonly total: bigint;
  /** Undefined where all powers are equal: then the turn simply passes on. */
  readonly stride: bigint | undefined;
}

/** Asked for with every message; a set lasts for months. */
const schedules = new WeakMap<ValidatorSet, Schedule>();

function scheduleOf(set: ValidatorSet): Schedule {
  const known = schedules.get(set);
  if (known !== undefined) return known;
  const leaders = set.validators.filter(({ leads }) => leads);
  const total = leaders.reduce((sum, { power }) => sum + power, 0n);
  const isEqual = leaders.every(({ power }) => power === leaders[0]?.power);
  const schedule = { leaders, total, stride: isEqual ? undefined : strideOf(total) };
  schedules.set(set, schedule);
  return schedule;
}

/** Position among the leaders of the one whose turn it is. */
function leaderOfTurn({ leaders, total, stride }: Schedule, turn: bigint): number {
  if (stride === undefined) return Number(turn % BigInt(leaders.length));
  let point = (turn * stride) % total;
  return leaders.findIndex(({ power }) => {
    point -= power;
    return point < 0n;
  });
}

/** PB-22. Keys of the primaries of views 0, 1, 2 … at the height after `tip`; view v is led by entry v mod length. */
export function primariesOf(tip: Turn, blocksPerTurn: number): readonly Bytes[] {
  const height = tip.height + 1n;
  const schedule = scheduleOf(tip.validators);
  const first = leaderOfTurn(schedule, tip.height / BigInt(blocksPerTurn));
  const leaders = schedule.leaders.map(({ key }) => key);
  const order = [...leaders.slice(first), ...leaders.slice(0, first)];
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
