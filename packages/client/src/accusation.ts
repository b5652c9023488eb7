/**
 * Telling the regulator of a wrong share. Evidence is kept in the keyring until the regulator's node has
 * taken or refused it: a record opens whether or not the regulator can be reached.
 */
import { encodeMessage, parseMessage } from '@yilian/api/codec';
import { ROUTES } from '@yilian/api/routes';
import { type ShareEvidence, shareEvidence } from '@yilian/api/share-evidence';
import { LIMITS } from '@yilian/api/sizes';
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import type { Signer } from '@yilian/ledger/transaction-codec';
import { NetworkError, ProblemError, VerificationError } from './failure.ts';
import type { KeyringSlot, MemberKeyring } from './keyring.ts';
import type { Network } from './network.ts';

/** What became of the evidence that was kept. */
export interface AccusationResult {
  /** Ids of the verdicts' transactions. */
  readonly verdicts: readonly Bytes[];
  /** Refused for good, with the problem's code. */
  readonly refused: readonly string[];
  /** Not taken yet: for the next time. */
  readonly waiting: number;
}

/** A regulator that does not answer must not hold up a doctor for long. */
const REGULATOR_PATIENCE_MS = 3_000;
/** Evidence kept at most; a doctor whose regulator is never there keeps the oldest. */
const EVIDENCE_KEPT_MAX = 64;
/** Sending the same evidence again cannot change these. */
const FINAL_PROBLEMS: ReadonlySet<string> = new Set([
  'evidenceInvalid',
  'notGrantee',
  'malformed',
  'tooLarge',
]);

/** Keeps evidence for the regulator; the same twice is kept once. */
export async function keepEvidence(
  slot: KeyringSlot<MemberKeyring>,
  found: readonly ShareEvidence[],
): Promise<void> {
  const kept = [...slot.current.evidence];
  for (const evidence of found) {
    const encoded = encodeMessage(shareEvidence, evidence);
    const isNew = !kept.some((each) => equalBytes(each, encoded));
    if (isNew && kept.length < EVIDENCE_KEPT_MAX) kept.push(encoded);
  }
  if (kept.length > slot.current.evidence.length)
    await slot.update({ ...slot.current, evidence: kept });
}

/** Sends what is kept. Never throws for a regulator that is away or refuses. */
export async function accuse(
  network: Network,
  slot: KeyringSlot<MemberKeyring>,
  signer: Signer,
): Promise<AccusationResult> {
  const { evidence: kept } = slot.current;
  const regulator = network.nodes.find((node) => node.isRegulator);
  if (kept.length === 0 || regulator === undefined)
    return { verdicts: [], refused: [], waiting: kept.length };
  const verdicts: Bytes[] = [];
  const refused: string[] = [];
  const settled: Bytes[] = [];
  for (const encoded of kept) {
    const parsed = parseMessage(shareEvidence, encoded, LIMITS.bodyBytesMax);
    if (!parsed.ok) {
      settled.push(encoded);
      continue;
    }
    try {
      const { id } = await network.transport.call(regulator, ROUTES.postEvidence, {
        params: {},
        request: parsed.value,
        signer,
        timeoutMs: REGULATOR_PATIENCE_MS,
      });
      verdicts.push(id);
      settled.push(encoded);
    } catch (error) {
      if (error instanceof NetworkError) break;
      if (error instanceof VerificationError) {
        network.reportLie(error);
        continue;
      }
      if (!(error instanceof ProblemError)) throw error;
      const isKnown = error.rejection === 'evidenceKnown';
      if (!isKnown && !FINAL_PROBLEMS.has(error.code)) continue;
      if (!isKnown) refused.push(error.code);
      settled.push(encoded);
    }
  }
  const waiting = slot.current.evidence.filter(
    (each) => !settled.some((other) => equalBytes(each, other)),
  );
  if (settled.length > 0) await slot.update({ ...slot.current, evidence: waiting });
  return { verdicts, refused, waiting: waiting.length };
}
