/** The chain of a home, verified from its own genesis document on: nobody is asked which chain this is. */
import { connect, type Connection } from '@yilian/client/connect';
import { createMemoryStorage } from '@yilian/client/platform/platform';
import { createNodePlatform } from '@yilian/client/platform/node-platform';
import type { NodeEndpoint } from '@yilian/client/transport';
import { toMemberId } from '@yilian/ledger/ids';
import { readChainFacts } from '@yilian/node/network/chain-facts';

function endpoint(url: string): NodeEndpoint {
  return {
    name: url,
    memberId: toMemberId(new Uint8Array(32)),
    url: url.replace(/\/+$/, ''),
    institution: url,
    operator: url,
    isRegulator: false,
    store: null,
    hospitalKey: null,
  };
}

/**
 * Trust begins at the genesis document each time: nothing that this device believed before is in it.
 * @throws ConfigError
 */
export async function connectToChainOf(home: string, urls: readonly string[]): Promise<Connection> {
  const { chainId, genesisId, regulatorKey } = readChainFacts(home);
  const platform = await createNodePlatform({ storage: createMemoryStorage() });
  const anchor = { chainId, genesisId, regulatorKey };
  return connect({ platform, anchor, nodes: urls.map(endpoint) });
}
