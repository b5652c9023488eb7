import { publicKey, sign, verifySignature } from '@yilian/crypto/signature';
import { expect, test } from 'vitest';
import {
  type TrustAnchor,
  type TrustCheckpoint,
  trustCheckpointBody,
  type TrustedBlock,
} from '../src/light/trust.ts';
import {
  CHECKPOINT_BYTES_MAX,
  decodeTrustCheckpoint,
  encodeTrustCheckpoint,
  isTrustExpired,
  renewTrust,
} from '../src/light/trust-checkpoint.ts';
import { createValidatorSet, VALIDATORS_MAX } from '../src/validator-set.ts';

const CHAIN = 'checkpoints';
const DAY = 86_400_000_000_000n;
const START = 20_000n * DAY;
const seedOf = (n: number): Uint8Array => new Uint8Array(32).fill(n + 1);
const idOf = (n: number): Uint8Array => new Uint8Array(32).fill(n);
const REGULATOR = seedOf(200);

const anchor: TrustAnchor = {
  chainId: CHAIN,
  genesisId: idOf(1),
  regulatorKey: publicKey(REGULATOR),
};

const validators = createValidatorSet({
  chainId: CHAIN,
  epoch: 3,
  validators: [0, 1, 2, 3].map((n) => ({ key: publicKey(seedOf(n)), power: 1n, leads: n < 3 })),
});

const genesis: TrustedBlock = {
  chainId: CHAIN,
  height: 0n,
  blockId: anchor.genesisId,
  timeNs: START,
  appHash: null,
  validators,
  nextValidatorsHash: validators.hash,
};

function signed(changes: Partial<TrustCheckpoint> = {}, seed = REGULATOR): TrustCheckpoint {
  const content = {
    chainId: CHAIN,
    genesisId: anchor.genesisId,
    height: 1_000n,
    blockId: idOf(9),
    timeNs: START + 29n * DAY,
    validators,
    nextValidatorsHash: validators.hash,
    ...changes,
  };
  return { ...content, signature: sign(seed, trustCheckpointBody(content)) };
}

function renew(
  checkpoint: TrustCheckpoint,
  input: {
    readonly trusted?: TrustedBlock;
    readonly days?: bigint;
    readonly verified?: ReadonlyMap<bigint, Uint8Array>;
  } = {},
): string {
  const verdict = renewTrust({
    anchor,
    checkpoint,
    trusted: input.trusted ?? genesis,
    nowNs: START + (input.days ?? 30n) * DAY,
    verifySignature,
    verifiedBlockId: (height) => input.verified?.get(height),
  });
  return verdict.ok ? 'ok' : verdict.code;
}

const later: TrustedBlock = {
  ...genesis,
  height: 1_000n,
  blockId: idOf(9),
  timeNs: START + 29n * DAY,
};

test('LC-5 after 30 days trust begins anew at the regulator’s checkpoint', () => {
  expect(isTrustExpired(genesis, START + 14n * DAY)).toBe(false);
  expect(isTrustExpired(genesis, START + 14n * DAY + 1n)).toBe(true);
  expect(renew(signed())).toBe('ok');
  expect(renew(signed(), { trusted: later })).toBe('ok');
  expect(renew(signed(), { verified: new Map([[1_000n, idOf(9)]]) })).toBe('ok');
});

const otherSet = createValidatorSet({ ...validators, chainId: 'other' });

test.each<[string, TrustCheckpoint, string]>([
  ['forged by a validator', signed({}, seedOf(0)), 'signatureInvalid'],
  ['with another height', { ...signed(), height: 1_001n }, 'signatureInvalid'],
  ['with another block', { ...signed(), blockId: idOf(8) }, 'signatureInvalid'],
  ['made younger', { ...signed(), timeNs: START + 30n * DAY }, 'signatureInvalid'],
  ['announcing another set', { ...signed(), nextValidatorsHash: idOf(8) }, 'signatureInvalid'],
  [
    'with another set',
    {
      ...signed(),
      validators: createValidatorSet({
        chainId: CHAIN,
        epoch: 4,
        validators: validators.validators,
      }),
    },
    'signatureInvalid',
  ],
  ['of another chain', signed({ chainId: 'other', validators: otherSet }), 'wrongChain'],
  ['with the set of another chain', signed({ validators: otherSet }), 'wrongChain'],
  ['of another genesis', signed({ genesisId: idOf(2) }), 'wrongChain'],
  ['older than the trusting period', signed({ timeNs: START + 15n * DAY }), 'stale'],
  ['of tomorrow', signed({ timeNs: START + 31n * DAY }), 'fromTheFuture'],
])('LC-5 a checkpoint %s is refused', (_, checkpoint, code) => {
  expect(renew(checkpoint)).toBe(code);
});

test('LC-5 a checkpoint below the one that is known is refused', () => {
  expect(renew(signed({ height: 999n }), { trusted: later })).toBe('stale');
});

test('LC-5 a checkpoint that contradicts a verified header is a fork, whatever its age', () => {
  const other = signed({ blockId: idOf(8) });
  expect(renew(other, { trusted: later })).toBe('forked');
  expect(renew(other, { trusted: later, days: 60n })).toBe('forked');
  expect(renew(other, { verified: new Map([[1_000n, idOf(9)]]) })).toBe('forked');
  const backwards = signed({ height: 1_001n, timeNs: START + 28n * DAY });
  expect(renew(backwards, { trusted: later })).toBe('forked');
});

test('checkpoints survive their encoding, the largest set fits, and damage is refused', () => {
  const bytes = encodeTrustCheckpoint(signed());
  expect(decodeTrustCheckpoint(bytes)).toEqual(signed());
  for (let at = 0; at < bytes.length; at += 7) {
    const damaged = bytes.slice();
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    let code: string;
    try {
      code = renew(decodeTrustCheckpoint(damaged));
    } catch {
      continue;
    }
    expect(code).not.toBe('ok');
  }
  expect(() => decodeTrustCheckpoint(bytes.subarray(0, -1))).toThrow();
  const many = Array.from({ length: VALIDATORS_MAX }, (_, n) => ({
    key: new Uint8Array(32).fill(n),
    power: 1_000_000n,
    leads: true,
  }));
  const set = createValidatorSet({ chainId: CHAIN, epoch: 1, validators: many });
  const large = encodeTrustCheckpoint(signed({ validators: set }));
  expect(large.length).toBeLessThan(CHECKPOINT_BYTES_MAX);
  expect(decodeTrustCheckpoint(large).validators.hash).toEqual(set.hash);
});
