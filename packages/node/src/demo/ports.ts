import { createServer } from 'node:net';

function tryPort(host: string, port: number): Promise<number | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(null));
    server.listen({ host, port, exclusive: true }, () => {
      const address = server.address();
      const taken = typeof address === 'object' && address !== null ? address.port : null;
      server.close(() => resolve(taken));
    });
  });
}

/** `preferred` when it is free, else another one. Free at this moment: the one who binds finds out. */
export async function findFreePort(host: string, preferred: number): Promise<number> {
  const port = (await tryPort(host, preferred)) ?? (await tryPort(host, 0));
  if (port === null) throw new Error(`no port is free on ${host}`);
  return port;
}
