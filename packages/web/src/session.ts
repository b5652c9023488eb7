/** Everything of one visit to the page: platform, verified view of the chain, and the people of the story. */
import type { ChainReader } from '@yilian/client/chain-reader';
import {
  type ChainExplorer,
  countSightings,
  createChainExplorer,
} from '@yilian/client/chain-explorer';
import {
  connectToDemo,
  type DemoConnection,
  type DemoConsortium,
} from '@yilian/client/demo-consortium';
import type { Network } from '@yilian/client/network';
import { createMemoryStorage, type Platform } from '@yilian/client/platform/platform';
import { createWebPlatform } from '@yilian/client/platform/web-platform';

/** The sample people's keys stay in this page's memory and go with it. */
export function createPagePlatform(): Promise<Platform> {
  return createWebPlatform({ storage: createMemoryStorage() });
}

/** What was found when the chain was searched for the patient. */
export interface Sightings {
  readonly transactions: number;
  /** P, identity and name, anywhere. */
  readonly found: number;
  /** Pseudonyms and record ids in grants and accesses. */
  readonly linked: number;
}

/** What only the patient's own device knows of her, to look for on the chain. */
interface PatientTraces {
  readonly confidential: readonly Uint8Array[];
  readonly pseudonymous: readonly Uint8Array[];
}

export interface Session extends Pick<DemoConnection, 'relocate'> {
  readonly platform: Platform;
  readonly consortium: DemoConsortium;
  readonly network: Network;
  readonly reader: ChainReader;
  readonly explorer: ChainExplorer;
  /** Told by the story as it goes on. */
  traces: PatientTraces;
  lookForHer(): Promise<Sightings>;
}

const GRANT_TYPES: ReadonlySet<string> = new Set([
  'grantAccess',
  'narrowGrant',
  'revokeAccess',
  'recordAccess',
  'nodeReport',
  'acknowledgeErasure',
]);

/** The page trusts the anchor that its own supervisor serves; a hospital's client has it from a certificate. */
export function createSession(platform: Platform, consortium: DemoConsortium): Session {
  const { network, reader, relocate } = connectToDemo(platform, consortium);
  const explorer = createChainExplorer(reader);
  const session: Session = {
    platform,
    consortium,
    network,
    reader,
    relocate,
    explorer,
    traces: { confidential: [], pseudonymous: [] },
    async lookForHer() {
      const transactions = await explorer.follow();
      const { confidential, pseudonymous } = session.traces;
      return {
        transactions: transactions.length,
        found: countSightings(transactions, confidential),
        linked: countSightings(transactions, pseudonymous, ({ type }) => GRANT_TYPES.has(type)),
      };
    },
  };
  return session;
}
