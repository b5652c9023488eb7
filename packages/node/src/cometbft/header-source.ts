/**
 * Headers with their certificates, from the node's own engine, verified before anybody is shown one: a
 * height is final here when its state is durable *and* more than two thirds of its validators' power signed
 * the header that we hold.
 */
import type { EngineTip } from '@yilian/consensus/abci/engine-tip';
import { encodeCommit } from '@yilian/consensus/light/cometbft/commit';
import { certifiedCometHeader } from '@yilian/consensus/light/cometbft/cometbft-light-engine';
import { encodeCometHeader } from '@yilian/consensus/light/cometbft/header';
import { parseRpcCommit } from '@yilian/consensus/light/cometbft/rpc-json';
import { createCometValidatorSet } from '@yilian/consensus/light/cometbft/validator-set';
import type { SignatureVerifier } from '@yilian/consensus/signature';
import type { ValidatorSet } from '@yilian/consensus/validator-set';
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import type { EngineHeader } from './engine-chain-store.ts';
import type { EngineRpc } from './engine-rpc.ts';

/** The engine shows a header that its own validators did not sign, or of another chain. */
export class EngineHeaderError extends Error {
  readonly code = 'engineHeader';

  constructor(height: bigint, why: string) {
    super(`the engine's header of height ${height} is refused: ${why}`);
    this.name = 'EngineHeaderError';
  }
}

export interface HeaderSource {
  /**
   * `validators`: the set of `height`; `blockId`: what the engine called the block when it was executed,
   * where that is known. @throws EngineRpcError, CodecError, EngineHeaderError
   */
  fetch(input: {
    readonly height: bigint;
    readonly validators: ValidatorSet;
    readonly blockId: Bytes | undefined;
  }): Promise<EngineHeader>;
}

export function createHeaderSource(input: {
  readonly chainId: string;
  readonly rpc: EngineRpc;
  readonly verifySignature: SignatureVerifier;
}): HeaderSource {
  const { chainId, rpc, verifySignature } = input;
  return {
    fetch: async ({ height, validators, blockId }) => {
      const { header, commit } = parseRpcCommit(
        await rpc.call('commit', { height: String(height) }),
      );
      const certified = certifiedCometHeader(header, commit);
      const refuse = (why: string): never => {
        throw new EngineHeaderError(height, why);
      };
      if (certified.header.chainId !== chainId) return refuse('it is of another chain');
      if (certified.header.height !== height) return refuse('it is of another height');
      if (blockId !== undefined && !equalBytes(blockId, certified.header.blockId))
        return refuse('it is of another block than the one that was executed');
      const set = createCometValidatorSet(validators.validators);
      if (!equalBytes(set.hash, certified.header.validatorsHash))
        return refuse('it names other validators');
      const verdict = certified.verifyCertificate({ validators: set, verifySignature });
      if (!verdict.ok) return refuse(verdict.code);
      return { header: encodeCometHeader(header), certificate: encodeCommit(commit) };
    },
  };
}

/** The set that a tip says certified its height, as headers name it. */
export function lightSetOf(tip: EngineTip): ReturnType<typeof createCometValidatorSet> {
  return createCometValidatorSet(tip.lastValidators.validators);
}
