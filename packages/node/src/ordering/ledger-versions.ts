/** The ledger in every version that this program has, on one store: what a node of either engine drives. */
import type { Application } from '@yilian/consensus/application';
import { createUpgradingApplication, type Upgrade } from '@yilian/consensus/application-upgrades';
import { APP_VERSION, createLedger, type LedgerOptions } from '@yilian/ledger/ledger';

/** @throws UnknownVersionError, RangeError */
export function createVersionedLedger(
  options: LedgerOptions,
  upgrades: readonly Upgrade[] = [],
): Application {
  // The compiler checks here that the ledger fits the port of ordering: this line is the architecture.
  const create = (): Application => createLedger(options);
  return createUpgradingApplication({
    // A release that executes differently adds its row, and keeps the ones before.
    versions: new Map([[APP_VERSION, create]]),
    first: APP_VERSION,
    upgrades,
  });
}
