import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Application, Block } from '../src/application.ts';
import {
  createUpgradingApplication,
  UnknownVersionError,
  type Upgrade,
  versionAt,
} from '../src/application-upgrades.ts';

interface Disk {
  height: bigint;
  sum: bigint;
}

/** A toy: every transaction adds `step` to a sum, which is the whole state. */
function toy(disk: Disk, version: bigint, step: bigint): Application {
  let next: Disk | undefined;
  const hashOf = (sum: bigint): Uint8Array => new Uint8Array(new BigUint64Array([sum]).buffer);
  return {
    info: () => ({ height: disk.height, appHash: hashOf(disk.sum), appVersion: version }),
    initChain: ({ validators }) => ({ appHash: hashOf(0n), validators }),
    inspect: () => ({ ok: true, checks: [] }),
    checkTransaction: () => ({ ok: true }),
    prepareProposal: ({ txs }) => txs,
    processProposal: () => 'accept',
    finalizeBlock: ({ height, txs }) => {
      next = { height, sum: disk.sum + step * BigInt(txs.length) };
      return { outcomes: [], appHash: hashOf(next.sum), validatorUpdates: [] };
    },
    commit: () => {
      if (next === undefined) throw new Error('nothing was finalized');
      Object.assign(disk, next);
      return { writes: { puts: [], deletes: [] }, retainHeight: 0n };
    },
    query: () => ({ ok: true, height: disk.height, value: hashOf(disk.sum) }),
  };
}

const NONE = { has: (): boolean => true };
const TX = Uint8Array.of(1);

function blockOf(height: bigint, count = 1): Block {
  const txs = Array.from({ length: count }, () => TX);
  return { height, timeNs: height, proposer: new Uint8Array(32), txs, votes: [], misbehaviour: [] };
}

const OLD: readonly bigint[] = [1n];
const NEW: readonly bigint[] = [1n, 2n];

function program(disk: Disk, known: readonly bigint[], upgrades: readonly Upgrade[]): Application {
  const versions = new Map(
    known.map((version) => [version, () => toy(disk, version, version === 1n ? 1n : 10n)]),
  );
  return createUpgradingApplication({ versions, first: 1n, upgrades });
}

function run(application: Application, from: bigint, to: bigint): void {
  for (let height = from; height <= to; height++) {
    application.finalizeBlock(blockOf(height), NONE);
    application.commit();
  }
}

const AT_FIVE: readonly Upgrade[] = [{ height: 5n, version: 2n }];

describe('an application of two versions', () => {
  test('UP-1 changes its rule at the height, and not before', () => {
    const disk = { height: 0n, sum: 0n };
    const application = program(disk, NEW, AT_FIVE);
    run(application, 1n, 4n);
    expect(disk.sum).toBe(4n);
    expect(application.info().appVersion).toBe(2n);
    run(application, 5n, 6n);
    expect(disk.sum).toBe(24n);
  });

  test('UP-1 gives one state wherever programs are replaced and nodes crash', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 4 }),
        fc.uniqueArray(fc.integer({ min: 1, max: 9 })),
        (replaced, crashes) => {
          const disk = { height: 0n, sum: 0n };
          let application = program(disk, replaced === 0 ? NEW : OLD, AT_FIVE);
          for (let height = 1n; height <= 9n; height++) {
            // Finalized and not committed: the process dies, and nothing of it was kept.
            if (crashes.includes(Number(height))) {
              application.finalizeBlock(blockOf(height, 3), NONE);
              application = program(disk, height > BigInt(replaced) ? NEW : OLD, AT_FIVE);
            }
            run(application, height, height);
            if (height === BigInt(replaced)) application = program(disk, NEW, AT_FIVE);
          }
          expect(disk).toEqual({ height: 9n, sum: 4n + 50n });
        },
      ),
    );
  });

  test('UP-2 stops before the block of a version it does not have, says which, and has executed nothing', () => {
    const disk = { height: 0n, sum: 0n };
    const application = program(disk, OLD, AT_FIVE);
    run(application, 1n, 4n);
    for (const act of [
      () => application.prepareProposal(blockOf(5n), 100, NONE),
      () => application.processProposal(blockOf(5n), NONE),
      () => application.finalizeBlock(blockOf(5n), NONE),
    ]) {
      expect(act).toThrow(UnknownVersionError);
      expect(act).toThrow(
        /block 5 is executed by application version 2, and this program has 1: put/,
      );
    }
    expect(disk).toEqual({ height: 4n, sum: 4n });
    // It still answers readers.
    expect(application.query({ path: '', key: TX, height: 0n, prove: false }).ok).toBe(true);
    expect(application.info().height).toBe(4n);
    // The newer release goes on from there.
    run(program(disk, NEW, AT_FIVE), 5n, 5n);
    expect(disk.sum).toBe(14n);
  });

  test('UP-3 does not open a state that was made by a version it does not have', () => {
    expect(() => program({ height: 5n, sum: 14n }, OLD, AT_FIVE)).toThrow(UnknownVersionError);
    expect(() => program({ height: 4n, sum: 4n }, OLD, AT_FIVE)).not.toThrow();
  });

  test.each<[string, readonly Upgrade[]]>([
    [
      'heights that fall',
      [
        { height: 9n, version: 2n },
        { height: 5n, version: 3n },
      ],
    ],
    [
      'one height twice',
      [
        { height: 5n, version: 2n },
        { height: 5n, version: 3n },
      ],
    ],
    [
      'versions that fall',
      [
        { height: 5n, version: 3n },
        { height: 9n, version: 2n },
      ],
    ],
    ['the version that is in force', [{ height: 5n, version: 1n }]],
    ['a height before the first', [{ height: 0n, version: 2n }]],
  ])('refuses %s', (_what, upgrades) => {
    expect(() => program({ height: 0n, sum: 0n }, NEW, upgrades)).toThrow(RangeError);
  });

  test('every height has one version, and they rise', () => {
    const upgrades = [
      { height: 5n, version: 2n },
      { height: 9n, version: 4n },
    ];
    const versions = [1n, 4n, 5n, 8n, 9n, 1000n].map((height) =>
      versionAt({ first: 1n, upgrades }, height),
    );
    expect(versions).toEqual([1n, 1n, 2n, 2n, 4n, 4n]);
  });
});
