/**
 * Headers with their certificates, from the node's own engine, judged by what this node executed before
 * anybody is shown one: a height is final here when its state is durable *and* more than two thirds of its
 * validators' power signed the header that we hold.
 */
import type { EngineTip } from '@yilian/consensus/abci/engine-tip';
import {
  type RpcCommitVerdict,
  verifyRpcCommit,
} from '@yilian/consensus/light/cometbft/verify-rpc-commit';
import { createCometValidatorSet } from '@yilian/consensus/light/cometbft/validator-set';
import type { SignatureVerifier } from '@yilian/consensus/signature';
import type { ValidatorSet } from '@yilian/consensus/validator-set';
import type { Bytes } from '@yilian/crypto/bytes';
import type { EngineRpc } from './engine-rpc.ts';

/** A height as this node executed it. */
export interface ExecutedHeight {
  readonly height: bigint;
  readonly blockId: Bytes;
  /** After the block below. */
  readonly parentAppHash: Bytes;
  readonly validators: ValidatorSet;
  readonly nextValidators: ValidatorSet;
}

export interface HeaderSource {
  /** @throws EngineRpcError */
  fetch(executed: ExecutedHeight): Promise<RpcCommitVerdict>;
}

export function createHeaderSource(input: {
  readonly chainId: string;
  readonly rpc: EngineRpc;
  readonly verifySignature: SignatureVerifier;
}): HeaderSource {
  const { chainId, rpc, verifySignature } = input;
  return {
    fetch: async (executed) => {
      const { height, blockId, parentAppHash: appHash } = executed;
      const { validators } = executed.validators;
      const { validators: nextValidators } = executed.nextValidators;
      return verifyRpcCommit(
        await rpc.call('commit', { height: String(height) }),
        { chainId, height, blockId, appHash, validators, nextValidators },
        verifySignature,
      );
    },
  };
}

/** The set that certified a tip's height, as headers name it. */
export function lightSetOf(tip: EngineTip): ReturnType<typeof createCometValidatorSet> {
  return createCometValidatorSet(tip.lastValidators.validators);
}
