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
import { type SignatureVerifier, verifySignature } from '@yilian/crypto/signature';
import { decodeGenesisDocument } from '@yilian/consensus/genesis';
import { lightEngineOf } from '@yilian/consensus/light/light-engines';
import { trustCheckpoint, trustGenesis, type TrustedBlock } from '@yilian/consensus/light/trust';
import { decodeTrustCheckpoint } from '@yilian/consensus/light/trust-checkpoint';
import { DEFAULT_LIGHT_SETTINGS } from '@yilian/consensus/light/verify-header';
import { ValidatorSetError } from '@yilian/consensus/validator-set';
import { parseLogAnswer } from '@yilian/ledger/answers';
import type { LogLeaf } from '@yilian/ledger/log-leaf';
import { verifyLedgerReceipt } from '@yilian/ledger/receipt';
import type { ParsedTransaction } from '@yilian/ledger/transaction-codec';
import type { Network } from './network.ts';
import { hasItsSignatures } from './transaction-signatures.ts';
import type { TrustAnchor } from './trust-anchor.ts';

const MAGIC = 'yilian-receipt';
const VERSION = 1;
const RECEIPT_BYTES_MAX = 4 * 1024 * 1024;

/**
 * Whose word the proof is: the validators that genesis names, or those of the checkpoint that the anchor
 * carries. Offline there is nobody who could say what they did since.
 */
export interface TrustPoint {
  readonly kind: 'genesis' | 'checkpoint';
  readonly height: bigint;
  readonly timeMs: number;
  /**
   * Whether the proving header lies more than the trusting period (14 days) after this point: then it is
   * believed although validators who have left, or lost their keys, could have signed another one. An
   * anchor with a later checkpoint, or asking the chain, settles it.
   */
  readonly isOld: boolean;
}

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
  readonly trustPoint: TrustPoint;
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

/**
 * Offline. Believes the set of the anchor's checkpoint, if it has one, else that of genesis; the answer
 * says which (`trustPoint`).
 * @param verify the platform's, where it has a faster one
 */
export function verifyReceiptFile(
  anchor: TrustAnchor,
  file: Bytes,
  verify: SignatureVerifier = verifySignature,
): ReceiptVerdict {
  const refuse = (code: ReceiptRefusal): ReceiptVerdict => ({ ok: false, code });
  try {
    const value = decode(file, { bytesMax: RECEIPT_BYTES_MAX, depthMax: 2 });
    const [magic, version, genesisBytes, receiptBytes]: readonly Cbor[] = Array.isArray(value)
      ? value
      : [];
    if (magic !== MAGIC || version !== VERSION) return refuse('malformed');
    if (!(genesisBytes instanceof Uint8Array) || !(receiptBytes instanceof Uint8Array))
      return refuse('malformed');
    const genesis = decodeGenesisDocument(genesisBytes);
    const parsed = parseMessage(provenLogEntry, receiptBytes, RECEIPT_BYTES_MAX);
    if (!parsed.ok) return refuse('malformed');
    const beginning = trustGenesis(anchor, genesis);
    if (beginning === null) return refuse('otherChain');
    const trusted = checkpointOf(anchor, verify) ?? beginning;
    const certified = lightEngineOf(genesis).decodeHeader(parsed.value);
    const { header } = certified;
    if (header.chainId !== anchor.chainId) return refuse('otherChain');
    if (!certified.isVersionKnown) return refuse('certificate');
    if (!equalBytes(header.validatorsHash, trusted.validators.hash)) return refuse('certificate');
    const verdict = certified.verifyCertificate({
      validators: trusted.validators,
      verifySignature: verify,
      // The receipt says how many signed: all are looked at.
      isEnough: () => false,
    });
    if (!verdict.ok) return refuse('certificate');
    if (header.height === trusted.height && !equalBytes(header.blockId, trusted.blockId))
      return refuse('certificate');
    if (!certified.isProposed(verify)) return refuse('certificate');
    const entry = parseLogAnswer(parsed.value.answer);
    if (BigInt(entry.height) + 1n !== header.height) return refuse('logProof');
    const content = verifyLedgerReceipt(header.appHash, {
      transaction: parsed.value.transaction,
      entry,
    });
    if (content === undefined) return refuse('logProof');
    if (!hasItsSignatures(content.transaction, verify)) return refuse('signature');
    return {
      ok: true,
      receipt: {
        ...content,
        position: entry.position,
        provenBy: { height: header.height, timeMs: Number(header.timeNs / 1_000_000n) },
        signers: verdict.signers.length,
        validators: trusted.validators.validators.length,
        trustPoint: {
          kind: trusted === beginning ? 'genesis' : 'checkpoint',
          height: trusted.height,
          timeMs: Number(trusted.timeNs / 1_000_000n),
          isOld: header.timeNs - trusted.timeNs > DEFAULT_LIGHT_SETTINGS.trustingPeriodNs,
        },
      },
    };
  } catch (error) {
    if (error instanceof CodecError) return refuse('malformed');
    throw error;
  }
}

function checkpointOf(anchor: TrustAnchor, verify: SignatureVerifier): TrustedBlock | null {
  if (anchor.checkpoint === undefined) return null;
  try {
    return trustCheckpoint(anchor, decodeTrustCheckpoint(anchor.checkpoint), verify);
  } catch (error) {
    if (error instanceof CodecError || error instanceof ValidatorSetError) return null;
    throw error;
  }
}
