/**
 * Who orders this chain, with what power, as the state has it; and what of a set may be judged without
 * knowing why it is wished for. The engine follows two heights later.
 *
 * Shares are compared as fractions of each set's own total, in whole numbers: no rounding.
 */
import { type Bytes, equalBytes, toHex } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';
import { type ChainContext, bindChain } from '@yilian/crypto/context';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { Fields } from '@yilian/crypto/fields';
import { sha256 } from '@yilian/crypto/hash';
import type { Validator } from '../../ledger-port.ts';
import { type State, stateKeys } from '../../state.ts';

/** LK-3. `equal`: one validator, one vote. `stake`: power is staked credit. */
export const VALIDATOR_MODES = ['equal', 'stake'] as const;
export type ValidatorMode = (typeof VALIDATOR_MODES)[number];

export const VALIDATORS_MAX = 100;
export const POWER_MAX: number = 2 ** 32;

export interface ValidatorEntry {
  /** Ed25519 consensus key, 32 bytes. No member's key: nobody but the hospital itself can replace it. */
  readonly key: Bytes;
  readonly institution: string;
  /** Who runs its machines: no operator may stop the others. */
  readonly operator: string;
  /** 1 … `POWER_MAX`. */
  readonly power: number;
  /** Accounting node (tertiary, secondary hospital); a verification node checks and votes only. */
  readonly leads: boolean;
}

/** What governance decides: the whole new list. */
export interface ValidatorList {
  readonly mode: ValidatorMode;
  /** In ascending order of key. */
  readonly validators: readonly ValidatorEntry[];
}

/** The set in force for the state; 0 at genesis, one more with every change. */
export interface GovernedValidators extends ValidatorList {
  readonly epoch: number;
}

export function validatorListItems({ mode, validators }: ValidatorList): readonly Cbor[] {
  return [
    mode,
    validators.map(({ key, institution, operator, power, leads }) => [
      key,
      institution,
      operator,
      power,
      leads,
    ]),
  ];
}

/** Takes two items. @throws CodecError */
export function readValidatorList(fields: Fields): ValidatorList {
  return {
    mode: fields.oneOf(VALIDATOR_MODES),
    validators: fields.list({ min: 0, max: VALIDATORS_MAX }, (list) => {
      const each = list.nested(5);
      return {
        key: each.bytes(32),
        institution: each.name(),
        operator: each.name(),
        power: each.whole(POWER_MAX),
        leads: each.flag(),
      };
    }),
  };
}

/** The value under `validators`. */
export function encodeGovernedValidators(set: GovernedValidators): Bytes {
  return encode([set.epoch, ...validatorListItems(set)]);
}

/** @throws CodecError */
export function parseGovernedValidators(value: Bytes): GovernedValidators {
  const fields = Fields.of(decode(value), 3);
  return { epoch: fields.whole(), ...readValidatorList(fields) };
}

export function getValidators(state: State): GovernedValidators {
  const value = state.get(stateKeys.validators());
  if (value === undefined) throw new Error('the chain has no validators: it was never initialised');
  return parseGovernedValidators(value);
}

/** Makes it the set in force; its keys belong to their institutions for ever. */
export function putValidators(state: State, set: GovernedValidators): void {
  state.put(stateKeys.validators(), encodeGovernedValidators(set));
  for (const { key, institution } of set.validators) {
    const owner = stateKeys.validatorAddress(validatorAddress(key));
    if (!state.has(owner)) state.put(owner, encode([institution]));
  }
}

/** By which engines name a validator: first 20 bytes of SHA-256(key). */
export function validatorAddress(key: Bytes): Bytes {
  return sha256(key).slice(0, 20);
}

/** Whose validator has or had this address. */
export function institutionOfAddress(state: State, address: Bytes): string | undefined {
  const value = state.get(stateKeys.validatorAddress(address));
  return value === undefined ? undefined : Fields.of(decode(value), 1).name();
}

/** What every approval names: the change, and the set that it replaces. */
export function validatorChangeHash(
  context: ChainContext,
  change: ValidatorList & { readonly epoch: number },
): Bytes {
  const items = validatorListItems(change);
  return sha256(bindChain(DOMAIN_TAGS.validatorChange, context, change.epoch, ...items));
}

export function totalPower(validators: readonly ValidatorEntry[]): number {
  return validators.reduce((sum, { power }) => sum + power, 0);
}

/** More than two thirds of the power of `validators`. */
export function isQuorumOf(validators: readonly ValidatorEntry[], keys: readonly Bytes[]): boolean {
  const held = validators.filter(({ key }) => keys.some((each) => equalBytes(each, key)));
  return 3 * totalPower(held) > 2 * totalPower(validators);
}

/** The heaviest operator has less than a third: alone it can neither decide nor stop the chain. */
export function isSpreadOverOperators(validators: readonly ValidatorEntry[]): boolean {
  const byOperator = new Map<string, number>();
  for (const { operator, power } of validators)
    byOperator.set(operator, (byOperator.get(operator) ?? 0) + power);
  return 3 * Math.max(0, ...byOperator.values()) < totalPower(validators);
}

/** ⌊(n − 1)/3⌋ of n operators. */
export function faultyOperatorsMax(validators: readonly ValidatorEntry[]): number {
  return Math.floor((new Set(validators.map(({ operator }) => operator)).size - 1) / 3);
}

/** More than a third of the power leads: somebody who leads is correct and there. */
export function hasEnoughLeaders(validators: readonly ValidatorEntry[]): boolean {
  return 3 * totalPower(validators.filter(({ leads }) => leads)) > totalPower(validators);
}

/**
 * Whether more than two thirds of the power stay where they are: Σ min(old share, new share) > 2/3. Then
 * the new set decides though all who join are silent, and whoever signs for the new set (more than two
 * thirds of it) holds more than a third of the old one: a light client may skip the change.
 */
export function keepsTwoThirds(
  before: readonly ValidatorEntry[],
  after: readonly ValidatorEntry[],
): boolean {
  const totalBefore = BigInt(totalPower(before));
  const totalAfter = BigInt(totalPower(after));
  const powers = new Map(before.map(({ key, power }) => [toHex(key), BigInt(power)]));
  let kept = 0n;
  for (const { key, power } of after) {
    const old = (powers.get(toHex(key)) ?? 0n) * totalAfter;
    const own = BigInt(power) * totalBefore;
    kept += old < own ? old : own;
  }
  return 3n * kept > 2n * totalBefore * totalAfter;
}

/** What an engine is told so that its set becomes `after`. */
export function validatorUpdates(
  before: readonly ValidatorEntry[],
  after: readonly ValidatorEntry[],
): readonly Validator[] {
  const find = (list: readonly ValidatorEntry[], key: Bytes): ValidatorEntry | undefined =>
    list.find((each) => equalBytes(each.key, key));
  const gone = before.filter(({ key }) => find(after, key) === undefined);
  const changed = after.filter(({ key, power, leads }) => {
    const old = find(before, key);
    return old === undefined || old.power !== power || old.leads !== leads;
  });
  return [
    ...gone.map(({ key, leads }) => ({ key, power: 0n, leads })),
    ...changed.map(({ key, power, leads }) => ({ key, power: BigInt(power), leads })),
  ];
}
