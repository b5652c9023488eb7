/**
 * Why a transaction changed nothing. Codes only: they go into receipts, so no text, no values.
 * Each contract's rules (docs/spec/transactions.md) name the code they answer with.
 */

/** Found from the bytes alone, or before the sender is authenticated: leaves no trace in the log. */
export type AdmissionCode =
  | 'malformed'
  | 'notCanonical'
  | 'tooLarge'
  | 'tooDeep'
  | 'wrongChain'
  | 'wrongSigners'
  | 'signatureInvalid'
  | 'expired'
  | 'expiryTooFar'
  | 'duplicate';

/** Found by a contract's rule: logged, so that the sender has a receipt for it. */
export type RuleCode =
  | 'senderUnknown'
  | 'senderSuspended'
  | 'roleNotAllowed'
  | 'roleReserved'
  | 'memberExists'
  | 'memberUnknown'
  | 'keyUsed'
  | 'patientExists'
  | 'patientUnknown'
  | 'statusUnchanged'
  | 'notTheMember'
  | 'dayOutOfRange'
  | 'dayPublished'
  | 'wrongLength'
  | 'recordExists'
  | 'recordUnknown'
  | 'numberNotNext'
  | 'notTheVisit'
  | 'notTheInstitution'
  | 'authorMissing'
  | 'authorNotAllowed'
  | 'attestationNotAllowed'
  | 'attestationsTooFew'
  | 'epochKeyDiffers'
  | 'amendsAnother'
  | 'marksRepeated'
  | 'alreadyAnswered'
  | 'storeNotNamed'
  | 'auditorNotAllowed'
  | 'findingKnown'
  | 'findingTooSoon'
  | 'nothingToRestore'
  | 'grantExists'
  | 'grantUnknown'
  | 'tagUsed'
  | 'tagRepeated'
  | 'notATag'
  | 'granteeNotAllowed'
  | 'holderIndex'
  | 'holderNotAllowed'
  | 'holderOfGrantee'
  | 'operatorRepeated'
  | 'threshold'
  | 'blobCount'
  | 'periodTooLong'
  | 'periodOver'
  | 'periodWidened'
  | 'narrowingsFull'
  | 'grantRevoked'
  | 'grantPending'
  | 'grantNotStarted'
  | 'grantExpired'
  | 'grantNotEnded'
  | 'notTheGrantee'
  | 'notAHolder'
  | 'alreadyReported'
  | 'numberUnknown'
  | 'reportEmpty'
  | 'reportRepeated'
  | 'notANode'
  | 'evidenceKnown'
  | 'epochPassed'
  | 'validatorsUnordered'
  | 'powerNotAllowed'
  | 'leadersTooFew'
  | 'operatorTooStrong'
  | 'changeTooLarge'
  | 'validatorsUnchanged'
  | 'changeUnknown'
  | 'changeLapsed'
  | 'notAValidator'
  | 'alreadyApproved';

export type RejectionCode = AdmissionCode | RuleCode;

export interface Rejection {
  readonly code: RejectionCode;
}

export interface Rejected<Code extends RejectionCode = RejectionCode> {
  readonly ok: false;
  readonly rejection: { readonly code: Code };
}

export function reject<Code extends RejectionCode>(code: Code): Rejected<Code> {
  return { ok: false, rejection: { code } };
}
