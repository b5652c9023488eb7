/**
 * Whether more than two thirds of the power committed a block. As in Go's `VerifyCommitLight` only votes for
 * the block count and the rest is not looked at once there are enough: votes that prove nothing more cannot
 * make a header false, and most of the cost of following a chain is their signatures.
 *
 * Unlike Go a signature that does not hold counts for nothing instead of spoiling the commit.
 *
 * CometBFT counts votes by ZIP-215, which takes what our one rule (crypto/signature.ts) refuses: signatures
 * with a torsion part. The one rule comes first, and mostly suffices. Where it leaves no two thirds, the
 * others are checked by CometBFT's own rule: a block that the engines made final is final, and a single
 * validator with odd signatures stops neither nodes nor clients. Under the key of a correct validator nobody
 * else makes a signature by either rule; what its holder signs in which form proves the same.
 */
import { equalBytes } from '@yilian/crypto/bytes';
import { type SignatureClaim, verifyCofactored } from '@yilian/crypto/signature';
import type { SignatureVerifier } from '../../signature.ts';
import { isQuorum, powerOf } from '../../validator-set.ts';
import type { CertificateVerdict } from '../light-engine.ts';
import { type Commit, voteSignBytes } from './commit.ts';
import type { CometValidatorSet } from './validator-set.ts';

/** Positions of those who voted for the block, by their own word. */
export function claimedSigners(commit: Commit): readonly number[] {
  return commit.entries.flatMap(({ kind }, position) => (kind === 'commit' ? [position] : []));
}

/**
 * Beforehand the caller has compared block id and height with a header. The list of votes runs along the
 * set, so that nobody can vote twice.
 */
export function verifyCommit(input: {
  readonly chainId: string;
  readonly commit: Commit;
  readonly validators: CometValidatorSet;
  readonly verifySignature: SignatureVerifier;
  /** More signatures are checked until this holds, too. Default: more than two thirds are enough. */
  readonly isEnough?: (signers: readonly number[]) => boolean;
}): CertificateVerdict {
  const { chainId, commit, validators, verifySignature, isEnough } = input;
  if (commit.entries.length !== validators.validators.length)
    return { ok: false, code: 'signerUnknown' };
  for (const [position, entry] of commit.entries.entries()) {
    const address = validators.validators[position]?.address;
    if (entry.kind === 'absent') continue;
    if (address === undefined || !equalBytes(entry.address, address))
      return { ok: false, code: 'signerUnknown' };
  }
  // Counting comes before the expensive part: a commit without a quorum costs nothing.
  if (!isQuorum(validators, powerOf(validators, claimedSigners(commit))))
    return { ok: false, code: 'noQuorum' };
  const signers: number[] = [];
  let power = 0n;
  const isDone = (): boolean => isQuorum(validators, power) && isEnough?.(signers) !== false;
  const odd: {
    readonly claim: SignatureClaim;
    readonly position: number;
    readonly power: bigint;
  }[] = [];
  for (const [position, entry] of commit.entries.entries()) {
    const validator = validators.validators[position];
    if (entry.kind !== 'commit' || validator === undefined) continue;
    const claim = {
      publicKey: validator.key,
      message: voteSignBytes(chainId, commit, entry),
      signature: entry.signature,
    };
    if (!verifySignature(claim)) {
      odd.push({ claim, position, power: validator.power });
      continue;
    }
    signers.push(position);
    power += validator.power;
    if (isDone()) return { ok: true, signers };
  }
  for (const vote of odd) {
    if (!verifyCofactored(vote.claim)) continue;
    signers.push(vote.position);
    power += vote.power;
    if (isDone()) break;
  }
  return isQuorum(validators, power)
    ? { ok: true, signers: signers.toSorted((left, right) => left - right) }
    : { ok: false, code: 'noQuorum' };
}
