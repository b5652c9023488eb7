/** Processes as tests look at them from outside. */
import { readFileSync } from 'node:fs';

/** Which directory a node process serves; undefined when there is no such process. */
export function homeOfProcess(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[3];
  } catch {
    return undefined;
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  // A process that has ended and was not waited for is none any more.
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return true;
  }
}

/** @throws Error when `condition` was not met in time */
export async function until(
  condition: () => boolean | Promise<boolean>,
  ms = 45_000,
): Promise<void> {
  const end = performance.now() + ms;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error('the condition was never met');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Height of a node, 0 when it does not answer. */
export async function heightOf(url: string): Promise<bigint> {
  try {
    const response = await fetch(`${url}/v1/status`);
    const { height } = (await response.json()) as { readonly height?: number | string };
    return BigInt(height ?? 0);
  } catch {
    return 0n;
  }
}
