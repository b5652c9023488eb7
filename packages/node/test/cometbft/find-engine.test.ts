import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EngineMissingError, findEngine } from '../../src/cometbft/find-engine.ts';

function place(): string {
  return mkdtempSync(join(tmpdir(), 'yilian-engine-'));
}

/** A program that says `said` and ends with `code`, as `name` in a folder of its own. */
function program(name: string, said: string, code = 0, extra = ''): string {
  const directory = place();
  const path = join(directory, name);
  writeFileSync(path, `#!/bin/sh\n${extra}\necho '${said}'\nexit ${code}\n`);
  chmodSync(path, 0o755);
  return directory;
}

const SYSTEM = '/usr/bin:/bin';

describe('finding CometBFT', () => {
  it('takes the one on PATH when it is of the line that the node speaks', async () => {
    const directory = program('cometbft', '0.38.19');
    const found = await findEngine({
      environment: { PATH: `${directory}:${SYSTEM}`, XDG_CACHE_HOME: place() },
    });
    expect(found).toEqual({ path: join(directory, 'cometbft'), version: '0.38.19' });
  });

  it('installs the pinned version with Go where there is none, and finds it again', async () => {
    const cache = place();
    const go = program(
      'go',
      'done',
      0,
      `printf '#!/bin/sh\\necho 0.38.25\\n' > "$GOBIN/cometbft"; chmod 755 "$GOBIN/cometbft"; echo "$@" > "$GOBIN/asked"`,
    );
    const environment = { PATH: `${go}:${SYSTEM}`, XDG_CACHE_HOME: cache };
    const told: string[] = [];
    const found = await findEngine({ environment, onProgress: (message) => told.push(message) });
    expect(found.version).toBe('0.38.25');
    expect(told).toHaveLength(1);
    const again = await findEngine({
      environment: { PATH: SYSTEM, XDG_CACHE_HOME: cache },
      install: false,
    });
    expect(again).toEqual(found);
  });

  it.each<
    [string, () => { readonly environment: NodeJS.ProcessEnv; readonly install?: boolean }, RegExp]
  >([
    [
      'another version',
      () => ({
        environment: { PATH: `${program('cometbft', '1.0.1')}:${SYSTEM}`, XDG_CACHE_HOME: place() },
      }),
      /1\.0\.1; this node speaks to v0\.38/,
    ],
    [
      'a program that does not run',
      () => ({
        environment: { PATH: `${program('cometbft', '', 3)}:${SYSTEM}`, XDG_CACHE_HOME: place() },
      }),
      /does not run/,
    ],
    [
      'a named program that is not there',
      () => ({ environment: { PATH: SYSTEM, YILIAN_COMETBFT: '/nowhere/cometbft' } }),
      /YILIAN_COMETBFT names/,
    ],
    [
      'neither program nor Go',
      () => ({ environment: { PATH: place(), XDG_CACHE_HOME: place() } }),
      /nor is Go\. Install/,
    ],
    [
      'no leave to install',
      () => ({ environment: { PATH: place(), XDG_CACHE_HOME: place() }, install: false }),
      /not on this machine\. Install/,
    ],
    [
      'an installation that fails',
      () => ({
        environment: {
          PATH: `${program('go', '', 1, 'echo no network >&2')}:${SYSTEM}`,
          XDG_CACHE_HOME: place(),
        },
      }),
      /failed: no network/,
    ],
  ])('says what to do with %s', async (_what, make, message) => {
    const options = make();
    await expect(findEngine(options)).rejects.toThrow(EngineMissingError);
    await expect(findEngine(options)).rejects.toThrow(message);
  });

  it('prefers the cache to a wrong version on PATH', async () => {
    const cache = place();
    const directory = join(cache, 'yilian', 'cometbft-v0.38.25');
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'cometbft'), '#!/bin/sh\necho 0.38.25\n');
    chmodSync(join(directory, 'cometbft'), 0o755);
    const wrong = program('cometbft', '0.40.0');
    const found = await findEngine({
      environment: { PATH: `${wrong}:${SYSTEM}`, XDG_CACHE_HOME: cache },
    });
    expect(found.path).toBe(join(directory, 'cometbft'));
  });
});
