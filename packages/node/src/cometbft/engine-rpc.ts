/**
 * JSON-RPC to the node's own CometBFT, over a unix socket or loopback. Only the local engine is ever
 * asked; what comes back is parsed strictly and, where it counts, verified like anybody's word.
 */
import { Agent, request } from 'node:http';

const ANSWER_BYTES_MAX = 32 * 1024 * 1024;
const CALL_MS_MAX = 10_000;

/** `unreachable`: not running or not yet listening; `refused`: it answered with an error. */
export class EngineRpcError extends Error {
  readonly code: 'unreachable' | 'refused' | 'malformed';

  constructor(
    code: EngineRpcError['code'],
    message: string,
    options?: { readonly cause: unknown },
  ) {
    super(message, options);
    this.name = 'EngineRpcError';
    this.code = code;
  }
}

/** As the engine reads JSON; whole numbers travel as text. */
export type RpcParameter = string | boolean | readonly string[];

export interface EngineRpc {
  /** The `result` of the answer, unparsed. @throws EngineRpcError */
  call(method: string, params: Readonly<Record<string, RpcParameter>>): Promise<unknown>;
  close(): void;
}

export type RpcAddress =
  | { readonly socketPath: string }
  | { readonly host: string; readonly port: number };

/** As CometBFT's configuration writes it. */
export function toEngineAddress(address: RpcAddress): string {
  return 'socketPath' in address
    ? `unix://${address.socketPath}`
    : `tcp://${address.host}:${address.port}`;
}

function resultOf(method: string, text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new EngineRpcError('malformed', `${method}: the engine's answer is no JSON`, { cause });
  }
  if (typeof value !== 'object' || value === null)
    throw new EngineRpcError('malformed', `${method}: the engine's answer has another form`);
  if ('error' in value && value.error !== undefined && value.error !== null) {
    const { error } = value;
    const what =
      typeof error === 'object' && 'data' in error && typeof error.data === 'string'
        ? error.data
        : JSON.stringify(error);
    throw new EngineRpcError('refused', `${method}: ${what}`);
  }
  if (!('result' in value))
    throw new EngineRpcError('malformed', `${method}: the engine's answer has no result`);
  return value.result;
}

const CLOSED_BY_PEER: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE']);

function isClosedByPeer(error: Error): boolean {
  return 'code' in error && typeof error.code === 'string' && CLOSED_BY_PEER.has(error.code);
}

/** One exchange; resolves with the answer's body. */
class RpcConnections {
  readonly #address: RpcAddress;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 });

  constructor(address: RpcAddress) {
    this.#address = address;
  }

  /**
   * The engine closes a connection that was idle for some seconds, which may cross a call that takes it out of
   * the pool: such a call goes again, on a connection of its own. All methods may be asked twice.
   */
  post(body: string, mayGoAgain = true): Promise<string> {
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          ...this.#address,
          agent: mayGoAgain ? this.#agent : false,
          method: 'POST',
          path: '/',
          timeout: CALL_MS_MAX,
          headers: {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(body),
            host: 'localhost',
          },
        },
        (response) => {
          const chunks: Buffer[] = [];
          let length = 0;
          response.on('data', (chunk: Buffer) => {
            length += chunk.length;
            if (length > ANSWER_BYTES_MAX) response.destroy(new Error('too long'));
            else chunks.push(chunk);
          });
          response.once('error', reject);
          response.once('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
        },
      );
      sent.once('timeout', () => sent.destroy(new Error('timeout')));
      sent.once('error', (error) => {
        if (mayGoAgain && sent.reusedSocket && isClosedByPeer(error))
          this.post(body, false).then(resolve, reject);
        else reject(error);
      });
      sent.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** Up to 64 calls at a time; further ones wait. */
export function createEngineRpc(address: RpcAddress): EngineRpc {
  const connections = new RpcConnections(address);
  return {
    call: async (method, params) => {
      let text: string;
      try {
        text = await connections.post(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }));
      } catch (cause) {
        throw new EngineRpcError('unreachable', `${method}: no answer`, { cause });
      }
      return resultOf(method, text);
    },
    close: () => connections.close(),
  };
}
