/**
 * `npm start`: a whole consortium on this machine. Makes keys and genesis under YILIAN_HOME (default
 * `.yilian`) on the first run, starts one process per node, serves the page, prints one address.
 * Ctrl-C stops everything gracefully; after `kill -9` of anything, starting again continues.
 */
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bindFirst, freePorts } from './bind-port.ts';
import { findEngine } from './cometbft/find-engine.ts';
import { openConsortium } from './demo/make-consortium.ts';
import { createNodeChildren } from './demo/node-children.ts';
import { createPageServer } from './demo/page-server.ts';
import { watchParent } from './demo/parent-watch.ts';
import { AlreadyRunningError, lockHome } from './demo/supervisor-lock.ts';
import { mkdirSync } from 'node:fs';

const HOST = '127.0.0.1';
const DEFAULT_PORT = 8080;

function wishedPort(): number {
  const raw = process.env['YILIAN_PORT'];
  if (raw === undefined || raw === '') return DEFAULT_PORT;
  const port = Number(raw);
  if (!Number.isSafeInteger(port) || port < 0 || port > 65_535)
    throw new Error(`YILIAN_PORT must be a port number, not "${raw}"`);
  return port;
}

/** The next ports are easier to remember than a random one. */
function portsFrom(wished: number): readonly [number, ...number[]] {
  if (wished === 0) return [0];
  const next = Array.from({ length: 19 }, (_, step) => wished + 1 + step);
  return [wished, ...next.filter((port) => port <= 65_535), 0];
}

async function run(): Promise<void> {
  const home = resolve(process.env['YILIAN_HOME'] ?? '.yilian');
  mkdirSync(home, { recursive: true });
  const unlock = await lockHome(home);
  const engine = process.env['YILIAN_ENGINE'] === 'cometbft' ? 'cometbft' : 'pbft';
  const facts = await openConsortium(home, engine);
  if (facts.engine === 'cometbft')
    await findEngine({ onProgress: (message) => process.stdout.write(`${message}\n`) });
  const wished = wishedPort();
  let port = wished;
  const children = createNodeChildren({
    home,
    facts,
    origins: () => [`http://${HOST}:${port}`, `http://localhost:${port}`],
    ...(facts.engine === 'cometbft' ? { enginePorts: await freePorts(facts.nodes.length) } : {}),
    settings: {
      heartbeatMs: Number(process.env['YILIAN_HEARTBEAT_MS'] ?? 10_000),
      logLevel: process.env['YILIAN_LOG'] === 'debug' ? 'debug' : 'info',
    },
  });
  const page = await createPageServer({
    facts,
    children,
    page: fileURLToPath(new URL('../../web/dist', import.meta.url)),
  });

  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping ??= (async () => {
      process.stdout.write('\nStopping …\n');
      await page.close();
      await Promise.all(children.map((child) => child.stop()));
      unlock();
    })();
    return stopping;
  };
  const stopAndExit = (): void => {
    if (stopping !== undefined) return;
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`${String(error)}\n`);
        process.exit(1);
      },
    );
  };
  process.on('SIGINT', stopAndExit);
  process.on('SIGTERM', stopAndExit);
  // With npm its terminal may be gone: what cannot be printed stops nothing.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  watchParent(stopAndExit);

  try {
    // The page first: the nodes are told its address, as the only one whose scripts may call them.
    port = await bindFirst(portsFrom(wished), async (each) => {
      await page.listen({ host: HOST, port: each });
      const address = page.server.address();
      return typeof address === 'object' && address !== null ? address.port : each;
    });
    if (wished !== 0 && port !== wished)
      process.stdout.write(`Port ${wished} is taken, using ${port}.\n`);
    await Promise.all(children.map((child) => child.start()));
  } catch (error) {
    await stop();
    throw error;
  }
  process.stdout.write(`Yilian runs: http://localhost:${port}\n`);
}

run().catch((error: unknown) => {
  if (error instanceof AlreadyRunningError)
    process.stderr.write(`${error.message} Open its page, or stop it first.\n`);
  else
    process.stderr.write(
      `Yilian could not start: ${error instanceof Error ? error.message : String(error)}\n`,
    );
  process.exit(1);
});
