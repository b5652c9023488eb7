/**
 * The embedded engine: four replicas in one process, exchanging encoded bytes, each verifying for itself
 * on an LMDB of its own; then the whole consortium as processes, from grant to opened record.
 *
 * `vs_signature_limit` compares with what this machine could reach if it did nothing but four
 * verifications per transaction on all cores; `vs_check_limit` likewise with four capsule checks.
 */
import { cpus } from 'node:os';
import { performance } from 'node:perf_hooks';
import { encapsulate, verifyCapsule } from '@yilian/crypto/capsule';
import { randomScalar } from '@yilian/crypto/curve';
import { createMclCurve } from '@yilian/crypto/curve-mcl';
import { utf8 } from '@yilian/crypto/bytes';
import { deriveOwnLabel } from '@yilian/crypto/label';
import { parseMonth } from '@yilian/crypto/period';
import { verifySignature } from '@yilian/node/verification/verify-signature';
import {
  createRecordMaker,
  doctor,
  drive,
  random,
  requestAccess,
  startEmbedded,
} from './embedded-consortium.ts';
import { grantToOpen } from './grant-to-open.ts';
import type { BenchOptions } from './bench-options.ts';
import { createReport, figure, ratio, type Report } from './report.ts';

const REPLICAS = 4;
const BLOCK_INTERVAL_MS = 250;
const WINDOW = 2_000;

function time(calls: number, act: () => void): number {
  act();
  const started = performance.now();
  for (let call = 0; call < calls; call++) act();
  return (performance.now() - started) / calls;
}

export async function benchEmbedded(options: BenchOptions): Promise<Report> {
  const cores = cpus().length;
  const runs = options.quick ? 1 : 5;
  const requests = options.quick ? 1_000 : 6_000;
  const records = options.quick ? 50 : 400;
  const curve = await createMclCurve();

  const message = random(200);
  const signature = doctor.sign(message);
  const verification = (): number =>
    time(1_000, () => void verifySignature({ publicKey: doctor.key, message, signature }));
  const context = { chainId: 'bench', suite: 'intl' } as const;
  const label = deriveOwnLabel(context, random(32), {
    kind: 'visit',
    visitKey: random(32),
    hospitalId: utf8('community-1'),
    period: parseMonth('2026-11'),
  });
  const patientKey = curve.multiplyG1(curve.g1, randomScalar(curve, random));
  const sealed = encapsulate({ curve, context, patientKey, labels: [label], randomBytes: random });
  const txc = random(32);
  const proof = sealed.prove(txc);
  const capsuleCheck = (): number =>
    time(200, () => void verifyCapsule({ curve, context, capsule: sealed.capsule, proof, txc }));

  const verificationMs: number[] = [];
  const checkMs: number[] = [];
  const requestTps: number[] = [];
  const issueTps: number[] = [];
  const maker = createRecordMaker(curve);
  const loaded = await startEmbedded({
    blockIntervalMs: BLOCK_INTERVAL_MS,
    verificationWorkers: 1,
  });
  try {
    await drive(loaded.nodes, Array.from({ length: 200 }, requestAccess), 100);
    for (let run = 0; run < runs; run++) {
      verificationMs.push(verification());
      const txs = Array.from({ length: requests }, requestAccess);
      requestTps.push(await drive(loaded.nodes, txs, WINDOW));
      checkMs.push(capsuleCheck());
      const issues = Array.from({ length: records }, () => maker.make());
      issueTps.push(await drive(loaded.nodes, issues, records));
    }
  } finally {
    await loaded.stop();
  }

  const latencies: number[] = [];
  const light = await startEmbedded({ blockIntervalMs: BLOCK_INTERVAL_MS, verificationWorkers: 0 });
  try {
    const count = options.quick ? 10 : 200;
    for (let index = 0; index < count; index++) {
      const tx = requestAccess();
      const started = performance.now();
      await drive(
        [light.nodes[index % REPLICAS] ?? light.nodes[0]].flatMap((node) => node ?? []),
        [tx],
        1,
      );
      latencies.push(performance.now() - started);
      await new Promise((resolve) => setTimeout(resolve, (index * 37) % 300));
    }
  } finally {
    await light.stop();
  }
  const whole = await grantToOpen({
    repeats: options.quick ? 2 : 50,
    blockIntervalMs: BLOCK_INTERVAL_MS,
  });

  const sorted = latencies.toSorted((left, right) => left - right);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  const limitOf = (ms: number): number => (cores * 1000) / (REPLICAS * ms);
  const signatureLimit = verificationMs.map(limitOf);
  const checkLimit = checkMs.map(limitOf);
  const figures = {
    'embedded.request.tps': figure(requestTps, 'tx/s'),
    'embedded.signature_limit.tps': figure(signatureLimit, 'tx/s'),
    'embedded.verification.ms': figure(verificationMs, 'ms'),
    'embedded.issue.tps': figure(issueTps, 'tx/s'),
    'embedded.check_limit.tps': figure(checkLimit, 'tx/s'),
    'embedded.capsuleCheck.ms': figure(checkMs, 'ms'),
    'embedded.p50.intervals': figure([at(0.5) / BLOCK_INTERVAL_MS], 'intervals'),
    'embedded.p99_ms': figure([at(0.99)], 'ms'),
    'embedded.grant_to_open.intervals': figure(whole.intervals, 'intervals'),
    'embedded.rss_mb': figure(whole.rssMebibytes, 'MiB per node'),
  };
  return createReport('embedded', figures, {
    'embedded.request.vs_signature_limit': ratio(
      { name: 'embedded.request.tps', value: figures['embedded.request.tps'].value },
      {
        name: 'embedded.signature_limit.tps',
        value: figures['embedded.signature_limit.tps'].value,
      },
    ),
    'embedded.issue.vs_check_limit': ratio(
      { name: 'embedded.issue.tps', value: figures['embedded.issue.tps'].value },
      { name: 'embedded.check_limit.tps', value: figures['embedded.check_limit.tps'].value },
    ),
  });
}
