/**
 * The regulator's judge of wrong shares (R11), on its own node: checks an accusation against its own
 * final state and by the mathematics of the share, and puts the verdict on chain, by the evidence's hash
 * alone. An honest node is never convicted: what it signs is a share that verifies.
 */
import { encodeMessage } from '@yilian/api/codec';
import type { Submitted } from '@yilian/api/messages-chain';
import {
  convicts,
  type ShareEvidence,
  shareEvidence,
  shareEvidenceHash,
} from '@yilian/api/share-evidence';
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import type { SuiteContext } from '@yilian/crypto/context';
import type { Curve } from '@yilian/crypto/curve';
import type { Grant } from '@yilian/ledger/contracts/consent/grant';
import type { Member } from '@yilian/ledger/contracts/members/member';
import { toMemberId } from '@yilian/ledger/ids';
import type { Signer } from '@yilian/ledger/transaction-codec';
import { verifySignature } from '../verification/verify-signature.ts';
import type { ChainView } from './chain-view.ts';
import { type Served, refuse, served } from './served.ts';
import type { Shelf } from './service-store.ts';
import type { TransactionSender } from './transaction-sender.ts';

export interface EvidenceService {
  /** Judges; the answer is the verdict's transaction, the same one each time while it can succeed. */
  accuse(accuser: Member, evidence: ShareEvidence): Promise<Served<Submitted>>;
}

export interface EvidenceOptions {
  readonly curve: Curve;
  readonly context: SuiteContext;
  readonly chain: ChainView;
  readonly regulator: Signer;
  readonly sender: TransactionSender;
  /** Evidence hash → [id of the verdict's transaction, its expiry height, evidence]. */
  readonly shelf: Shelf;
}

/** Whether everything that the accuser says of the chain is what the chain says. */
function agreesWithChain(chain: ChainView, grant: Grant, evidence: ShareEvidence): boolean {
  const { commitments } = evidence;
  const isHolder = grant.holders.some(
    ({ index, node }) => index === evidence.index && equalBytes(node, evidence.node),
  );
  const accused = chain.member(evidence.node);
  return (
    isHolder &&
    accused !== undefined &&
    accused.role === 'node' &&
    equalBytes(accused.key, evidence.nodeKey) &&
    commitments.length === grant.commitments.length &&
    grant.commitments.every((point, j) => equalBytes(point, commitments[j] ?? new Uint8Array(0)))
  );
}

export function createEvidence(options: EvidenceOptions): EvidenceService {
  const { curve, context, chain, regulator, sender, shelf } = options;
  let working: Promise<unknown> = Promise.resolve();

  /** The verdict's transaction that was sent before, when it has succeeded or still can. */
  const earlier = async (hash: Bytes): Promise<Bytes | null> => {
    const kept = shelf.get(hash);
    if (kept === undefined) return null;
    const value = decode(kept);
    const [id, expiryHeight]: readonly unknown[] = Array.isArray(value) ? value : [];
    if (!(id instanceof Uint8Array) || typeof expiryHeight !== 'number') return null;
    const outcome = await sender.outcome(id, 0);
    const isOpen = outcome === 'timeout' && chain.tip().height <= expiryHeight;
    return outcome === 'ok' || isOpen ? id : null;
  };

  const accuse = async (accuser: Member, evidence: ShareEvidence): Promise<Served<Submitted>> => {
    const grant = chain.grant(evidence.grantId);
    if (grant === undefined) return refuse('grantUnknown');
    if (!equalBytes(grant.grantee, accuser.id)) return refuse('notGrantee');
    const record = chain.record(evidence.recordId);
    if (record === undefined) return refuse('recordUnknown');
    const holds =
      agreesWithChain(chain, grant, evidence) &&
      equalBytes(record.c, evidence.capsule) &&
      convicts(curve, context, evidence, verifySignature);
    if (!holds) return refuse('evidenceInvalid');
    const evidenceHash = shareEvidenceHash(evidence);
    const before = await earlier(evidenceHash);
    if (before !== null) return served({ kind: 'admitted', id: before });
    const draft = sender.draft(
      {
        type: 'recordVerdict',
        node: toMemberId(evidence.node),
        evidenceHash,
        verdict: 'badShare',
      },
      regulator.key,
    );
    const { id, rejection } = await sender.send(draft, [regulator], 'evidence');
    if (rejection !== null && rejection !== 'duplicate') return refuse('refused', { rejection });
    await shelf.put(
      evidenceHash,
      encode([id, draft.expiryHeight, encodeMessage(shareEvidence, evidence)]),
    );
    return served({ kind: 'admitted', id });
  };

  return {
    accuse: (accuser, evidence) => {
      // One after the other: two tellings of one lie make one verdict.
      const next = working.then(() => accuse(accuser, evidence));
      working = next.catch(() => undefined);
      return next;
    },
  };
}
