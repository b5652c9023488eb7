import { describe, expect, test } from 'vitest';
import { trustCheckpointBody, type TrustCheckpoint } from '@yilian/consensus/light/trust';
import { encodeTrustCheckpoint } from '@yilian/consensus/light/trust-checkpoint';
import { createValidatorSet } from '@yilian/consensus/validator-set';
import { publicKey, sign } from '@yilian/crypto/signature';
import {
  anchorPoint,
  checkAnchorAge,
  checkSameChain,
  encodeTrustAnchor,
  parseTrustAnchor,
  type TrustAnchor,
} from '../src/trust-anchor.ts';

const seedOf = (n: number): Uint8Array => new Uint8Array(32).fill(n);
const REGULATOR = seedOf(1);
const DAY_MS = 86_400_000;
const SIGNED_AT_MS = 1_790_000_000_000;
const anchor: TrustAnchor = {
  chainId: 'anchors',
  genesisId: seedOf(7),
  regulatorKey: publicKey(REGULATOR),
};

function checkpoint(change: Partial<TrustCheckpoint> = {}, by = REGULATOR): Uint8Array {
  const { chainId = anchor.chainId } = change;
  const validators = createValidatorSet({
    chainId,
    epoch: 0,
    validators: [2, 3, 4, 5].map((n) => ({ key: publicKey(seedOf(n)), power: 1n, leads: true })),
  });
  const content = {
    chainId,
    genesisId: anchor.genesisId,
    height: 42n,
    blockId: seedOf(8),
    timeNs: BigInt(SIGNED_AT_MS) * 1_000_000n,
    validators,
    nextValidatorsHash: validators.hash,
    ...change,
  };
  return encodeTrustCheckpoint({ ...content, signature: sign(by, trustCheckpointBody(content)) });
}

const withCheckpoint = (encoded: Uint8Array): string =>
  encodeTrustAnchor({ ...anchor, checkpoint: encoded });
const refusal = (action: () => unknown): unknown => {
  try {
    action();
  } catch (error) {
    return error;
  }
  return undefined;
};

test('an anchor with a checkpoint goes through its text, which a QR holds', () => {
  const text = withCheckpoint(checkpoint());
  const parsed = parseTrustAnchor(`  ${text}\n`);
  expect(encodeTrustAnchor(parsed)).toBe(text);
  expect(anchorPoint(parsed)).toEqual({ height: 42n, timeMs: SIGNED_AT_MS });
  // QR version 40, byte mode, low error correction.
  expect(text.length).toBeLessThan(2_953);
  expect(anchorPoint(anchor)).toBeNull();
});

describe('an anchor that does not hold says why', () => {
  test.each([
    ['of another chain', checkpoint({ chainId: 'others' }), 'anchorOtherChain'],
    ['of another beginning', checkpoint({ genesisId: seedOf(9) }), 'anchorOtherChain'],
    ['signed by somebody else', checkpoint({}, seedOf(3)), 'anchorForged'],
    ['cut short', checkpoint().subarray(0, 100), 'badAnchor'],
    ['empty', new Uint8Array(), 'badAnchor'],
  ])('its checkpoint is %s', (_what, encoded, code) => {
    expect(refusal(() => parseTrustAnchor(withCheckpoint(encoded)))).toMatchObject({ code });
  });

  test('a bit of the signature', () => {
    const encoded = checkpoint();
    const last = encoded.length - 1;
    encoded[last] = (encoded[last] ?? 0) ^ 1;
    expect(refusal(() => parseTrustAnchor(withCheckpoint(encoded)))).toMatchObject({
      code: 'anchorForged',
    });
  });

  test('another chain and another regulator than the consortium', () => {
    expect(refusal(() => checkSameChain(anchor, { ...anchor, chainId: 'others' }))).toMatchObject({
      code: 'anchorOtherChain',
      message: expect.stringContaining('others') as string,
    });
    const other = { ...anchor, regulatorKey: seedOf(4) };
    expect(refusal(() => checkSameChain(anchor, other))).toMatchObject({
      code: 'anchorOtherChain',
    });
    // A checkpoint beside the same anchor is no difference.
    expect(
      refusal(() => checkSameChain(parseTrustAnchor(withCheckpoint(checkpoint())), anchor)),
    ).toBeUndefined();
  });

  test('LC-5 a checkpoint older than the trusting period renews nothing', () => {
    const given = parseTrustAnchor(withCheckpoint(checkpoint()));
    expect(refusal(() => checkAnchorAge(given, SIGNED_AT_MS + 14 * DAY_MS))).toBeUndefined();
    expect(refusal(() => checkAnchorAge(given, SIGNED_AT_MS + 14 * DAY_MS + 1))).toMatchObject({
      code: 'anchorStale',
    });
    expect(refusal(() => checkAnchorAge(anchor, SIGNED_AT_MS + 99 * DAY_MS))).toBeUndefined();
  });
});
