import { performance } from 'node:perf_hooks';

/**
 * Times several functions in turn, round by round, so that a slow moment of the machine falls on all
 * of them alike. Returns milliseconds per call for each round and name.
 */
export function interleave(
  acts: Readonly<Record<string, () => void>>,
  options: { readonly rounds: number; readonly callsPerRound: number },
): Readonly<Record<string, readonly number[]>> {
  const samples: Record<string, number[]> = {};
  for (const [name, act] of Object.entries(acts)) {
    samples[name] = [];
    act();
  }
  for (let round = 0; round < options.rounds; round++) {
    for (const [name, act] of Object.entries(acts)) {
      const started = performance.now();
      for (let call = 0; call < options.callsPerRound; call++) act();
      samples[name]?.push((performance.now() - started) / options.callsPerRound);
    }
  }
  return samples;
}
