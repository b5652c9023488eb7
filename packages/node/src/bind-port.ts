/**
 * Nobody asks whether a port is free: what is free now may be taken a moment later. Whoever wants a port
 * binds it, and goes on to the next when it is taken.
 */
import { createServer } from 'node:net';

function isTaken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
}

/** The first of `ports` that can be bound (0: any). Rejects as `bind` does, for the last one always. */
export async function bindFirst<T>(
  ports: readonly [number, ...number[]],
  bind: (port: number) => Promise<T>,
): Promise<T> {
  const [port, ...others] = ports;
  try {
    return await bind(port);
  } catch (error) {
    const [next, ...rest] = others;
    if (next === undefined || !isTaken(error)) throw error;
    return bindFirst([next, ...rest], bind);
  }
}

/**
 * Ports of 127.0.0.1 that were free a moment ago, for programs that cannot say which one they took. Somebody
 * may take one before they do; they then say so.
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  // All at once, so that none is given twice.
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once('error', reject);
          server.listen(0, '127.0.0.1', () => {
            const address = server.address();
            if (address !== null && typeof address === 'object') resolve(address.port);
            else reject(new Error('a listening server has an address'));
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
