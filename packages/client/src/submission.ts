/**
 * From a body to a final transaction: signed, handed to one node after the other until one admits it,
 * and believed only when its receipt verifies.
 */
import { ROUTES } from '@yilian/api/routes';
import { toHex } from '@yilian/crypto/bytes';
import type { TransactionId } from '@yilian/ledger/ids';
import {
  encodeTransaction,
  type Signer,
  signTransaction,
  transactionId,
} from '@yilian/ledger/transaction-codec';
import {
  EXPIRY_HEIGHTS_MAX,
  type Transaction,
  type TransactionBody,
  type UnsignedTransaction,
} from '@yilian/ledger/transaction';
import type { ChainReader, FinalTransaction } from './chain-reader.ts';
import { NetworkError, ProblemError, RejectedError } from './failure.ts';
import type { Network } from './network.ts';
import type { NodeEndpoint } from './transport.ts';

/** Blocks within which a transaction must be included: minutes at the default interval. */
const DEFAULT_EXPIRY_HEIGHTS = 1_000n;
const WAIT_MAX_MS = 60_000;

export interface SubmitOptions {
  /** Where to hand it in first. */
  readonly nodes?: readonly NodeEndpoint[];
  readonly waitMaxMs?: number;
  readonly signal?: AbortSignal;
}

/** Envelope fields for a new transaction. */
export async function draftTransaction<Body extends TransactionBody>(
  network: Network,
  reader: ChainReader,
  sender: Uint8Array,
  body: Body,
): Promise<UnsignedTransaction<Body>> {
  return {
    chainId: network.anchor.chainId,
    body,
    sender,
    nonce: network.platform.randomBytes(16),
    expiryHeight: await expiryHeight(reader, DEFAULT_EXPIRY_HEIGHTS),
  };
}

/** Last height for inclusion, `heights` (at most 5,000) from now. */
export async function expiryHeight(reader: ChainReader, heights: bigint): Promise<number> {
  const limit = BigInt(EXPIRY_HEIGHTS_MAX) - 100n;
  const { height } = await reader.head();
  return Number(height + (heights < limit ? heights : limit));
}

/**
 * Signs with `signers` (the sender first) and waits for the proven outcome.
 * @throws RejectedError when a rule of the ledger refuses it, NetworkError when its fate is unknown
 */
export async function submitBody(
  network: Network,
  reader: ChainReader,
  body: TransactionBody,
  signers: readonly [Signer, ...Signer[]],
  options: SubmitOptions = {},
): Promise<FinalTransaction> {
  const [first] = signers;
  const unsigned = await draftTransaction(network, reader, first.key, body);
  return submitTransaction(network, reader, signTransaction(unsigned, signers), options);
}

/** As `submitBody`, for a transaction that is signed already. */
export async function submitTransaction(
  network: Network,
  reader: ChainReader,
  transaction: Transaction,
  options: SubmitOptions = {},
): Promise<FinalTransaction> {
  const id = transactionId(transaction);
  const node = await handIn(network, transaction, options);
  return awaitFinal(reader, id, transaction.body.type, {
    ...options,
    ...(node === undefined ? {} : { entry: node }),
  });
}

/** Hands it in to one node after the other. Undefined: others have it already. */
async function handIn(
  network: Network,
  transaction: Transaction,
  options: SubmitOptions,
): Promise<NodeEndpoint | undefined> {
  const request = encodeTransaction(transaction);
  try {
    const { node } = await network.ask(
      ROUTES.submitTransaction,
      { params: {}, request, ...(options.signal === undefined ? {} : { signal: options.signal }) },
      () => undefined,
      options.nodes,
    );
    return node;
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    // The receipt will tell what became of the first copy.
    if (error.code === 'duplicate') return undefined;
    if (error.code === 'refused')
      throw new RejectedError(error.rejection ?? 'unknown', transaction.body.type);
    throw error;
  }
}

/** Waits for the receipt of `id`. @throws RejectedError, NetworkError `timeout` */
export async function awaitFinal(
  reader: ChainReader,
  id: TransactionId,
  what: string,
  options: SubmitOptions & {
    /** The node that took it: it can prove it as soon as any. */
    readonly entry?: NodeEndpoint;
  } = {},
): Promise<FinalTransaction> {
  const { entry, signal } = options;
  const final = await reader.awaitTransaction(id, {
    withinMs: options.waitMaxMs ?? WAIT_MAX_MS,
    ...(entry === undefined ? {} : { first: entry }),
    ...(signal === undefined ? {} : { signal }),
  });
  if (final === undefined)
    throw new NetworkError('timeout', `${what} ${toHex(id)} is not final yet`);
  reader.expectHeight(BigInt(final.leaf.height));
  if (final.leaf.outcome !== 'ok') throw new RejectedError(final.leaf.outcome, what);
  return final;
}
