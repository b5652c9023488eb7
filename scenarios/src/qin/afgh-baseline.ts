/**
 * The paper's own re-encryption, as a profile: AFGH06, one proxy (the primary of the moment), AES-128.
 * It shows what QJ describes and, beside it, what the threshold scheme adds: here one node and the
 * doctor together open everything the patient ever encrypted.
 */
import {
  afghEncapsulate,
  afghOpenOwn,
  afghOpenReEncrypted,
  afghReEncrypt,
  createAfghKeyPair,
  createAfghReEncryptionKey,
  encodeAfghReEncrypted,
  encodeAfghReEncryptionKey,
  parseAfghReEncrypted,
  parseAfghReEncryptionKey,
} from '@yilian/crypto/afgh';
import { open, seal, ZERO_NONCE } from '@yilian/crypto/aead';
import { type Bytes, equalBytes, type RandomBytes } from '@yilian/crypto/bytes';
import type { Curve } from '@yilian/crypto/curve';
import type { Report } from '../report.ts';

/** AES-128, as the paper's profile says. */
function aesKey(slotKey: Bytes): Bytes {
  return slotKey.subarray(0, 16);
}

export function runAfghBaseline(input: {
  readonly report: Report;
  readonly curve: Curve;
  readonly chainId: string;
  readonly randomBytes: RandomBytes;
  /** The plaintext section of a real record. */
  readonly content: Bytes;
  readonly primary: string;
}): void {
  const { report, curve, chainId, randomBytes, content, primary } = input;
  const context = { chainId, suite: 'paper' } as const;
  const recordId = randomBytes(32);
  const [patient, doctor, stranger] = [0, 1, 2].map(() => createAfghKeyPair(curve, randomBytes));
  if (patient === undefined || doctor === undefined || stranger === undefined)
    throw new Error('three key pairs');

  const { c, slotKey } = afghEncapsulate({
    curve,
    context,
    publicKey: patient.publicKey,
    recordId,
    level: 2,
    randomBytes,
  });
  const sealed = seal({
    key: aesKey(slotKey),
    nonce: ZERO_NONCE,
    associatedData: recordId,
    plaintext: content,
  });

  const own = afghOpenOwn({ curve, context, keyPair: patient, recordId, level: 2, c, randomBytes });
  report.check('MDEnc, Dec: the patient opens her own record', equalBytes(own, slotKey));

  const key = createAfghReEncryptionKey({
    curve,
    from: patient.secretKey,
    to: doctor.publicKey,
    randomBytes,
  });
  const wire = encodeAfghReEncryptionKey(curve, key);
  const answer = afghReEncrypt({
    curve,
    key: parseAfghReEncryptionKey(curve, wire),
    c,
    randomBytes,
  });
  const received = parseAfghReEncrypted(curve, encodeAfghReEncrypted(curve, answer));
  const opened = (secret: typeof doctor): Bytes | null => {
    const candidate = afghOpenReEncrypted({
      curve,
      context,
      secretKey: secret.secretKey,
      publicKey: patient.publicKey,
      recordId,
      answer: received,
      randomBytes,
    });
    return open({ key: aesKey(candidate), nonce: ZERO_NONCE, associatedData: recordId, sealed });
  };
  const plaintext = opened(doctor);
  report.check(
    `RKGen, ReEnc by ${primary} alone, Dec: doctor B reads the section`,
    plaintext !== null && equalBytes(plaintext, content),
    `${content.length} bytes, AES-128-GCM`,
  );
  report.refusal(
    'another doctor opens what was re-encrypted to doctor B',
    opened(stranger) === null,
    'no key',
  );
  const twice = afghReEncrypt({
    curve,
    key: parseAfghReEncryptionKey(curve, wire),
    c: received.c,
    randomBytes,
  });
  const hop = afghOpenReEncrypted({
    curve,
    context,
    secretKey: stranger.secretKey,
    publicKey: patient.publicKey,
    recordId,
    answer: twice,
    randomBytes,
  });
  report.refusal(
    're-encrypting a second time (single hop)',
    open({ key: aesKey(hop), nonce: ZERO_NONCE, associatedData: recordId, sealed }) === null,
    'no key',
  );
}
