/**
 * The newest header, asked of nodes of several operators: one alone could show a chain of long ago, in
 * which a grant is not there yet or not revoked.
 */
import { ROUTES } from '@yilian/api/routes';
import type { ChainHead, ReadOptions } from './chain-reader.ts';
import { VerificationError } from './failure.ts';
import type { HeaderStore, VerifiedHeader } from './header-store.ts';
import type { Network } from './network.ts';

/** After so long the newest header is asked for again. */
const HEAD_MS = 3_000;
/** Nodes that are asked for it. */
const WITNESSES = 3;

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

  async function readHead(): Promise<ChainHead> {
    const asked = network.order().slice(0, WITNESSES);
    const results = await Promise.allSettled(
      asked.map(async (node) => {
        const source = { node: node.name, route: ROUTES.getHeader.name };
        const answer = await network.transport.call(node, ROUTES.getHeader, {
          params: { height: 'latest' },
        });
        return headers.verify(answer, source);
      }),
    );
    let best: VerifiedHeader | undefined;
    for (const result of results) {
      if (result.status === 'fulfilled') {
        if (best === undefined || result.value.header.height > best.header.height)
          best = result.value;
        continue;
      }
      if (result.reason instanceof VerificationError) network.reportLie(result.reason);
    }
    if (best === undefined) {
      // None of the witnesses: whoever is left may answer.
      const { value } = await network.ask(
        ROUTES.getHeader,
        { params: { height: 'latest' } },
        (answer, source) => headers.verify(answer, source),
      );
      best = value;
    }
    return headOf(headers.newest ?? best);
  }

  return { read };
}

function headOf({ header }: VerifiedHeader): ChainHead {
  return { height: header.height, timeMs: Number(header.timeNs / 1_000_000n) };
}
