/**
 * Makes a fresh clone ready: installs and builds what is missing or out of date, and nothing else.
 * Plain Node without dependencies, because it runs before anything is installed.
 * Flags: `--web` also builds the web page; `--then PROGRAM ARGUMENTS…` runs a program of this
 * repository afterwards, in this process. npm's own pre-scripts are no way to do so: they are skipped
 * wherever `ignore-scripts` is set, as it is here.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const [flags, command] = splitArguments(process.argv.slice(2));
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Yilian needs Node 20.19 or newer; this is ${process.versions.node}.`);
  process.exit(1);
}

function splitArguments(given) {
  const at = given.indexOf('--then');
  return at < 0 ? [given, []] : [given.slice(0, at), given.slice(at + 1)];
}

function run(title, command, args) {
  process.stderr.write(`${title} …\n`);
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (result.status !== 0) {
    console.error(
      `${title} failed (${command} ${args.join(' ')}). Mend what is said above and run the same command again.`,
    );
    process.exit(result.status ?? 1);
  }
}

function newest(path) {
  if (!existsSync(path)) return 0;
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  let latest = 0;
  for (const name of readdirSync(path)) {
    if (name === 'node_modules' || name === 'dist' || name.startsWith('.')) continue;
    latest = Math.max(latest, newest(join(path, name)));
  }
  return latest;
}

const installed = join(root, 'node_modules', '.package-lock.json');
if (
  !existsSync(installed) ||
  statSync(join(root, 'package-lock.json')).mtimeMs > statSync(installed).mtimeMs + 1000
)
  run('Installing packages', 'npm', [
    'ci',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ]);

run('Compiling', process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-b']);

if (flags.includes('--web')) {
  const page = join(root, 'packages', 'web', 'dist', 'index.html');
  const sources = [
    'web/src',
    'web/index.html',
    'client/src',
    'api/src',
    'ledger/src',
    'consensus/src',
    'crypto/src',
  ];
  const changed = Math.max(...sources.map((source) => newest(join(root, 'packages', source))));
  if (!existsSync(page) || statSync(page).mtimeMs < changed)
    run('Building the web page', process.execPath, [
      join(root, 'node_modules', 'vite', 'bin', 'vite.js'),
      'build',
      join('packages', 'web'),
      '--logLevel',
      'warn',
    ]);
}

const [program, ...programArguments] = command;
if (program !== undefined) {
  const path = join(root, program);
  process.argv = [process.execPath, path, ...programArguments];
  await import(pathToFileURL(path).href);
}
