/**
 * Where a chain that CometBFT orders stands, as far as the application's side must know it to understand
 * the next call: who may propose (a request names its proposer by address) and who votes two heights on.
 * To be written in one step with the state it belongs to.
 */
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import { Fields } from '@yilian/crypto/fields';
import type { Genesis, Validator, ValidatorUpdate } from '../application.ts';
import {
  addressOf,
  createValidatorSet,
  updateValidatorSet,
  type ValidatorSet,
  validatorSetFromCbor,
  validatorSetToCbor,
} from '../validator-set.ts';

export interface EngineTip {
  /** Last committed height; 0 at genesis. */
  readonly height: bigint;
  readonly timeNs: bigint;
  readonly appHash: Bytes;
  /** The set that certified this height; at height 0 the genesis set. */
  readonly lastValidators: ValidatorSet;
  /** The set of the next height. */
  readonly validators: ValidatorSet;
  /** The set of the height after the next. */
  readonly nextValidators: ValidatorSet;
}

/** @throws ValidatorSetError */
export function genesisEngineTip(
  genesis: Genesis,
  answer: { readonly appHash: Bytes; readonly validators: readonly Validator[] },
): EngineTip {
  const validators = createValidatorSet({
    chainId: genesis.chainId,
    epoch: 0,
    validators: answer.validators.length > 0 ? answer.validators : genesis.validators,
  });
  return {
    height: 0n,
    timeNs: genesis.timeNs,
    appHash: answer.appHash,
    lastValidators: validators,
    validators,
    nextValidators: validators,
  };
}

export function advanceEngineTip(
  tip: EngineTip,
  block: {
    readonly timeNs: bigint;
    readonly appHash: Bytes;
    readonly validatorUpdates: readonly ValidatorUpdate[];
  },
): EngineTip {
  return {
    height: tip.height + 1n,
    timeNs: block.timeNs,
    appHash: block.appHash,
    lastValidators: tip.validators,
    validators: tip.nextValidators,
    nextValidators: updateValidatorSet(tip.nextValidators, block.validatorUpdates),
  };
}

/**
 * What CometBFT must be told so that its set two heights on is ours: the difference of the two sets. An
 * update that says nothing new, a removal of somebody who is not there or a list that would leave no set
 * (each of which stops CometBFT for good) cannot come out.
 */
export function powerChanges(
  from: ValidatorSet,
  to: ValidatorSet,
): readonly { readonly key: Bytes; readonly power: bigint }[] {
  const powerIn = (set: ValidatorSet, key: Bytes): bigint =>
    set.validators.find((each) => equalBytes(each.key, key))?.power ?? 0n;
  const keys = [
    ...to.validators.map(({ key }) => key),
    ...from.validators.map(({ key }) => key).filter((key) => powerIn(to, key) === 0n),
  ];
  return keys
    .map((key) => ({ key, power: powerIn(to, key) }))
    .filter(({ key, power }) => power !== powerIn(from, key));
}

/** The member of a set that an address names. */
export function validatorAt(set: ValidatorSet, address: Bytes): Validator | undefined {
  return set.validators.find(({ key }) => equalBytes(addressOf(key), address));
}

export function encodeEngineTip(tip: EngineTip): Bytes {
  return encode([
    tip.height,
    tip.timeNs,
    tip.appHash,
    validatorSetToCbor(tip.lastValidators),
    validatorSetToCbor(tip.validators),
    validatorSetToCbor(tip.nextValidators),
  ]);
}

/** @throws CodecError, ValidatorSetError */
export function decodeEngineTip(bytes: Bytes): EngineTip {
  const fields = Fields.of(decode(bytes), 6);
  return {
    height: fields.u64(),
    timeNs: fields.u64(),
    appHash: fields.bytes(32),
    lastValidators: validatorSetFromCbor(fields.any()),
    validators: validatorSetFromCbor(fields.any()),
    nextValidators: validatorSetFromCbor(fields.any()),
  };
}
