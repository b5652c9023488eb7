import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { createMemoryNetwork } from '../../src/peers/memory-peers.ts';
import { lockDirectory } from '../../src/storage/directory-lock.ts';
import { startNode, validators } from './consortium.ts';

const directories: string[] = [];
const fresh = (): string => {
  const directory = mkdtempSync(join(tmpdir(), 'lock-'));
  directories.push(directory);
  return directory;
};
afterAll(() => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

test('PB-2 a second replica on one data directory is refused until the first has stopped', async () => {
  const [keys] = validators;
  if (keys === undefined) throw new Error('missing');
  const directory = fresh();
  const start = (): ReturnType<typeof startNode> =>
    startNode({ keys, network: createMemoryNetwork(), directory });
  const first = await start();
  await expect(start()).rejects.toMatchObject({ code: 'inUse' });
  await first.stop();
  const second = await start();
  await second.stop();
});

test('the lock of a process that was killed is taken over, that of a living one is not', async () => {
  const directory = fresh();
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  await new Promise((resolve) => child.once('spawn', resolve));
  writeFileSync(join(directory, 'lock'), `${child.pid} `);
  expect(() => lockDirectory(directory)).toThrow('in use');
  child.kill('SIGKILL');
  await new Promise((resolve) => child.once('exit', resolve));
  const unlock = lockDirectory(directory);
  expect(readFileSync(join(directory, 'lock'), 'utf8')).toMatch(new RegExp(`^${process.pid} `));
  unlock();
});

test('a process id that was given out again holds no lock, and rubbish in the file none either', () => {
  for (const content of [`${process.pid} another-boot/1`, '', 'x', '0 ', '-1 ']) {
    const directory = fresh();
    writeFileSync(join(directory, 'lock'), content);
    // Where the system does not tell when a process began, its id has to be believed.
    if (process.platform !== 'linux' && content.startsWith(String(process.pid))) continue;
    lockDirectory(directory)();
  }
});
