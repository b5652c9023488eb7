/**
 * The prices of the schemes in pairings of the same run. The machine's speed drifts, the ratio does not:
 * every round times the pairing and each operation in turn.
 */
import { randomBytes as nodeRandomBytes } from 'node:crypto';
import { utf8 } from '@yilian/crypto/bytes';
import {
  deriveConditionalKey,
  encapsulate,
  encodeCapsule,
  parseCapsule,
  verifyCapsule,
} from '@yilian/crypto/capsule';
import type { SuiteContext } from '@yilian/crypto/context';
import { type Curve, randomScalar } from '@yilian/crypto/curve';
import { createMclCurve } from '@yilian/crypto/curve-mcl';
import { createNobleCurve } from '@yilian/crypto/curve-noble';
import { createGrant } from '@yilian/crypto/grant';
import { verifyNodeShare } from '@yilian/crypto/key-share';
import { deriveOwnLabel, type Label } from '@yilian/crypto/label';
import { parseMonth } from '@yilian/crypto/period';
import {
  combineShares,
  encodeShare,
  parseShare,
  reEncrypt,
  verifyShare,
} from '@yilian/crypto/proxy-re-encryption';
import type { BenchOptions } from './bench-options.ts';
import {
  createReport,
  type Figure,
  figure,
  type Ratio,
  ratio,
  type Report,
  round,
} from './report.ts';
import { interleave } from './timing.ts';

const CONTEXT: SuiteContext = { chainId: 'bench', suite: 'intl' };
const HOSPITAL = utf8('community-1');
const randomBytes = (length: number): Uint8Array => new Uint8Array(nodeRandomBytes(length));

/** The operations by the names of the targets, on one backend. */
function operations(curve: Curve): Readonly<Record<string, () => void>> {
  const patientScalar = randomScalar(curve, randomBytes);
  const patientKey = curve.multiplyG1(curve.g1, patientScalar);
  const month = parseMonth('2026-11');
  const patientSecret = randomBytes(32);
  const visit: Label = deriveOwnLabel(CONTEXT, patientSecret, {
    kind: 'visit',
    visitKey: randomBytes(32),
    hospitalId: HOSPITAL,
    period: month,
  });
  const byClass: Label = deriveOwnLabel(CONTEXT, patientSecret, {
    kind: 'class',
    resourceType: 'Observation',
    hospitalId: HOSPITAL,
    period: month,
  });
  const txc = randomBytes(32);

  const sealed = encapsulate({ curve, context: CONTEXT, patientKey, labels: [visit], randomBytes });
  const proof = sealed.prove(txc);
  const capsule = parseCapsule(curve, encodeCapsule(curve, sealed.capsule));

  const conditionalKey = deriveConditionalKey({
    curve,
    context: CONTEXT,
    patientScalar,
    label: visit,
    randomBytes,
  });
  const grant = createGrant({
    curve,
    context: CONTEXT,
    patientKey,
    labels: [{ label: visit, conditionalKey, tagNumber: 0 }],
    grantee: randomBytes(32),
    nodes: [1, 2, 3, 4, 5].map((index) => ({ index, node: randomBytes(32) })),
    threshold: 3,
    fromMs: 0,
    toMs: 1_000_000,
    records: 'all',
    purpose: 'bench',
    randomBytes,
  });
  const access = { grantId: grant.body.grantId, number: 1, recordId: sealed.recordId };
  const holders = grant.nodeShares.map((share) => {
    const keyShare = verifyNodeShare({ curve, share, randomBytes });
    const labelKey = keyShare?.keys[0];
    if (keyShare === undefined || labelKey === undefined)
      throw new Error('an honest share did not verify');
    return { keyShare, labelKey };
  });
  const [holder] = holders;
  if (holder === undefined) throw new Error('a grant has holders');
  const answer = (from: typeof holder) =>
    reEncrypt({ curve, context: CONTEXT, ...from, capsule: capsule.c, access, randomBytes });
  const shareBytes = encodeShare(curve, answer(holder));
  const claim = {
    access,
    index: holder.keyShare.index,
    point: holder.labelKey.point,
    verificationKey: holder.keyShare.verificationKey,
    capsule: capsule.c,
  };
  const parsed = holders.slice(0, 3).map((from) => ({
    index: from.keyShare.index,
    share: parseShare(curve, encodeShare(curve, answer(from))),
  }));
  const expect = (holds: boolean): void => {
    if (!holds) throw new Error('a bench operation gave a wrong result');
  };

  return {
    pairing: () => void curve.pairingBytes([{ g1: patientKey, g2: conditionalKey }]),
    encapsulate1: () =>
      encapsulate({ curve, context: CONTEXT, patientKey, labels: [visit], randomBytes }).erase(),
    encapsulate2: () =>
      encapsulate({
        curve,
        context: CONTEXT,
        patientKey,
        labels: [visit, byClass],
        randomBytes,
      }).erase(),
    capsuleCheck: () => expect(verifyCapsule({ curve, context: CONTEXT, capsule, proof, txc })),
    share: () => void answer(holder),
    verify: () =>
      expect(verifyShare(curve, CONTEXT, { ...claim, share: parseShare(curve, shareBytes) })),
    open3: () =>
      void combineShares({ curve, blinding: grant.granteeShare.blinding, shares: parsed }),
  };
}

export async function benchCrypto(options: BenchOptions): Promise<Report> {
  const rounds = options.quick ? 3 : 25;
  const fast = interleave(operations(await createMclCurve()), {
    rounds,
    callsPerRound: options.quick ? 2 : 8,
  });
  const slow = interleave(operations(createNobleCurve()), {
    rounds: options.quick ? 1 : 5,
    callsPerRound: 1,
  });
  const figures: Record<string, Figure> = {};
  const ratios: Record<string, Ratio> = {};
  const pairings = fast['pairing'] ?? [];
  for (const [name, samples] of Object.entries(fast)) {
    figures[`crypto.${name}.ms`] = figure(samples, 'ms');
    if (name === 'pairing') continue;
    const inPairings = samples.map((sample, round) => sample / (pairings[round] ?? sample));
    figures[`crypto.${name}.pairings`] = figure(inPairings, 'pairings');
  }
  for (const [name, samples] of Object.entries(slow))
    figures[`crypto.${name}.noble.ms`] = figure(samples, 'ms');
  const shareSlow = figures['crypto.share.noble.ms'];
  const shareFast = figures['crypto.share.ms'];
  if (shareSlow !== undefined && shareFast !== undefined)
    ratios['crypto.share.vs_noble'] = ratio(
      { name: 'crypto.share.noble.ms', value: round(shareSlow.value) },
      { name: 'crypto.share.ms', value: round(shareFast.value) },
    );
  return createReport('crypto', figures, ratios);
}
