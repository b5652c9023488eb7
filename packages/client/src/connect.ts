/** Ways to a network: from a demonstration consortium's document, or from a configuration. */
import { demoConsortium, type DemoConsortium } from '@yilian/api/documents';
import { fromHex } from '@yilian/crypto/bytes';
import { toMemberId } from '@yilian/ledger/ids';
import { ClientError, NetworkError } from './failure.ts';
import { createNetwork, type Network, type NetworkOptions } from './network.ts';
import type { Platform } from './platform/platform.ts';
import type { NodeEndpoint } from './transport.ts';
import { type TrustAnchor, trustAnchorFromHex } from './trust-anchor.ts';
import { createVerifiedReader, type VerifiedReader } from './verified-reader.ts';

/** A network with the reader that verifies what it says. */
export interface Connection {
  readonly network: Network;
  readonly reader: VerifiedReader;
}

export function connect(options: NetworkOptions): Connection {
  const network = createNetwork(options);
  return { network, reader: createVerifiedReader(network) };
}

/** Nodes as a demonstration consortium lists them. */
export function endpointsOf(consortium: Pick<DemoConsortium, 'nodes'>): readonly NodeEndpoint[] {
  return consortium.nodes.map((node) => ({
    name: node.name,
    memberId: toMemberId(fromHex(node.id)),
    url: node.url,
    institution: node.institution,
    operator: node.operator,
    isRegulator: node.tier === 'regulator',
    store: node.store === null ? null : toMemberId(fromHex(node.store)),
    hospitalKey: node.hospitalKey === null ? null : fromHex(node.hospitalKey),
  }));
}

/**
 * `GET /demo/consortium` of a demonstration. Its anchor is believed on first use here: a demonstration
 * has no regulator who hands out anchors in person.
 */
export async function fetchConsortium(
  platform: Pick<Platform, 'fetch'>,
  baseUrl: string,
): Promise<DemoConsortium> {
  const url = `${baseUrl.replace(/\/$/, '')}/demo/consortium`;
  let body: unknown;
  try {
    const response = await platform.fetch(url, { method: 'GET' });
    body = (await response.json()) as unknown;
  } catch (cause) {
    throw new NetworkError('unreachable', `${url} cannot be reached`, undefined, cause);
  }
  const parsed = demoConsortium.safeParse(body);
  if (!parsed.success) throw new ClientError('badAnchor', `${url} is no demonstration consortium`);
  return parsed.data;
}

/** Connects to a demonstration consortium. */
export function connectToDemo(
  platform: Platform,
  consortium: DemoConsortium,
  options: Partial<Pick<NetworkOptions, 'timeoutMs' | 'retries' | 'onLie'>> & {
    readonly anchor?: TrustAnchor;
  } = {},
): Connection {
  const { anchor = trustAnchorFromHex(consortium.anchor), ...rest } = options;
  return connect({ platform, anchor, nodes: endpointsOf(consortium), ...rest });
}
