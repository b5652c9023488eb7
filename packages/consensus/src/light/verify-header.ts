/**
 * From one trusted header to another. Sequential: the next header carries the set that the trusted one
 * announced. Skipping: any later header, if more than a third of the *trusted* power signed it (so one
 * correct member of the old set did) besides two thirds of its own (Tendermint light client, Braithwaite
 * et al. 2020).
 */
import { equalBytes, toHex } from '@yilian/crypto/bytes';
import type { SignatureVerifier } from '../signature.ts';
import { isWeakQuorum } from '../validator-set.ts';
import type { LightBlock, LightHeader, LightValidatorSet } from './light-engine.ts';
import { isSetOfChain } from './light-engines.ts';
import type { TrustedBlock } from './trust.ts';

export interface LightSettings {
  /** How long a trusted set is believed: less than the time in which members who left can be held to account. */
  readonly trustingPeriodNs: bigint;
  /** How far a header may lie ahead of the client's clock. */
  readonly clockDriftNs: bigint;
}

const DAY_NS = 86_400_000_000_000n;

export const DEFAULT_LIGHT_SETTINGS: LightSettings = {
  trustingPeriodNs: 14n * DAY_NS,
  clockDriftNs: 60_000_000_000n,
};

export type LightRefusal =
  | 'trustExpired'
  | 'stale'
  | 'forked'
  | 'versionUnknown'
  | 'wrongChain'
  | 'wrongPrevious'
  | 'timeNotGrowing'
  | 'fromTheFuture'
  | 'validatorsDiffer'
  | 'certificateInvalid'
  /** The only refusal that says nothing against the header: ask for one in between. */
  | 'notEnoughOverlap';

export type LightVerdict =
  | { readonly ok: true; readonly trusted: TrustedBlock }
  | { readonly ok: false; readonly code: LightRefusal };

export interface LightCheck {
  readonly trusted: TrustedBlock;
  readonly block: LightBlock;
  readonly nowNs: bigint;
  readonly verifySignature: SignatureVerifier;
  readonly settings?: LightSettings;
}

function refuse(code: LightRefusal): LightVerdict {
  return { ok: false, code };
}

/**
 * LC-2, LC-3, LC-4. Any header at or above the trusted one. How many signatures of a certificate are
 * checked beyond what is needed is the engine's affair.
 */
export function verifyLightBlock(check: LightCheck): LightVerdict {
  const { trusted, block, nowNs, verifySignature } = check;
  const settings = check.settings ?? DEFAULT_LIGHT_SETTINGS;
  const { header, validators } = block;
  if (nowNs - trusted.timeNs > settings.trustingPeriodNs) return refuse('trustExpired');
  if (!block.isVersionKnown) return refuse('versionUnknown');
  if (header.chainId !== trusted.chainId || !isSetOfChain(validators, trusted.chainId))
    return refuse('wrongChain');
  if (header.height < trusted.height) return refuse('stale');
  if (header.height === trusted.height)
    return equalBytes(header.blockId, trusted.blockId) ? { ok: true, trusted } : refuse('forked');
  if (header.height === 1n ? header.timeNs < trusted.timeNs : header.timeNs <= trusted.timeNs)
    return refuse('timeNotGrowing');
  if (header.timeNs > nowNs + settings.clockDriftNs) return refuse('fromTheFuture');
  if (!equalBytes(validators.hash, header.validatorsHash)) return refuse('validatorsDiffer');
  if (header.height === trusted.height + 1n) {
    if (!isAbove(trusted, header)) return refuse('wrongPrevious');
    if (!equalBytes(validators.hash, trusted.nextValidatorsHash)) return refuse('validatorsDiffer');
    const verdict = block.verifyCertificate({ validators, verifySignature });
    return verdict.ok ? { ok: true, trusted: toTrusted(block) } : refuse('certificateInvalid');
  }
  const isEnough = (signers: readonly number[]): boolean =>
    overlaps(trusted.validators, validators, signers);
  // What the certificate claims costs no signature checks.
  if (!isEnough(block.signers)) return refuse('notEnoughOverlap');
  const verdict = block.verifyCertificate({ validators, verifySignature, isEnough });
  if (!verdict.ok) return refuse('certificateInvalid');
  if (!isEnough(verdict.signers)) return refuse('notEnoughOverlap');
  return { ok: true, trusted: toTrusted(block) };
}

/** Whether a header of the next height names the trusted block as the one below. */
function isAbove(trusted: TrustedBlock, { previousId }: LightHeader): boolean {
  return previousId === null ? trusted.height === 0n : equalBytes(previousId, trusted.blockId);
}

/** Whether these signers hold more than a third of the power that is trusted. */
function overlaps(
  trusted: LightValidatorSet,
  validators: LightValidatorSet,
  signers: readonly number[],
): boolean {
  const powers = new Map(trusted.validators.map(({ key, power }) => [toHex(key), power]));
  let power = 0n;
  for (const signer of new Set(signers)) {
    const key = validators.validators[signer]?.key;
    if (key !== undefined) power += powers.get(toHex(key)) ?? 0n;
  }
  return isWeakQuorum(trusted, power);
}

function toTrusted({ header, validators }: LightBlock): TrustedBlock {
  const { chainId, height, blockId, timeNs, appHash, nextValidatorsHash } = header;
  return { chainId, height, blockId, timeNs, appHash, validators, nextValidatorsHash };
}

/**
 * LC-6. An older header below a trusted one, by hashes alone: `headers` run downwards from the parent of
 * `trusted`. Returns false at the first that is not the parent of the one above.
 */
export function verifyHeadersBelow(
  trusted: Pick<LightHeader, 'previousId' | 'height'>,
  headers: readonly LightHeader[],
): boolean {
  let { previousId, height } = trusted;
  for (const header of headers) {
    height -= 1n;
    if (header.height !== height || previousId === null) return false;
    if (!equalBytes(header.blockId, previousId)) return false;
    ({ previousId } = header);
  }
  return true;
}
