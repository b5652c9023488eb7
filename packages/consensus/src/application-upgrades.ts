/**
 * Several versions of one application on one state: each height is executed by the version that is in force there,
 * on every node alike, whenever the node's program was replaced.
 *
 * - UP-1 A height is made by the version of the last upgrade at or below it; by the first one before all upgrades.
 * - UP-2 A block of a version that the program does not have is neither proposed, voted for nor executed: the node stops
 *   before it with its state at the height below, from where a newer program goes on.
 * - UP-3 A state above an upgrade is not served by a program that does not have its version.
 *
 * All versions read the same store as the last commit left it, and keep nothing of the state elsewhere.
 */
import type { Application, Block } from './application.ts';

export interface Upgrade {
  /** First height that the version executes. */
  readonly height: bigint;
  readonly version: bigint;
}

/** UP-2, UP-3. The message says what to do. */
export class UnknownVersionError extends Error {
  readonly code = 'unknownVersion';
  readonly height: bigint;
  readonly version: bigint;

  constructor(upgrade: Upgrade, known: readonly bigint[]) {
    const { height, version } = upgrade;
    super(
      `block ${height} is executed by application version ${version}, and this program has ` +
        `${known.join(', ')}: put the release with version ${version} in place and start the node again; ` +
        'nothing of that block was executed',
    );
    this.name = 'UnknownVersionError';
    this.height = height;
    this.version = version;
  }
}

export interface UpgradeOptions {
  /** Every version that this program has, opened on the store. */
  readonly versions: ReadonlyMap<bigint, () => Application>;
  /** In force before all upgrades. */
  readonly first: bigint;
  readonly upgrades: readonly Upgrade[];
}

/** UP-1. */
export function versionAt(
  { first, upgrades }: Pick<UpgradeOptions, 'first' | 'upgrades'>,
  height: bigint,
): bigint {
  return upgrades.findLast((upgrade) => upgrade.height <= height)?.version ?? first;
}

/** Why a program stops before `height`; undefined when it has the version. To be said as soon as it is next. */
export function missingVersion(
  { versions, first, upgrades }: UpgradeOptions,
  height: bigint,
): UnknownVersionError | undefined {
  const version = versionAt({ first, upgrades }, height);
  if (versions.has(version)) return undefined;
  return new UnknownVersionError({ height, version }, Array.from(versions.keys()));
}

/** @throws RangeError when heights or versions do not rise */
function assertRising({ first, upgrades }: UpgradeOptions): void {
  let last: Upgrade = { height: 0n, version: first };
  for (const upgrade of upgrades) {
    if (upgrade.height <= last.height || upgrade.version <= last.version)
      throw new RangeError('heights and versions of upgrades must rise');
    last = upgrade;
  }
}

class UpgradingApplication implements Application {
  readonly #options: UpgradeOptions;
  #version: bigint;
  #current: Application;
  /** Between `finalizeBlock` and `commit`, which belong together. */
  #isFinalized = false;

  constructor(options: UpgradeOptions) {
    this.#options = options;
    const [probe] = options.versions;
    if (probe === undefined) throw new RangeError('a program has at least one version');
    const [version, open] = probe;
    this.#version = version;
    this.#current = open();
    const { height } = this.#current.info();
    // What is there was made by a version that must be known; the next height's need not be.
    this.#use(height);
    this.#useIfKnown(height + 1n);
  }

  info(): ReturnType<Application['info']> {
    return this.#ahead().info();
  }

  initChain(
    genesis: Parameters<Application['initChain']>[0],
  ): ReturnType<Application['initChain']> {
    return this.#use(1n).initChain(genesis);
  }

  inspect(tx: Parameters<Application['inspect']>[0]): ReturnType<Application['inspect']> {
    return this.#ahead().inspect(tx);
  }

  checkTransaction(
    ...asked: Parameters<Application['checkTransaction']>
  ): ReturnType<Application['checkTransaction']> {
    return this.#ahead().checkTransaction(...asked);
  }

  prepareProposal(
    ...asked: Parameters<Application['prepareProposal']>
  ): ReturnType<Application['prepareProposal']> {
    return this.#of(asked[0]).prepareProposal(...asked);
  }

  processProposal(
    ...asked: Parameters<Application['processProposal']>
  ): ReturnType<Application['processProposal']> {
    return this.#of(asked[0]).processProposal(...asked);
  }

  finalizeBlock(
    ...asked: Parameters<Application['finalizeBlock']>
  ): ReturnType<Application['finalizeBlock']> {
    const finalized = this.#of(asked[0]).finalizeBlock(...asked);
    this.#isFinalized = true;
    return finalized;
  }

  commit(): ReturnType<Application['commit']> {
    const committed = this.#current.commit();
    this.#isFinalized = false;
    return committed;
  }

  query(query: Parameters<Application['query']>[0]): ReturnType<Application['query']> {
    return this.#current.query(query);
  }

  #of({ height }: Block): Application {
    return this.#use(height);
  }

  /** The version of the next height where it is known: what waits will be judged by it. */
  #ahead(): Application {
    if (!this.#isFinalized) this.#useIfKnown(this.#current.info().height + 1n);
    return this.#current;
  }

  #useIfKnown(height: bigint): void {
    if (this.#options.versions.has(versionAt(this.#options, height))) this.#use(height);
  }

  /** @throws UnknownVersionError */
  #use(height: bigint): Application {
    const version = versionAt(this.#options, height);
    if (version === this.#version) return this.#current;
    const open = this.#options.versions.get(version);
    if (open === undefined)
      throw new UnknownVersionError({ height, version }, Array.from(this.#options.versions.keys()));
    this.#version = version;
    this.#current = open();
    return this.#current;
  }
}

/**
 * One application of many versions. Where there is nothing to upgrade it is the first version itself.
 * @throws UnknownVersionError, RangeError
 */
export function createUpgradingApplication(options: UpgradeOptions): Application {
  const open = options.versions.get(options.first);
  if (options.upgrades.length === 0 && open !== undefined) return open();
  assertRising(options);
  return new UpgradingApplication(options);
}
