/**
 * The demonstration consortium of `npm start`, as its supervisor lists it: addresses of nodes, their
 * processes, secrets for enrolling sample people. Production clients get the same from a file or a QR.
 */
import { type BlockEvent, type DemoConsortium, demoConsortium } from '@yilian/api/documents';
import { ROUTES } from '@yilian/api/routes';
import { fromHex } from '@yilian/crypto/bytes';
import { toMemberId } from '@yilian/ledger/ids';
import { NetworkError } from './failure.ts';
import { createTransport, type NodeEndpoint } from './transport.ts';
import type { Platform } from './platform/platform.ts';

export type { BlockEvent, DemoConsortium, DemoNode } from '@yilian/api/documents';

/** @throws NetworkError when the supervisor does not answer, or not in its form */
export async function fetchDemoConsortium(fetch: Platform['fetch'], baseUrl: string): Promise<DemoConsortium> {
  const source = { node: 'supervisor', route: 'GET /demo/consortium' };
  let listed: unknown;
  try {
    const answer = await fetch(`${baseUrl}/demo/consortium`, {});
    listed = await answer.json();
  } catch (cause) {
    throw new NetworkError('unreachable', 'the demonstration consortium does not answer', source, cause);
  }
  return demoConsortium.parse(listed);
}

/** Asks the supervisor to act on the process of one node. */
export async function controlDemoNode(
  fetch: Platform['fetch'],
  baseUrl: string,
  input: { readonly id: string; readonly action: 'stop' | 'start' | 'kill' },
): Promise<void> {
  await fetch(`${baseUrl}/demo/nodes/${input.id}/${input.action}`, { method: 'POST' });
}

/** The nodes as `createNetwork` takes them. */
export function endpointsOf(consortium: DemoConsortium): readonly NodeEndpoint[] {
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

/** Blocks as one node reports them, until `signal` aborts or the node closes. Advisory: for pictures. */
export async function* watchBlocks(
  platform: Platform,
  chainId: string,
  node: NodeEndpoint,
  signal: AbortSignal,
): AsyncGenerator<BlockEvent> {
  const transport = createTransport({ platform, chainId });
  for await (const { value } of transport.events(node, ROUTES.streamBlocks, { params: {}, signal })) yield value;
}
