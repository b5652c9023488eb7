/** A change of validators that waits for approvals. There is one at a time. */
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import { Fields } from '@yilian/crypto/fields';
import { type State, stateKeys } from '../../state.ts';
import {
  type GovernedValidators,
  VALIDATORS_MAX,
  type ValidatorEntry,
  type ValidatorList,
  isQuorumOf,
  readValidatorList,
  validatorListItems,
} from './validators.ts';

/** A week of block time: who approved does not have to fear that it acts a year later. */
export const CHANGE_SECONDS: number = 7 * 86_400;

export interface ValidatorChange extends ValidatorList {
  /** Of the set that it replaces. */
  readonly epoch: number;
  /** See `validatorChangeHash`. */
  readonly hash: Bytes;
  /** Block time in seconds after which it acts no more. */
  readonly until: number;
  /** Consensus keys in the order of their approval. */
  readonly approvals: readonly Bytes[];
}

/** The value under `validatorChange`. */
export function encodeValidatorChange(change: ValidatorChange): Bytes {
  const { epoch, hash, until, approvals } = change;
  return encode([epoch, ...validatorListItems(change), hash, until, [...approvals]]);
}

/** @throws CodecError */
export function parseValidatorChange(value: Bytes): ValidatorChange {
  const fields = Fields.of(decode(value), 6);
  return {
    epoch: fields.whole(),
    ...readValidatorList(fields),
    hash: fields.bytes(32),
    until: fields.whole(),
    approvals: fields.list({ min: 0, max: 2 * VALIDATORS_MAX }, (list) => list.bytes(32)),
  };
}

export function getValidatorChange(state: State): ValidatorChange | undefined {
  const value = state.get(stateKeys.validatorChange());
  return value === undefined ? undefined : parseValidatorChange(value);
}

export function putValidatorChange(state: State, change: ValidatorChange): void {
  state.put(stateKeys.validatorChange(), encodeValidatorChange(change));
}

/** Those of the new list that the set in force does not have. */
export function joiningValidators(
  current: GovernedValidators,
  change: ValidatorList,
): readonly ValidatorEntry[] {
  return change.validators.filter(
    ({ key }) => !current.validators.some((each) => equalBytes(each.key, key)),
  );
}

/**
 * Whether the approvals suffice: more than two thirds of the power now, more than two thirds of the
 * power then, and everybody who joins. An approval is a sign of life, too: whoever approved can decide
 * the next blocks under either set.
 */
export function isApproved(current: GovernedValidators, change: ValidatorChange): boolean {
  const { approvals, validators } = change;
  return (
    isQuorumOf(current.validators, approvals) &&
    isQuorumOf(validators, approvals) &&
    joiningValidators(current, change).every(({ key }) =>
      approvals.some((each) => equalBytes(each, key)),
    )
  );
}
