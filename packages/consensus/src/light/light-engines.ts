/** All engines, and which of them a chain has: its genesis document says so. */
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import { type Cbor, encode } from '@yilian/crypto/cbor';
import type { Genesis } from '../application.ts';
import { addressOf, validatorSetFromCbor, validatorSetToCbor } from '../validator-set.ts';
import { cometLightEngine } from './cometbft/cometbft-light-engine.ts';
import { decodeCometValidatorSet, encodeCometValidatorSet } from './cometbft/validator-set.ts';
import type { EngineName, LightEngine, LightHeader, LightValidatorSet } from './light-engine.ts';
import { pbftLightEngine } from './pbft-light-engine.ts';

const ENGINES: Readonly<Record<EngineName, LightEngine>> = {
  pbft: pbftLightEngine,
  cometbft: cometLightEngine,
};

export function lightEngineOf(genesis: Pick<Genesis, 'engine'>): LightEngine {
  return ENGINES[genesis.engine ?? 'pbft'];
}

/** What `LightEngine.decodeValidators` of the set's engine reads. */
export function encodeLightValidators(set: LightValidatorSet): Bytes {
  return set.engine === 'pbft' ? encode(validatorSetToCbor(set)) : encodeCometValidatorSet(set);
}

/** Within other documents: an array for PBFT, a byte string for CometBFT. */
export function lightValidatorsToCbor(set: LightValidatorSet): Cbor {
  return set.engine === 'pbft' ? validatorSetToCbor(set) : encodeCometValidatorSet(set);
}

/** @throws CodecError, ValidatorSetError */
export function lightValidatorsFromCbor(value: Cbor): LightValidatorSet {
  return value instanceof Uint8Array ? decodeCometValidatorSet(value) : validatorSetFromCbor(value);
}

/** The consensus key of who made a block, as far as the set of its height is known. */
export function proposerKey(
  { proposer }: Pick<LightHeader, 'proposer'>,
  validators: LightValidatorSet | null,
): Bytes | undefined {
  if (proposer.length === 32) return proposer;
  return validators?.validators.find(({ key }) => equalBytes(addressOf(key), proposer))?.key;
}

/** Whether a set may stand on this chain; that of CometBFT names none, its votes do. */
export function isSetOfChain(set: LightValidatorSet, chainId: string): boolean {
  return set.engine !== 'pbft' || set.chainId === chainId;
}
