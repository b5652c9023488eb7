/**
 * Four hospitals and the regulator's observer in this process: real nodes with their own disks, joined
 * by copied bytes, each behind its own HTTP port.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DemoConsortium } from '@yilian/api/documents';
import { fromHex } from '@yilian/crypto/bytes';
import { nodeSettings, parseNodeSeeds } from '@yilian/node/config';
import { describeConsortium } from '@yilian/node/demo/describe-consortium';
import { type DemoFacts, openConsortium } from '@yilian/node/demo/make-consortium';
import { decodeGenesisDocument } from '@yilian/consensus/genesis';
import { createLogger } from '@yilian/node/logging';
import { createNode, type YilianNode } from '@yilian/node/node';
import type { CopyPlace } from '@yilian/node/stores/copy-source';
import { createMemoryNetwork, type MemoryNetwork } from '@yilian/node/peers/memory-peers';
import { publicKey } from '@yilian/crypto/signature';
import { decode } from '@yilian/crypto/cbor';

interface RunningNode {
  readonly institution: string;
  readonly url: string;
  readonly node: YilianNode;
}

export interface TestConsortium {
  /** Below it the nodes' disks: `nodes/<institution>/data`. */
  readonly home: string;
  readonly facts: DemoFacts;
  readonly document: DemoConsortium;
  readonly nodes: readonly RunningNode[];
  readonly memory: MemoryNetwork;
  /** One-time secret of a sample person, 16 bytes. */
  secret(person: string): Uint8Array;
  /** A node's own signing seed: only a test that plays a dishonest node needs it. */
  nodeSeed(institution: string): Uint8Array;
  /** Seed of a node's long-term HPKE key. */
  nodeHpkeSeed(institution: string): Uint8Array;
  /** Seed of the regulator's own key. */
  regulatorSeed(): Uint8Array;
  /** Stops one node: the others go on. */
  stopNode(institution: string): Promise<void>;
  /** Starts a stopped node again, on its own disk and at its old address. */
  startNode(institution: string): Promise<void>;
  stop(): Promise<void>;
}

async function startNode(
  home: string,
  institution: string,
  memory: MemoryNetwork,
  blockIntervalMs: number,
  nowMs: () => number,
  httpPort: number,
  copies: readonly CopyPlace[],
): Promise<RunningNode> {
  const directory = join(home, 'nodes', institution);
  const seeds = parseNodeSeeds(
    'keys.json',
    JSON.parse(readFileSync(join(directory, 'keys.json'), 'utf8')),
  );
  const genesis = decodeGenesisDocument(
    new Uint8Array(readFileSync(join(directory, 'genesis.cbor'))),
  );
  const node = await createNode(
    {
      name: institution,
      institution,
      operator: institution,
      directory: join(directory, 'data'),
      genesis,
      seeds,
      settings: nodeSettings({
        blockIntervalMs,
        heartbeatMs: 2_000,
        verificationWorkers: 0,
        searchWorkers: 0,
        addressPerSecond: 100_000,
        signerPerSecond: 100_000,
        logLevel: process.env['YILIAN_TEST_LOG'] === undefined ? 'silent' : 'info',
      }),
      origins: [],
      copies,
    },
    {
      peers: memory.join(publicKey(seeds.consensus)),
      clock: { nowMs },
      logger: createLogger({
        level: process.env['YILIAN_TEST_LOG'] ?? 'silent',
        node: institution,
      }),
    },
  );
  const port = await node.http.listen('127.0.0.1', httpPort);
  return { institution, url: `http://127.0.0.1:${port}`, node };
}

async function admitTickets(home: string, node: YilianNode): Promise<void> {
  const path = join(home, 'nodes', 'regulator', 'tickets.cbor');
  const tickets = decode(new Uint8Array(readFileSync(path)));
  if (!Array.isArray(tickets)) throw new Error('no tickets');
  for (const [secret, role, institution] of tickets as [Uint8Array, 'patient', string][])
    await node.registration?.admit(secret, { role, institution });
}

/** `nowMs`: what the nodes take for the time; the genesis document is of the real one. */
export async function startConsortium(
  blockIntervalMs = 60,
  nowMs: () => number = Date.now,
): Promise<TestConsortium> {
  const home = mkdtempSync(join(tmpdir(), 'yilian-client-test-'));
  const facts = await openConsortium(home);
  const memory = createMemoryNetwork();
  const nodes: RunningNode[] = [];
  const start = (institution: string, httpPort: number): Promise<RunningNode> => {
    // Addresses are known once all listen, and asked for only then.
    const copies = facts.nodes.flatMap((each): CopyPlace[] =>
      each.store === null || each.institution === institution
        ? []
        : [
            {
              store: fromHex(each.store),
              node: fromHex(each.id),
              get url() {
                return nodes.find((other) => other.institution === each.institution)?.url ?? '';
              },
            },
          ],
    );
    return startNode(home, institution, memory, blockIntervalMs, nowMs, httpPort, copies);
  };
  for (const { institution } of facts.nodes) nodes.push(await start(institution, 0));
  const regulator = nodes.find(({ node }) => node.registration !== null);
  if (regulator === undefined) throw new Error('no regulator');
  await admitTickets(home, regulator.node);
  const stopped = new Set<string>();
  const document = describeConsortium(facts, ({ institution }) => ({
    url: nodes.find((each) => each.institution === institution)?.url ?? '',
    running: true,
  }));
  const seedsOf = (institution: string): ReturnType<typeof parseNodeSeeds> =>
    parseNodeSeeds(
      'keys.json',
      JSON.parse(readFileSync(join(home, 'nodes', institution, 'keys.json'), 'utf8')),
    );
  const stopNode = async (institution: string): Promise<void> => {
    if (stopped.has(institution)) return;
    stopped.add(institution);
    await nodes.find((each) => each.institution === institution)?.node.stop();
  };
  return {
    home,
    facts,
    document,
    nodes,
    memory,
    secret: (person) => {
      const ticket = facts.tickets.find((each) => each.person === person);
      if (ticket === undefined) throw new Error(`no ticket for ${person}`);
      return fromHex(ticket.secret);
    },
    nodeSeed: (institution) => seedsOf(institution).node,
    nodeHpkeSeed: (institution) => seedsOf(institution).nodeHpke,
    regulatorSeed: () => {
      const path = join(home, 'nodes', 'regulator', 'keys.json');
      const { regulator: seed } = parseNodeSeeds(
        'keys.json',
        JSON.parse(readFileSync(path, 'utf8')),
      );
      if (seed === null) throw new Error('no regulator seed');
      return seed;
    },
    stopNode,
    startNode: async (institution) => {
      const at = nodes.findIndex((each) => each.institution === institution);
      const before = nodes[at];
      if (before === undefined || !stopped.has(institution)) throw new Error('it is not stopped');
      nodes[at] = await start(institution, Number(new URL(before.url).port));
      stopped.delete(institution);
    },
    stop: async () => {
      for (const { institution } of nodes) await stopNode(institution);
      rmSync(home, { recursive: true, force: true });
    },
  };
}
