/**
 * How the vectors under vectors/yilian are made. No standard has vectors for these schemes, so each file
 * is computed from recorded randomness, once on mcl and once on noble, and both must equal the file.
 *
 * Randomness: the n-th request for L bytes (n from 1) of a run with seed s returns
 * HKDF-SHA-256(ikm = UTF-8(s), no salt, info = n as 8 bytes big-endian, length = L).
 *
 * To write the files again after a deliberate change of format:
 *   YILIAN_WRITE_VECTORS=1 npx vitest run packages/crypto/test/own-vectors.test.ts
 */
import { type Bytes, toHex, utf8 } from '../../src/bytes.ts';
import {
  afghEncapsulate,
  afghReEncrypt,
  createAfghKeyPair,
  createAfghReEncryptionKey,
  encodeAfghPublicKey,
  encodeAfghReEncrypted,
  encodeAfghReEncryptionKey,
} from '../../src/afgh.ts';
import { deriveConditionalKey, encapsulate, encodeCapsule } from '../../src/capsule.ts';
import { type Curve, randomScalar } from '../../src/curve.ts';
import { createGrant } from '../../src/grant.ts';
import { encodeGranteeShare, encodeNodeShare } from '../../src/grant-share.ts';
import { encodeKeyShare, verifyNodeShare } from '../../src/key-share.ts';
import { blindKeyword, deriveKeywordSecret } from '../../src/keyword.ts';
import { deriveOwnLabel, encodeLabel, labelPoint } from '../../src/label.ts';
import { parseMonth, parseQuarter } from '../../src/period.ts';
import { patientKeyOf } from '../../src/possession.ts';
import { purePrimitives } from '../../src/primitives.ts';
import { encodeProof } from '../../src/proof.ts';
import { combineShares, encodeShare, reEncrypt } from '../../src/proxy-re-encryption.ts';
import {
  createVisitPackage,
  deriveVisit,
  encodeVisitPackage,
  identityTag,
  pseudonymOf,
  verifyVisitPackage,
} from '../../src/pseudonym.ts';
import {
  createEpochKey,
  createIndexTags,
  deriveSymmetricTagKey,
  deriveTagKey,
  deriveTrapdoor,
  shareEpochSecret,
} from '../../src/searchable-encryption.ts';
import { present } from './error-code.ts';
import { seededRandom } from './randomness.ts';

/** One file: `inputs` and `outputs` are hexadecimal bytes or plain text. */
export interface OwnVector {
  readonly description: string;
  readonly seed: string;
  readonly inputs: Readonly<Record<string, string | number>>;
  readonly outputs: Readonly<Record<string, string>>;
}

const context = { chainId: 'yilian-vectors', suite: 'intl' } as const;
const hospitalId = utf8('hospital-a');
const visitKey = new Uint8Array(32).fill(0x11);
const txc = new Uint8Array(32).fill(0x22);
const month = parseMonth('2026-11');
const identity = '110101195003071234';

function hexes(values: Readonly<Record<string, Bytes>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, bytes]) => [name, toHex(bytes)]));
}

const shared = { chainId: context.chainId, suite: context.suite, hospitalId: toHex(hospitalId) };

function person(curve: Curve, coins: ReturnType<typeof seededRandom>) {
  const scalar = randomScalar(curve, coins);
  return { scalar, key: patientKeyOf(curve, scalar), secret: coins(32) };
}

function capsuleVector(curve: Curve): OwnVector {
  const seed = 'yilian-capsule';
  const coins = seededRandom(seed);
  const patient = person(curve, coins);
  const labels = [
    { kind: 'visit', visitKey, hospitalId, period: month } as const,
    { kind: 'class', resourceType: 'Observation', hospitalId, period: month } as const,
    { kind: 'section', visitKey, path: 'imaging/1', hospitalId, period: month } as const,
    { kind: 'summary', hospitalId, period: parseQuarter('2026-Q4') } as const,
  ].map((name) => deriveOwnLabel(context, patient.secret, name));
  const record = encapsulate({
    curve,
    context,
    patientKey: patient.key,
    labels,
    randomBytes: coins,
  });
  const outputs = hexes({
    a: curve.encodeScalar(patient.scalar),
    patientKey: curve.encodeG1(patient.key),
    patientSecret: patient.secret,
    capsule: encodeCapsule(curve, record.capsule),
    recordId: record.recordId,
    packageKey: record.packageKey,
    proof: encodeProof(curve, record.prove(txc)),
  });
  for (const [i, label] of labels.entries()) {
    outputs[`label${i}`] = toHex(encodeLabel(label));
    outputs[`point${i}`] = toHex(curve.encodeG2(labelPoint(curve, context, label)));
    outputs[`slotKey${i}`] = toHex(present(record.slotKeys[i]));
  }
  return {
    description:
      'Draws a (48 bytes mod r), K_patient (32), then encapsulates under one label of each kind and proves for txc.',
    seed,
    inputs: { ...shared, visitKey: toHex(visitKey), txc: toHex(txc), month, quarter: '2026-Q4' },
    outputs,
  };
}

function reEncryptionVector(curve: Curve): OwnVector {
  const seed = 'yilian-re-encryption';
  const coins = seededRandom(seed);
  const patient = person(curve, coins);
  const label = deriveOwnLabel(context, patient.secret, {
    kind: 'visit',
    visitKey,
    hospitalId,
    period: month,
  });
  const record = encapsulate({
    curve,
    context,
    patientKey: patient.key,
    labels: [label],
    randomBytes: coins,
  });
  const conditionalKey = deriveConditionalKey({
    curve,
    context,
    patientScalar: patient.scalar,
    label,
    randomBytes: coins,
  });
  const grant = createGrant({
    curve,
    context,
    patientKey: patient.key,
    labels: [{ label, conditionalKey, tagNumber: 2 }],
    grantee: utf8('doctor-b'),
    nodes: [1, 2, 3].map((index) => ({ index, node: utf8(`node-${index}`) })),
    threshold: 2,
    fromMs: 0,
    toMs: 1_800_000_000_000,
    records: [record.recordId],
    purpose: 'treatment',
    searchTokens: [utf8('token')],
    randomBytes: coins,
  });
  const access = { grantId: grant.body.grantId, number: 4, recordId: record.recordId };
  const outputs = hexes({
    capsule: encodeCapsule(curve, record.capsule),
    conditionalKey: curve.encodeG2(conditionalKey),
    salt: grant.salt,
    bodyHash: grant.bodyHash,
    tagSeed: present(grant.tagSeeds[0]),
    copyKey: grant.copyKey,
    granteeShare: encodeGranteeShare(curve, grant.granteeShare),
    slotKey: present(record.slotKeys[0]),
  });
  const shares = grant.nodeShares.slice(0, 2).map((nodeShare) => {
    const keyShare = present(verifyNodeShare({ curve, share: nodeShare, randomBytes: coins }));
    const { index } = keyShare;
    const labelKey = present(keyShare.keys[0]);
    const share = reEncrypt({
      curve,
      context,
      keyShare,
      labelKey,
      capsule: record.capsule.c,
      access,
      randomBytes: coins,
    });
    outputs[`nodeShare${index}`] = toHex(encodeNodeShare(curve, nodeShare));
    outputs[`keyShare${index}`] = toHex(encodeKeyShare(curve, keyShare));
    outputs[`share${index}`] = toHex(encodeShare(curve, share));
    return { index, share };
  });
  const { blinding } = grant.granteeShare;
  outputs['secret'] = toHex(combineShares({ curve, blinding, shares }));
  return {
    description:
      'A visit label granted 2-of-3 by its holder; nodes 1 and 2 answer access 4; secret = e(C, D).',
    seed,
    inputs: { ...shared, visitKey: toHex(visitKey), month, accessNumber: 4, tagNumber: 2 },
    outputs,
  };
}

function searchVector(curve: Curve): OwnVector {
  const seed = 'yilian-search';
  const coins = seededRandom(seed);
  const patient = person(curve, coins);
  const keywordSecret = deriveKeywordSecret({
    context,
    patientSecret: patient.secret,
    hospitalId,
    month,
  });
  const keyword = blindKeyword(context, keywordSecret, { type: 'code', text: 'ICD10:I63.9' });
  const epoch = createEpochKey({
    curve,
    context,
    hospitalId,
    epoch: '2026-11-21',
    randomBytes: coins,
  });
  const visitPackage = createVisitPackage({
    curve,
    context,
    patientSecret: patient.secret,
    patientScalar: patient.scalar,
    patientKey: patient.key,
    hospitalId,
    number: 0,
    month,
    randomBytes: coins,
  });
  const possessed = present(verifyVisitPackage(curve, context, hospitalId, visitPackage));
  const tagKey = deriveTagKey({
    curve,
    context,
    epochPoint: epoch.key.point,
    sharedPoint: shareEpochSecret(curve, epoch, possessed),
    keyword,
  });
  const trapdoor = deriveTrapdoor({
    curve,
    context,
    patientScalar: patient.scalar,
    keyword,
    randomBytes: coins,
  });
  const recordId = new Uint8Array(32).fill(0x33);
  const locationSecret = new Uint8Array(16).fill(0x44);
  const tags = createIndexTags({
    tagKeys: [tagKey],
    recordId,
    locationSecret,
    count: 4,
    encryptBlocks: (key, blocks) => purePrimitives.encryptBlocks(key, blocks),
    randomBytes: coins,
  });
  return {
    description: 'One keyword of one record, indexed in mode pk, with three padding tags.',
    seed,
    inputs: {
      ...shared,
      month,
      epoch: '2026-11-21',
      keyword: 'code|ICD10:I63.9',
      recordId: toHex(recordId),
      locationSecret: toHex(locationSecret),
    },
    outputs: hexes({
      keywordSecret,
      blindedKeyword: keyword,
      epochPoint: curve.encodeG1(epoch.key.point),
      epochProof: encodeProof(curve, epoch.key.proof),
      tagKey,
      symmetricTagKey: deriveSymmetricTagKey(context, keyword),
      trapdoor: curve.encodeG2(trapdoor),
      ...Object.fromEntries(tags.map((tag, i) => [`tag${i}`, tag])),
    }),
  };
}

function pseudonymVector(curve: Curve): OwnVector {
  const seed = 'yilian-pseudonym';
  const coins = seededRandom(seed);
  const patient = person(curve, coins);
  const visit = deriveVisit({ context, patientSecret: patient.secret, hospitalId, number: 3 });
  const tag = identityTag(context, identity, visit.beta);
  const visitPackage = createVisitPackage({
    curve,
    context,
    patientSecret: patient.secret,
    patientScalar: patient.scalar,
    patientKey: patient.key,
    hospitalId,
    number: 3,
    month,
    randomBytes: coins,
  });
  return {
    description: 'The visit with number 3 at one hospital, its pseudonym and its package.',
    seed,
    inputs: { ...shared, month, number: 3, identity },
    outputs: hexes({
      patientSecret: patient.secret,
      signingSeed: visit.signingSeed,
      visitKey: visit.visitKey,
      beta: visit.beta,
      identityTag: tag,
      pid: pseudonymOf(visit.visitKey, tag),
      visitPackage: encodeVisitPackage(curve, visitPackage),
    }),
  };
}

function afghVector(curve: Curve): OwnVector {
  const seed = 'yilian-afgh';
  const coins = seededRandom(seed);
  const alice = createAfghKeyPair(curve, coins);
  const bob = createAfghKeyPair(curve, coins);
  const recordId = new Uint8Array(32).fill(0x55);
  const { publicKey } = alice;
  const second = afghEncapsulate({
    curve,
    context,
    publicKey,
    recordId,
    level: 2,
    randomBytes: coins,
  });
  const first = afghEncapsulate({
    curve,
    context,
    publicKey,
    recordId,
    level: 1,
    randomBytes: coins,
  });
  const key = createAfghReEncryptionKey({
    curve,
    from: alice.secretKey,
    to: bob.publicKey,
    randomBytes: coins,
  });
  const answer = afghReEncrypt({ curve, key, c: second.c, randomBytes: coins });
  return {
    description:
      'AFGH06: both levels of one owner, one re-encryption key, one answer of the proxy.',
    seed,
    inputs: { ...shared, recordId: toHex(recordId) },
    outputs: hexes({
      alice: encodeAfghPublicKey(curve, alice.publicKey),
      bob: encodeAfghPublicKey(curve, bob.publicKey),
      second: curve.encodeG1(second.c),
      secondKey: second.slotKey,
      first: curve.encodeG1(first.c),
      firstKey: first.slotKey,
      reEncryptionKey: encodeAfghReEncryptionKey(curve, key),
      answer: encodeAfghReEncrypted(curve, answer),
    }),
  };
}

/** File name under vectors/yilian → how to compute it. */
export const ownVectors: Readonly<Record<string, (curve: Curve) => OwnVector>> = {
  'capsule.json': capsuleVector,
  're-encryption.json': reEncryptionVector,
  'search.json': searchVector,
  'pseudonym.json': pseudonymVector,
  'afgh.json': afghVector,
};
