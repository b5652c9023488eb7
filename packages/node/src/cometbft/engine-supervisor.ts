/**
 * Keeps the node's engine running: started after whatever a former one left, started again when it dies, at
 * rest while the node has no room, and ended for good when the node stops or halts.
 */
import { join } from 'node:path';
import type { LogEvent } from '../logging.ts';
import { type EngineHome, EngineHomeError } from './engine-home.ts';
import { type EngineProcess, startEngine } from './engine-process.ts';
import type { EngineProgram } from './find-engine.ts';
import { endOrphanEngines } from './orphan-engine.ts';

const RESTART_MS = [200, 500, 1_000, 2_000, 5_000] as const;
/** An engine that has run so long did not die at its start. */
const STEADY_MS = 30_000;

export interface EngineSupervisorOptions {
  readonly home: EngineHome;
  readonly program: EngineProgram;
  /** Whether the node's own database has blocks: then the engine's must have some. */
  readonly hasBlocks: () => boolean;
  /** The engine's folder does not fit the node's data, found at a later start: no start will help. */
  readonly onUnfit: (error: EngineHomeError) => void;
  readonly log: (event: LogEvent) => void;
}

export interface EngineSupervisor {
  /** @throws EngineHomeError, OrphanEngineError, or the system's error when the disk takes nothing */
  start(): Promise<void>;
  /** Ends the engine until `resume`. */
  rest(): void;
  /** Starts the engine anew as soon as the one at rest has ended. */
  resume(): Promise<void>;
  /** Ends the engine for good; resolves when it has ended. */
  stop(): Promise<void>;
}

class Supervisor implements EngineSupervisor {
  readonly #options: EngineSupervisorOptions;
  #state: 'running' | 'resting' | 'stopped' = 'running';
  #engine: EngineProcess | undefined;
  #resting: Promise<void> = Promise.resolve();
  #restart: NodeJS.Timeout | undefined;

  constructor(options: EngineSupervisorOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    await this.#start(0);
  }

  rest(): void {
    if (this.#state !== 'running') return;
    this.#state = 'resting';
    clearTimeout(this.#restart);
    this.#resting = this.#engine?.stop() ?? Promise.resolve();
  }

  async resume(): Promise<void> {
    await this.#resting;
    if (this.#state !== 'resting') return;
    this.#state = 'running';
    this.#startLater(0);
  }

  async stop(): Promise<void> {
    this.#state = 'stopped';
    clearTimeout(this.#restart);
    await this.#engine?.stop();
  }

  async #start(attempt: number): Promise<void> {
    const { home, program, hasBlocks, log } = this.#options;
    if (this.#state !== 'running') return;
    const orphans = await endOrphanEngines(home.path);
    if (!this.#mayStart()) return;
    for (const pid of orphans) log({ level: 'warn', event: 'orphanEngineEnded', pid });
    home.prepare(hasBlocks());
    const engine = startEngine(program, home.path);
    this.#engine = engine;
    log({ level: 'info', event: 'engineStarted', pid: engine.pid ?? 0 });
    this.#startAgainAfter(engine, attempt);
  }

  /** Asked again after a wait, in which the node may have stopped. */
  #mayStart(): boolean {
    return this.#state === 'running';
  }

  #startAgainAfter(engine: EngineProcess, attempt: number): void {
    const { home, log } = this.#options;
    const startedMs = performance.now();
    void engine.ended.then(({ code, signal, reason }) => {
      if (this.#engine !== engine) return;
      this.#engine = undefined;
      if (this.#state !== 'running') return;
      log({
        level: 'error',
        event: 'engineEnded',
        code: code ?? -1,
        signal: signal ?? '',
        reason,
        log: join(home.path, 'engine.log'),
      });
      const isSteady = performance.now() - startedMs > STEADY_MS;
      this.#startLater(isSteady ? 0 : attempt);
    });
  }

  /** Sooner after the first failures, later after many: what ails an engine may pass (a full disk, a port). */
  #startLater(attempt: number): void {
    const { onUnfit, log } = this.#options;
    const ms = RESTART_MS[Math.min(attempt, RESTART_MS.length - 1)] ?? RESTART_MS[0];
    clearTimeout(this.#restart);
    this.#restart = setTimeout(() => {
      this.#start(attempt + 1).catch((error: unknown) => {
        if (error instanceof EngineHomeError) {
          onUnfit(error);
          return;
        }
        log({ level: 'error', event: 'engineNotStarted', reason: String(error) });
        this.#startLater(attempt + 1);
      });
    }, ms);
    this.#restart.unref();
  }
}

export function createEngineSupervisor(options: EngineSupervisorOptions): EngineSupervisor {
  return new Supervisor(options);
}
