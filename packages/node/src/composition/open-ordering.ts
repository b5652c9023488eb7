/** Which engine orders a node's chain, opened with what the node's settings say. */
import type { Genesis } from '@yilian/consensus/application';
import type { Upgrade } from '@yilian/consensus/application-upgrades';
import { type Bytes, toHex } from '@yilian/crypto/bytes';
import { createCometbftNode } from '../cometbft/cometbft-node.ts';
import type { EngineProgram } from '../cometbft/find-engine.ts';
import type { CometbftConfig, NodeSeeds, NodeSettings } from '../config.ts';
import { ConfigError } from '../json-fields.ts';
import type { LogEvent } from '../logging.ts';
import type { IntroductionContent } from '../network/introduction.ts';
import { type OrderingNode, createOrderingNode } from '../ordering-node.ts';
import type { Peers } from '../peers/peers.ts';

export interface OpenOrderingOptions {
  readonly name: string;
  readonly directory: string;
  readonly genesis: Genesis;
  readonly seeds: NodeSeeds;
  readonly settings: NodeSettings;
  readonly peers: Peers;
  /** Where CometBFT orders: its program, and how it meets the others'. */
  readonly engine: { readonly program: EngineProgram; readonly config: CometbftConfig } | undefined;
  /** Who came after the genesis; an engine whom this leaves out is refused, and asks again. */
  readonly introduced: () => readonly IntroductionContent[];
  readonly upgrades: readonly Upgrade[];
  readonly clockNs: () => bigint;
  readonly log: (event: LogEvent) => void;
}

function engineSeedOf(seeds: NodeSeeds): Bytes {
  if (seeds.engine === null) throw new ConfigError('keys.json: engine must be there for CometBFT');
  return seeds.engine;
}

function toEnginePeers(introduced: readonly IntroductionContent[]): CometbftConfig['peers'] {
  return introduced.map(({ engineId, host, enginePort }) => ({
    id: toHex(engineId),
    host,
    port: enginePort,
  }));
}

/** @throws ConfigError, and what the engines' own compositions throw */
export function openOrdering(options: OpenOrderingOptions): Promise<OrderingNode> {
  const { name, directory, genesis, seeds, settings, peers, engine, introduced } = options;
  const { upgrades, clockNs, log } = options;
  const pace = {
    blockIntervalMs: settings.blockIntervalMs,
    // Block time lags by one beat on an idle chain, so its age reaches two beats just before the next
    // block, and services accept less than two heartbeats: the engine beats twice as often, so that an
    // idle chain stays fresh on a busy machine, too.
    heartbeatMs: Math.floor(settings.heartbeatMs / 2),
    verificationWorkers: settings.verificationWorkers,
  };
  if (engine === undefined)
    return createOrderingNode({
      directory,
      genesis,
      secretKey: seeds.consensus,
      peers,
      clockNs,
      upgrades,
      settings: { ...pace, viewTimeoutMs: settings.viewTimeoutMs },
      log,
    });
  const { snapshotEvery, blocksKept, diskFreeMinMib } = settings;
  return createCometbftNode({
    name,
    directory,
    genesis,
    consensusSeed: seeds.consensus,
    engineSeed: engineSeedOf(seeds),
    config: engine.config,
    program: engine.program,
    introduced: () => toEnginePeers(introduced()),
    peers,
    upgrades,
    clockNs,
    settings: { ...pace, snapshotEvery, blocksKept, diskFreeMinMib },
    log,
  });
}
