/**
 * Call grammar and crash replay for any Application on a disk that forgets what was not flushed. Any
 * engine may drive what passes here. A factory brings the application and transactions of its own.
 */
import { describe, expect, test } from 'vitest';
import type { Bytes } from '@yilian/crypto/bytes';
import type {
  Application,
  Block,
  FinalizedBlock,
  Genesis,
  Verified,
} from '../../consensus/src/application.ts';

/** The application's store: `write` is atomic and visible at once, `crash` drops what was not flushed. */
interface ConformanceDisk {
  write(batch: ReturnType<Application['commit']>['writes']): void;
  flush(): void;
  crash(): void;
}

interface ConformanceSubject {
  readonly genesis: Genesis;
  createDisk(): ConformanceDisk;
  /** A fresh process on this disk. */
  create(disk: ConformanceDisk): Application;
  /** Blocks of valid transactions, of which some depend on earlier ones. At least four. */
  readonly blocks: readonly (readonly Bytes[])[];
  /** A transaction that inspection refuses. */
  readonly malformed: Bytes;
  verify(application: Application, txs: readonly Bytes[]): Verified;
}

const NOTHING: Verified = { has: () => false };

/** Runs the suite. `label` names the application. */
export function describeApplication(label: string, subject: ConformanceSubject): void {
  const blockAt = (application: Application, txs: readonly Bytes[]): Block => {
    const height = application.info().height + 1n;
    return {
      height,
      timeNs: subject.genesis.timeNs + height * 1_000_000_000n,
      proposer: subject.genesis.validators[0]?.key ?? new Uint8Array(32),
      txs,
      votes: [],
      misbehaviour: [],
    };
  };
  const finalize = (application: Application, txs: readonly Bytes[]): FinalizedBlock =>
    application.finalizeBlock(blockAt(application, txs), subject.verify(application, txs));
  const started = (): { disk: ConformanceDisk; application: Application } => {
    const disk = subject.createDisk();
    const application = subject.create(disk);
    application.initChain(subject.genesis);
    return { disk, application };
  };
  const advance = (
    disk: ConformanceDisk,
    application: Application,
    txs: readonly Bytes[],
  ): void => {
    finalize(application, txs);
    disk.write(application.commit().writes);
    disk.flush();
  };
  const reference = (): readonly Bytes[] => {
    const { disk, application } = started();
    return subject.blocks.map((txs) => {
      advance(disk, application, txs);
      return application.info().appHash;
    });
  };

  describe(`${label}: call grammar`, () => {
    test('a new chain is at height 0', () => {
      const application = subject.create(subject.createDisk());
      expect(application.info().height).toBe(0n);
    });

    test('initChain may run twice and says the same', () => {
      const { application } = started();
      const again = application.initChain(subject.genesis);
      expect(again.appHash).toEqual(application.info().appHash);
      expect(again.validators).toEqual(subject.genesis.validators);
    });

    test('initChain on a chain that has blocks is refused as a bug', () => {
      const { disk, application } = started();
      advance(disk, application, subject.blocks[0] ?? []);
      expect(() => application.initChain(subject.genesis)).toThrow();
      expect(() => subject.create(disk).initChain(subject.genesis)).toThrow();
    });

    test('nothing runs before initChain', () => {
      const application = subject.create(subject.createDisk());
      const block = blockAt(application, []);
      expect(() => application.finalizeBlock(block, NOTHING)).toThrow();
    });

    test('finalizeBlock takes the next height only', () => {
      const { disk, application } = started();
      advance(disk, application, subject.blocks[0] ?? []);
      const next = blockAt(application, []);
      expect(() => application.finalizeBlock({ ...next, height: 1n }, NOTHING)).toThrow();
      expect(() => application.finalizeBlock({ ...next, height: 3n }, NOTHING)).toThrow();
      expect(application.finalizeBlock(next, NOTHING).outcomes).toEqual([]);
    });

    test('a second finalizeBlock without a commit is refused as a bug', () => {
      const { application } = started();
      finalize(application, []);
      expect(() => finalize(application, [])).toThrow();
    });

    test('a commit without a block, or twice, is refused as a bug', () => {
      const { disk, application } = started();
      expect(() => application.commit()).toThrow();
      finalize(application, []);
      disk.write(application.commit().writes);
      expect(() => application.commit()).toThrow();
    });

    test('proposals may be asked for and judged any number of times without effect', () => {
      const { disk, application } = started();
      const hashes = reference();
      for (const [i, txs] of subject.blocks.entries()) {
        const verified = subject.verify(application, txs);
        for (let round = 0; round < 3; round++) {
          const block = blockAt(application, txs);
          const chosen = application.prepareProposal(block, 1 << 24, verified);
          expect(chosen).toEqual(txs);
          expect(application.processProposal({ ...block, txs: chosen }, verified)).toBe('accept');
        }
        advance(disk, application, txs);
        expect(application.info().appHash).toEqual(hashes[i]);
      }
    });

    test('a proposal keeps to its size and leaves out what is malformed', () => {
      const { application } = started();
      const [txs = []] = subject.blocks;
      const verified = subject.verify(application, txs);
      const size = txs.reduce((sum, each) => sum + each.length, 0);
      const block = blockAt(application, [subject.malformed, ...txs]);
      expect(application.prepareProposal(block, size, verified)).toEqual(txs);
      const tight = application.prepareProposal(block, size - 1, verified);
      expect(tight.length).toBe(txs.length - 1);
    });

    test('a proposal with a malformed or unverified transaction is rejected', () => {
      const { application } = started();
      const [txs = []] = subject.blocks;
      const verified = subject.verify(application, txs);
      const spoiled = blockAt(application, [...txs, subject.malformed]);
      expect(application.processProposal(spoiled, verified)).toBe('reject');
      expect(application.processProposal(blockAt(application, txs), NOTHING)).toBe('reject');
    });

    test('checkTransaction accepts what a block accepts, once, and forgets it with the commit', () => {
      const { disk, application } = started();
      for (const txs of subject.blocks) {
        const verified = subject.verify(application, txs);
        for (const each of txs) {
          expect(application.checkTransaction(each, 'new', verified).ok).toBe(true);
          expect(application.checkTransaction(each, 'new', verified).ok).toBe(false);
        }
        advance(disk, application, []);
        for (const each of txs)
          expect(application.checkTransaction(each, 'recheck', NOTHING).ok).toBe(true);
        advance(disk, application, txs);
        for (const each of txs)
          expect(application.checkTransaction(each, 'recheck', NOTHING).ok).toBe(false);
      }
    });

    test('an empty block changes the height and not the app hash', () => {
      const { disk, application } = started();
      advance(disk, application, subject.blocks[0] ?? []);
      const { appHash, height } = application.info();
      for (let i = 0; i < 20; i++) advance(disk, application, []);
      expect(application.info()).toMatchObject({ appHash, height: height + 20n });
    });

    test('finalizeBlock names the app hash that info shows after the write', () => {
      const { disk, application } = started();
      for (const txs of subject.blocks) {
        const before = application.info();
        const { appHash, outcomes } = finalize(application, txs);
        expect(outcomes.every((outcome) => outcome.ok)).toBe(true);
        expect(application.info()).toEqual(before);
        const { writes } = application.commit();
        expect(application.info()).toEqual(before);
        disk.write(writes);
        expect(application.info()).toMatchObject({ appHash, height: before.height + 1n });
      }
    });
  });

  describe(`${label}: crash and replay`, () => {
    type Crash = (disk: ConformanceDisk, application: Application, txs: readonly Bytes[]) => void;
    const crashes: readonly (readonly [string, Crash])[] = [
      ['before finalizeBlock', () => {}],
      ['after finalizeBlock', (_, application, txs) => void finalize(application, txs)],
      [
        'after commit, before the write',
        (_, application, txs) => {
          finalize(application, txs);
          application.commit();
        },
      ],
      [
        'after the write, before the flush',
        (disk, application, txs) => {
          finalize(application, txs);
          disk.write(application.commit().writes);
        },
      ],
    ];

    test.each(crashes)('a crash %s of every block loses nothing flushed', (_, crash) => {
      const hashes = reference();
      const { disk, application: first } = started();
      let application = first;
      for (const [i, txs] of subject.blocks.entries()) {
        crash(disk, application, txs);
        disk.crash();
        application = subject.create(disk);
        expect(application.info().height).toBe(BigInt(i));
        if (i === 0) application.initChain(subject.genesis);
        advance(disk, application, txs);
        expect(application.info().appHash).toEqual(hashes[i]);
      }
    });

    test('a crash after the flush continues at the next height', () => {
      const hashes = reference();
      const { disk, application: first } = started();
      let application = first;
      for (const [i, txs] of subject.blocks.entries()) {
        advance(disk, application, txs);
        disk.crash();
        application = subject.create(disk);
        expect(application.info()).toMatchObject({ height: BigInt(i + 1), appHash: hashes[i] });
      }
    });
  });
}
