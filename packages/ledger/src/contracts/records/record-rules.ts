/** The checks and rules that `issueRecord` and `amendRecord` share. */
import { equalBytes } from '@yilian/crypto/bytes';
import { pseudonymOf } from '@yilian/crypto/pseudonym';
import { type CapsuleContextBody, capsuleContext } from '../../capsule-context.ts';
import {
  authorSignatureMessage,
  capsuleCheck,
  epochKeyCheck,
  signatureCheck,
  storageAttestationMessage,
  visitAuthorisationMessage,
} from '../../checks.ts';
import { type Applied, type Envelope, type ExecutionContext, accept } from '../../contract.ts';
import { type RecordId, deriveRecordId } from '@yilian/crypto/ids';
import type { Check } from '../../ledger-port.ts';
import { type Rejected, type RuleCode, reject } from '../../rejection.ts';
import { type State, stateKeys } from '../../state.ts';
import { type Member, activeSender, getMember } from '../members/member.ts';
import { RECORD_MARKS, type RecordEntry } from './record-entry.ts';
import { indexRecord } from './record-lookups.ts';
import { encodeRecord, encodeVisitEntry, getVisitEntry } from './record.ts';

/** Visit authorisation, capsule, epoch key, attestations, author. */
export function recordChecks(
  body: RecordEntry & CapsuleContextBody,
  envelope: Envelope,
): readonly Check[] {
  const { chainId } = envelope;
  const { suite, index, authorship } = body;
  const visit = visitAuthorisationMessage(envelope, body.pid, body.institution);
  const checks = [
    signatureCheck(body.visitKey, visit, body.visitAuthorisation),
    capsuleCheck({ chainId, suite, ...body.capsule, txc: capsuleContext(envelope, body) }),
  ];
  if (index.mode === 'pk')
    checks.push(epochKeyCheck({ chainId, institution: body.institution, ...index }));
  const stored = storageAttestationMessage(envelope, body);
  for (const { key, signature } of body.attestations)
    checks.push(signatureCheck(key, stored, signature));
  if (authorship !== null) {
    const written = authorSignatureMessage(envelope, { pid: body.pid, ...authorship });
    checks.push(signatureCheck(authorship.key, written, authorship.signature));
  }
  return checks;
}

/**
 * - IR-1 The sender is an active hospital.
 * - IR-2 `institution` is the sender's own.
 * - IR-3 The capsule's C, and so the record id, was never used (F2).
 * - IR-4 `number` is the next free one of the PID.
 * - IR-5 Later records carry the visit key and hospital that the first one bound.
 * - IR-6 The author is an active doctor of the same institution, by its current key.
 * - IR-7 Whoever attests storage is an active store or node, by its current key, none twice.
 * - IR-8 At least two attest, of at least two operators.
 * - IR-9 One institution and epoch have one A.
 * - IR-10 Marks come in their fixed order, none twice.
 * - IR-11 The PID follows from the visit key and h: nobody takes a PID that he saw with a key of his own.
 */
export function applyRecordEntry(
  state: State,
  body: RecordEntry,
  amends: RecordId | null,
  context: ExecutionContext,
): Applied {
  const sender = activeSender(state, context, 'hospital');
  if (!sender.ok) return sender; // IR-1
  const { institution } = sender.member;
  if (body.institution !== institution) return reject('notTheInstitution'); // IR-2
  const id = deriveRecordId(context, body.capsule.c);
  if (state.has(stateKeys.record(id))) return reject('recordExists'); // IR-3
  const refused =
    checkVisit(state, body) ??
    checkAuthor(state, body) ??
    checkAttestations(state, body) ??
    checkEpochKey(state, body) ??
    checkMarks(body);
  if (refused !== undefined) return refused;

  const { index } = body;
  state.put(
    stateKeys.record(id),
    encodeRecord({
      id,
      suite: body.suite,
      pid: body.pid,
      number: body.number,
      institution,
      headerHash: body.headerHash,
      digest: body.digest,
      length: body.length,
      c: body.capsule.c,
      cBar: body.capsule.cBar,
      index,
      stores: body.attestations.map(({ store }) => store),
      authorship: body.authorship,
      marks: body.marks,
      amends,
      issuedAt: context.time,
      answer: { kind: 'none' },
    }),
  );
  const binding = body.number === 0 ? { visitKey: body.visitKey, institution } : null;
  state.put(stateKeys.visit(body.pid, body.number), encodeVisitEntry({ record: id, binding }));
  if (index.mode === 'pk') {
    const key = stateKeys.epochKey(institution, index.epoch);
    if (!state.has(key)) state.put(key, index.a);
  }
  indexRecord(state, { id, institution, index });
  return accept(['record', id, body.pid, body.number]);
}

type Refused = Rejected<RuleCode> | undefined;

function checkVisit(state: State, body: RecordEntry): Refused {
  const pid = pseudonymOf(body.visitKey, body.identityTag);
  if (!equalBytes(pid, body.pid)) return reject('notTheVisit'); // IR-11
  if (getVisitEntry(state, body.pid, body.number) !== undefined) return reject('numberNotNext'); // IR-4
  if (body.number === 0) return undefined;
  if (getVisitEntry(state, body.pid, body.number - 1) === undefined) return reject('numberNotNext'); // IR-4
  const binding = getVisitEntry(state, body.pid, 0)?.binding;
  if (binding === undefined || binding === null) return reject('notTheVisit'); // IR-5
  const same =
    binding.institution === body.institution && equalBytes(binding.visitKey, body.visitKey);
  return same ? undefined : reject('notTheVisit'); // IR-5
}

function checkAuthor(state: State, body: RecordEntry): Refused {
  const { authorship } = body;
  if (authorship === null) return reject('authorMissing'); // IR-6
  const author = getMember(state, authorship.author);
  const allowed =
    author !== undefined &&
    author.status === 'active' &&
    author.role === 'doctor' &&
    author.institution === body.institution &&
    equalBytes(author.key, authorship.key);
  return allowed ? undefined : reject('authorNotAllowed'); // IR-6
}

function checkAttestations(state: State, body: RecordEntry): Refused {
  const stores: Member[] = [];
  for (const { store, key } of body.attestations) {
    const member = getMember(state, store);
    const allowed =
      member !== undefined &&
      member.status === 'active' &&
      (member.role === 'store' || member.role === 'node') &&
      equalBytes(member.key, key) &&
      !stores.some((other) => equalBytes(other.id, store));
    if (!allowed) return reject('attestationNotAllowed'); // IR-7
    stores.push(member);
  }
  const operators = new Set(stores.map((store) => store.operator));
  return operators.size >= 2 ? undefined : reject('attestationsTooFew'); // IR-8
}

function checkEpochKey(state: State, body: RecordEntry): Refused {
  const { index } = body;
  if (index.mode !== 'pk') return undefined;
  const known = state.get(stateKeys.epochKey(body.institution, index.epoch));
  return known === undefined || equalBytes(known, index.a) ? undefined : reject('epochKeyDiffers'); // IR-9
}

function checkMarks(body: RecordEntry): Refused {
  const order = body.marks.map((mark) => RECORD_MARKS.indexOf(mark));
  const rising = order.every((place, i) => i === 0 || place > (order[i - 1] ?? -1));
  return rising ? undefined : reject('marksRepeated'); // IR-10
}
