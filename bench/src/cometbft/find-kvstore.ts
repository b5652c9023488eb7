/**
 * CometBFT's own key-value store as a process behind the ABCI socket (`abci-cli kvstore`): named by
 * YILIAN_ABCI_CLI, on PATH, or installed by Go beside the engine, at the engine's version.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { ENGINE_VERSION } from '@yilian/node/cometbft/find-engine';

const MODULE = 'github.com/cometbft/cometbft/abci/cmd/abci-cli';
const NAME = 'abci-cli';

export function findKvstore(environment: NodeJS.ProcessEnv = process.env): string {
  const named = environment['YILIAN_ABCI_CLI'];
  if (named !== undefined && named !== '') return named;
  const cache = join(
    environment['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'),
    'yilian',
    `cometbft-${ENGINE_VERSION}`,
  );
  // The cache first: what lies on PATH may be of another version, and says nothing about it.
  const directories = [cache, ...(environment['PATH'] ?? '').split(delimiter)];
  const found = directories.map((each) => join(each, NAME)).find((path) => existsSync(path));
  if (found !== undefined) return found;
  const compiler = 'go';
  const { status } = spawnSync(compiler, ['install', `${MODULE}@${ENGINE_VERSION}`], {
    env: { ...environment, GOBIN: cache },
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0)
    throw new Error(`abci-cli ${ENGINE_VERSION} is not on PATH and Go could not install it`);
  return join(cache, NAME);
}
