/** Who votes changes on a network of CometBFT processes, and what becomes of one that signs twice. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import type { Genesis } from '@yilian/consensus/application';
import { toHex } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import { Fields } from '@yilian/crypto/fields';
import { parseListAnswer, parseLogAnswer } from '@yilian/ledger/answers';
import type { ValidatorEntry } from '@yilian/ledger/contracts/governance/validators';
import { type LogLeaf, parseLogLeaf } from '@yilian/ledger/log-leaf';
import { createCometbftNode } from '../../src/cometbft/cometbft-node.ts';
import { engineNodeId } from '../../src/cometbft/engine-files.ts';
import { type EngineProgram, findEngine } from '../../src/cometbft/find-engine.ts';
import type { NetworkAddress } from '../../src/config.ts';
import type { FinalBlock } from '../../src/ordering/final-block.ts';
import type { OrderingNode } from '../../src/ordering-node.ts';
import { createMemoryNetwork } from '../../src/peers/memory-peers.ts';
import { enrolPatient, type Keys, keysOf, order, validators } from '../engine/consortium.ts';
import {
  changeValidators,
  entryOf,
  Follower,
  governedValidators,
  names,
} from '../engine/governance.ts';
import { genesisOf } from './network.ts';

const program = await findEngine({ install: false }).catch((): undefined => undefined);
if (program === undefined && process.env['CI'] === 'true')
  throw new Error(
    'these tests need cometbft on the path: go install github.com/cometbft/cometbft/cmd/cometbft@v0.38.25',
  );

const root = mkdtempSync(join(tmpdir(), 'yl-val-'));
let made = 0;
const running = new Set<OrderingNode>();
afterEach(async () => {
  await Promise.all([...running].map((node) => node.stop()));
  running.clear();
}, 60_000);
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  return address !== null && typeof address === 'object' ? address.port : 0;
}

/** A hospital's machine: its consensus key, and the key of its engine on the engines' network. */
interface Machine {
  readonly keys: Keys;
  readonly engine: Keys;
}

const machine = (keys: Keys, name: string): Machine => ({ keys, engine: keysOf(`engine ${name}`) });

const hospitals = validators.map((keys, i) => machine(keys, String(i)));
const fifth = keysOf('the fifth hospital');

/** All of them, each connected with all; the last hospital of the genesis does not lead. */
async function start(
  machines: readonly Machine[],
): Promise<{ readonly nodes: readonly OrderingNode[]; readonly genesis: Genesis }> {
  const founded: Genesis = {
    ...genesisOf(validators.map((keys, i) => ({ keys, leads: i < 3 }))),
    timeNs: BigInt(Date.now()) * 1_000_000n,
    engine: 'cometbft',
  };
  const genesis = {
    ...founded,
    validators: founded.validators.map((each) => ({ ...each, power: 1n })),
  };
  const network = createMemoryNetwork();
  const places: NetworkAddress[] = [];
  // oxlint-disable-next-line no-await-in-loop -- one port after the other, so that they differ
  for (const _ of machines) places.push({ host: '127.0.0.1', port: await freePort() });
  const nodes = await Promise.all(
    machines.map(async ({ keys, engine }, i) => {
      const listen = places[i];
      if (listen === undefined) throw new Error('one place for each machine');
      const node = await createCometbftNode({
        name: `h-${i}`,
        directory: join(root, String(made++)),
        genesis,
        consensusSeed: keys.seed,
        engineSeed: engine.seed,
        config: {
          listen,
          peers: machines.flatMap((other, at) => {
            const place = places[at];
            return at === i || place === undefined
              ? []
              : [{ id: engineNodeId(other.engine.seed), ...place }];
          }),
        },
        program: program as EngineProgram,
        peers: network.join(engine.key),
        settings: { blockIntervalMs: 250, heartbeatMs: 3_000, verificationWorkers: 0 },
      });
      running.add(node);
      return node;
    }),
  );
  // The engines find one another; until then nothing can be handed in.
  await vi.waitFor(
    () => {
      for (const node of nodes) expect(node.latest().height).toBeGreaterThan(0n);
    },
    { timeout: 120_000 },
  );
  return { nodes, genesis };
}

const patient = (node: OrderingNode): Promise<bigint> => order(node, enrolPatient(), 60_000);

async function pass(node: OrderingNode, count: number): Promise<bigint> {
  let height = 0n;
  // oxlint-disable-next-line no-await-in-loop -- one block each
  for (let i = 0; i < count; i++) height = await patient(node);
  return height;
}

function misbehaviour(node: OrderingNode): readonly LogLeaf[] {
  const ask = (path: string, key: Uint8Array): Uint8Array => {
    const answer = node.query({ path, key, height: 0n, prove: true });
    if (!answer.ok) throw new Error(answer.code);
    return answer.value;
  };
  return parseListAnswer(ask('misbehaviour', encode([0, 100]))).items.map((item) => {
    const position = Fields.of(decode(item), 1).whole();
    return parseLogLeaf(parseLogAnswer(ask('log', encode([position]))).leaf);
  });
}

const four: readonly ValidatorEntry[] = validators.map((keys, i) =>
  entryOf(keys, `h-${i}`, { leads: i < 3 }),
);
const [first, second, third, fourth] = validators;
if (!first || !second || !third || !fourth) throw new Error('four hospitals');

describe.skipIf(program === undefined)('validators under CometBFT', () => {
  test('AB-5 a verification node has turns and proposes nothing in them; the chain goes on', async () => {
    const { nodes } = await start(hospitals);
    const [node] = nodes;
    if (node === undefined) throw new Error('four nodes');
    const blocks: FinalBlock[] = [];
    node.subscribe((block) => blocks.push(block));
    const turnsOf = (keys: Keys): readonly FinalBlock[] =>
      blocks.filter(({ proposer }) => toHex(proposer) === toHex(keys.key));
    await vi.waitFor(
      async () => {
        // Handed in at the community hospital itself: its own turns do not carry them either.
        await Promise.all(nodes.map((each) => patient(each)));
        expect(turnsOf(fourth).length).toBeGreaterThanOrEqual(3);
      },
      { timeout: 120_000, interval: 10 },
    );
    expect(turnsOf(fourth).flatMap(({ txs }) => txs)).toEqual([]);
    expect(turnsOf(first).some(({ txs }) => txs.length > 0)).toBe(true);
  }, 180_000);

  test('a fifth hospital joins and leaves two heights after the change; a light client follows', async () => {
    const { nodes, genesis } = await start([...hospitals, machine(fifth, 'fifth')]);
    const [node] = nodes;
    const joining = nodes[4];
    if (node === undefined || joining === undefined) throw new Error('five nodes');
    const follower = new Follower(genesis, node);
    const skipping = new Follower(genesis, node);
    await pass(node, 1);
    expect(joining.status().role).toBe('observer');
    const five = [...four, entryOf(fifth, 'h-4')];
    const joined = await changeValidators(node, { mode: 'equal', validators: five }, [
      first,
      second,
      fourth,
      fifth,
    ]);
    await pass(node, 3);
    expect(await follower.votersAt(joined + 1n)).toEqual(names(validators));
    expect(await follower.votersAt(joined + 2n)).toEqual(names([...validators, fifth]));
    await vi.waitFor(() => expect(joining.status().role).toBe('validator'), { timeout: 30_000 });
    // Of five, four are a quorum: without one of the old ones the new one's vote decides.
    await nodes[2]?.stop();
    await pass(node, 3);
    const staked = five.map((each, i) => ({ ...each, power: [5, 5, 4, 4, 3][i] ?? 1 }));
    const weighed = await changeValidators(node, { mode: 'stake', validators: staked }, [
      first,
      second,
      fourth,
      fifth,
    ]);
    await pass(node, 3);
    expect((await follower.follow(weighed + 2n)).validators.totalPower).toBe(21n);
    const left = await changeValidators(
      node,
      { mode: 'stake', validators: staked.filter(({ institution }) => institution !== 'h-2') },
      [first, second, fourth, fifth],
    );
    const last = await pass(node, 4);
    expect(await follower.votersAt(left + 2n)).toEqual(names([first, second, fourth, fifth]));
    expect(governedValidators(joining).epoch).toBe(3);
    await follower.follow(last);
    // From genesis over each change at once: every step leaves enough overlap.
    for (const height of [joined + 2n, weighed + 2n, left + 2n, last])
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await skipping.follow(height, 'skip');
    expect(toHex(skipping.trusted.blockId)).toBe(toHex(follower.trusted.blockId));
  }, 300_000);

  test('a hospital that runs its validator twice is found out, and stands in the log of everybody', async () => {
    const twin: Machine = { keys: second, engine: keysOf('engine of the twin') };
    const { nodes } = await start([...hospitals, twin]);
    const [node] = nodes;
    if (node === undefined) throw new Error('five nodes');
    await vi.waitFor(
      async () => {
        await patient(node);
        expect(misbehaviour(node)).not.toEqual([]);
      },
      { timeout: 180_000, interval: 50 },
    );
    const [found] = misbehaviour(node);
    expect(found?.facts[0]?.slice(0, 3)).toEqual(['misbehaviour', 'h-1', 'duplicateVote']);
    const height = await patient(node);
    for (const each of nodes.slice(0, 4))
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await vi.waitFor(
        () => {
          expect(each.latest().height).toBeGreaterThanOrEqual(height);
          expect(misbehaviour(each)[0]).toEqual(found);
        },
        { timeout: 30_000 },
      );
    const heights = misbehaviour(node).map(({ facts }) => facts[0]?.[3]);
    expect(new Set(heights).size).toBe(heights.length);
  }, 300_000);
});
