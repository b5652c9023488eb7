/**
 * The newest header, asked of nodes of several operators: one alone could show a chain of long ago, in
 * which a grant is not there yet or not revoked. As soon as f + 1 operators have shown a header that
 * verifies, one of them is honest, and nobody waits for the rest: one more was asked than is needed, a
 * node that is silent for a second is given a substitute, and what comes late is verified all the same
 * (a fork is a lie whenever it is told). Who let a question time out is asked last for a while.
 */
import { ROUTES } from '@yilian/api/routes';
import type { ChainHead, ReadOptions } from './chain-reader.ts';
import { NetworkError, ProblemError, VerificationError } from './failure.ts';
import type { HeaderStore, VerifiedHeader } from './header-store.ts';
import type { Network } from './network.ts';
import type { NodeEndpoint } from './transport.ts';

/** After so long the newest header is asked for again. */
const HEAD_MS = 3_000;
/** After so long without enough answers another node is asked beside the silent ones. */
const SUBSTITUTE_MS = 1_000;

export interface HeadReader {
  /** The newest header that this client has verified, asked for again when it is some seconds old. */
  readonly read: (options?: ReadOptions) => Promise<ChainHead>;
}

export function createHeadReader(network: Network, headers: HeaderStore): HeadReader {
  const { platform } = network;
  let head: (ChainHead & { readonly readAtMs: number }) | undefined;

  async function read(options: ReadOptions = {}): Promise<ChainHead> {
    const isGood =
      head !== undefined && options.fresh !== true && platform.nowMs() - head.readAtMs < HEAD_MS;
    if (!isGood || head === undefined) head = { ...(await readHead()), readAtMs: platform.nowMs() };
    return head;
  }

  async function askNode(node: NodeEndpoint): Promise<VerifiedHeader> {
    const { value } = await network.ask(
      ROUTES.getHeader,
      { params: { height: 'latest' } },
      (answer, source) => headers.verify(answer, source),
      [node],
    );
    return value;
  }

  async function readHead(): Promise<ChainHead> {
    const { settings } = await headers.genesis();
    const best = await askWitnesses(network.order(), settings.faultsMax + 1);
    return headOf(headers.newest ?? best);
  }

  /**
   * The highest header when `enough` operators have shown one, or all nodes have answered or failed.
   * Rejects when none has shown one: with a lie before a refusal before silence.
   */
  function askWitnesses(nodes: readonly NodeEndpoint[], enough: number): Promise<VerifiedHeader> {
    return new Promise((resolve, reject) => {
      const heard = new Set<string>();
      const failures: unknown[] = [];
      let best: VerifiedHeader | undefined;
      let asked = 0;
      let open = 0;
      let isSettled = false;

      const ended = new AbortController();

      const settle = (): void => {
        isSettled = true;
        ended.abort();
        if (best === undefined) reject(worstOf(failures));
        else resolve(best);
      };

      const askNext = (): void => {
        const node = nodes[asked];
        if (node === undefined || isSettled) return;
        asked += 1;
        open += 1;
        askNode(node)
          .then(
            (header) => {
              heard.add(node.operator);
              if (best === undefined || header.header.height > best.header.height) best = header;
            },
            (error: unknown) => {
              failures.push(error);
              // Of the device, not of a node: asking another one does not help.
              if (!isOfNode(error) && !isSettled) settle();
            },
          )
          .finally(() => {
            open -= 1;
            if (isSettled) return;
            if (heard.size >= enough) settle();
            else if (heard.size + open < enough) askNext();
            if (open === 0 && asked >= nodes.length) settle();
          });
      };

      const substitute = async (): Promise<void> => {
        await platform.wait(SUBSTITUTE_MS, ended.signal);
        if (isSettled || asked >= nodes.length) return;
        askNext();
        await substitute();
      };

      for (let count = 0; count < enough + 1; count++) askNext();
      void substitute();
    });
  }

  return { read };
}

function isOfNode(error: unknown): boolean {
  return (
    error instanceof VerificationError ||
    error instanceof ProblemError ||
    error instanceof NetworkError
  );
}

function worstOf(failures: readonly unknown[]): unknown {
  const ofDevice = failures.find((failure) => !isOfNode(failure));
  if (ofDevice !== undefined) return ofDevice;
  const kinds = [VerificationError, ProblemError, NetworkError];
  for (const kind of kinds) {
    const found = failures.find((failure) => failure instanceof kind);
    if (found !== undefined) return found;
  }
  return new NetworkError('noNodeLeft', 'no node showed a header');
}

function headOf({ header }: VerifiedHeader): ChainHead {
  return { height: header.height, timeMs: Number(header.timeNs / 1_000_000n) };
}
