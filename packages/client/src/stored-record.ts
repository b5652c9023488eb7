/**
 * A record's ciphertext out of a store, believed only when header, chunk hashes and every chunk make the
 * digest on chain (QJ-10): forged, altered, swapped, truncated and lost ciphertexts are noticed before
 * anything is decrypted, and the next store is asked.
 */
import { ROUTES } from '@yilian/api/routes';
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import type { Suite } from '@yilian/crypto/context';
import { EnvelopeError } from '@yilian/crypto/envelope/envelope-error';
import { readObject, verifyBody } from '@yilian/crypto/envelope/object';
import {
  type FetchChunk,
  type VerifiedRecord,
  verifyRecord,
} from '@yilian/crypto/envelope/record-reader';
import type { LedgerRecord } from '@yilian/ledger/contracts/records/record';
import { ClientError, type Source, VerificationError } from './failure.ts';
import type { Network } from './network.ts';
import type { NodeEndpoint } from './transport.ts';

/** Verified ciphertext, held in a spool until disposed of. */
export interface StoredRecord {
  readonly ledgerRecord: LedgerRecord;
  readonly verified: VerifiedRecord;
  readonly fetchChunk: FetchChunk;
  /** Header and ciphertext as they lie in a store; gone when disposed of. */
  readonly object: Blob;
  /** The store that gave it. */
  readonly node: NodeEndpoint;
  dispose(): Promise<void>;
}

/** Suites a reader accepts unless the patient's certificate allows more. */
export const DEFAULT_SUITES: readonly Suite[] = ['intl'];

/**
 * Fetches from one of the record's stores after the other.
 * @throws ClientError `noStore` when none of them is configured, VerificationError `digest` when those
 *   that answer give other bytes, NetworkError, ProblemError `ciphertextUnknown`
 */
export async function fetchRecord(
  network: Network,
  ledgerRecord: LedgerRecord,
  objectKey: Bytes,
  options: { readonly allowedSuites?: readonly Suite[]; readonly signal?: AbortSignal } = {},
): Promise<StoredRecord> {
  const stores = storesOf(network, ledgerRecord);
  if (stores.length === 0)
    throw new ClientError('noStore', 'none of the stores that keep this record is configured');
  const { value } = await network.attempt(
    (node) => fetchFrom(network, node, ledgerRecord, objectKey, options),
    stores,
  );
  return value;
}

/** The stores of the record that are configured. */
export function storesOf(network: Network, ledgerRecord: LedgerRecord): readonly NodeEndpoint[] {
  return network.nodes.filter(
    ({ store }) => store !== null && ledgerRecord.stores.some((id) => equalBytes(id, store)),
  );
}

/** From this store. Errors as of `fetchRecord`. */
export async function fetchFrom(
  network: Network,
  node: NodeEndpoint,
  ledgerRecord: LedgerRecord,
  objectKey: Bytes,
  options: { readonly allowedSuites?: readonly Suite[]; readonly signal?: AbortSignal },
): Promise<StoredRecord> {
  const { platform, transport } = network;
  const source: Source = { node: node.name, route: ROUTES.getCiphertext.name };
  const spool = await platform.createSpool();
  try {
    let length = 0;
    const pieces = transport.download(node, ROUTES.getCiphertext, {
      params: { objectKey },
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    for await (const piece of pieces) {
      length += piece.length;
      if (length > ledgerRecord.length)
        throw new VerificationError('digest', source, 'the ciphertext is longer than on chain');
      await spool.write(piece);
    }
    if (length !== ledgerRecord.length)
      throw new VerificationError('digest', source, 'the ciphertext is shorter than on chain');
    const object = await spool.body();
    const { verified, fetchChunk } = await verifyCopy(network, object, ledgerRecord, options);
    return { ledgerRecord, verified, fetchChunk, object, node, dispose: () => spool.dispose() };
  } catch (error) {
    await spool.dispose();
    if (error instanceof EnvelopeError && error.code === 'suiteNotAllowed')
      throw new ClientError('profileNotAllowed', error.message);
    if (error instanceof EnvelopeError)
      throw new VerificationError('digest', source, error.message, error);
    throw error;
  }
}

/** Checks header, chunk hashes and every chunk against the chain. @throws EnvelopeError */
export async function verifyCopy(
  network: Network,
  object: Blob,
  ledgerRecord: LedgerRecord,
  options: { readonly allowedSuites?: readonly Suite[] } = {},
): Promise<Pick<StoredRecord, 'verified' | 'fetchChunk'>> {
  const { primitives } = network.platform;
  const read = async (offset: number, bytes: number): Promise<Bytes> =>
    new Uint8Array(await object.slice(offset, offset + bytes).arrayBuffer());
  const parts = await readObject(read, ledgerRecord.headerHash);
  const verified = verifyRecord(
    parts,
    {
      chainId: network.anchor.chainId,
      recordId: ledgerRecord.id,
      headerHash: ledgerRecord.headerHash,
      digest: ledgerRecord.digest,
      allowedSuites: options.allowedSuites ?? DEFAULT_SUITES,
    },
    primitives,
  );
  await verifyBody(
    { header: parts.header, body: piecesOf(object.slice(parts.bodyOffset)) },
    ledgerRecord,
    primitives,
  );
  return { verified, fetchChunk: parts.fetchChunk };
}

const PIECE_BYTES = 1_048_576;

async function* piecesOf(blob: Blob): AsyncGenerator<Bytes> {
  for (let offset = 0; offset < blob.size; offset += PIECE_BYTES)
    yield new Uint8Array(await blob.slice(offset, offset + PIECE_BYTES).arrayBuffer());
}
