/** The beginning of a chain: the genesis id stands where height 1 expects the id of the block below. */
import type { Bytes } from '@yilian/crypto/bytes';
import { encode } from '@yilian/crypto/cbor';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { sha256 } from '@yilian/crypto/hash';
import type { Genesis, Validator } from './application.ts';
import type { ChainTip } from './chain-tip.ts';
import { createValidatorSet, validatorsToCbor } from './validator-set.ts';

/** 32 bytes that name the chain: the anchor of every light client. */
export function genesisId(genesis: Genesis): Bytes {
  return sha256(
    encode([
      DOMAIN_TAGS.genesisId,
      genesis.chainId,
      genesis.timeNs,
      validatorsToCbor(genesis.validators),
      genesis.appState,
    ]),
  );
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
