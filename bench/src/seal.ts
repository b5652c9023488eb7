/**
 * Sealing a record of 1 GB into nowhere, against AES-256-GCM of the platform over the same chunks. The
 * two alternate in slices of 64 MiB, so that a slow moment of the machine falls on both. Each chunk is
 * encrypted once and hashed once. Peak memory is taken in runs of their own, before: what the slices of
 * AES-GCM leave to the collector is not sealing's.
 */
import { createCipheriv, randomBytes as nodeRandomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { createNodePrimitives } from '@yilian/client/platform/node-ciphers';
import { createRecordWriter } from '@yilian/crypto/envelope/record-writer';
import type { BenchOptions } from './bench-options.ts';
import { createReport, figure, ratio, type Report } from './report.ts';

const MEBIBYTE = 2 ** 20;
const random = (length: number): Uint8Array => new Uint8Array(nodeRandomBytes(length));

/** Every piece is the same buffer: the reading side costs nothing and holds nothing. */
async function* content(
  pieces: number,
  piece: Uint8Array,
  each: () => void,
): AsyncGenerator<Uint8Array> {
  for (let index = 0; index < pieces; index++) {
    each();
    yield piece;
  }
}

interface SealRun {
  readonly sealMs: number;
  readonly rawMs: number;
  readonly peakBytes: number;
}

export async function benchSeal(options: BenchOptions): Promise<Report> {
  const mebibytes = options.quick ? 64 : 1024;
  const runs = options.quick ? 2 : 5;
  const piece = random(MEBIBYTE);
  const primitives = createNodePrimitives();

  async function sealOnce(against: 'nothing' | 'raw'): Promise<SealRun> {
    let peakBytes = 0;
    let written = 0;
    let rawMs = 0;
    const key = random(32);
    const rawSlice = (): void => {
      const started = performance.now();
      for (let chunk = 0; chunk < 64; chunk++) {
        const cipher = createCipheriv('aes-256-gcm', key, random(12), { authTagLength: 16 });
        cipher.update(piece);
        cipher.final();
        cipher.getAuthTag();
      }
      rawMs += performance.now() - started;
    };
    const writer = createRecordWriter({
      context: { chainId: 'bench', suite: 'intl', recordId: random(32), chunkBytes: MEBIBYTE },
      primitives,
      randomBytes: random,
      sink: (parts) => {
        for (const part of parts) written += part.length;
        peakBytes = Math.max(peakBytes, process.memoryUsage.rss());
      },
    });
    let pieces = 0;
    const started = performance.now();
    await writer.writeSection({
      path: 'dicom/series-1',
      mediaType: 'application/dicom',
      content: content(mebibytes, piece, () => {
        if (pieces++ % 64 === 0 && against === 'raw') rawSlice();
      }),
    });
    await writer.finish({ patientSlots: [{ opens: 'record', slotKey: random(32) }] });
    const sealMs = performance.now() - started - rawMs;
    if (written < mebibytes * MEBIBYTE) throw new Error('less was written than was sealed');
    return { sealMs, rawMs, peakBytes };
  }

  const alone: SealRun[] = [];
  for (let run = 0; run < runs; run++) alone.push(await sealOnce('nothing'));
  const compared: SealRun[] = [];
  for (let run = 0; run < runs; run++) compared.push(await sealOnce('raw'));
  const figures = {
    'seal.1GB.seconds': figure(
      compared.map(({ sealMs }) => sealMs / 1000),
      's',
    ),
    'seal.1GB.raw_gcm.seconds': figure(
      compared.map(({ rawMs }) => rawMs / 1000),
      's',
    ),
    'seal.1GB.peak_mb': figure(
      alone.map(({ peakBytes }) => peakBytes / MEBIBYTE),
      'MiB',
    ),
  };
  return createReport('seal', figures, {
    'seal.1GB.vs_raw_gcm': ratio(
      { name: 'seal.1GB.raw_gcm.seconds', value: figures['seal.1GB.raw_gcm.seconds'].value },
      { name: 'seal.1GB.seconds', value: figures['seal.1GB.seconds'].value },
    ),
  });
}
