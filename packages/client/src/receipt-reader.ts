/**
 * What became of a transaction, with the receipt that proves it to anybody. Nodes are waited for one beside
 * the other: a silent one costs seconds, not the answer.
 */
import { encodeMessage } from '@yilian/api/codec';
import { type ProvenLogEntry, provenLogEntry } from '@yilian/api/messages-chain';
import { ROUTES } from '@yilian/api/routes';
import { LIMITS } from '@yilian/api/sizes';
import { equalBytes } from '@yilian/crypto/bytes';
import type { TransactionId } from '@yilian/ledger/ids';
import type { AwaitOptions, FinalTransaction } from './chain-reader.ts';
import { NetworkError, ProblemError, type Source, VerificationError } from './failure.ts';
import type { LogReader } from './log-reader.ts';
import type { Network } from './network.ts';
import type { NodeEndpoint } from './transport.ts';

/** A node that has not proven a transaction by then is not waited for alone. */
const HEDGE_MS = 2_000;
/** Between rounds in which no node could say anything. */
const ROUND_PAUSE_MS = 250;

type ReceiptTry =
  | { readonly ok: true; readonly final: FinalTransaction }
  | { readonly ok: false; readonly error: unknown };

export interface ReceiptReader {
  /** Undefined while it is not final. */
  readonly transaction: (
    id: TransactionId,
    nodes?: readonly NodeEndpoint[],
  ) => Promise<FinalTransaction | undefined>;
  /** Undefined when it is not final within `withinMs`. */
  readonly awaitTransaction: (
    id: TransactionId,
    options: AwaitOptions,
  ) => Promise<FinalTransaction | undefined>;
}

export function createReceiptReader(network: Network, log: LogReader): ReceiptReader {
  const { platform } = network;

  async function verifyReceipt(
    id: TransactionId,
    receipt: ProvenLogEntry,
    source: Source,
  ): Promise<FinalTransaction> {
    const entry = await log.verifyEntry(receipt, receipt, source);
    const { transaction } = entry;
    if (transaction === null || !equalBytes(transaction.id, id))
      throw new VerificationError('receipt', source, 'it is of another transaction');
    return { ...entry, transaction, receipt: encodeMessage(provenLogEntry, receipt) };
  }

  async function receiptOf(
    node: NodeEndpoint,
    id: TransactionId,
    options: AwaitOptions,
  ): Promise<FinalTransaction> {
    const { withinMs, signal } = options;
    const receipt = await network.transport.call(node, ROUTES.getReceipt, {
      params: { id },
      patience: { height: null, within: Math.max(0, Math.min(LIMITS.waitMsMax, withinMs)) },
      ...(signal === undefined ? {} : { signal }),
    });
    return verifyReceipt(id, receipt, { node: node.name, route: ROUTES.getReceipt.name });
  }

  /** One question to each node, the next when one fails or is slow. @throws what all say */
  async function firstReceipt(id: TransactionId, options: AwaitOptions): Promise<FinalTransaction> {
    const order = network.order();
    const { first } = options;
    const left =
      first === undefined ? [...order] : [first, ...order.filter((node) => node !== first)];
    const pending = new Set<Promise<ReceiptTry>>();
    const ask = (): void => {
      const node = left.shift();
      if (node === undefined) return;
      const asked: Promise<ReceiptTry> = receiptOf(node, id, options)
        .then(
          (final): ReceiptTry => ({ ok: true, final }),
          (error: unknown): ReceiptTry => ({ ok: false, error }),
        )
        .finally(() => pending.delete(asked));
      pending.add(asked);
    };
    let failure: unknown;
    ask();
    while (pending.size > 0) {
      const done = new AbortController();
      const slow = platform.wait(HEDGE_MS, done.signal).then(() => null);
      const answer = await Promise.race([...pending, slow]);
      done.abort();
      if (answer?.ok === true) return answer.final;
      if (answer !== null) {
        const { error } = answer;
        if (error instanceof VerificationError) network.reportLie(error);
        else if (!(error instanceof ProblemError) && !(error instanceof NetworkError)) throw error;
        failure = moreTelling(failure, error);
      }
      ask();
    }
    throw failure;
  }

  return {
    transaction: async (id, nodes) => {
      try {
        const { value } = await network.ask(
          ROUTES.getReceipt,
          { params: { id } },
          (receipt, source) => verifyReceipt(id, receipt, source),
          nodes,
        );
        return value;
      } catch (error) {
        // Absence is not proven: it only means "ask again".
        if (error instanceof ProblemError && ['notFound', 'notFinal'].includes(error.code))
          return undefined;
        throw error;
      }
    },
    awaitTransaction: async (id, options) => {
      const endMs = platform.nowMs() + options.withinMs;
      for (;;) {
        const withinMs = endMs - platform.nowMs();
        if (withinMs <= 0 || options.signal?.aborted === true) return undefined;
        try {
          return await firstReceipt(id, { ...options, withinMs });
        } catch (error) {
          // Absence is not proven: it only means "ask again".
          if (!(error instanceof ProblemError) || !NOT_YET.has(error.code)) throw error;
        }
        await platform.wait(ROUND_PAUSE_MS, options.signal);
      }
    },
  };
}

const NOT_YET: ReadonlySet<string> = new Set([
  'notFound',
  'notFinal',
  'waitTimedOut',
  'rateLimited',
  'notReady',
  'nodeBehind',
  'shuttingDown',
]);

/** A lie says most, silence least. */
function moreTelling(before: unknown, error: unknown): unknown {
  const weight = (each: unknown): number =>
    each instanceof VerificationError ? 3 : each instanceof ProblemError ? 2 : each ? 1 : 0;
  return weight(error) > weight(before) ? error : before;
}
