/**
 * A block certificate: commit signatures of more than two thirds of the power over one block id.
 * Anybody who knows the validator set can check it; one correct signer in it means that the block
 * was fully checked and durable votes stand behind it. Each signature also covers the signer's clock,
 * and the median of those is the time of the next block.
 */
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { ANY_COUNT, Fields } from '@yilian/crypto/fields';
import { sha256 } from '@yilian/crypto/hash';
import type { SignatureVerifier } from './signature.ts';
import { isQuorum, powerOf, type ValidatorSet, VALIDATORS_MAX } from './validator-set.ts';

export interface CommitSignature {
  /** Position in the validator set of the block's height. */
  readonly signer: number;
  /** The signer's clock at commit, later than the block's own time. */
  readonly timeNs: bigint;
  readonly signature: Bytes;
}

export interface Certificate {
  readonly height: bigint;
  /** View in which the block was committed: the primaries of earlier views failed. */
  readonly view: number;
  readonly blockId: Bytes;
  /** In strictly ascending order of signer. */
  readonly signatures: readonly CommitSignature[];
}

/** What a Commit signs. Nothing else in the system has this tag, so no other vote replays as one. */
export function commitBody(input: {
  readonly chainId: string;
  readonly epoch: number;
  readonly view: number;
  readonly height: bigint;
  readonly blockId: Bytes;
  readonly timeNs: bigint;
}): Bytes {
  const { chainId, epoch, view, height, blockId, timeNs } = input;
  return encode([DOMAIN_TAGS.pbftCommit, chainId, epoch, view, height, blockId, timeNs]);
}

export type CertificateRefusal =
  | 'wrongBlock'
  | 'signersUnordered'
  | 'signerUnknown'
  | 'badSignature'
  | 'noQuorum';

/** Every signature must hold, not just enough of them: a certificate has no room for rubbish. */
export function verifyCertificate(input: {
  readonly certificate: Certificate;
  readonly height: bigint;
  readonly blockId: Bytes;
  readonly validators: ValidatorSet;
  readonly verifySignature: SignatureVerifier;
}): { readonly ok: true } | { readonly ok: false; readonly code: CertificateRefusal } {
  const { certificate, validators, verifySignature } = input;
  if (certificate.height !== input.height || !equalBytes(certificate.blockId, input.blockId))
    return { ok: false, code: 'wrongBlock' };
  let last = -1;
  for (const { signer } of certificate.signatures) {
    if (signer <= last) return { ok: false, code: 'signersUnordered' };
    if (validators.validators[signer] === undefined) return { ok: false, code: 'signerUnknown' };
    last = signer;
  }
  // Counting comes before the expensive part: a certificate without a quorum costs nothing.
  const signers = certificate.signatures.map(({ signer }) => signer);
  if (!isQuorum(validators, powerOf(validators, signers))) return { ok: false, code: 'noQuorum' };
  for (const vote of certificate.signatures) {
    const key = validators.validators[vote.signer]?.key;
    const message = commitBody({
      chainId: validators.chainId,
      epoch: validators.epoch,
      view: certificate.view,
      height: certificate.height,
      blockId: certificate.blockId,
      timeNs: vote.timeNs,
    });
    if (
      key === undefined ||
      !verifySignature({ publicKey: key, message, signature: vote.signature })
    )
      return { ok: false, code: 'badSignature' };
  }
  return { ok: true };
}

/**
 * Power-weighted median of the commit timestamps: with less than a third of the power lying it stays
 * between two honest clocks.
 */
export function medianTimeNs(certificate: Certificate, validators: ValidatorSet): bigint {
  const votes = certificate.signatures
    .map(({ signer, timeNs }) => ({ timeNs, power: validators.validators[signer]?.power ?? 0n }))
    .sort((a, b) => (a.timeNs < b.timeNs ? -1 : a.timeNs > b.timeNs ? 1 : 0));
  let total = 0n;
  for (const { power } of votes) total += power;
  let passed = 0n;
  for (const { timeNs, power } of votes) {
    passed += power;
    if (2n * passed >= total) return timeNs;
  }
  return 0n;
}

export function certificateHash(chainId: string, certificate: Certificate): Bytes {
  return sha256(
    encode([DOMAIN_TAGS.blockCertificateHash, chainId, certificateToCbor(certificate)]),
  );
}

export function certificateToCbor(certificate: Certificate): Cbor {
  return [
    certificate.height,
    certificate.view,
    certificate.blockId,
    certificate.signatures.map(({ signer, timeNs, signature }) => [signer, timeNs, signature]),
  ];
}

/** @throws CodecError */
export function certificateFromCbor(value: Cbor): Certificate {
  const fields = Fields.of(value, 4);
  return {
    height: fields.u64(),
    view: fields.whole(),
    blockId: fields.bytes(32),
    signatures: fields.list(ANY_COUNT, (list) => {
      const vote = list.nested(3);
      return { signer: vote.whole(), timeNs: vote.u64(), signature: vote.bytes(64) };
    }),
  };
}

export function encodeCertificate(certificate: Certificate): Bytes {
  return encode(certificateToCbor(certificate));
}

/** @throws CodecError */
export function decodeCertificate(bytes: Bytes): Certificate {
  return certificateFromCbor(decode(bytes, { bytesMax: 256 + VALIDATORS_MAX * 96, depthMax: 4 }));
}
