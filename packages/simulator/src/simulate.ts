/**
 * One run: a phase of faults drawn from the seed, with the checkers on every event, then a phase in which
 * everything heals and the cluster has to make progress and converge.
 */
import { toHex } from '@yilian/crypto/bytes';
import { type Checkers, createCheckers, Violation } from './checkers.ts';
import { type Cluster, createCluster } from './cluster.ts';
import { nativeSha256 } from './keys.ts';
import { createLiar } from './liar.ts';
import { CALM, type Interceptor } from './network.ts';
import type { Core, SimulatedNode } from './node.ts';
import type { Random } from './random.ts';
import { TOY } from './toy-application.ts';

export interface SimulationOptions {
  readonly seed: number;
  /** Events of the phase of faults. */
  readonly events: number;
  readonly core?: Core;
  /** One member lies, to the end of the run. Fewer than four members are then made four. */
  readonly byzantine?: boolean;
}

export interface SimulationResult {
  readonly seed: number;
  readonly events: number;
  readonly validators: number;
  readonly height: bigint;
  readonly transactions: number;
  readonly simulatedMs: number;
  readonly traceHash: string;
  readonly counts: ReadonlyMap<string, number>;
}

/** How unfriendly one seed is (swarm testing: every seed turns on other faults). */
interface Weather {
  readonly lossRate: number;
  readonly repeatRate: number;
  readonly delayMaxMs: number;
  readonly crashRate: number;
  readonly partitionRate: number;
  readonly membershipRate: number;
  /** One kind of message suffers most: it is the joints between phases that break. */
  readonly selectiveKind: number;
  readonly selectiveLossRate: number;
}

function drawWeather(random: Random): Weather {
  const maybe = (probability: number, value: number): number =>
    random.chance(probability) ? random.fraction() * value : 0;
  return {
    lossRate: maybe(0.7, 0.25),
    repeatRate: maybe(0.5, 0.3),
    delayMaxMs: random.pick([5, 20, 100, 400]),
    crashRate: maybe(0.6, 0.006),
    partitionRate: maybe(0.5, 0.004),
    membershipRate: maybe(0.3, 0.01),
    selectiveKind: random.between(KIND_MIN, KIND_MAX),
    selectiveLossRate: maybe(0.6, 0.9),
  };
}

function lying(
  { keys, genesis, random }: Cluster,
  index: number | undefined,
  checkers: Checkers,
): Interceptor | undefined {
  const pair = keys[index ?? -1];
  if (index === undefined || pair === undefined) return undefined;
  const rate = random.pick([0.05, 0.3, 0.8]);
  const { chainId } = genesis;
  return createLiar({ index, pair, chainId, random, rate, onLie: checkers.count });
}

/** PrePrepare, Prepare, Commit, Checkpoint, ViewChange, NewView: second byte of an encoded message. */
const KIND_MIN = 1;
const KIND_MAX = 6;

const CONVERGE_MS_MAX = 180_000;

/** @throws Violation */
export function simulate(options: SimulationOptions): SimulationResult {
  const isByzantine = options.byzantine === true;
  const drawn = [
    { validators: 4, leaders: 3 },
    { validators: 4, leaders: 4 },
    { validators: 7, leaders: 4 },
    { validators: 3, leaders: 2 },
    { validators: 1, leaders: 1 },
    { validators: 5, leaders: 2 },
  ][options.seed % 6] ?? { validators: 4, leaders: 3 };
  const shape = isByzantine && drawn.validators < 4 ? { validators: 4, leaders: 3 } : drawn;
  const liar = isByzantine ? Math.floor(options.seed / 6) % shape.validators : undefined;
  const checkers = createCheckers(liar === undefined ? {} : { byzantine: new Set([liar]) });
  const cluster = createCluster({
    seed: options.seed,
    ...shape,
    observers: 1,
    observer: checkers.observer,
    clockSkewMs: 400,
    ...(options.core === undefined ? {} : { core: options.core }),
  });
  const { random, schedule, nodes, network } = cluster;
  const drawnWeather = drawWeather(random);
  // More power for the liar would be more than the model allows.
  const weather = isByzantine ? { ...drawnWeather, membershipRate: 0 } : drawnWeather;
  const lies = lying(cluster, liar, checkers);
  network.setFaults({ ...weather, delayMinMs: 1 });
  network.intercept((packet) =>
    packet.bytes[1] === weather.selectiveKind && random.chance(weather.selectiveLossRate)
      ? []
      : (lies?.(packet) ?? [packet.bytes]),
  );
  for (const node of nodes) node.start();
  const submitted: string[] = [];
  let serial = 0;
  for (let event = 0; event < options.events; event++) {
    disturb(cluster, weather, checkers);
    if (random.chance(0.04)) {
      const kind = random.chance(0.05) ? TOY.invalid : TOY.put;
      const transaction = Uint8Array.of(
        kind,
        serial >> 8,
        serial & 255,
        ...random.bytes(random.between(0, 40)),
      );
      serial++;
      if (kind === TOY.put) submitted.push(toHex(nativeSha256(transaction)));
      random.pick(nodes).submit(transaction);
    }
    if (schedule.runNext() === undefined) break;
  }
  const alive = converge(cluster, weather, { liar, lies });
  const first = alive[0];
  if (first === undefined) throw new Error('assertion: a cluster has nodes');
  checkAcknowledged(alive);
  return {
    seed: options.seed,
    events: options.events,
    validators: shape.validators,
    height: first.height(),
    transactions: first.application().executed().length,
    simulatedMs: schedule.nowMs(),
    traceHash: checkers.traceHash(),
    counts: checkers.counts,
  };
}

/** At most f members down at a time would be kind; crashes here may take all of them, restarts follow. */
function disturb(
  { random, nodes, network, schedule }: Cluster,
  weather: Weather,
  checkers: Checkers,
): void {
  if (random.chance(weather.crashRate)) {
    // A crash is worth most while a write is under way.
    const writing = nodes.filter((each) => each.isUp() && each.disk.hasUnflushed());
    const node = random.pick(writing.length > 0 && random.chance(0.7) ? writing : nodes);
    if (node.isUp()) {
      checkers.count('crash');
      const torn = node.disk.tornCount();
      node.crash();
      if (node.disk.tornCount() > torn) checkers.count('torn write cut');
      schedule.after(random.between(10, 3_000), 'restart', () => {
        if (!node.isUp()) node.start();
      });
    }
  }
  if (random.chance(weather.partitionRate)) {
    checkers.count('partition');
    const isOneWay = random.chance(0.4);
    const side = new Set(nodes.filter(() => random.chance(0.4)).map(({ index }) => index));
    for (const { index: from } of nodes)
      for (const { index: to } of nodes)
        if (side.has(from) !== side.has(to) && (!isOneWay || side.has(from))) network.cut(from, to);
    schedule.after(random.between(100, 4_000), 'heal', () => network.heal());
  }
  if (random.chance(weather.membershipRate)) {
    // Power and leadership of a member change; members themselves stay, so that the cluster stays live.
    const node = random.pick(nodes.slice(0, -1));
    const leads = node.index === 0 || random.chance(0.7);
    const change = [TOY.setValidator, random.between(1, 2), leads ? 1 : 0, ...node.key];
    random.pick(nodes).submit(Uint8Array.of(...change, ...random.bytes(4)));
  }
}

/**
 * L1, L2: after the faults every node of a core reaches the same height and state, and goes on from there.
 * On some seeds one member stays dead for good: the core is then all others, and has to do without it.
 * Returns the core.
 */
function converge(
  { nodes, network, schedule, random }: Cluster,
  weather: Weather,
  { liar, lies }: { readonly liar: number | undefined; readonly lies: Interceptor | undefined },
): readonly SimulatedNode[] {
  network.heal();
  network.setFaults(CALM);
  network.intercept(lies);
  const members = nodes.length - 1;
  const mayDie =
    liar === undefined && members >= 4 && weather.membershipRate === 0 && random.chance(0.5);
  const dead = mayDie ? random.pick(nodes.slice(0, members)) : undefined;
  if (dead?.isUp() === true) dead.crash();
  const core = nodes.filter((node) => node !== dead && node.index !== liar);
  for (const node of core) if (!node.isUp()) node.start();
  const base = core.reduce((top, node) => (node.height() > top ? node.height() : top), 0n);
  const probe = Uint8Array.of(TOY.put, 255, 255, ...random.bytes(16));
  random.pick(core).submit(probe);
  const name = toHex(nativeSha256(probe));
  const until = schedule.nowMs() + CONVERGE_MS_MAX;
  const isDone = (): boolean =>
    core.every(
      (node) =>
        node.height() >= base + 3n &&
        node.application().executed().includes(name) &&
        node.state()?.requests.pending.size === 0,
    ) && new Set(core.map((node) => toHex(node.application().appHash()))).size === 1;
  for (let events = 0; !isDone(); events++) {
    const ran = schedule.runNext();
    if (dead?.isUp() === true) dead.crash(); // a restart that was planned before
    if (ran === undefined || schedule.nowMs() > until || events > 2_000_000)
      throw new Violation('L2 convergence', core.map(describe).join('; '));
  }
  return core;
}

function describe(node: SimulatedNode): string {
  const state = node.state();
  return (
    `node ${node.index} at ${node.height()}, view ${state?.view}, ${state?.work.status}, ` +
    `${state?.requests.pending.size} waiting`
  );
}

/** S21: whatever a node answered for is on every disk. */
function checkAcknowledged(nodes: readonly SimulatedNode[]): void {
  for (const node of nodes)
    for (const other of nodes) {
      const executed = new Set(other.application().executed());
      for (const name of node.replied())
        if (!executed.has(name))
          throw new Violation('S21 durability', `node ${other.index} lost ${name}`);
    }
}
