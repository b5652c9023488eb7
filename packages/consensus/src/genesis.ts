/** The beginning of a chain: the genesis id stands where height 1 expects the id of the block below. */
import type { Bytes } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { ANY_COUNT, Fields } from '@yilian/crypto/fields';
import { sha256 } from '@yilian/crypto/hash';
import type { Genesis, Validator } from './application.ts';
import type { ChainTip } from './chain-tip.ts';
import { createValidatorSet, validatorsToCbor } from './validator-set.ts';

function genesisToCbor(genesis: Genesis): readonly Cbor[] {
  const { chainId, timeNs, validators, appState, engine } = genesis;
  const fields: readonly Cbor[] = [chainId, timeNs, validatorsToCbor(validators), appState];
  return engine === undefined ? fields : [...fields, engine];
}

/** 32 bytes that name the chain: the anchor of every light client. */
export function genesisId(genesis: Genesis): Bytes {
  return sha256(encode([DOMAIN_TAGS.genesisId, ...genesisToCbor(genesis)]));
}

/**
 * The genesis document as it lies on disk and travels: `[chainId, timeNs, [[key, power, leads]…], appState]`,
 * and `'cometbft'` as a fifth where that engine orders.
 */
export function encodeGenesisDocument(genesis: Genesis): Bytes {
  return encode(genesisToCbor(genesis));
}

/** @throws CodecError */
export function decodeGenesisDocument(bytes: Bytes): Genesis {
  const fields = new Fields(decode(bytes), { min: 4, max: 5 });
  const genesis = {
    chainId: fields.text(),
    timeNs: fields.u64(),
    validators: fields.list(ANY_COUNT, (list) => {
      const validator = list.nested(3);
      return { key: validator.bytes(), power: validator.u64(), leads: validator.flag() };
    }),
    appState: fields.bytes(),
  };
  return fields.count === 4 ? genesis : { ...genesis, engine: fields.oneOf(['cometbft']) };
}

/**
 * Tip at height 0, from the genesis document and the application's answer to `initChain`.
 * @throws ValidatorSetError
 */
export function genesisTip(
  genesis: Genesis,
  answer: { readonly appHash: Bytes; readonly validators: readonly Validator[] },
): ChainTip {
  const validators = createValidatorSet({
    chainId: genesis.chainId,
    epoch: 0,
    validators: answer.validators.length > 0 ? answer.validators : genesis.validators,
  });
  return {
    height: 0n,
    blockId: genesisId(genesis),
    timeNs: genesis.timeNs,
    appHash: answer.appHash,
    lastValidators: validators,
    validators,
    nextValidators: validators,
    certificate: null,
    proofDue: false,
    primaries: [],
    skipped: [],
  };
}
