/** SIGHUP: a node reads again who may connect, without stopping. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { statusDocument } from '@yilian/api/documents';
import { freePorts } from '../../src/bind-port.ts';
import { findEngine } from '../../src/cometbft/find-engine.ts';
import { initNetwork } from '../../src/network/init-network.ts';
import { parseNetworkFile } from '../../src/network/network-file.ts';
import { NODE_PROGRAM } from '../../src/node-program.ts';

const program = await findEngine({ install: false }).catch((): undefined => undefined);
const root = mkdtempSync(join(tmpdir(), 'yl-hup-'));
let child: ChildProcess | undefined;
afterAll(async () => {
  if (child !== undefined && child.exitCode === null) {
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
  rmSync(root, { recursive: true, force: true });
}, 30_000);

interface Config {
  readonly peers: readonly unknown[];
}

test.skipIf(program === undefined)(
  'a changed list of peers is taken over, a broken one is not',
  async () => {
    const [http, peer, engine] = await freePorts(3);
    const hospitals = ['a', 'b', 'c', 'd'].map((name, i) =>
      [
        `  - institution: ${name}`,
        '    tier: tertiary',
        '    host: 127.0.0.1',
        i === 0 ? `    ports: { http: ${http}, peer: ${peer}, engine: ${engine} }` : '',
      ].join('\n'),
    );
    const file = ['chain: reload', 'hospitals:', ...hospitals, 'regulator:'];
    file.push('  institution: r', '  host: 127.0.0.1');
    const network = join(root, 'net');
    await initNetwork(parseNetworkFile(file.join('\n')), network);
    const home = join(network, 'nodes', 'a');
    child = spawn(process.execPath, [NODE_PROGRAM, '--home', home], { stdio: 'ignore' });
    const known = async (): Promise<number> => {
      const response = await fetch(`http://127.0.0.1:${http}/v1/status`);
      return statusDocument.parse(await response.json()).peers.known;
    };
    const become = (count: number): Promise<void> =>
      vi.waitFor(async () => expect(await known()).toBe(count), { timeout: 30_000, interval: 100 });
    await become(4);

    const path = join(home, 'config.json');
    const config = JSON.parse(readFileSync(path, 'utf8')) as Config;
    writeFileSync(path, JSON.stringify({ ...config, peers: config.peers.slice(0, 3) }));
    child.kill('SIGHUP');
    await become(2);

    writeFileSync(path, '{ "peers": [');
    child.kill('SIGHUP');
    expect(child.exitCode).toBeNull();
    await become(2);
    writeFileSync(path, JSON.stringify(config));
    child.kill('SIGHUP');
    await become(4);
  },
  90_000,
);
