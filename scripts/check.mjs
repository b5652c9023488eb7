/** Format, lint, types, unused code: the checks of every commit, each with its own line. */
import { spawnSync } from 'node:child_process';
import { performance } from 'node:perf_hooks';

/** @type {readonly { readonly name: string; readonly command: readonly string[] }[]} */
const steps = [
  { name: 'format', command: ['oxfmt', '--check'] },
  { name: 'types', command: ['tsc', '-b'] },
  { name: 'types of tests', command: ['tsc', '-p', 'tsconfig.tests.json'] },
  { name: 'lint', command: ['oxlint', '--type-aware', '--deny-warnings'] },
  { name: 'unused', command: ['knip', '--no-progress', '--no-config-hints'] },
];
let failed = 0;
for (const { name, command } of steps) {
  const started = performance.now();
  const result = spawnSync('npx', ['--no-install', ...command], { stdio: 'inherit' });
  if (result.status !== 0) failed += 1;
  console.log(
    `${result.status === 0 ? 'ok  ' : 'FAIL'} ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`,
  );
}
process.exit(failed === 0 ? 0 : 1);
