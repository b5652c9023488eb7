/**
 * Receipts for people (LM-9, LM-11): a file that proves what became of one transaction, checked without
 * any network against nothing but a trust anchor.
 *
 * Layout (canonical CBOR): `['yilian-receipt', 1, genesis document, receipt]`. The genesis document names
 * the validators whose certificate is checked; the anchor names the genesis document.
 */
import { parseMessage } from '@yilian/api/codec';
import { provenLogEntry } from '@yilian/api/messages-chain';
import { ROUTES } from '@yilian/api/routes';
import { type Bytes, CodecError, equalBytes, fromBase64Url } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';
import { verifySignature } from '@yilian/crypto/signature';
import { decodeCertificate, verifyCertificate } from '@yilian/consensus/certificate';
import { decodeSignedHeader, headerId } from '@yilian/consensus/header';
import { trustGenesis } from '@yilian/consensus/light/trust';
import { parseLogAnswer } from '@yilian/ledger/answers';
import type { LogLeaf } from '@yilian/ledger/log-leaf';
import { verifyLedgerReceipt } from '@yilian/ledger/receipt';
import type { ParsedTransaction } from '@yilian/ledger/transaction-codec';
import { decodeGenesis, isProposed } from './header-store.ts';
import type { Network } from './network.ts';
import { hasItsSignatures } from './transaction-signatures.ts';
import type { TrustAnchor } from './trust-anchor.ts';

const MAGIC = 'yilian-receipt';
const VERSION = 1;
const RECEIPT_BYTES_MAX = 4 * 1024 * 1024;

/** What a receipt says, once it holds. */
export interface VerifiedReceipt {
  readonly transaction: ParsedTransaction;
  readonly leaf: LogLeaf;
  /** Position in the log. */
  readonly position: number;
  /** Height and block time of the header that proves it. */
  readonly provenBy: { readonly height: bigint; readonly timeMs: number };
  /** Validators that signed that header, and all of them. */
  readonly signers: number;
  readonly validators: number;
}

export type ReceiptRefusal = 'malformed' | 'otherChain' | 'certificate' | 'logProof' | 'signature';

export type ReceiptVerdict =
  | { readonly ok: true; readonly receipt: VerifiedReceipt }
  | { readonly ok: false; readonly code: ReceiptRefusal };

/** The file for a receipt as the reader gives it (`FinalTransaction.receipt`). */
export async function createReceiptFile(network: Network, receipt: Bytes): Promise<Bytes> {
  const { value: genesis } = await network.ask(ROUTES.getAnchor, { params: {} }, (document) =>
    fromBase64Url(document.genesis),
  );
  return encode([MAGIC, VERSION, genesis, receipt]);
}

/** Offline. */
export function verifyReceiptFile(anchor: TrustAnchor, file: Bytes): ReceiptVerdict {
  const refuse = (code: ReceiptRefusal): ReceiptVerdict => ({ ok: false, code });
  try {
    const value = decode(file, { bytesMax: RECEIPT_BYTES_MAX, depthMax: 2 });
    const [magic, version, genesisBytes, receiptBytes]: readonly Cbor[] = Array.isArray(value)
      ? value
      : [];
    if (magic !== MAGIC || version !== VERSION) return refuse('malformed');
    if (!(genesisBytes instanceof Uint8Array) || !(receiptBytes instanceof Uint8Array))
      return refuse('malformed');
    const genesis = decodeGenesis(genesisBytes);
    const parsed = parseMessage(provenLogEntry, receiptBytes, RECEIPT_BYTES_MAX);
    if (genesis === null || !parsed.ok) return refuse('malformed');
    const trusted = trustGenesis(anchor, genesis);
    if (trusted === null) return refuse('otherChain');
    const { header, signature } = decodeSignedHeader(parsed.value.header);
    if (header.chainId !== anchor.chainId) return refuse('otherChain');
    if (!equalBytes(header.validatorsHash, trusted.validators.hash)) return refuse('certificate');
    const certificate = decodeCertificate(parsed.value.certificate);
    const verdict = verifyCertificate({
      certificate,
      height: header.height,
      blockId: headerId(header),
      validators: trusted.validators,
      verifySignature,
    });
    if (!verdict.ok) return refuse('certificate');
    if (!isProposed(header, headerId(header), signature, verifySignature))
      return refuse('certificate');
    const entry = parseLogAnswer(parsed.value.answer);
    if (BigInt(entry.height) + 1n !== header.height) return refuse('logProof');
    const content = verifyLedgerReceipt(header.appHash, {
      transaction: parsed.value.transaction,
      entry,
    });
    if (content === undefined) return refuse('logProof');
    if (!hasItsSignatures(content.transaction, verifySignature)) return refuse('signature');
    return {
      ok: true,
      receipt: {
        ...content,
        position: entry.position,
        provenBy: { height: header.height, timeMs: Number(header.timeNs / 1_000_000n) },
        signers: certificate.signatures.length,
        validators: trusted.validators.validators.length,
      },
    };
  } catch (error) {
    if (error instanceof CodecError) return refuse('malformed');
    throw error;
  }
}
