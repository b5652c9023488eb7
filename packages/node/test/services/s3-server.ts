/**
 * A real S3 server (versitygw on a directory) for tests: from PATH or Go's bin directory. Where there is
 * none, tests are skipped; with CI=true that is a failure.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { S3Settings } from '../../src/stores/s3-settings.ts';
import { temporaryDirectory } from './support.ts';

const BUCKET = 'records';
export const TEST_CREDENTIALS: S3Settings['credentials'] = {
  accessKey: 'yilian-test',
  secretKey: 'a-secret-of-this-test-only',
};

/** Where `go install` puts programs. */
function goBin(): string {
  const { GOBIN, GOPATH } = process.env;
  return GOBIN ?? join(GOPATH ?? join(homedir(), 'go'), 'bin');
}

/** Path of the program, or null. @throws when CI requires it */
export function findVersitygw(): string | null {
  const found = [...(process.env['PATH'] ?? '').split(delimiter), goBin()]
    .map((directory) => join(directory, 'versitygw'))
    .find((path) => existsSync(path));
  if (found === undefined && process.env['CI'] === 'true')
    throw new Error(
      'versitygw is not installed: go install github.com/versity/versitygw/cmd/versitygw@v1.8.0',
    );
  return found ?? null;
}

export interface S3Server {
  readonly endpoint: string;
  readonly port: number;
  /** Where the bucket's objects are files. */
  readonly bucketDirectory: string;
  kill(): Promise<void>;
  /** On the same port and directory. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Free at this moment. A server that is started again must keep its port, so it is chosen beforehand. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

export async function startS3Server(program: string): Promise<S3Server> {
  const place = temporaryDirectory();
  const root = join(place.path, 'root');
  mkdirSync(join(root, BUCKET), { recursive: true });
  const port = await freePort();
  let child: ChildProcess | undefined;

  const start = async (): Promise<void> => {
    const { accessKey, secretKey } = TEST_CREDENTIALS;
    const started = spawn(
      program,
      ['--quiet', '--access', accessKey, '--secret', secretKey]
        .concat(['--port', `127.0.0.1:${port}`, '--keep-alive'])
        .concat(['posix', root]),
      { stdio: 'ignore' },
    );
    child = started;
    for (let tries = 0; !(await accepts(port)); tries++) {
      if (tries > 300 || started.exitCode !== null) throw new Error('versitygw did not start');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const kill = async (): Promise<void> => {
    const killed = child;
    if (killed === undefined || killed.exitCode !== null || killed.signalCode !== null) return;
    const gone = new Promise((resolve) => killed.once('exit', resolve));
    killed.kill('SIGKILL');
    await gone;
  };
  await start();
  return {
    endpoint: `http://127.0.0.1:${port}`,
    port,
    bucketDirectory: join(root, BUCKET),
    kill,
    start,
    stop: async () => {
      await kill();
      place.clean();
    },
  };
}

/** What tests use: short limits, so that a silent server is noticed soon. */
export function testSettings(
  endpoint: string,
  prefix: string,
  change: Partial<S3Settings> = {},
): S3Settings {
  return {
    endpoint,
    region: 'us-east-1',
    bucket: BUCKET,
    prefix,
    pathStyle: true,
    credentials: TEST_CREDENTIALS,
    retries: 3,
    limits: { answerMs: 5_000, bytesPerSecondMin: 65_536 },
    ...change,
  };
}
