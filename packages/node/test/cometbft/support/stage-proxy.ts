/**
 * Between CometBFT and the node, on their socket: forwards every message and stops one, so that a process can
 * be killed at an exact stage of a block without a line of the program knowing of it.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { decodeRequest, decodeResponse } from '@yilian/consensus/abci/envelope';
import { FrameSplitter } from '@yilian/consensus/abci/frame-splitter';

export const STAGES = [
  /** The block is decided, the application has not heard of it. */
  'finalizeAsked',
  /** Executed, nothing written; the engine has not heard the result. */
  'finalizeAnswered',
  /** The engine has stored the result; nothing is written here. */
  'commitAsked',
  /** On its way to the disk. */
  'commitWriting',
  /** Written; the engine does not know. */
  'commitAnswered',
] as const;
export type Stage = (typeof STAGES)[number];

const FRAME_BYTES_MAX = 64 * 1024 * 1024;

function framed(frame: Uint8Array): Buffer {
  const length: number[] = [];
  let rest = frame.length;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) length.push((rest & 0x7f) | 0x80);
  return Buffer.concat([Buffer.from([...length, rest]), frame]);
}

function stageOf(side: 'request' | 'response', frame: Uint8Array): Stage | undefined {
  if (side === 'request') {
    const kind = decodeRequest(frame)?.kind;
    if (kind === 'finalizeBlock') return 'finalizeAsked';
    return kind === 'commit' ? 'commitAsked' : undefined;
  }
  const kind = decodeResponse(frame)?.kind;
  if (kind === 'finalizeBlock') return 'finalizeAnswered';
  return kind === 'commit' ? 'commitAnswered' : undefined;
}

export class StageProxy {
  readonly #server: Server;
  readonly #target: string;
  readonly #sockets = new Set<Socket>();
  #armed: { readonly stage: Stage; readonly reached: () => void } | undefined;

  private constructor(target: string) {
    this.#target = target;
    this.#server = createServer((engine) => this.#join(engine));
  }

  static async listen(path: string, target: string): Promise<StageProxy> {
    const proxy = new StageProxy(target);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject);
      proxy.#server.listen(path, resolve);
    });
    return proxy;
  }

  /** Resolves when the next block is there. What stands at the stage is held back; the killer must follow. */
  arm(stage: Stage): Promise<void> {
    return new Promise((reached) => {
      this.#armed = { stage, reached };
    });
  }

  disarm(): void {
    this.#armed = undefined;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #join(engine: Socket): void {
    const application = connect(this.#target);
    for (const [from, to, side] of [
      [engine, application, 'request'],
      [application, engine, 'response'],
    ] as const) {
      this.#sockets.add(from);
      const splitter = new FrameSplitter(FRAME_BYTES_MAX);
      let isHeld = false;
      from.on('data', (chunk: Buffer) => {
        const ready: Buffer[] = [];
        splitter.push(new Uint8Array(chunk), (frame) => {
          isHeld ||= this.#isHeld(side, frame);
          if (!isHeld) ready.push(framed(frame));
        });
        if (ready.length > 0 && to.writable) to.write(Buffer.concat(ready));
      });
      from.on('error', () => undefined);
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
  }

  #isHeld(side: 'request' | 'response', frame: Uint8Array): boolean {
    const armed = this.#armed;
    if (armed === undefined) return false;
    const stage = stageOf(side, frame);
    const isWriting = armed.stage === 'commitWriting' && stage === 'commitAsked';
    if (!isWriting && stage !== armed.stage) return false;
    this.#armed = undefined;
    armed.reached();
    return !isWriting;
  }
}
