import * as fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import type { Check } from '@yilian/consensus/application';
import { sha256 as portableSha256 } from '@yilian/crypto/hash';
import {
  publicKey as publicKeyOf,
  sign as signPurely,
  verifySignature as verifyPurely,
} from '@yilian/crypto/signature';
import { epochKeyCheck, pointsCheck, signatureCheck } from '@yilian/ledger/checks';
import { decodeCheckFrame, encodeCheckFrame } from '../../src/verification/check-frame.ts';
import { type CheckPool, createCheckPool } from '../../src/verification/check-pool.ts';
import { sha256, sha256Name } from '../../src/verification/sha256.ts';
import { createTransactionVerifier } from '../../src/verification/transaction-verifier.ts';
import { createSigner, verifySignature } from '../../src/verification/verify-signature.ts';
import { keysOf } from './consortium.ts';

const pools: CheckPool[] = [];
afterEach(() => Promise.all(pools.splice(0).map((pool) => pool.close())));

function openPool(workers: number): CheckPool {
  const pool = createCheckPool({
    workers,
    onFailure: (error) => {
      throw error;
    },
  });
  pools.push(pool);
  return pool;
}

const signer = keysOf('signer');
const message = (i: number): Uint8Array => new TextEncoder().encode(`message ${i}`);

function goodCheck(i: number): Check {
  return signatureCheck(signer.key, message(i), signer.sign(message(i)));
}

function badCheck(i: number): Check {
  return signatureCheck(signer.key, message(i + 1), signer.sign(message(i)));
}

const isGood = (i: number): boolean => i % 3 !== 0;
const inspectGood = (): { ok: true; checks: Check[] } => ({ ok: true, checks: [goodCheck(1)] });
const inspectBad = (): { ok: true; checks: Check[] } => ({ ok: true, checks: [badCheck(1)] });

test("the platform's SHA-256 is the portable one", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(sha256(bytes)).toEqual(portableSha256(bytes));
      expect(Buffer.from(sha256Name(bytes), 'latin1')).toEqual(Buffer.from(sha256(bytes)));
    }),
  );
});

describe("the platform's Ed25519", () => {
  test('gives the answer of the pure rule for honest, bent and random signatures', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.uint8Array({ maxLength: 64 }),
        fc.integer({ min: 0, max: 95 }),
        fc.integer({ min: 0, max: 8 }),
        (seed, text, at, bit) => {
          const signature = createSigner(seed)(text);
          const publicKey = publicKeyOf(seed);
          const [key, bent] = [publicKey.slice(), signature.slice()];
          const target = at < 32 ? key : bent;
          const index = at < 32 ? at : at - 32;
          if (bit < 8) target[index] = (target[index] ?? 0) ^ (1 << bit);
          const claim = { publicKey: key, message: text, signature: bent };
          expect(verifySignature(claim)).toBe(verifyPurely(claim));
        },
      ),
      { numRuns: 60 },
    );
  });

  test('the identity as key, which OpenSSL takes for every message, is refused', () => {
    const publicKey = Uint8Array.of(1, ...new Uint8Array(31));
    const signature = Uint8Array.of(1, ...new Uint8Array(63));
    expect(verifySignature({ publicKey, message: message(1), signature })).toBe(false);
  });

  test('signing is deterministic and what the pure verifier accepts', () => {
    const seed = new Uint8Array(32).fill(7);
    const signature = createSigner(seed)(message(1));
    expect(signature).toEqual(signPurely(seed, message(1)));
  });
});

describe('check frames', () => {
  test('hold what was put in, whatever the lengths', () => {
    const bytes = fc.uint8Array({ maxLength: 300 });
    const scheme = fc.constantFrom<Check['scheme']>('ed25519', 'capsule', 'points', 'epochKey');
    const statement = fc.record({ scheme, key: bytes, message: bytes, signature: bytes });
    fc.assert(
      fc.property(fc.array(statement, { maxLength: 10 }), (statements) => {
        expect(decodeCheckFrame(encodeCheckFrame(statements))).toEqual(statements);
      }),
      { numRuns: 50 },
    );
  });
});

describe.each([
  ['on the calling thread', 0],
  ['in two workers', 2],
])('check pool %s', (_, workers) => {
  test('answers each check for itself, in order, over many batches and calls', async () => {
    const pool = openPool(workers);
    const checks = Array.from({ length: 600 }, (_each, i) =>
      isGood(i) ? goodCheck(i) : badCheck(i),
    );
    const answers = await Promise.all([
      pool.verify(checks.slice(0, 1)),
      pool.verify(checks.slice(1, 599)),
      pool.verify(checks.slice(599)),
      pool.verify([]),
    ]);
    expect(answers.flat()).toEqual(checks.map((_each, i) => isGood(i)));
    expect(pool.pending()).toBe(0);
  });

  test('decides points of the pairing curve, and refuses what is none', async () => {
    const pool = openPool(workers);
    const generator = Buffer.from(
      '97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb',
      'hex',
    );
    const infinity = new Uint8Array(48);
    infinity[0] = 0xc0;
    const answers = await pool.verify([
      pointsCheck([new Uint8Array(generator)]),
      pointsCheck([infinity]),
      pointsCheck([new Uint8Array(generator), new Uint8Array(48)]),
    ]);
    expect(answers).toEqual([true, false, false]);
  });

  test('a closed pool rejects instead of leaving its callers waiting', async () => {
    const pool = openPool(workers);
    const waiting = pool.verify(Array.from({ length: 300 }, (_each, i) => goodCheck(i)));
    const refused = expect(waiting).rejects.toThrow('closed');
    await pool.close();
    await refused;
    await expect(pool.verify([goodCheck(1)])).rejects.toThrow('closed');
  });
});

describe('transaction verifier', () => {
  test('checks the same bytes once, however often and however close together they are asked for', async () => {
    let checked = 0;
    const pool: CheckPool = {
      verify: async (checks) => {
        checked += checks.length;
        await Promise.resolve();
        return checks.map(() => true);
      },
      pending: () => 0,
      close: () => Promise.resolve(),
    };
    const verifier = createTransactionVerifier({ inspect: inspectGood }, pool);
    await Promise.all([verifier.verify([message(1), message(1)]), verifier.verify([message(1)])]);
    await verifier.verify([message(1)]);
    expect(checked).toBe(1);
    await verifier.verify([message(2)]);
    expect(checked).toBe(2);
  });

  /** Counts checks by scheme; `holds` decides all of them. */
  function countingPool(holds: () => boolean): { pool: CheckPool; made: string[] } {
    const made: string[] = [];
    const verify = async (checks: readonly Check[]): Promise<boolean[]> => {
      made.push(...checks.map(({ scheme }) => scheme));
      await Promise.resolve();
      return checks.map(holds);
    };
    return { made, pool: { verify, pending: () => 0, close: () => Promise.resolve() } };
  }

  const epochKey = (): Check =>
    epochKeyCheck({
      chainId: 'chain',
      institution: 'hospital',
      epoch: 1,
      a: new Uint8Array(48),
      proof: new Uint8Array(64),
    });
  let serial = 0;
  const inspectRecord = (): { ok: true; checks: Check[] } => ({
    ok: true,
    checks: [goodCheck((serial += 1)), epochKey()],
  });

  test('the key of an epoch is checked once for all records that carry it', async () => {
    const { pool, made } = countingPool(() => true);
    const verifier = createTransactionVerifier({ inspect: inspectRecord }, pool);
    const first = verifier.verify([message(1), message(2)]);
    const verdicts = [...(await first), ...(await verifier.verify([message(3)]))];
    expect(verdicts.map(({ ok }) => ok)).toEqual([true, true, true]);
    expect(made.filter((scheme) => scheme === 'epochKey')).toHaveLength(1);
    expect(made.filter((scheme) => scheme === 'ed25519')).toHaveLength(3);
  });

  test('an epoch key that does not hold refuses every record, and is asked for again', async () => {
    let holds = false;
    const { pool, made } = countingPool(() => holds);
    const verifier = createTransactionVerifier({ inspect: inspectRecord }, pool);
    const refused = await verifier.verify([message(1), message(2)]);
    expect(refused.map(({ ok }) => ok)).toEqual([false, false]);
    holds = true;
    const [taken] = await verifier.verify([message(1)]);
    expect(taken?.ok).toBe(true);
    expect(made.filter((scheme) => scheme === 'epochKey')).toHaveLength(2);
  });

  test('one bad transaction of a message does not refuse the others', async () => {
    const pool = openPool(0);
    const bad = message(2);
    const inspect = (tx: Uint8Array): { ok: true; checks: Check[] } =>
      tx === bad ? inspectBad() : inspectGood();
    const verifier = createTransactionVerifier({ inspect }, pool);
    const verdicts = await verifier.verify([message(1), bad, message(3)]);
    expect(verdicts.map(({ ok }) => ok)).toEqual([true, false, true]);
  });

  test('what is final is forgotten, and checked again when it comes back', async () => {
    const { pool, made } = countingPool(() => true);
    const verifier = createTransactionVerifier({ inspect: inspectGood }, pool);
    await verifier.verify([message(1), message(2)]);
    verifier.forget(sha256Name(message(1)));
    await verifier.verify([message(2)]);
    expect(made).toHaveLength(2);
    await verifier.verify([message(1)]);
    expect(made).toHaveLength(3);
  });

  test('a failed check is not remembered as a good one', async () => {
    const pool = openPool(0);
    const verifier = createTransactionVerifier({ inspect: inspectBad }, pool);
    for (let tries = 0; tries < 2; tries++) {
      // oxlint-disable-next-line no-await-in-loop -- the second try must not find a memory of the first
      expect(await verifier.verify([message(1)])).toEqual([
        { ok: false, rejection: { code: 'signatureInvalid' } },
      ]);
    }
  });
});

describe('what is remembered of a transaction', () => {
  const bundle = new Uint8Array(4_096).fill(7);
  const part = bundle.subarray(100, 200);

  test('is a copy of a part of something longer, and the bytes themselves where they stand alone', async () => {
    const verifier = createTransactionVerifier({ inspect: inspectGood }, openPool(0));
    const alone = Uint8Array.of(1, 2, 3);
    const [ofPart, ofAlone] = await verifier.verify([part, alone]);
    if (!ofPart?.ok || !ofAlone?.ok) throw new Error('they are good');
    expect(ofPart.transaction.tx).toEqual(part);
    expect(ofPart.transaction.tx.buffer.byteLength).toBe(part.length);
    expect(ofAlone.transaction.tx).toBe(alone);
    expect(ofPart.transaction.name).toBe(sha256Name(part));
  });

  test('is the copy that is worked on, until it is forgotten; what is bad has none', async () => {
    const verifier = createTransactionVerifier({ inspect: inspectGood }, openPool(0));
    expect(verifier.workingCopy(part)).toBe(part);
    const [first] = await verifier.verify([part]);
    if (!first?.ok) throw new Error('it is good');
    expect(verifier.workingCopy(part.slice())).toBe(first.transaction.tx);
    verifier.forget(first.transaction.name);
    expect(verifier.workingCopy(part)).toBe(part);
    const strict = createTransactionVerifier({ inspect: inspectBad }, openPool(0));
    expect((await strict.verify([part]))[0]?.ok).toBe(false);
    expect(strict.workingCopy(part)).toBe(part);
  });
});
