/**
 * What a page can do with the demonstration consortium of `npm start`: act on the processes of its nodes,
 * enrol more sample people, watch blocks arrive. Joining it as a client: connect.ts.
 */
import { type BlockEvent } from '@yilian/api/documents';
import { ROUTES } from '@yilian/api/routes';
import { type Bytes, fromHex } from '@yilian/crypto/bytes';
import { NetworkError } from './failure.ts';
import type { Platform } from './platform/platform.ts';
import { createTransport, type NodeEndpoint } from './transport.ts';

export type { BlockEvent, DemoConsortium, DemoNode } from '@yilian/api/documents';

/** Asks the supervisor to act on the process of one node. `id`: its member id, hex. */
export async function controlDemoNode(
  platform: Pick<Platform, 'fetch'>,
  baseUrl: string,
  input: { readonly id: string; readonly action: 'stop' | 'start' | 'kill' },
): Promise<void> {
  await platform.fetch(`${baseUrl}/demo/nodes/${input.id}/${input.action}`, { method: 'POST' });
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
