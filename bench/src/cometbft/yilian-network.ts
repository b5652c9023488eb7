/** Our application: four replicas, each a process beside its CometBFT, each with full checks. */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeGenesisDocument } from '@yilian/consensus/genesis';
import { toHex } from '@yilian/crypto/bytes';
import { findEngine } from '@yilian/node/cometbft/find-engine';
import { createGenesis, createValidators } from './bench-validators.ts';
import { type BenchNetwork, HEARTBEAT_MS, type NetworkSettings } from './bench-network.ts';
import type { FromReplica, ToReplica } from './replica-messages.ts';

class Replica {
  readonly #child: ChildProcess;

  constructor() {
    this.#child = fork(new URL('./replica-worker.js', import.meta.url), { execArgv: [] });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  ask<Kind extends FromReplica['kind']>(
    message: ToReplica,
    kind: Kind,
  ): Promise<Extract<FromReplica, { readonly kind: Kind }>> {
    return new Promise((resolve, reject) => {
      const onExit = (): void => reject(new Error('a replica ended'));
      this.#child.once('exit', onExit);
      this.#child.once('message', (reply: FromReplica) => {
        this.#child.off('exit', onExit);
        if (reply.kind === kind) resolve(reply as Extract<FromReplica, { readonly kind: Kind }>);
        else reject(new Error(reply.kind === 'failed' ? reply.reason : `heard ${reply.kind}`));
      });
      this.#child.send(message);
    });
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    await this.ask({ kind: 'stop' }, 'stopped').catch(() => this.#child.kill());
    await ended;
  }
}

export interface YilianNetwork extends BenchNetwork {
  /** Latencies, submit to final at the entry node, of transactions that come one by one at all four nodes. */
  light(options: { readonly count: number; readonly pauseMs: number }): Promise<readonly number[]>;
}

export async function startYilianNetwork(
  settings: NetworkSettings & { readonly bundleCountMax: number },
): Promise<YilianNetwork> {
  const home = mkdtempSync(join(tmpdir(), 'yilian-bench-'));
  const genesis = toHex(encodeGenesisDocument(createGenesis()));
  const program = await findEngine();
  const validators = await createValidators();
  const replicas = validators.map((validator) => ({ validator, replica: new Replica() }));
  const ofAll = <T>(act: (replica: Replica) => Promise<T>): Promise<T[]> =>
    Promise.all(replicas.map(({ replica }) => act(replica)));
  const stop = async (): Promise<void> => {
    await ofAll((replica) => replica.stop());
    rmSync(home, { recursive: true, force: true });
  };
  try {
    const started = await Promise.all(
      replicas.map(({ replica, validator: { name, consensusSeed, engineSeed, config } }) =>
        replica.ask(
          {
            kind: 'start',
            options: {
              directory: join(home, name),
              name,
              consensusSeed: toHex(consensusSeed),
              engineSeed: toHex(engineSeed),
              genesis,
              config,
              blockIntervalMs: settings.blockIntervalMs,
              heartbeatMs: HEARTBEAT_MS,
              bundleCountMax: settings.bundleCountMax,
              program,
            },
          },
          'started',
        ),
      ),
    );
    return {
      pids: {
        application: replicas.map(({ replica }) => replica.pid),
        engine: started.map(({ enginePid }) => enginePid),
      },
      prepare: async (count) => {
        const share = Math.ceil(count / replicas.length);
        await ofAll((replica) => replica.ask({ kind: 'prepare', count: share }, 'prepared'));
      },
      drive: async (window) => {
        const share = Math.ceil(window / replicas.length);
        const begun = performance.now();
        await ofAll((replica) => replica.ask({ kind: 'drive', window: share }, 'driven'));
        return performance.now() - begun;
      },
      light: async ({ count, pauseMs }) => {
        const share = Math.ceil(count / replicas.length);
        const each = { count: share, pauseMs: pauseMs * replicas.length };
        const lit = await ofAll((replica) => replica.ask({ kind: 'light', ...each }, 'lit'));
        return lit.flatMap(({ latenciesMs }) => latenciesMs);
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
