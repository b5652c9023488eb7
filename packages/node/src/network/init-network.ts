/**
 * `yilian network init`: keys, genesis and configuration of every institution, each in a folder of its
 * own below `directory`, ready to be carried to its machine. Nothing is overwritten: keys of a running
 * chain cannot be made twice.
 */
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import type { DemoConsortium } from '@yilian/api/documents';
import { type DemoTicket, encodeTickets } from '../demo/make-consortium.ts';
import { describeConsortium } from '../demo/describe-consortium.ts';
import type { CometbftConfig, NodeConfig, NodeSettings } from '../config.ts';
import { listenAddresses } from './listen-addresses.ts';
import { type MadeNode, makeNetwork, writeNode } from './make-network.ts';
import type { NetworkFile, NetworkMember } from './network-file.ts';

/** There is something already where the network should be written. */
export class NetworkExistsError extends Error {
  readonly code = 'networkExists';

  constructor(directory: string) {
    super(`${directory} exists; keys of a network are made once. Choose another folder.`);
    this.name = 'NetworkExistsError';
  }
}

interface Placed {
  readonly member: NetworkMember;
  readonly made: MadeNode;
}

function engineOf(placed: Placed, all: readonly Placed[]): CometbftConfig {
  return {
    listen: listenAddresses(placed.member).engine,
    peers: all
      .filter((other) => other !== placed)
      .map(({ member, made }) => ({
        id: made.facts.engineId,
        host: member.host,
        port: member.ports.engine,
      })),
  };
}

function configOf(
  placed: Placed,
  all: readonly Placed[],
  settings: Partial<NodeSettings>,
): Omit<NodeConfig, 'settings'> & {
  readonly settings: Partial<NodeSettings>;
  /** Stores of the others: `CopyPlace` in hex. */
  readonly copies: readonly Readonly<Record<'store' | 'node' | 'url', string>>[];
} {
  const { member } = placed;
  const { http, peer } = listenAddresses(member);
  return {
    name: member.institution,
    institution: member.institution,
    operator: member.operator,
    http,
    peer,
    peers: all.map((each) => ({
      key: each.made.facts.consensusKey,
      host: each.member.host,
      port: each.member.ports.peer,
    })),
    origins: [],
    settings,
    cometbft: engineOf(placed, all),
    copies: all.flatMap(({ member: { url }, made: { facts } }) =>
      facts.store === null || facts === placed.made.facts
        ? []
        : [{ store: facts.store, node: facts.id, url }],
    ),
  };
}

function makeTickets(file: NetworkFile): readonly DemoTicket[] {
  const secret = (): string => randomBytes(16).toString('hex');
  const tickets: DemoTicket[] = [
    { person: 'patient-1', role: 'patient', institution: null, secret: secret() },
    { person: 'patient-2', role: 'patient', institution: null, secret: secret() },
  ];
  for (const { institution, tier } of file.members)
    if (tier !== 'regulator')
      tickets.push({
        person: `${institution}-doctor-1`,
        role: 'doctor',
        institution,
        secret: secret(),
      });
  return tickets;
}

/**
 * Returns what people need to connect, as it lies in consortium.json. Written beside and renamed: half a
 * network never stands there. @throws NetworkExistsError
 */
export async function initNetwork(file: NetworkFile, directory: string): Promise<DemoConsortium> {
  if (existsSync(directory)) throw new NetworkExistsError(directory);
  const network = await makeNetwork({
    chainId: file.chainId,
    institutions: file.members,
    engine: 'cometbft',
  });
  const placed = file.members.map((member, at): Placed => {
    const made = network.nodes[at];
    if (made === undefined) throw new Error('one node for each member');
    return { member, made };
  });
  const tickets = makeTickets(file);
  const part = `${directory}.part`;
  rmSync(part, { recursive: true, force: true });
  mkdirSync(part, { recursive: true });
  const { blockIntervalMs, heartbeatMs, snapshotEvery } = file;
  const settings = { blockIntervalMs, heartbeatMs, snapshotEvery };
  for (const each of placed) {
    const home = join(part, 'nodes', each.member.institution);
    writeNode(home, each.made, network.shared);
    writeJson(join(home, 'config.json'), configOf(each, placed, settings));
    if (each.member.tier === 'regulator')
      writeFileSync(join(home, 'tickets.cbor'), encodeTickets(tickets), { mode: 0o600 });
  }
  const addresses = new Map(placed.map(({ member, made }) => [made.facts.id, member.url]));
  const facts = {
    engine: 'cometbft' as const,
    anchor: network.anchor,
    nodes: network.nodes.map((made) => made.facts),
  };
  const document = describeConsortium({ ...facts, tickets: [] }, ({ id }) => ({
    url: addresses.get(id) ?? '',
    running: true,
  }));
  writeJson(join(part, 'consortium.json'), document);
  writeJson(join(part, 'enrolment-secrets.json'), tickets, 0o600);
  renameSync(part, directory);
  return document;
}

function writeJson(path: string, value: unknown, mode = 0o644): void {
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`, { mode });
}
