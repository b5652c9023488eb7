/** Where a chain stands after a block: all that is needed to check and build the next one. */
import type { Bytes } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import { ANY_COUNT, Fields } from '@yilian/crypto/fields';
import type { ValidatorUpdate } from './application.ts';
import type { CertifiedBlock } from './block.ts';
import { type Certificate, certificateFromCbor, certificateToCbor } from './certificate.ts';
import { primariesOf, skippedAfter, type Turn } from './rotation.ts';
import {
  updateValidatorSet,
  type ValidatorSet,
  validatorSetFromCbor,
  validatorSetToCbor,
} from './validator-set.ts';

/** `height` is 0 before the first block. */
export interface ChainTip extends Turn {
  /** Genesis id at height 0. */
  readonly blockId: Bytes;
  readonly timeNs: bigint;
  /** App hash after this block: the next header carries it. */
  readonly appHash: Bytes;
  /** The set that certified this block (at height 0: the genesis set). */
  readonly lastValidators: ValidatorSet;
  /** The set of the height after the next. */
  readonly nextValidators: ValidatorSet;
  /** Certificate of this block; null at height 0. */
  readonly certificate: Certificate | null;
  /** Whether the next block is wanted at once, to carry this block's app hash. */
  readonly proofDue: boolean;
  /** Consensus keys of the primaries of this block's height, by view; empty at height 0. */
  readonly primaries: readonly Bytes[];
}

export function encodeChainTip(tip: ChainTip): Bytes {
  return encode([
    tip.height,
    tip.blockId,
    tip.timeNs,
    tip.appHash,
    validatorSetToCbor(tip.lastValidators),
    validatorSetToCbor(tip.validators),
    validatorSetToCbor(tip.nextValidators),
    tip.certificate === null ? null : certificateToCbor(tip.certificate),
    tip.proofDue,
    tip.primaries,
    tip.skipped.map(({ key, untilHeight }) => [key, untilHeight]),
  ]);
}

/**
 * PB-23. The tip after executing a decided block. Updates act at H+2: the set of H+1 is what the header of H
 * already announced.
 */
export function advanceTip(
  tip: ChainTip,
  input: {
    readonly decided: CertifiedBlock;
    readonly appHash: Bytes;
    readonly validatorUpdates: readonly ValidatorUpdate[];
    readonly blocksPerTurn: number;
    readonly skipBlocks: number;
  },
): ChainTip {
  const { block, certificate } = input.decided;
  return {
    height: block.header.height,
    blockId: certificate.blockId,
    timeNs: block.header.timeNs,
    appHash: input.appHash,
    lastValidators: tip.validators,
    validators: tip.nextValidators,
    nextValidators: updateValidatorSet(tip.nextValidators, input.validatorUpdates),
    certificate,
    proofDue: block.transactions.length > 0,
    primaries: primariesOf(tip, input.blocksPerTurn),
    skipped: skippedAfter(tip, block, input.skipBlocks),
  };
}

/** @throws CodecError, ValidatorSetError */
export function decodeChainTip(bytes: Bytes): ChainTip {
  const fields = Fields.of(decode(bytes), 11);
  return {
    height: fields.u64(),
    blockId: fields.bytes(32),
    timeNs: fields.u64(),
    appHash: fields.bytes(32),
    lastValidators: validatorSetFromCbor(fields.any()),
    validators: validatorSetFromCbor(fields.any()),
    nextValidators: validatorSetFromCbor(fields.any()),
    certificate: fields.orNull((own) => certificateFromCbor(own.any())),
    proofDue: fields.flag(),
    primaries: fields.list(ANY_COUNT, (list) => list.bytes(32)),
    skipped: fields.list(ANY_COUNT, (list) => {
      const entry = list.nested(2);
      return { key: entry.bytes(32), untilHeight: entry.u64() };
    }),
  };
}
