/** The consortium of `npm start` ends with npm; one that a shell left behind on purpose goes on. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { watchParent } from '../src/demo/parent-watch.ts';
import { homeOfProcess, isAlive, until } from './processes.ts';

const PROGRAM = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const homes: string[] = [];

afterEach(async () => {
  vi.useRealTimers();
  for (const home of homes.splice(0)) {
    for (const pid of pidsOf(home)) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
    await until(() => !pidsOf(home).some(isAlive));
    rmSync(home, { recursive: true, force: true });
  }
});

/** Of its nodes, and of itself. */
function pidsOf(home: string): readonly number[] {
  const read = (name: string): string => {
    try {
      return readFileSync(join(home, name), 'utf8');
    } catch {
      return '';
    }
  };
  const nodes = JSON.parse(read('processes.json') || '[]') as number[];
  const own = Number(read('own.pid'));
  return [
    ...nodes.filter((pid) => homeOfProcess(pid)?.startsWith(home)),
    ...(own > 0 ? [own] : []),
  ];
}

describe('watching the parent', () => {
  const watch = (
    event: string | undefined,
  ): { readonly ends: () => number; change: () => void } => {
    vi.useFakeTimers();
    let parent = 100;
    let ends = 0;
    watchParent(() => (ends += 1), {
      environment: event === undefined ? {} : { npm_lifecycle_event: event },
      parentId: () => parent,
      intervalMs: 10,
    });
    return {
      ends: () => {
        vi.advanceTimersByTime(100);
        return ends;
      },
      change: () => {
        parent = 1;
      },
    };
  };

  test('ends once when npm is gone, and not before', () => {
    const { ends, change } = watch('start');
    expect(ends()).toBe(0);
    change();
    expect(ends()).toBe(1);
    expect(ends()).toBe(1);
  });

  test.each([undefined, 'test', 'bench'])('does nothing where npm runs %s', (event) => {
    const { ends, change } = watch(event);
    change();
    expect(ends()).toBe(0);
  });
});

/** As npm does: the program below a shell that passes no signal on. */
async function startBelowShell(
  environment: Record<string, string>,
): Promise<{ readonly home: string; readonly shell: number; readonly output: () => string }> {
  const home = mkdtempSync(join(tmpdir(), 'yilian-parent-'));
  homes.push(home);
  const { npm_lifecycle_event: _event, ...rest } = process.env;
  const script = `"${process.execPath}" "${PROGRAM}" & echo $! > "${home}/own.pid"; wait`;
  const shell = spawn('/bin/sh', ['-c', script], {
    env: { ...rest, NODE_OPTIONS: '', YILIAN_HOME: home, YILIAN_PORT: '0', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let output = '';
  for (const stream of [shell.stdout, shell.stderr])
    stream.on('data', (piece: Buffer) => (output += piece.toString('utf8')));
  await until(() => output.includes('Yilian runs'));
  if (shell.pid === undefined) throw new Error('it runs');
  return { home, shell: shell.pid, output: () => output };
}

test('when npm’s shell ends, all six processes end, in good order', async () => {
  const { home, shell, output } = await startBelowShell({ npm_lifecycle_event: 'start' });
  const pids = pidsOf(home);
  expect(pids).toHaveLength(6);
  process.kill(shell, 'SIGTERM');
  await until(() => !pids.some(isAlive));
  expect(output()).toContain('Stopping');
});

test('without npm the shell may end: the consortium goes on', async () => {
  const { home, shell } = await startBelowShell({});
  const pids = pidsOf(home);
  process.kill(shell, 'SIGTERM');
  await until(() => !isAlive(shell));
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(pids.every(isAlive)).toBe(true);
});
