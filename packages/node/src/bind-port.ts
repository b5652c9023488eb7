/**
 * Nobody asks whether a port is free: what is free now may be taken a moment later. Whoever wants a port
 * binds it, and goes on to the next when it is taken.
 */

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
