/** A node of the demonstration that is started again on another port is found there. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ROUTES } from '@yilian/api/routes';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectToDemo, type DemoConsortium } from '../src/demo-consortium.ts';
import { createNodePlatform } from '../src/platform/node-platform.ts';
import type { Platform } from '../src/platform/platform.ts';
import { startConsortium, type TestConsortium } from './support/consortium.ts';

let consortium: TestConsortium;
let platform: Platform;
let other: Server;
let otherUrl: string;
let asked = 0;

beforeAll(async () => {
  consortium = await startConsortium();
  platform = await createNodePlatform();
  // The same node behind another port.
  other = createServer((request, response) => {
    asked += 1;
    const onward = fetch(`${consortium.nodes[0]?.url ?? ''}${request.url ?? ''}`);
    void onward.then(async (answer) => {
      response.writeHead(answer.status, {
        'content-type': answer.headers.get('content-type') ?? 'application/octet-stream',
      });
      response.end(Buffer.from(await answer.arrayBuffer()));
    });
  });
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  otherUrl = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
});
afterAll(async () => {
  other.closeAllConnections();
  other.close();
  await consortium.stop();
});

/** The document with the first node elsewhere. */
function movedTo(url: string, change: Partial<DemoConsortium> = {}): DemoConsortium {
  const { document } = consortium;
  const [first, ...rest] = document.nodes;
  if (first === undefined) throw new Error('there are nodes');
  return { ...document, nodes: [{ ...first, url }, ...rest], ...change };
}

describe('a node that moved', () => {
  test('is asked at its new address by a connection that was made before', async () => {
    // As after its restart: nobody answers at the address that the connection knows.
    const connection = connectToDemo(platform, movedTo('http://127.0.0.1:9'), { retries: 0 });
    const [node] = connection.network.nodes;
    if (node === undefined) throw new Error('there are nodes');
    const status = (): Promise<unknown> =>
      connection.network.transport.call(node, ROUTES.getStatus, { params: {} });
    await expect(status()).rejects.toMatchObject({ code: 'unreachable' });
    connection.relocate(movedTo(otherUrl));
    await expect(status()).resolves.toMatchObject({});
    expect(asked).toBe(1);
    expect(connection.network.findNode(node.memberId)).toBe(node);
  });

  test('of another chain, or unknown, moves nothing', () => {
    const { document } = consortium;
    const connection = connectToDemo(platform, document);
    const before = connection.network.nodes.map(({ url }) => url);
    const anchor = { ...document.anchor, genesisId: '00'.repeat(32) };
    connection.relocate(movedTo('http://127.0.0.1:9', { anchor }));
    const stranger = document.nodes.map((node) => ({
      ...node,
      id: '11'.repeat(32),
      url: 'http://127.0.0.1:9',
    }));
    connection.relocate({ ...document, nodes: stranger });
    expect(connection.network.nodes.map(({ url }) => url)).toEqual(before);
    expect(connection.network.nodes).toHaveLength(document.nodes.length);
  });
});
