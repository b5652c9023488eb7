/**
 * A node's own last step to finality: the engine has decided a block and this node has executed it; what the
 * engine's RPC then gives as its header and commit is judged by what the node itself knows, and only that is
 * stored and served.
 */
import { type Bytes, CodecError, equalBytes } from '@yilian/crypto/bytes';
import type { CertificateRefusal } from '../../certificate.ts';
import type { SignatureVerifier } from '../../signature.ts';
import type { EncodedHeader } from '../light-engine.ts';
import { encodeCommit } from './commit.ts';
import { encodeCometHeader } from './header.ts';
import { certifiedCometHeader } from './cometbft-light-engine.ts';
import { parseRpcCommit } from './rpc-json.ts';
import { type CometValidator, createCometValidatorSet } from './validator-set.ts';

/** What the application was told and computed. */
export interface ExecutedBlock {
  readonly chainId: string;
  readonly height: bigint;
  /** Hash in FinalizeBlock. */
  readonly blockId: Bytes;
  /** App hash after the block below. */
  readonly appHash: Bytes;
  /** Of this height and of the next. */
  readonly validators: readonly Pick<CometValidator, 'key' | 'power'>[];
  readonly nextValidators: readonly Pick<CometValidator, 'key' | 'power'>[];
}

export type RpcCommitVerdict =
  | { readonly ok: true; readonly encoded: EncodedHeader }
  | {
      readonly ok: false;
      readonly code:
        | 'malformed'
        | 'versionUnknown'
        | 'wrongChain'
        | 'appHashDiffers'
        | 'validatorsDiffer'
        | CertificateRefusal;
    };

/** @param result of `/commit?height=…` */
export function verifyRpcCommit(
  result: unknown,
  executed: ExecutedBlock,
  verifySignature: SignatureVerifier,
): RpcCommitVerdict {
  const refuse = (
    code: Exclude<RpcCommitVerdict, { readonly ok: true }>['code'],
  ): RpcCommitVerdict => ({ ok: false, code });
  let parsed: ReturnType<typeof parseRpcCommit>;
  try {
    parsed = parseRpcCommit(result);
  } catch (error) {
    if (error instanceof CodecError) return refuse('malformed');
    throw error;
  }
  const { header, commit } = parsed;
  const certified = certifiedCometHeader(header, commit);
  if (!certified.isVersionKnown) return refuse('versionUnknown');
  if (header.chainId !== executed.chainId) return refuse('wrongChain');
  const { blockId } = certified.header;
  if (header.height !== executed.height || !equalBytes(blockId, executed.blockId))
    return refuse('wrongBlock');
  if (!equalBytes(header.appHash, executed.appHash)) return refuse('appHashDiffers');
  const validators = createCometValidatorSet(executed.validators);
  const next = createCometValidatorSet(executed.nextValidators);
  if (
    !equalBytes(header.validatorsHash, validators.hash) ||
    !equalBytes(header.nextValidatorsHash, next.hash)
  )
    return refuse('validatorsDiffer');
  const verdict = certified.verifyCertificate({ validators, verifySignature });
  if (!verdict.ok) return refuse(verdict.code);
  return {
    ok: true,
    encoded: { header: encodeCometHeader(header), certificate: encodeCommit(commit) },
  };
}
