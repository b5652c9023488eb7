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
import { NetworkError, ProblemError, RejectedError, VerificationError } from './failure.ts';
import type { Network } from './network.ts';
import type { NodeEndpoint } from './transport.ts';

/** Blocks within which a transaction must be included: minutes at the default interval. */
const DEFAULT_EXPIRY_HEIGHTS = 1_000n;
const POLL_FIRST_MS = 25;
const POLL_MAX_MS = 500;
/** Questions to the node that has it final, before all are asked. */
const ENTRY_TRIES = 40;
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
  return awaitFinal(network, reader, id, transaction.body.type, {
    ...options,
    ...(node === undefined ? {} : { entry: node }),
  });
}

/**
 * Hands it in and waits there until it is final: that is only this node's word, and tells when to ask
 * for the proof. Undefined: its fate must be asked of all.
 */
async function handIn(
  network: Network,
  transaction: Transaction,
  options: SubmitOptions,
): Promise<NodeEndpoint | undefined> {
  const request = encodeTransaction(transaction);
  try {
    const { node } = await network.ask(
      ROUTES.submitTransaction,
      {
        params: {},
        query: { wait: 'final' },
        request,
        timeoutMs: options.waitMaxMs ?? WAIT_MAX_MS,
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      },
      () => undefined,
      options.nodes,
    );
    return node;
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    // Known already, or not final in time: the receipt will tell.
    if (error.code === 'duplicate' || error.code === 'waitTimedOut') return undefined;
    if (error.code === 'refused')
      throw new RejectedError(error.rejection ?? 'unknown', transaction.body.type);
    throw error;
  }
}

/** Waits for the receipt of `id`. @throws RejectedError, NetworkError `timeout` */
export async function awaitFinal(
  network: Network,
  reader: ChainReader,
  id: TransactionId,
  what: string,
  options: SubmitOptions & {
    /** The node where it is final already: it can prove that first. */
    readonly entry?: NodeEndpoint;
  } = {},
): Promise<FinalTransaction> {
  const { platform } = network;
  const { entry } = options;
  const deadlineMs = platform.nowMs() + (options.waitMaxMs ?? WAIT_MAX_MS);
  let pauseMs = POLL_FIRST_MS;
  for (let attempt = 0; ; attempt++) {
    const final =
      entry === undefined || attempt >= ENTRY_TRIES
        ? await reader.transaction(id)
        : await ofEntry(reader, id, entry);
    if (final !== undefined) {
      reader.expectHeight(BigInt(final.leaf.height));
      if (final.leaf.outcome !== 'ok') throw new RejectedError(final.leaf.outcome, what);
      return final;
    }
    if (platform.nowMs() >= deadlineMs || options.signal?.aborted === true)
      throw new NetworkError('timeout', `${what} ${toHex(id)} is not final yet`);
    await platform.wait(pauseMs, options.signal);
    // As long as the entry node is asked, the proof is one block away.
    if (entry === undefined || attempt >= ENTRY_TRIES)
      pauseMs = Math.min(POLL_MAX_MS, Math.ceil(pauseMs * 1.3));
  }
}

/** Undefined also when the entry node fails or lies now: others are asked next. */
async function ofEntry(
  reader: ChainReader,
  id: TransactionId,
  entry: NodeEndpoint,
): Promise<FinalTransaction | undefined> {
  try {
    return await reader.transaction(id, [entry]);
  } catch (error) {
    if (
      error instanceof NetworkError ||
      error instanceof ProblemError ||
      error instanceof VerificationError
    )
      return undefined;
    throw error;
  }
}
