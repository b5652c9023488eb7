/** Signs and submits what the node itself has to say: reports, node keys, enrolments, records. */
import type { Bytes, RandomBytes } from '@yilian/crypto/bytes';
import { publicKey, sign } from '@yilian/crypto/signature';
import type { TransactionBody, UnsignedTransaction } from '@yilian/ledger/transaction';
import {
  type Signer,
  encodeTransaction,
  signTransaction,
  transactionId,
} from '@yilian/ledger/transaction-codec';

/** Where transactions go: the ordering engine's door. */
export interface Submitter {
  submit(
    transaction: Bytes,
    source: string,
  ): Promise<
    | { readonly admitted: true; readonly id: Bytes }
    | { readonly admitted: false; readonly rejection: string }
  >;
  /** The outcome's code (`ok` or a rejection) once final here; `timeout` says nothing about its fate. */
  outcome(id: Bytes, timeoutMs: number): Promise<string>;
}

export interface SenderOptions {
  readonly chainId: string;
  readonly submitter: Submitter;
  readonly randomBytes: RandomBytes;
  /** Height of the last final block. */
  readonly height: () => number;
}

/** How many blocks a transaction of a service may wait; short, so that a lost one can be sent again. */
const EXPIRY_HEIGHTS = 200;

export interface TransactionSender {
  /** Fresh nonce and expiry around `body`. */
  draft<Body extends TransactionBody>(body: Body, sender: Bytes): UnsignedTransaction<Body>;
  /** Signs with all of `signers` (the sender first) and hands it to ordering. */
  send(
    draft: UnsignedTransaction,
    signers: readonly Signer[],
    source: string,
  ): Promise<{ readonly id: Bytes; readonly rejection: string | null }>;
  outcome(id: Bytes, timeoutMs: number): Promise<string>;
}

/** A signer from its 32-byte Ed25519 seed. */
export function seedSigner(seed: Bytes): Signer {
  return { key: publicKey(seed), sign: (message) => sign(seed, message) };
}

export function createTransactionSender(options: SenderOptions): TransactionSender {
  const { chainId, submitter, randomBytes, height } = options;
  return {
    draft: (body, sender) => ({
      chainId,
      body,
      sender,
      nonce: randomBytes(16),
      expiryHeight: height() + EXPIRY_HEIGHTS,
    }),
    send: async (draft, signers, source) => {
      const encoded = encodeTransaction(signTransaction(draft, signers));
      const submission = await submitter.submit(encoded, source);
      return submission.admitted
        ? { id: submission.id, rejection: null }
        : { id: transactionId(draft), rejection: submission.rejection };
    },
    outcome: (id, timeoutMs) => submitter.outcome(id, timeoutMs),
  };
}
