/**
 * Who votes at a height. Quorums are counted in power, never in heads (equal power is the default,
 * stake changes it), and every set has an epoch that grows by one with each change, so that a vote of
 * one membership means nothing in another.
 */
import { type Bytes, compareBytes, equalBytes, toHex } from '@yilian/crypto/bytes';
import { type Cbor, encode } from '@yilian/crypto/cbor';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { ANY_COUNT, Fields } from '@yilian/crypto/fields';
import { sha256 } from '@yilian/crypto/hash';
import type { Validator, ValidatorUpdate } from './application.ts';

export interface ValidatorSet {
  readonly engine: 'pbft';
  readonly chainId: string;
  /** 0 at genesis, one more with every change of the set. */
  readonly epoch: number;
  /** In ascending order of key; a vote names its signer by the position here. */
  readonly validators: readonly Validator[];
  readonly totalPower: bigint;
  /** SHA-256 over chain id, epoch and members: `validatorsHash` of a header. */
  readonly hash: Bytes;
}

export const VALIDATORS_MAX = 256;

/** Thrown when a list of validators can never be a set. */
export class ValidatorSetError extends Error {
  readonly code: 'empty' | 'tooMany' | 'duplicateKey' | 'badKey' | 'badPower' | 'noLeader';

  constructor(code: ValidatorSetError['code']) {
    super(`not a validator set: ${code}`);
    this.name = 'ValidatorSetError';
    this.code = code;
  }
}

function whyIllegal(sorted: readonly Validator[]): ValidatorSetError['code'] | undefined {
  if (sorted.length === 0) return 'empty';
  if (sorted.length > VALIDATORS_MAX) return 'tooMany';
  for (const [index, validator] of sorted.entries()) {
    if (validator.key.length !== 32) return 'badKey';
    if (validator.power <= 0n || validator.power >= 1n << 48n) return 'badPower';
    const next = sorted[index + 1];
    if (next !== undefined && equalBytes(validator.key, next.key)) return 'duplicateKey';
  }
  return sorted.some((validator) => validator.leads) ? undefined : 'noLeader';
}

/** CBOR form of the members alone: `[[key, power, leads]…]`. */
export function validatorsToCbor(validators: readonly Validator[]): Cbor {
  return validators.map(({ key, power, leads }) => [key, power, leads]);
}

/** @throws ValidatorSetError */
export function createValidatorSet(input: {
  readonly chainId: string;
  readonly epoch: number;
  readonly validators: readonly Validator[];
}): ValidatorSet {
  const validators = [...input.validators].sort((a, b) => compareBytes(a.key, b.key));
  const illegal = whyIllegal(validators);
  if (illegal !== undefined) throw new ValidatorSetError(illegal);
  const hash = sha256(
    encode([DOMAIN_TAGS.validatorSet, input.chainId, input.epoch, validatorsToCbor(validators)]),
  );
  let totalPower = 0n;
  for (const { power } of validators) totalPower += power;
  return {
    engine: 'pbft',
    chainId: input.chainId,
    epoch: input.epoch,
    validators,
    totalPower,
    hash,
  };
}

/**
 * The set after `updates` (power 0 removes). Without a change the same object comes back, and so it
 * does when the result could not be a set: an application's mistake must not stop every replica.
 */
export function updateValidatorSet(
  set: ValidatorSet,
  updates: readonly ValidatorUpdate[],
): ValidatorSet {
  const byKey = new Map(set.validators.map((validator) => [toHex(validator.key), validator]));
  for (const { key, power, leads } of updates) {
    if (power === 0n) byKey.delete(toHex(key));
    else byKey.set(toHex(key), { key, power, leads });
  }
  const validators = [...byKey.values()].sort((a, b) => compareBytes(a.key, b.key));
  if (whyIllegal(validators) !== undefined) return set;
  const updated = createValidatorSet({ chainId: set.chainId, epoch: set.epoch + 1, validators });
  const unchanged = createValidatorSet({ chainId: set.chainId, epoch: set.epoch, validators });
  return equalBytes(unchanged.hash, set.hash) ? set : updated;
}

/** What counting needs to know of a set. */
export interface VotingPower {
  readonly validators: readonly { readonly power: bigint }[];
  readonly totalPower: bigint;
}

/** More than two thirds of all power: two such groups share a correct member. */
export function isQuorum(set: VotingPower, power: bigint): boolean {
  return 3n * power > 2n * set.totalPower;
}

/** More than one third of all power: such a group has a correct member (the paper's f+1). */
export function isWeakQuorum(set: VotingPower, power: bigint): boolean {
  return 3n * power > set.totalPower;
}

/** Power of the signers at these positions, each counted once; unknown positions count nothing. */
export function powerOf(set: VotingPower, signers: Iterable<number>): bigint {
  let power = 0n;
  for (const signer of new Set(signers)) power += set.validators[signer]?.power ?? 0n;
  return power;
}

/** How many members of equal power may lie: ⌊(n−1)/3⌋ (QJ-8). */
export function faultsTolerated(set: ValidatorSet): number {
  return Math.floor((set.validators.length - 1) / 3);
}

/** Position of a key in the set, or undefined for an observer. */
export function indexOfKey(set: ValidatorSet, key: Bytes): number | undefined {
  const index = set.validators.findIndex((validator) => equalBytes(validator.key, key));
  return index < 0 ? undefined : index;
}

/** The 20-byte address by which votes name a validator: the same rule as CometBFT's. */
export function addressOf(key: Bytes): Bytes {
  return sha256(key).slice(0, 20);
}

export function validatorSetToCbor(set: ValidatorSet): Cbor {
  return [set.chainId, set.epoch, validatorsToCbor(set.validators)];
}

/** @throws CodecError, ValidatorSetError */
export function validatorSetFromCbor(value: Cbor): ValidatorSet {
  const fields = Fields.of(value, 3);
  return createValidatorSet({
    chainId: fields.text(),
    epoch: fields.whole(),
    validators: fields.list(ANY_COUNT, (list) => {
      const validator = list.nested(3);
      return { key: validator.bytes(32), power: validator.u64(), leads: validator.flag() };
    }),
  });
}
