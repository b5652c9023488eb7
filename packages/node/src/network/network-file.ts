/**
 * `network.yaml`: who takes part in a network and where their machines are. Written by people, so every
 * mistake is told with its place and what is expected there.
 *
 *   chain: stroke-network            # lower-case letters, digits, hyphens; at most 40
 *   blockIntervalMs: 250             # optional
 *   snapshotEvery: 10000             # optional; blocks from one snapshot to the next, 0: none
 *   hospitals:
 *     - institution: city-first      # short name
 *       tier: tertiary               # tertiary | secondary | community
 *       operator: city-health        # optional; default: the institution itself
 *       host: 10.0.0.11              # address that the others reach; 127.0.0.1 for a trial
 *       url: https://yilian.city-first.example   # optional; where people reach its node
 *       ports: { http: 19200, peer: 19400, engine: 26656 }   # optional
 *   regulator:
 *     institution: health-commission
 *     host: 10.0.0.20
 */
import type { Tier } from './make-network.ts';
import {
  fieldsOf,
  NetworkFileError,
  parseDocument,
  SHORT_NAME,
  text,
  whole,
} from './yaml-fields.ts';

export { NetworkFileError } from './yaml-fields.ts';

export interface NodePorts {
  readonly http: number;
  readonly peer: number;
  readonly engine: number;
}

export interface NetworkMember {
  readonly institution: string;
  readonly tier: Tier;
  readonly operator: string;
  readonly host: string;
  /** Where people reach the node: TLS, by the institution's reverse proxy, or plain HTTP, by the node itself. */
  readonly url: string;
  readonly ports: NodePorts;
}

export interface NetworkFile {
  readonly chainId: string;
  readonly blockIntervalMs: number;
  readonly heartbeatMs: number;
  /** Heights from one snapshot to the next, on every node. */
  readonly snapshotEvery: number;
  /** The regulator last. */
  readonly members: readonly NetworkMember[];
}

/** Name or address of a machine, as configurations name it. */
export const HOST: RegExp = /^[A-Za-z0-9]([A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?$/;
export const URL_FORM: RegExp = /^https?:\/\/[A-Za-z0-9]([A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?$/;
const FIRST_PORTS: NodePorts = { http: 19_200, peer: 19_400, engine: 26_656 };
/** Room between the engine ports of trial networks on one machine: the engine uses the next one, too. */
const ENGINE_PORT_STEP = 10;
const HOSPITALS_MAX = 100;

/** Members that share a host get different ports by themselves. */
function readPorts(value: unknown, place: string, standard: NodePorts): NodePorts {
  const fields = fieldsOf(place, value ?? {}, ['http', 'peer', 'engine']);
  const port = (name: keyof NodePorts): number =>
    whole(fields, place, name, { min: 1, max: 65_535, standard: standard[name] });
  return { http: port('http'), peer: port('peer'), engine: port('engine') };
}

function defaultUrl(host: string, port: number): string {
  return host === '127.0.0.1' ? `http://${host}:${port}` : `https://${host}`;
}

function readMember(
  value: unknown,
  place: string,
  input: { readonly onHost: (host: string) => number; readonly isRegulator: boolean },
): NetworkMember {
  const names = ['institution', 'tier', 'operator', 'host', 'url', 'ports'];
  const fields = fieldsOf(
    place,
    value,
    input.isRegulator ? names.filter((name) => name !== 'tier') : names,
  );
  const shortName = 'lower-case letters, digits and hyphens, at most 40';
  const institution = text(fields, place, 'institution', SHORT_NAME, shortName);
  const tierText = input.isRegulator
    ? 'regulator'
    : text(
        fields,
        place,
        'tier',
        /^(tertiary|secondary|community)$/,
        'tertiary, secondary or community',
      );
  const host = text(fields, place, 'host', HOST, 'a host name or address');
  const position = input.onHost(host);
  const standard = {
    http: FIRST_PORTS.http + position,
    peer: FIRST_PORTS.peer + position,
    engine: FIRST_PORTS.engine + ENGINE_PORT_STEP * position,
  };
  const ports = readPorts(fields.get('ports'), `${place}.ports`, standard);
  return {
    institution,
    tier: tierText as Tier,
    operator: fields.has('operator')
      ? text(fields, place, 'operator', SHORT_NAME, shortName)
      : institution,
    host,
    url: fields.has('url')
      ? text(fields, place, 'url', URL_FORM, 'an address like https://node.hospital.example')
      : defaultUrl(host, ports.http),
    ports,
  };
}

/**
 * `hospital.yaml`: one entry of `hospitals`, of an institution that comes to a network that runs.
 * @throws NetworkFileError
 */
export function parseHospitalFile(source: string): NetworkMember {
  return readMember(parseDocument('hospital file', source), 'hospital file', {
    onHost: () => 0,
    isRegulator: false,
  });
}

/** @throws NetworkFileError */
export function parseNetworkFile(source: string): NetworkFile {
  const root = fieldsOf('network file', parseDocument('network file', source), [
    'chain',
    'blockIntervalMs',
    'heartbeatMs',
    'snapshotEvery',
    'hospitals',
    'regulator',
  ]);
  const hospitals = root.get('hospitals');
  if (!Array.isArray(hospitals) || hospitals.length === 0 || hospitals.length > HOSPITALS_MAX)
    throw new NetworkFileError('hospitals', `must be a list of 1 to ${HOSPITALS_MAX}`);
  const taken = new Map<string, number>();
  const onHost = (host: string): number => {
    const position = taken.get(host) ?? 0;
    taken.set(host, position + 1);
    return position;
  };
  const members = hospitals.map((value: unknown, at) =>
    readMember(value, `hospitals[${at}]`, { onHost, isRegulator: false }),
  );
  members.push(readMember(root.get('regulator'), 'regulator', { onHost, isRegulator: true }));
  refuseDoubles(members);
  if (!members.some(({ tier }) => tier === 'tertiary' || tier === 'secondary'))
    throw new NetworkFileError(
      'hospitals',
      'at least one must be tertiary or secondary: they lead',
    );
  return {
    chainId: text(
      root,
      'network file',
      'chain',
      SHORT_NAME,
      'lower-case letters, digits and hyphens, at most 40',
    ),
    blockIntervalMs: whole(root, 'network file', 'blockIntervalMs', {
      min: 100,
      max: 3_600_000,
      standard: 250,
    }),
    heartbeatMs: whole(root, 'network file', 'heartbeatMs', {
      min: 1_000,
      max: 3_600_000,
      standard: 10_000,
    }),
    snapshotEvery: whole(root, 'network file', 'snapshotEvery', {
      min: 0,
      max: 1_000_000_000,
      standard: 10_000,
    }),
    members,
  };
}

function refuseDoubles(members: readonly NetworkMember[]): void {
  const names = new Set<string>();
  const addresses = new Set<string>();
  for (const { institution, host, url, ports } of members) {
    if (addresses.has(url))
      throw new NetworkFileError(
        institution,
        `url ${url} is taken by another entry; give it its own`,
      );
    addresses.add(url);
    if (names.has(institution))
      throw new NetworkFileError(institution, 'is there twice; each institution once');
    names.add(institution);
    for (const port of [ports.http, ports.peer, ports.engine]) {
      const address = `${host}:${port}`;
      if (addresses.has(address))
        throw new NetworkFileError(institution, `${address} is taken by another entry`);
      addresses.add(address);
    }
  }
}
