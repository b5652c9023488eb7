import { createServer, type Server } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { bindFirst } from '../../src/bind-port.ts';

const servers: Server[] = [];

afterEach(async () => {
  for (const server of servers.splice(0))
    await new Promise((resolve) => {
      server.close(resolve);
    });
});

function bind(port: number): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: '127.0.0.1', port }, () => {
      servers.push(server);
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
}

test('the first port that can be bound is taken', async () => {
  const taken = await bind(0);
  const other = await bindFirst([taken, 0], bind);
  expect(other).not.toBe(taken);
  expect(servers).toHaveLength(2);
});

test('two who want the same ports at the same moment both get one', async () => {
  const wished = await bind(0);
  await new Promise((resolve) => {
    servers.pop()?.close(resolve);
  });
  const ports = await Promise.all([bindFirst([wished, 0], bind), bindFirst([wished, 0], bind)]);
  expect(new Set(ports).size).toBe(2);
  expect(ports).toContain(wished);
});

test('without another port the taken one is an error', async () => {
  const taken = await bind(0);
  await expect(bindFirst([taken], bind)).rejects.toMatchObject({ code: 'EADDRINUSE' });
});

test('what is wrong otherwise is no reason to try the next', async () => {
  const tried: number[] = [];
  const failing = bindFirst([1, 2], (port) => {
    tried.push(port);
    return Promise.reject(new Error('no disk'));
  });
  await expect(failing).rejects.toThrow('no disk');
  expect(tried).toEqual([1]);
});
