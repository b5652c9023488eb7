/**
 * When trust has outlived the trusting period (LC-5): a checkpoint of the regulator is asked of one node
 * after the other and judged against the anchor and all that this device has verified. A false one is
 * kept as a lie and another node is asked.
 */
import { ROUTES } from '@yilian/api/routes';
import { type Bytes, CodecError } from '@yilian/crypto/bytes';
import type {
  CheckpointRefusal,
  CheckpointVerdict,
} from '@yilian/consensus/light/trust-checkpoint';
import { decodeTrustCheckpoint } from '@yilian/consensus/light/trust-checkpoint';
import type { TrustCheckpoint, TrustedBlock } from '@yilian/consensus/light/trust';
import { ValidatorSetError } from '@yilian/consensus/validator-set';
import {
  ClientError,
  NetworkError,
  ProblemError,
  type Source,
  type VerificationCode,
  VerificationError,
} from './failure.ts';
import type { Network } from './network.ts';

export interface RenewedTrust {
  readonly trusted: TrustedBlock;
  /** The checkpoint, to keep. */
  readonly encoded: Bytes;
}

const WHAT_NOW = "ask the regulator for a new trust anchor (and check this device's clock)";

const REFUSALS: Record<CheckpointRefusal, readonly [VerificationCode, string]> = {
  wrongChain: ['chain', 'its checkpoint is of another chain'],
  signatureInvalid: ['regulatorSignature', 'the regulator did not sign its checkpoint'],
  stale: ['staleCheckpoint', `its checkpoint is too old; if no node has a newer one, ${WHAT_NOW}`],
  fromTheFuture: ['staleCheckpoint', "its checkpoint is ahead of this device's clock"],
  forked: ['fork', 'its checkpoint contradicts a header that this device has verified'],
};

/**
 * @throws VerificationError `malformed`, `chain`, `regulatorSignature`, `staleCheckpoint`, `fork` when
 *   nobody gave a good one and somebody a bad one; ClientError `trustExpired` when nobody has one;
 *   NetworkError when nobody answered
 */
export async function renewFromNetwork(
  network: Network,
  judge: (checkpoint: TrustCheckpoint) => CheckpointVerdict,
): Promise<RenewedTrust> {
  const lies: VerificationError[] = [];
  let hasAnswered = false;
  let silence: NetworkError | undefined;
  for (const node of network.order()) {
    const source = { node: node.name, route: ROUTES.getCheckpoint.name };
    try {
      // oxlint-disable-next-line no-await-in-loop -- the next node only when this one has none
      const encoded = await network.transport.call(node, ROUTES.getCheckpoint, { params: {} });
      const trusted = judgeOrRefuse(encoded, source, judge);
      for (const lie of lies) network.reportLie(lie);
      return { trusted, encoded };
    } catch (error) {
      if (error instanceof VerificationError) lies.push(error);
      else if (error instanceof ProblemError) hasAnswered = true;
      else if (error instanceof NetworkError) silence = error;
      else throw error;
    }
  }
  // A fork matters more than a forgery, and that more than age.
  const worst =
    lies.find(({ code }) => code === 'fork') ??
    lies.find(({ code }) => code !== 'staleCheckpoint') ??
    lies[0];
  for (const lie of lies) network.reportLie(lie);
  if (worst !== undefined) throw worst;
  if (!hasAnswered && silence !== undefined) throw silence;
  throw new ClientError(
    'trustExpired',
    `what this device knows of ${network.anchor.chainId} is too old to believe anything newer, and no node has a checkpoint of the regulator: ${WHAT_NOW}`,
  );
}

function judgeOrRefuse(
  encoded: Bytes,
  source: Source,
  judge: (checkpoint: TrustCheckpoint) => CheckpointVerdict,
): TrustedBlock {
  let checkpoint: TrustCheckpoint;
  try {
    checkpoint = decodeTrustCheckpoint(encoded);
  } catch (error) {
    if (error instanceof CodecError || error instanceof ValidatorSetError)
      throw new VerificationError('malformed', source, 'its checkpoint does not parse', error);
    throw error;
  }
  const verdict = judge(checkpoint);
  if (verdict.ok) return verdict.trusted;
  const [code, why] = REFUSALS[verdict.code];
  throw new VerificationError(
    code,
    source,
    why,
    code === 'fork' ? { checkpoint: encoded } : undefined,
  );
}
