/**
 * The demonstration consortium of `npm start`: found by one document, joined as a client; its nodes'
 * processes stopped and started, more sample people enrolled, blocks watched as they arrive.
 */
import { type BlockEvent, type DemoConsortium, demoConsortium } from '@yilian/api/documents';
import { ROUTES } from '@yilian/api/routes';
import { type Bytes, fromHex, toHex } from '@yilian/crypto/bytes';
import { toMemberId } from '@yilian/ledger/ids';
import { connect, type Connection } from './connect.ts';
import { ClientError, NetworkError } from './failure.ts';
import type { NetworkOptions } from './network.ts';
import type { Platform } from './platform/platform.ts';
import { createTransport, type NodeEndpoint } from './transport.ts';
import { type TrustAnchor, trustAnchorFromHex } from './trust-anchor.ts';

export type { BlockEvent, DemoConsortium, DemoNode } from '@yilian/api/documents';

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

export interface DemoConnection extends Connection {
  /**
   * Nodes that answer elsewhere now: one that is started again takes another port when its own is taken.
   * Only addresses of known nodes of the same chain change; what nodes say is verified as before.
   */
  readonly relocate: (consortium: DemoConsortium) => void;
}

/** Connects to a demonstration consortium. */
export function connectToDemo(
  platform: Platform,
  consortium: DemoConsortium,
  options: Partial<Pick<NetworkOptions, 'timeoutMs' | 'retries' | 'onLie'>> & {
    readonly anchor?: TrustAnchor;
  } = {},
): DemoConnection {
  const { anchor = trustAnchorFromHex(consortium.anchor), ...rest } = options;
  const urls = new Map(consortium.nodes.map(({ id, url }) => [id, url]));
  const nodes = endpointsOf(consortium).map((endpoint): NodeEndpoint => {
    const { url: first } = endpoint;
    const id = toHex(endpoint.memberId);
    return {
      ...endpoint,
      get url() {
        return urls.get(id) ?? first;
      },
    };
  });
  return {
    ...connect({ platform, anchor, nodes, ...rest }),
    relocate: (moved) => {
      if (moved.anchor.genesisId !== consortium.anchor.genesisId) return;
      for (const { id, url } of moved.nodes) if (urls.has(id)) urls.set(id, url);
    },
  };
}

/** Has the supervisor act on the process of one node. `id`: its member id, hex. @throws NetworkError */
export async function controlDemoNode(
  platform: Pick<Platform, 'fetch'>,
  baseUrl: string,
  input: { readonly id: string; readonly action: 'stop' | 'start' | 'kill' },
): Promise<void> {
  const url = `${baseUrl}/demo/nodes/${input.id}/${input.action}`;
  const response = await platform.fetch(url, { method: 'POST' }).catch((cause: unknown) => {
    throw new NetworkError('unreachable', `${url} cannot be reached`, undefined, cause);
  });
  if (!response.ok)
    throw new NetworkError('unreachable', `${input.action} failed with status ${response.status}`);
}

/** A one-time enrolment secret (16 bytes) for one more sample person. @throws NetworkError */
export async function requestEnrolment(
  platform: Pick<Platform, 'fetch'>,
  baseUrl: string,
  person:
    | { readonly role: 'patient' }
    | { readonly role: 'doctor' | 'department'; readonly institution: string },
): Promise<Bytes> {
  const query = new URLSearchParams({ ...person }).toString();
  const response = await platform.fetch(`${baseUrl}/demo/enrolments?${query}`, { method: 'POST' });
  const ticket: unknown = response.ok ? await response.json() : undefined;
  if (
    typeof ticket !== 'object' ||
    ticket === null ||
    !('secret' in ticket) ||
    typeof ticket.secret !== 'string'
  )
    throw new NetworkError(
      'unreachable',
      'the registration centre hands out no secret now; is its node running?',
    );
  return fromHex(ticket.secret);
}

/** Blocks as one node reports them, until `signal` aborts or the node closes. Advisory: for pictures. */
export async function* watchBlocks(
  platform: Platform,
  chainId: string,
  node: NodeEndpoint,
  signal: AbortSignal,
): AsyncGenerator<BlockEvent> {
  const transport = createTransport({ platform, chainId });
  for await (const { value } of transport.events(node, ROUTES.streamBlocks, { params: {}, signal }))
    yield value;
}
