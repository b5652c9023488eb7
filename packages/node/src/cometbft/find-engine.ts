/**
 * Where the `cometbft` program is: named by YILIAN_COMETBFT, on PATH, in the cache of an earlier
 * installation, or else installed there by Go at the pinned version (`go install` from the module
 * proxy, about a minute). Only the v0.38 line speaks the ABCI that the node serves.
 */
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

export const ENGINE_VERSION = 'v0.38.25';
const ENGINE_LINE = /^v?0\.38\.\d+/;
const ENGINE_MODULE = 'github.com/cometbft/cometbft/cmd/cometbft';
const VERSION_MS_MAX = 20_000;

/** No usable program, and why; the message says what to do. */
export class EngineMissingError extends Error {
  readonly code = 'engineMissing';

  constructor(message: string, options?: { readonly cause: unknown }) {
    super(message, options);
    this.name = 'EngineMissingError';
  }
}

export interface EngineProgram {
  readonly path: string;
  readonly version: string;
}

export interface FindOptions {
  readonly environment?: NodeJS.ProcessEnv;
  /** Whether to install when nothing is found. */
  readonly install?: boolean;
  readonly onProgress?: (message: string) => void;
}

const run = promisify(execFile);

function onPath(name: string, environment: NodeJS.ProcessEnv): string | undefined {
  return (environment['PATH'] ?? '')
    .split(delimiter)
    .filter((directory) => directory !== '')
    .map((directory) => join(directory, name))
    .find((path) => existsSync(path));
}

function cacheDirectory(environment: NodeJS.ProcessEnv): string {
  const base = environment['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  return join(base, 'yilian', `cometbft-${ENGINE_VERSION}`);
}

async function versionOf(path: string): Promise<string> {
  try {
    const { stdout } = await run(path, ['version'], { timeout: VERSION_MS_MAX });
    return stdout.trim();
  } catch (cause) {
    throw new EngineMissingError(`${path} does not run`, { cause });
  }
}

async function checked(path: string): Promise<EngineProgram> {
  const version = await versionOf(path);
  if (!ENGINE_LINE.test(version))
    throw new EngineMissingError(
      `${path} is CometBFT ${version}; this node speaks to v0.38 (${ENGINE_VERSION}). ` +
        'Put that version on PATH, or name it in YILIAN_COMETBFT.',
    );
  return { path, version };
}

async function installWithGo(
  go: string,
  directory: string,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  mkdirSync(directory, { recursive: true });
  const child = spawn(go, ['install', `${ENGINE_MODULE}@${ENGINE_VERSION}`], {
    env: { ...environment, GOBIN: directory },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8');
  child.stderr.on('data', (text: string) => {
    said = `${said}${text}`.slice(-2_000);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', resolve);
  });
  if (code !== 0)
    throw new EngineMissingError(
      `go install of CometBFT ${ENGINE_VERSION} failed: ${said.trim().split('\n').at(-1) ?? ''}`,
    );
}

const HOW =
  `Install CometBFT ${ENGINE_VERSION} and put it on PATH (its release page has binaries), or install Go ` +
  '1.22 or later, with which this command installs it by itself.';

/** @throws EngineMissingError */
export async function findEngine(options: FindOptions = {}): Promise<EngineProgram> {
  const environment = options.environment ?? process.env;
  const named = environment['YILIAN_COMETBFT'];
  if (named !== undefined && named !== '') {
    if (!existsSync(named))
      throw new EngineMissingError(`YILIAN_COMETBFT names ${named}, which is not there.`);
    return checked(named);
  }
  const cache = cacheDirectory(environment);
  const cached = join(cache, 'cometbft');
  const found = onPath('cometbft', environment);
  if (found !== undefined) {
    try {
      return await checked(found);
    } catch (error) {
      // Another version on PATH does not matter when the right one lies in the cache.
      if (!existsSync(cached)) throw error;
    }
  }
  if (existsSync(cached)) return checked(cached);
  if (options.install === false)
    throw new EngineMissingError(`CometBFT is not on this machine. ${HOW}`);
  const go = onPath('go', environment);
  if (go === undefined)
    throw new EngineMissingError(`CometBFT is not on this machine, nor is Go. ${HOW}`);
  options.onProgress?.(`Installing CometBFT ${ENGINE_VERSION} with Go; this takes about a minute.`);
  await installWithGo(go, cache, environment);
  return checked(cached);
}
