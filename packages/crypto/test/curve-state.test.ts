/**
 * mcl keeps its settings for the whole process. In this file of its own (a process of its own) they are
 * changed behind the wrapper's back, which the self-test must notice.
 */
import mcl from 'mcl-wasm';
import { expect, test } from 'vitest';
import { fromHex } from '../src/bytes.ts';
import { createMclCurve } from '../src/curve-mcl.ts';
import { codeOf } from './support/error-code.ts';

const OUTSIDE_SUBGROUP = fromHex(`8${'4'.padStart(95, '0')}`);

test.each([
  [
    'subgroup check of G1',
    (): void => mcl.verifyOrderG1(false),
    (): void => mcl.verifyOrderG1(true),
  ],
  [
    'subgroup check of G2',
    (): void => mcl.verifyOrderG2(false),
    (): void => mcl.verifyOrderG2(true),
  ],
  [
    'hash to G1|pairing|map|hash',
    (): void => mcl.setMapToMode(0),
    (): void => mcl.setMapToMode(mcl.IRTF),
  ],
  [
    'encoding|pairing',
    (): void => mcl.setETHserialization(false),
    (): void => mcl.setETHserialization(true),
  ],
])(
  'the self-test notices when the library loses its setting: %s',
  async (name, change, restore) => {
    await createMclCurve();
    change();
    await expect(createMclCurve()).rejects.toThrow(new RegExp(`self-test failed: (${name})`));
    restore();
    await expect(createMclCurve()).resolves.toBeDefined();
  },
);

test('the hazard itself: without the order check mcl takes a point outside the subgroup', async () => {
  const curve = await createMclCurve();
  expect(codeOf(() => curve.parseG1(OUTSIDE_SUBGROUP))).toBe('notInGroup');
  mcl.verifyOrderG1(false);
  expect(codeOf(() => curve.parseG1(OUTSIDE_SUBGROUP))).toBe('no error');
  mcl.verifyOrderG1(true);
  expect(codeOf(() => curve.parseG1(OUTSIDE_SUBGROUP))).toBe('notInGroup');
});

test('the hazard itself: mcl’s public hash has a tag that is not ours', async () => {
  const curve = await createMclCurve();
  const message = Uint8Array.of(1, 2, 3);
  const theirs = mcl.hashAndMapToG2(message).serialize();
  const pop = 'BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_';
  const sig = 'BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_';
  const known = [pop, sig].map((dst) => curve.encodeG2(curve.hashToG2(dst, message)));
  expect(known).toContainEqual(theirs);
  expect(curve.encodeG2(curve.hashToG2('YILIAN-TEST', message))).not.toEqual(theirs);
});

test('one backend per process: two calls give the same object', async () => {
  expect(await createMclCurve()).toBe(await createMclCurve());
});
