/** Nodes with real engines on loopback: two validators, and whoever joins them. */
import { createServer, type Server } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Genesis } from '@yilian/consensus/application';
import { encodeGenesis } from '@yilian/ledger/genesis';
import type { MemberDescription } from '@yilian/ledger/contracts/members/member';
import { createCometbftNode, type CometbftNodeOptions } from '../../src/cometbft/cometbft-node.ts';
import { engineNodeId } from '../../src/cometbft/engine-files.ts';
import { type EngineProgram, findEngine } from '../../src/cometbft/find-engine.ts';
import type { CometbftConfig } from '../../src/config.ts';
import type { LogEvent } from '../../src/logging.ts';
import type { OrderingNode } from '../../src/ordering-node.ts';
import { CHAIN_ID, doctor, type Keys, keysOf, regulator } from '../engine/consortium.ts';

export const validators: readonly Keys[] = [0, 1].map((i) => keysOf(`state sync validator ${i}`));
export const newcomer: Keys = keysOf('state sync newcomer');

function describe(
  keys: Keys,
  role: MemberDescription['role'],
  institution: string,
): MemberDescription {
  return {
    key: keys.key,
    role,
    institution,
    operator: institution,
    hpkeKey: new Uint8Array(32),
    certificateHash: new Uint8Array(32),
  };
}

/** Of this moment: the engine's light client trusts nothing that is older than its period. */
export function genesisNow(): Genesis {
  return {
    chainId: CHAIN_ID,
    timeNs: BigInt(Date.now()) * 1_000_000n,
    engine: 'cometbft',
    validators: validators.map(({ key }) => ({ key, power: 1n, leads: true })),
    appState: encodeGenesis({
      chainId: CHAIN_ID,
      members: [
        describe(regulator, 'regulator', 'health-commission'),
        describe(doctor, 'doctor', 'h-0'),
      ],
      validators: validators.map(({ key: consensusKey }, i) => ({
        consensusKey,
        institution: `h-${i}`,
        operator: `h-${i}`,
      })),
      settings: { faultsMax: 0 },
    }),
  };
}

/** Ports that were free a moment ago. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createTcpServer();
      await new Promise<void>((resolve) => {
        server.listen(0, '127.0.0.1', resolve);
      });
      return server;
    }),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    return address !== null && typeof address === 'object' ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => void server.close(resolve))));
  return ports;
}

/** Undefined where there is no cometbft: its tests are skipped then, except where they must run. */
export async function engineForTests(): Promise<EngineProgram | undefined> {
  try {
    return await findEngine({ install: false });
  } catch (error) {
    if (process.env['CI'] === 'true') throw error;
    return undefined;
  }
}

const engineSeedOf = (keys: Keys): Uint8Array => keys.seed.map((byte) => byte ^ 0xff);

export function engineIdOf(keys: Keys): string {
  return engineNodeId(engineSeedOf(keys));
}

export interface NodePlan {
  readonly root: string;
  readonly genesis: Genesis;
  readonly program: EngineProgram;
  /** Everybody's engine on its own network, by name. */
  readonly ports: Readonly<Record<string, number>>;
}

export interface StartOptions {
  readonly settings?: CometbftNodeOptions['settings'];
  readonly stateSync?: CometbftConfig['stateSync'];
  readonly onEvent?: (event: LogEvent) => void;
  /** Default: the newcomer alone, whom no configuration of the validators names. */
  readonly introduced?: CometbftNodeOptions['introduced'];
}

const NO_PEERS = { status: () => [], close: async () => undefined };

/** What travels to a process of its own, too. */
export function nodeOptions(
  plan: NodePlan,
  name: string,
  keys: Keys,
  options: StartOptions = {},
): Omit<CometbftNodeOptions, 'peers' | 'log'> {
  const peers = validators
    .map((each, i) => ({ each, name: `v${i}` }))
    .filter((peer) => peer.name !== name)
    .map((peer) => ({
      id: engineIdOf(peer.each),
      host: '127.0.0.1',
      port: plan.ports[peer.name] ?? 0,
    }));
  return {
    name,
    directory: join(plan.root, name),
    genesis: plan.genesis,
    consensusSeed: keys.seed,
    engineSeed: engineSeedOf(keys),
    config: {
      listen: { host: '127.0.0.1', port: plan.ports[name] ?? 0 },
      peers,
      ...(options.stateSync === undefined ? {} : { stateSync: options.stateSync }),
    },
    program: plan.program,
    settings: {
      blockIntervalMs: 100,
      heartbeatMs: 1_000,
      verificationWorkers: 0,
      ...options.settings,
    },
  };
}

export function startCometbftNode(
  plan: NodePlan,
  name: string,
  keys: Keys,
  options: StartOptions = {},
): Promise<OrderingNode> {
  return createCometbftNode({
    ...nodeOptions(plan, name, keys, options),
    peers: NO_PEERS,
    introduced:
      options.introduced ??
      ((): CometbftConfig['peers'] => [
        { id: engineIdOf(newcomer), host: '127.0.0.1', port: plan.ports['new'] ?? 0 },
      ]),
    log: options.onEvent ?? ((): void => undefined),
  });
}

/** What a node's HTTP server does with `POST /v1/engine`. */
export async function serveRelay(
  node: OrderingNode,
): Promise<{ readonly url: string; readonly asked: string[]; close(): Promise<void> }> {
  const asked: string[] = [];
  const server: Server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const body = Buffer.concat(parts).toString('utf8');
      asked.push(body);
      void node.relayToEngine?.(body).then((answer) => {
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify(answer));
      });
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

export async function until(condition: () => boolean, what: string, ms = 60_000): Promise<void> {
  const end = performance.now() + ms;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not in time: ${what}`);
    // oxlint-disable-next-line no-await-in-loop -- a condition of other processes
    await pause(50);
  }
}
