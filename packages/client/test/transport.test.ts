import { beforeAll, describe, expect, it } from 'vitest';
import { ROUTES } from '@yilian/api/routes';
import { toMemberId } from '@yilian/ledger/ids';
import { ProblemError, VerificationError } from '../src/failure.ts';
import { createNodePlatform } from '../src/platform/node-platform.ts';
import type { Fetch, Platform } from '../src/platform/platform.ts';
import { createTransport, type NodeEndpoint, type Transport } from '../src/transport.ts';

const NODE: NodeEndpoint = {
  name: 'community-1',
  memberId: toMemberId(new Uint8Array(32)),
  url: 'http://node',
  institution: 'community-1',
  operator: 'community-1',
  isRegulator: false,
  store: null,
  hospitalKey: null,
};

let platform: Platform;
beforeAll(async () => {
  platform = await createNodePlatform();
});

function transportOver(fetch: Fetch, nowMs: () => number = Date.now): Transport {
  return createTransport({ platform: { ...platform, fetch, nowMs }, chainId: 'c' });
}

describe('what is expected of nodes', () => {
  const asked: URL[] = [];
  const fetch: Fetch = (url) => {
    asked.push(new URL(url));
    return Promise.resolve(new Response(new Uint8Array(3), { status: 200 }));
  };
  const blob = { params: { grantId: new Uint8Array(16), name: { kind: 'copy' } } } as const;

  it('a height that was proven is told for some seconds, and no lower one replaces it', async () => {
    let nowMs = 0;
    const transport = transportOver(fetch, () => nowMs);
    const ask = async (): Promise<string> => {
      await transport.call(NODE, ROUTES.getBlob, blob);
      return asked.at(-1)?.search ?? '';
    };
    expect(await ask()).toBe('');
    transport.expectHeight(7n);
    transport.expectHeight(5n);
    expect(await ask()).toBe('?height=7&within=2000');
    nowMs += 4_999;
    expect(await ask()).toBe('?height=7&within=2000');
    nowMs += 1;
    expect(await ask()).toBe('');
    expect(transport.expectedHeight()).toBeNull();
  });

  it('a caller may ask for more patience, or for none', async () => {
    const transport = transportOver(fetch);
    transport.expectHeight(7n);
    await transport.call(NODE, ROUTES.getBlob, { ...blob, patience: { height: 9n, within: 10 } });
    expect(asked.at(-1)?.search).toBe('?height=9&within=10');
    await transport.call(NODE, ROUTES.getBlob, { ...blob, patience: { height: null, within: 0 } });
    expect(asked.at(-1)?.search).toBe('');
  });
});

describe('answers', () => {
  it('an answer without end is refused and hung up on', async () => {
    let sent = 0;
    let signal: AbortSignal | null | undefined;
    const endless: Fetch = (_url, init) => {
      ({ signal } = init);
      const body = new ReadableStream<Uint8Array>({
        pull: (controller) => {
          if (signal?.aborted === true) {
            controller.error(new Error('aborted'));
            return;
          }
          sent += 65_536;
          controller.enqueue(new Uint8Array(65_536));
        },
      });
      return Promise.resolve(new Response(body));
    };
    const failure: unknown = await transportOver(endless)
      .call(NODE, ROUTES.getBlob, {
        params: { grantId: new Uint8Array(16), name: { kind: 'copy' } },
      })
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(VerificationError);
    expect(failure).toMatchObject({ code: 'malformed', source: { node: 'community-1' } });
    expect(signal?.aborted).toBe(true);
    // Some pieces may have been on their way.
    expect(sent).toBeLessThan(2 * 1024 * 1024);
  });

  it('a node that is behind has waited already and is not asked again', async () => {
    let asked = 0;
    const behind: Fetch = () => {
      asked += 1;
      const problem = {
        type: 'about:blank',
        title: 'Node behind',
        status: 503,
        code: 'nodeBehind',
        detail: '',
        retryAfterSeconds: 1,
      };
      return Promise.resolve(
        new Response(JSON.stringify(problem), {
          status: 503,
          headers: { 'content-type': 'application/problem+json' },
        }),
      );
    };
    const failure: unknown = await transportOver(behind)
      .call(NODE, ROUTES.getStatus, { params: {} })
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ProblemError);
    expect(failure).toMatchObject({ code: 'nodeBehind' });
    expect(asked).toBe(1);
  });
});
