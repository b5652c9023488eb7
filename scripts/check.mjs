/** Format, lint, types, unused code: the checks of every commit, each with its own line. */
import { spawnSync } from 'node:child_process';
import { performance } from 'node:perf_hooks';

const steps = [
  ['format', ['oxfmt', '--check']],
  ['types', ['tsc', '-b']],
  ['lint', ['oxlint', '--type-aware', '--deny-warnings']],
  ['unused', ['knip', '--no-progress']],
];
let failed = 0;
for (const [name, command] of steps) {
  const started = performance.now();
  const result = spawnSync('npx', ['--no-install', ...command], { stdio: 'inherit' });
  if (result.status !== 0) failed += 1;
  console.log(
    `${result.status === 0 ? 'ok  ' : 'FAIL'} ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`,
  );
}
process.exit(failed === 0 ? 0 : 1);
