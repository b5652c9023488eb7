/**
 * The hospital's signing server: it puts the hospital's name to records that its own doctors wrote, and
 * keeps for each author where his records lie, sealed to him (R5: this disk opens no location).
 * Signatures inside the record are checked by the replicas; here only what the hospital answers for.
 */
import type { InstitutionRecordPost, SealedLocation } from '@yilian/api/messages-institution';
import { parseUnsignedTransaction } from '@yilian/api/unsigned-transaction';
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import type { ChainContext } from '@yilian/crypto/context';
import type { Member } from '@yilian/ledger/contracts/members/member';
import type { RecordEntry } from '@yilian/ledger/contracts/records/record-entry';
import { deriveRecordId } from '@yilian/crypto/ids';
import type { Signer } from '@yilian/ledger/transaction-codec';
import type { ChainView } from './chain-view.ts';
import type { EpochKeys } from './epoch-keys.ts';
import { type Served, refuse, served } from './served.ts';
import type { Shelf } from './service-store.ts';
import type { TransactionSender } from './transaction-sender.ts';

export interface InstitutionService {
  readonly epochKeys: EpochKeys;
  /** Whether this member works here and writes records. */
  isOwnDoctor(member: Member): boolean;
  /** Countersigns and submits; the transaction's id. */
  submitRecord(signer: Member, request: InstitutionRecordPost): Promise<Served<Bytes>>;
  location(signer: Member, recordId: Bytes): Served<SealedLocation>;
}

export interface InstitutionOptions {
  readonly context: ChainContext;
  readonly institution: string;
  /** The hospital's signing key. */
  readonly signer: Signer;
  readonly chain: ChainView;
  readonly epochKeys: EpochKeys;
  readonly sender: TransactionSender;
  /** Record id → sealed location. */
  readonly shelf: Shelf;
}

export function createInstitution(options: InstitutionOptions): InstitutionService {
  const { context, institution, signer: hospital, chain, epochKeys, sender, shelf } = options;

  const isOwnDoctor = (member: Member): boolean =>
    member.status === 'active' &&
    member.institution === institution &&
    (member.role === 'doctor' || member.role === 'department');

  const answersFor = (entry: RecordEntry, author: Member): boolean => {
    const { authorship, index } = entry;
    if (entry.institution !== institution || authorship === null) return false;
    if (!equalBytes(authorship.author, author.id) || !equalBytes(authorship.key, author.key))
      return false;
    if (index.mode === 'sym') return true;
    const key = epochKeys.openKey(index.epoch);
    return key !== undefined && equalBytes(key, index.a);
  };

  return {
    epochKeys,
    isOwnDoctor,
    submitRecord: async (author, request) => {
      if (!isOwnDoctor(author)) return refuse('notPermitted');
      const transaction = parseUnsignedTransaction(request.transaction);
      if (transaction === null) return refuse('recordInvalid');
      const { body } = transaction;
      if (body.type !== 'issueRecord' && body.type !== 'amendRecord')
        return refuse('recordInvalid');
      if (
        transaction.chainId !== context.chainId ||
        !equalBytes(transaction.sender, hospital.key) ||
        !answersFor(body, author)
      )
        return refuse('recordInvalid');
      const recordId = deriveRecordId(context, body.capsule.c);
      // Before the record can be final: an author must not lose his way to it by a crash here.
      if (request.sealedLocation.length > 0 && shelf.get(recordId) === undefined)
        await shelf.put(recordId, request.sealedLocation);
      const { signatures: _none, ...unsigned } = transaction;
      const { id, rejection } = await sender.send(unsigned, [hospital], 'institution');
      if (rejection === null) return served(id);
      return rejection === 'duplicate' ? refuse('duplicate') : refuse('refused', { rejection });
    },
    location: (author, recordId) => {
      const record = chain.record(recordId);
      if (record === undefined) return refuse('recordUnknown');
      const isAuthor =
        record.authorship !== null && equalBytes(record.authorship.author, author.id);
      if (!isAuthor) return refuse('notPermitted');
      const sealedLocation = shelf.get(recordId);
      return sealedLocation === undefined ? refuse('recordUnknown') : served({ sealedLocation });
    },
  };
}
