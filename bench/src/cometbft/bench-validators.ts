/**
 * Four validators on this machine, the same for our application and for kvstore: keys, genesis, addresses.
 * All four lead: a member that only votes would leave its turns empty, which kvstore knows nothing of.
 */
import type { Genesis } from '@yilian/consensus/application';
import type { Bytes } from '@yilian/crypto/bytes';
import { freePorts } from '@yilian/node/bind-port';
import { engineNodeId } from '@yilian/node/cometbft/engine-files';
import type { CometbftConfig } from '@yilian/node/config';
import { sha256 } from '@yilian/node/verification/sha256';
import { genesis as embedded, validatorSeeds } from '../embedded-consortium.ts';

export interface BenchValidator {
  readonly name: string;
  readonly consensusSeed: Bytes;
  readonly engineSeed: Bytes;
  readonly config: CometbftConfig;
}

export function createGenesis(): Genesis {
  const { chainId, appState, validators } = embedded;
  return {
    engine: 'cometbft',
    chainId,
    timeNs: BigInt(Date.now()) * 1_000_000n,
    validators: validators.map((each) => ({ ...each, leads: true })),
    appState,
  };
}

export async function createValidators(): Promise<readonly BenchValidator[]> {
  const ports = await freePorts(validatorSeeds.length);
  const named = validatorSeeds.map((consensusSeed, index) => {
    const engineSeed = sha256(consensusSeed);
    const listen = { host: '127.0.0.1', port: ports[index] ?? 0 };
    return { name: `validator-${index}`, consensusSeed, engineSeed, listen };
  });
  return named.map(({ listen, ...each }) => ({
    ...each,
    config: {
      listen,
      peers: named
        .filter(({ name }) => name !== each.name)
        .map((peer) => ({ ...peer.listen, id: engineNodeId(peer.engineSeed) })),
    },
  }));
}
