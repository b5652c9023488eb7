import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import type { Cbor } from '@yilian/crypto/cbor';
import { Fields } from '@yilian/crypto/fields';
import {
  type Applied,
  type Contract,
  type ExecutionContext,
  NO_CHECKS,
  NO_COSIGNERS,
  accept,
} from '../../contract.ts';
import { reject } from '../../rejection.ts';
import { encodeSettings } from '../../settings.ts';
import { type State, stateKeys } from '../../state.ts';
import { getValidatorChange, isApproved, putValidatorChange } from './validator-change.ts';
import { faultyOperatorsMax, getValidators, putValidators } from './validators.ts';

/**
 * A validator, or one that is to become one, approves a change with its consensus key. Not with its
 * hospital's key: the regulator admits hospitals and may replace their keys, and would be alone after all.
 */
export interface ApproveValidators {
  readonly type: 'approveValidators';
  /** 32 bytes, see `validatorChangeHash`. */
  readonly change: Bytes;
}

export function encodeApproveValidators(body: ApproveValidators): readonly Cbor[] {
  return [body.change];
}

export function parseApproveValidators(items: Cbor): ApproveValidators {
  return { type: 'approveValidators', change: Fields.of(items, 1).bytes(32) };
}

/**
 * - AV-1 The change is the one that waits.
 * - AV-2 It has not lapsed.
 * - AV-3 The sender is the consensus key of a validator in force or in the new list.
 * - AV-4 It has not approved already.
 * - AV-5 The change acts with this approval, if the approvals now hold more than two thirds of the power
 *   in force and more than two thirds of the new power, and everybody who joins is among them.
 */
function applyApproveValidators(
  state: State,
  body: ApproveValidators,
  context: ExecutionContext,
): Applied {
  const change = getValidatorChange(state);
  if (change === undefined || !equalBytes(change.hash, body.change)) return reject('changeUnknown'); // AV-1
  if (context.time > change.until) return reject('changeLapsed'); // AV-2
  const { sender } = context;
  const current = getValidators(state);
  const isOne = [...current.validators, ...change.validators].some(({ key }) =>
    equalBytes(key, sender),
  );
  if (!isOne) return reject('notAValidator'); // AV-3
  if (change.approvals.some((key) => equalBytes(key, sender))) return reject('alreadyApproved'); // AV-4
  const approved = { ...change, approvals: [...change.approvals, sender] };
  const fact = ['validatorApproval', change.hash, sender] as const;
  if (!isApproved(current, approved)) {
    putValidatorChange(state, approved);
    return accept(fact);
  }
  const { mode, validators } = change; // AV-5
  const epoch = current.epoch + 1;
  putValidators(state, { epoch, mode, validators });
  state.delete(stateKeys.validatorChange());
  // What f means to a grant's threshold follows from who takes part.
  const settings = encodeSettings({ faultsMax: faultyOperatorsMax(validators) });
  state.put(stateKeys.settings(), settings);
  return accept(fact, ['validators', epoch]);
}

export const approveValidators: Contract<ApproveValidators> = {
  encodeBody: encodeApproveValidators,
  parseBody: parseApproveValidators,
  cosigners: NO_COSIGNERS,
  checks: NO_CHECKS,
  apply: applyApproveValidators,
};
