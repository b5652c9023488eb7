/** JSON-RPC to the engine and the headers that come by it, against a server that answers as told. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { createValidatorSet } from '@yilian/consensus/validator-set';
import { createEngineRpc, type EngineRpc, toEngineAddress } from '../../src/cometbft/engine-rpc.ts';
import { createHeaderSource, type ExecutedHeight } from '../../src/cometbft/header-source.ts';
import { verifySignature } from '../../src/verification/verify-signature.ts';

const cleanUps: (() => void)[] = [];
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) cleanUp();
});

interface Site {
  readonly rpc: EngineRpc;
  readonly server: Server;
  readonly bodies: unknown[];
}

async function serve(answer: RequestListener): Promise<Site> {
  const directory = mkdtempSync(join(tmpdir(), 'yl-rpc-'));
  const socketPath = join(directory, 'rpc.sock');
  const bodies: unknown[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      bodies.push(JSON.parse(Buffer.concat(chunks).toString('utf8')));
      answer(request, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(socketPath, () => resolve()));
  const rpc = createEngineRpc({ socketPath });
  cleanUps.push(() => {
    rpc.close();
    server.closeAllConnections();
    server.close();
    rmSync(directory, { recursive: true, force: true });
  });
  return { rpc, server, bodies };
}

const saying = (text: string, status = 200): Promise<Site> =>
  serve((_, response) => void response.writeHead(status).end(text));

describe('engine-rpc', () => {
  test('asks by name and gives the result unparsed', async () => {
    const { rpc, bodies } = await saying('{"jsonrpc":"2.0","id":1,"result":{"a":["1"]}}');
    expect(await rpc.call('commit', { height: '7' })).toEqual({ a: ['1'] });
    expect(bodies).toEqual([{ jsonrpc: '2.0', id: 1, method: 'commit', params: { height: '7' } }]);
  });

  test('a result of null is a result', async () => {
    const { rpc } = await saying('{"result":null}');
    expect(await rpc.call('health', {})).toBeNull();
  });

  test('nobody listens', async () => {
    const rpc = createEngineRpc({ socketPath: join(tmpdir(), 'yl-nobody.sock') });
    await expect(rpc.call('status', {})).rejects.toMatchObject({ code: 'unreachable' });
    rpc.close();
  });

  test.each<[string, RequestListener]>([
    ['hangs up before an answer', (request) => void request.socket.destroy()],
    [
      'hangs up in the middle of one',
      (_, response) => {
        response.writeHead(200, { 'content-length': '1000' });
        response.write('{"result":');
        setImmediate(() => response.destroy());
      },
    ],
    [
      'never ends',
      (_, response) => {
        const chunk = Buffer.alloc(1_048_576, ' ');
        const more = (): void => {
          while (!response.destroyed && response.write(chunk));
        };
        response.on('drain', more);
        more();
      },
    ],
  ])('an engine that %s is unreachable', async (_, answer) => {
    const { rpc } = await serve(answer);
    await expect(rpc.call('status', {})).rejects.toMatchObject({ code: 'unreachable' });
  });

  test.each([
    [
      '{"error":{"code":-32603,"message":"Internal error","data":"tx already exists"}}',
      'tx already',
    ],
    ['{"error":{"code":-32601,"message":"Method not found"}}', 'Method not found'],
    ['{"error":"no"}', 'no'],
    ['{"error":{"data":"first"},"result":{}}', 'first'],
  ])('an error is told in its own words: %s', async (text, words) => {
    // The engine says errors with this status.
    const { rpc } = await saying(text, 500);
    const failed = expect(rpc.call('broadcast_tx_sync', {})).rejects;
    await failed.toMatchObject({ code: 'refused', message: expect.stringContaining(words) });
  });

  test.each(['', 'no JSON', '[', '1', 'null', '"text"', '{}', '{"jsonrpc":"2.0"}'])(
    'an answer of another form is refused: %j',
    async (text) => {
      const { rpc } = await saying(text);
      await expect(rpc.call('status', {})).rejects.toMatchObject({ code: 'malformed' });
    },
  );

  test('two hundred calls at a time are all answered, on no more than 64 connections', async () => {
    const sockets = new Set<unknown>();
    const { rpc } = await serve((request, response) => {
      sockets.add(request.socket);
      setImmediate(() => response.end('{"result":1}'));
    });
    const answers = Array.from({ length: 200 }, () => rpc.call('health', {}));
    expect(new Set(await Promise.all(answers))).toEqual(new Set([1]));
    expect(sockets.size).toBeLessThanOrEqual(64);
  });

  test('a connection that the engine closed while it was idle costs nobody a call', async () => {
    const used = new Set<unknown>();
    const { rpc } = await serve((request, response) => {
      // As if its end had crossed the second call on it.
      if (used.has(request.socket)) return void request.socket.destroy();
      used.add(request.socket);
      response.end('{"result":1}');
    });
    for (let i = 0; i < 5; i++) expect(await rpc.call('health', {})).toBe(1);
    expect(used.size).toBeGreaterThan(1);
  });

  test('addresses as the configuration writes them', () => {
    expect(toEngineAddress({ socketPath: '/a/b.sock' })).toBe('unix:///a/b.sock');
    expect(toEngineAddress({ host: '127.0.0.1', port: 1 })).toBe('tcp://127.0.0.1:1');
  });
});

describe('header-source', () => {
  const recording = JSON.parse(
    readFileSync(
      new URL('../../../consensus/test/vectors/cometbft-chain.json', import.meta.url),
      'utf8',
    ),
  ) as { readonly chainId: string; readonly commits: readonly unknown[] };
  const validators = createValidatorSet({
    chainId: recording.chainId,
    epoch: 0,
    validators: [{ key: new Uint8Array(32).fill(1), power: 1n, leads: true }],
  });
  const executed: ExecutedHeight = {
    height: 3n,
    blockId: new Uint8Array(32),
    parentAppHash: new Uint8Array(32),
    validators,
    nextValidators: validators,
  };
  const sourceOf = (rpc: EngineRpc): ReturnType<typeof createHeaderSource> =>
    createHeaderSource({ chainId: recording.chainId, rpc, verifySignature });

  test('asks for the height that was executed and lets no other block pass for it', async () => {
    const { rpc, bodies } = await saying(JSON.stringify({ result: recording.commits[2] }));
    const verdict = await sourceOf(rpc).fetch(executed);
    expect(verdict.ok).toBe(false);
    expect(bodies).toMatchObject([{ method: 'commit', params: { height: '3' } }]);
  });

  test.each(['{"result":{}}', '{"result":null}', '{"result":{"signed_header":{}}}'])(
    'what is no commit makes nothing final: %s',
    async (text) => {
      const { rpc } = await saying(text);
      expect(await sourceOf(rpc).fetch(executed)).toEqual({ ok: false, code: 'malformed' });
    },
  );

  test('an engine that does not know the height yet is no verdict', async () => {
    const { rpc } = await saying(
      '{"error":{"data":"height 3 must be less than or equal to 2"}}',
      500,
    );
    await expect(sourceOf(rpc).fetch(executed)).rejects.toMatchObject({ code: 'refused' });
  });
});
