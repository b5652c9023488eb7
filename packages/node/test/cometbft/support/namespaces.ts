/**
 * Machines with a network of their own, for partitions that are real: packets of one to another vanish, as
 * when a cable is cut. Needs root and iproute2; each machine is a network namespace on one bridge.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

async function ip(...words: readonly string[]): Promise<void> {
  await run('ip', [...words]);
}

/** Why there can be none here; undefined when there can. */
export async function namespacesMissing(): Promise<string | undefined> {
  const probe = `yt${process.pid}-probe`;
  try {
    await ip('netns', 'add', probe);
    await ip('netns', 'del', probe);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.trim() : String(error);
  }
}

export interface Machines {
  /** Of each machine, reachable from here. */
  readonly addresses: readonly string[];
  /** Words before a program that is to run on it. */
  prefix(machine: number): readonly string[];
  /** Only those in one group reach each other. This process reaches all. */
  split(...groups: readonly (readonly number[])[]): Promise<void>;
  heal(): Promise<void>;
  end(): Promise<void>;
}

export async function makeMachines(count: number): Promise<Machines> {
  const name = `yt${process.pid}`;
  const net = `10.203.${process.pid % 250}`;
  const hub = `${name}-hub`;
  const here = `${name}h`;
  const nameOf = (machine: number): string => `${name}-${machine}`;
  const addresses = Array.from({ length: count }, (_, at) => `${net}.${at + 11}`);
  const inHub = (...words: readonly string[]): Promise<void> => ip('-n', hub, ...words);
  let cuts: (readonly [number, string])[] = [];

  const end = async (): Promise<void> => {
    await ip('link', 'del', here).catch(() => undefined);
    for (let machine = 0; machine < count; machine++)
      await ip('netns', 'del', nameOf(machine)).catch(() => undefined);
    await ip('netns', 'del', hub).catch(() => undefined);
  };
  try {
    await ip('netns', 'add', hub);
    await inHub('link', 'add', 'bridge', 'type', 'bridge');
    await inHub('link', 'set', 'bridge', 'up');
    await ip('link', 'add', here, 'type', 'veth', 'peer', 'name', 'here', 'netns', hub);
    await ip('addr', 'add', `${net}.1/24`, 'dev', here);
    await ip('link', 'set', here, 'up');
    await inHub('link', 'set', 'here', 'master', 'bridge', 'up');
    for (const [machine, address] of addresses.entries()) {
      const own = nameOf(machine);
      await ip('netns', 'add', own);
      await ip(
        '-n',
        own,
        'link',
        'add',
        'eth',
        'type',
        'veth',
        'peer',
        'name',
        `m${machine}`,
        'netns',
        hub,
      );
      await inHub('link', 'set', `m${machine}`, 'master', 'bridge', 'up');
      await ip('-n', own, 'addr', 'add', `${address}/24`, 'dev', 'eth');
      await ip('-n', own, 'link', 'set', 'eth', 'up');
      await ip('-n', own, 'link', 'set', 'lo', 'up');
    }
  } catch (error) {
    await end();
    throw error;
  }
  const heal = async (): Promise<void> => {
    for (const [machine, address] of cuts)
      await ip('-n', nameOf(machine), 'route', 'del', 'blackhole', `${address}/32`);
    cuts = [];
  };
  return {
    addresses,
    prefix: (machine) => ['ip', 'netns', 'exec', nameOf(machine)],
    split: async (...groups) => {
      await heal();
      for (const group of groups)
        for (const machine of group)
          for (const [other, address] of addresses.entries()) {
            if (group.includes(other)) continue;
            cuts.push([machine, address]);
            await ip('-n', nameOf(machine), 'route', 'add', 'blackhole', `${address}/32`);
          }
    },
    heal,
    end,
  };
}
