/**
 * One replica in a process of its own: the node's real composition on its own CometBFT, without HTTP. Its clients are
 * in this process too, so that what is measured is ordering and not a web server.
 */
import { decodeGenesisDocument } from '@yilian/consensus/genesis';
import { fromHex } from '@yilian/crypto/bytes';
import { publicKey } from '@yilian/crypto/signature';
import { createCometbftNode } from '@yilian/node/cometbft/cometbft-node';
import type { OrderingNode } from '@yilian/node/ordering-node';
import { createMemoryNetwork } from '@yilian/node/peers/memory-peers';
import { drive, requestAccess } from '../embedded-consortium.ts';
import type { FromReplica, ReplicaOptions, ToReplica } from './replica-messages.ts';

let node: OrderingNode | undefined;
let txs: readonly Uint8Array[] = [];

function running(): OrderingNode {
  if (node === undefined) throw new Error('the replica was not started');
  return node;
}

async function start(options: ReplicaOptions): Promise<FromReplica> {
  const consensusSeed = fromHex(options.consensusSeed);
  let enginePid = 0;
  node = await createCometbftNode({
    name: options.name,
    directory: options.directory,
    genesis: decodeGenesisDocument(fromHex(options.genesis)),
    consensusSeed,
    engineSeed: fromHex(options.engineSeed),
    config: options.config,
    program: options.program,
    peers: createMemoryNetwork().join(publicKey(consensusSeed)),
    settings: {
      blockIntervalMs: options.blockIntervalMs,
      heartbeatMs: options.heartbeatMs,
    },
    gateway: { bundleCountMax: options.bundleCountMax },
    log: (event) => {
      if (event.event === 'engineStarted') enginePid = Number(event['pid']);
      if (event.level === 'error') console.error(JSON.stringify(event));
    },
  });
  // The engine makes a first block by itself as soon as enough validators have met.
  while (node.latest().height === 0n) await new Promise((resolve) => setTimeout(resolve, 50));
  return { kind: 'started', enginePid };
}

async function light(count: number, pauseMs: number): Promise<FromReplica> {
  const latenciesMs: number[] = [];
  for (let index = 0; index < count; index++) {
    const tx = requestAccess();
    const started = performance.now();
    await drive([running()], [tx], 1);
    latenciesMs.push(performance.now() - started);
    // Evenly over all phases of a block, the same in every run.
    const share = (index * 0.618_034) % 1;
    await new Promise((resolve) => setTimeout(resolve, 2 * pauseMs * share));
  }
  return { kind: 'lit', latenciesMs };
}

async function answer(message: ToReplica): Promise<FromReplica> {
  switch (message.kind) {
    case 'start':
      return start(message.options);
    case 'prepare':
      txs = Array.from({ length: message.count }, () => requestAccess());
      return { kind: 'prepared' };
    case 'drive':
      await drive([running()], txs, message.window);
      txs = [];
      return { kind: 'driven' };
    case 'light':
      return light(message.count, message.pauseMs);
    case 'stop':
      await node?.stop();
      return { kind: 'stopped' };
  }
}

process.on('message', (message: ToReplica) => {
  void answer(message)
    .catch((error: unknown): FromReplica => ({ kind: 'failed', reason: String(error) }))
    .then((reply) => {
      process.send?.(reply);
      if (reply.kind === 'stopped') process.disconnect();
    });
});
// Whoever measures is gone: so is this replica, and its engine with it.
process.on('disconnect', () => {
  void (node?.stop() ?? Promise.resolve()).finally(() => process.exit(0));
});
