import { type Bytes, compareBytes } from '@yilian/crypto/bytes';
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
import { type Rejected, type RuleCode, reject } from '../../rejection.ts';
import { type State, stateKeys } from '../../state.ts';
import { activeSender } from '../members/member.ts';
import { CHANGE_SECONDS, putValidatorChange } from './validator-change.ts';
import {
  type GovernedValidators,
  type ValidatorEntry,
  type ValidatorList,
  encodeGovernedValidators,
  getValidators,
  hasEnoughLeaders,
  institutionOfAddress,
  isSpreadOverOperators,
  keepsTwoThirds,
  readValidatorList,
  validatorAddress,
  validatorChangeHash,
  validatorListItems,
} from './validators.ts';

/** The regulator puts a new list of validators to the vote of those who order now. */
export interface ChangeValidators extends ValidatorList {
  readonly type: 'changeValidators';
  /** Epoch of the set that it is to replace. */
  readonly epoch: number;
}

export function encodeChangeValidators(body: ChangeValidators): readonly Cbor[] {
  return [body.epoch, ...validatorListItems(body)];
}

export function parseChangeValidators(items: Cbor): ChangeValidators {
  const fields = Fields.of(items, 3);
  return { type: 'changeValidators', epoch: fields.whole(), ...readValidatorList(fields) };
}

function isAscending(validators: readonly ValidatorEntry[]): boolean {
  return validators.every(({ key }, at) => {
    const before: Bytes | undefined = validators[at - 1]?.key;
    return before === undefined || compareBytes(before, key) < 0;
  });
}

function isOwnKey(state: State, { key, institution }: ValidatorEntry): boolean {
  if (state.has(stateKeys.memberKey(key))) return false;
  const owner = institutionOfAddress(state, validatorAddress(key));
  return owner === undefined || owner === institution;
}

/** CV-3 … CV-9, which need no sender. */
function refusalOf(
  state: State,
  current: GovernedValidators,
  body: ChangeValidators,
): Rejected<RuleCode> | undefined {
  const { mode, validators } = body;
  if (!isAscending(validators)) return reject('validatorsUnordered'); // CV-3
  const isEqual = mode === 'equal';
  if (validators.some(({ power }) => power === 0 || (isEqual && power !== 1)))
    return reject('powerNotAllowed'); // CV-4
  if (!hasEnoughLeaders(validators)) return reject('leadersTooFew'); // CV-5
  if (!isSpreadOverOperators(validators)) return reject('operatorTooStrong'); // CV-6
  if (!validators.every((each) => isOwnKey(state, each))) return reject('keyUsed'); // CV-7
  if (!keepsTwoThirds(current.validators, validators)) return reject('changeTooLarge'); // CV-8
  const wished = encodeGovernedValidators({ ...body, epoch: current.epoch });
  const isSame = compareBytes(wished, encodeGovernedValidators(current)) === 0;
  return isSame ? reject('validatorsUnchanged') : undefined; // CV-9
}

/**
 * The change waits for approvals (`approveValidators`); another one takes its place, with none.
 *
 * - CV-1 The sender is the active regulator.
 * - CV-2 The epoch is that of the set in force: no replay, no lost update.
 * - CV-3 Keys ascend, none twice: one list has one hash.
 * - CV-4 Every power is at least 1; in mode `equal` exactly 1 (LK-3).
 * - CV-5 More than a third of the power leads.
 * - CV-6 No operator has a third of the power or more.
 * - CV-7 A consensus key belongs to one institution for ever, and never to a member.
 * - CV-8 More than two thirds of the power stay where they are.
 * - CV-9 Something changes.
 */
function applyChangeValidators(
  state: State,
  body: ChangeValidators,
  context: ExecutionContext,
): Applied {
  const sender = activeSender(state, context, 'regulator');
  if (!sender.ok) return sender; // CV-1
  const current = getValidators(state);
  const { epoch, mode, validators } = body;
  if (epoch !== current.epoch) return reject('epochPassed'); // CV-2
  const refusal = refusalOf(state, current, body);
  if (refusal !== undefined) return refusal; // CV-3 … CV-9
  const hash = validatorChangeHash(context, body);
  const until = context.time + CHANGE_SECONDS;
  putValidatorChange(state, { epoch, mode, validators, hash, until, approvals: [] });
  return accept(['validatorChange', hash, epoch]);
}

export const changeValidators: Contract<ChangeValidators> = {
  encodeBody: encodeChangeValidators,
  parseBody: parseChangeValidators,
  cosigners: NO_COSIGNERS,
  checks: NO_CHECKS,
  apply: applyChangeValidators,
};
