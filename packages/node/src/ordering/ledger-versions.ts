/** The ledger in every version that this program has, on one store: what a node of either engine drives. */
import type { Application } from '@yilian/consensus/application';
import {
  createUpgradingApplication,
  missingVersion,
  type UnknownVersionError,
  type Upgrade,
  type UpgradeOptions,
} from '@yilian/consensus/application-upgrades';
import { APP_VERSION, createLedger, type LedgerOptions } from '@yilian/ledger/ledger';

function versionsOf(options: LedgerOptions, upgrades: readonly Upgrade[]): UpgradeOptions {
  // The compiler checks here that the ledger fits the port of ordering: this line is the architecture.
  const create = (): Application => createLedger(options);
  return {
    // A release that executes differently adds its row, and keeps the ones before.
    versions: new Map([[APP_VERSION, create]]),
    first: APP_VERSION,
    upgrades,
  };
}

export interface VersionedLedger {
  readonly application: Application;
  /** Why this program cannot make the block of `height`; undefined when it can. */
  readonly missing: (height: bigint) => UnknownVersionError | undefined;
}

/** @throws UnknownVersionError, RangeError */
export function createVersionedLedger(
  options: LedgerOptions,
  upgrades: readonly Upgrade[] = [],
): VersionedLedger {
  const versions = versionsOf(options, upgrades);
  return {
    application: createUpgradingApplication(versions),
    missing: (height) => missingVersion(versions, height),
  };
}
