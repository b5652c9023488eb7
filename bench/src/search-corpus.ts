import { randomBytes as nodeRandomBytes } from 'node:crypto';
import { createNodePrimitives } from '@yilian/client/platform/node-ciphers';
import { utf8 } from '@yilian/crypto/bytes';
import type { ChainContext } from '@yilian/crypto/context';
import { type Curve, randomScalar } from '@yilian/crypto/curve';
import { blindKeyword, deriveKeywordSecret, type BlindedKeyword } from '@yilian/crypto/keyword';
import { monthOfTime } from '@yilian/crypto/period';
import {
  createIndexTags,
  deriveTagKey,
  deriveTrapdoor,
  type EpochIndex,
  packEpochIndex,
  searchEpoch,
  TAG_BYTES,
  trapdoorTagKey,
} from '@yilian/crypto/searchable-encryption';

const CONTEXT: ChainContext = { chainId: 'bench' };
const { encryptBlocks } = createNodePrimitives();
const randomBytes = (length: number): Uint8Array => new Uint8Array(nodeRandomBytes(length));

/** One epoch as it crosses to a worker. */
export interface EpochBytes {
  readonly point: Uint8Array;
  readonly index: EpochIndex;
}

export interface Corpus {
  readonly epochs: readonly EpochBytes[];
  readonly trapdoor: Uint8Array;
  readonly planted: number;
  readonly keyword: BlindedKeyword;
}

/**
 * Records spread evenly over the epochs. All but a few carry tags of other people's keywords, which to a
 * search node look like random bytes, and are random bytes here; every 25th epoch holds one real hit.
 */
export function createCorpus(
  curve: Curve,
  size: { readonly epochs: number; readonly records: number; readonly keywords: number },
): Corpus {
  const patientScalar = randomScalar(curve, randomBytes);
  const patientKey = curve.multiplyG1(curve.g1, patientScalar);
  const secret = deriveKeywordSecret({
    context: CONTEXT,
    patientSecret: randomBytes(32),
    hospitalId: utf8('community-1'),
    month: monthOfTime(1_795_000_000_000),
  });
  const keyword = blindKeyword(CONTEXT, secret, { type: 'code', text: 'icd-10#I63.9' });
  const trapdoor = curve.encodeG2(
    deriveTrapdoor({ curve, context: CONTEXT, patientScalar, keyword, randomBytes }),
  );
  const perEpoch = Math.round(size.records / size.epochs);
  let planted = 0;
  const epochs: EpochBytes[] = [];
  for (let epoch = 0; epoch < size.epochs; epoch++) {
    const exponent = randomScalar(curve, randomBytes);
    const point = curve.multiplyG1(curve.g1, exponent);
    const records = Array.from({ length: perEpoch }, () => ({
      recordId: randomBytes(32),
      tags: Array.from({ length: size.keywords }, () => randomBytes(TAG_BYTES)),
    }));
    const [first] = records;
    if (epoch % 25 === 0 && first !== undefined) {
      planted += 1;
      const sharedPoint = curve.multiplyG1(patientKey, exponent);
      const tagKey = deriveTagKey({
        curve,
        context: CONTEXT,
        epochPoint: point,
        sharedPoint,
        keyword,
      });
      first.tags = [
        ...createIndexTags({
          tagKeys: [tagKey],
          recordId: first.recordId,
          locationSecret: randomBytes(16),
          count: size.keywords,
          encryptBlocks,
          randomBytes,
        }),
      ];
    }
    epochs.push({ point: curve.encodeG1(point), index: packEpochIndex(records) });
  }
  return { epochs, trapdoor, planted, keyword };
}

/** What a search node does for one token: parsing, one pairing per epoch, bulk AES. Returns the hits. */
export function searchEpochs(
  curve: Curve,
  epochs: readonly EpochBytes[],
  trapdoorBytes: Uint8Array,
): number {
  const trapdoor = curve.prepareG2(curve.parseG2(trapdoorBytes));
  let hits = 0;
  for (const { point, index } of epochs) {
    const tagKey = trapdoorTagKey({
      curve,
      context: CONTEXT,
      epochPoint: curve.parseG1(point),
      trapdoor,
    });
    hits += searchEpoch(tagKey, index, encryptBlocks).length;
  }
  curve.freePreparedG2(trapdoor);
  return hits;
}
