/**
 * Key slots. A `patient` slot is w_j = AEAD(slot key, nonce 0, content, aad recordId), the slot key
 * derived from K_j (cryptography.md §2: one per label), so that whoever obtains K_j finds his slot by
 * trying and learns nothing from the others. The `author` slot is HPKE to the writing doctor.
 */
import { keyBytesOf, open, seal, ZERO_NONCE } from '../aead.ts';
import { type Bytes, equalBytes, type RandomBytes } from '../bytes.ts';
import { bindSuite, type SuiteContext } from '../context.ts';
import { DOMAIN_TAGS } from '../domain-tags.ts';
import { hkdf } from '../hash.ts';
import { type HpkePrivateKey, type HpkePublicKey, openWith, sealTo } from '../hpke.ts';
import { EnvelopeError } from './envelope-error.ts';
import type { RecordHeader } from './header.ts';
import { commitDataKey, type DataKey } from './keys.ts';
import {
  encodeSlotContent,
  parseSlotContent,
  PATIENT_SLOT_COUNTS,
  patientSlotBytes,
  type SlotContent,
} from './slot-format.ts';
import { unlockSection } from './unlock-section.ts';

/** Bytes of K_j. */
export const SLOT_KEY_BYTES = 32;

type SlotContext = SuiteContext & { readonly recordId: Bytes };

function slotAead(
  context: SlotContext,
  slotKey: Bytes,
): { key: Bytes; nonce: Bytes; associatedData: Bytes } {
  const binding = bindSuite(DOMAIN_TAGS.recordSlot, context, context.recordId);
  return {
    key: hkdf({ ikm: slotKey, info: binding, length: keyBytesOf(context.suite) }),
    nonce: ZERO_NONCE,
    associatedData: binding,
  };
}

/** Uniform in 0 … bound − 1, without the bias of a plain remainder. */
function randomBelow(bound: number, randomBytes: RandomBytes): number {
  const limit = 256 - (256 % bound);
  for (;;) {
    const [byte] = randomBytes(1);
    if (byte === undefined) throw new RangeError('the source of randomness is dry');
    if (byte < limit) return byte % bound;
  }
}

function shuffle(slots: Bytes[], randomBytes: RandomBytes): void {
  for (let i = slots.length - 1; i > 0; i--) {
    const j = randomBelow(i + 1, randomBytes);
    const [left, right] = [slots[i], slots[j]];
    if (left === undefined || right === undefined) continue;
    slots[i] = right;
    slots[j] = left;
  }
}

/**
 * Slots for the header: sealed, padded with random ones to the next of 4, 8, 16, 32, 64, shuffled.
 * @throws EnvelopeError `notSealable` for more than 64 slots, a repeated or a wrong-sized slot key
 */
export function sealPatientSlots(input: {
  readonly context: SlotContext;
  readonly slots: readonly { readonly slotKey: Bytes; readonly content: SlotContent }[];
  readonly randomBytes: RandomBytes;
}): readonly Bytes[] {
  const { context, slots, randomBytes } = input;
  const count = PATIENT_SLOT_COUNTS.find((size) => size >= slots.length);
  if (count === undefined) throw new EnvelopeError('notSealable', 'more than 64 patient slots');
  const sealed: Bytes[] = [];
  const used: Bytes[] = [];
  for (const { slotKey, content } of slots) {
    if (slotKey.length !== SLOT_KEY_BYTES)
      throw new EnvelopeError('notSealable', `a slot key has ${SLOT_KEY_BYTES} bytes`);
    // Two contents under one key and nonce 0 would give both away.
    if (used.some((other) => equalBytes(other, slotKey)))
      throw new EnvelopeError('notSealable', 'a slot key is used twice');
    used.push(slotKey);
    sealed.push(seal({ ...slotAead(context, slotKey), plaintext: encodeSlotContent(content) }));
  }
  while (sealed.length < count) sealed.push(randomBytes(patientSlotBytes(context.suite)));
  shuffle(sealed, randomBytes);
  return sealed;
}

/** A slot that decrypted under one of the reader's keys. */
export interface SlotOpening {
  /** Which of the reader's keys. */
  readonly keyIndex: number;
  /** Which slot of the header: names a wrong one in an objection. */
  readonly slotIndex: number;
  readonly content: SlotContent;
  /** Whether the record commits to this key. If not, the author put another one there: object. */
  readonly isCommitted: boolean;
}

function isCommitted(header: RecordHeader, content: SlotContent): boolean {
  if (content.opens === 'record')
    return equalBytes(commitDataKey(header, content.key), header.commitment);
  try {
    unlockSection(header, content.index, content.key);
    return true;
  } catch (error) {
    if (error instanceof EnvelopeError) return false;
    throw error;
  }
}

/**
 * Every slot that opens under any of the keys. At acknowledgement the patient's client passes all of
 * hers and objects to each opening that is not committed.
 */
export function openPatientSlots(
  header: RecordHeader,
  slotKeys: readonly Bytes[],
): readonly SlotOpening[] {
  const openings: SlotOpening[] = [];
  for (const [keyIndex, slotKey] of slotKeys.entries()) {
    const aead = slotAead(header, slotKey);
    for (const [slotIndex, sealed] of header.patientSlots.entries()) {
      const plaintext = open({ ...aead, sealed });
      if (plaintext === null) continue;
      const content = parseSlotContent(header, plaintext);
      if (content === null) continue;
      openings.push({ keyIndex, slotIndex, content, isCommitted: isCommitted(header, content) });
    }
  }
  return openings;
}

/** HPKE to the writing doctor: opens the whole record. */
export function sealAuthorSlot(
  context: SlotContext,
  author: HpkePublicKey,
  dataKey: DataKey,
): Promise<Bytes> {
  return sealTo(author, {
    info: bindSuite(DOMAIN_TAGS.authorSlot, context, context.recordId),
    aad: new Uint8Array(0),
    plaintext: dataKey,
  });
}

/**
 * The DEK out of the author slot, or `null` when there is none for this key.
 * @throws EnvelopeError `commitment` when the slot opens to a key that the record does not commit to
 */
export async function openAuthorSlot(
  header: RecordHeader,
  privateKey: HpkePrivateKey,
): Promise<DataKey | null> {
  if (header.authorSlot === null) return null;
  const opened = await openWith(privateKey, {
    info: bindSuite(DOMAIN_TAGS.authorSlot, header, header.recordId),
    aad: new Uint8Array(0),
    sealed: header.authorSlot,
  });
  return opened === null ? null : checkDataKey(header, opened);
}

/** A key from anywhere, as the DEK of this record. @throws EnvelopeError `commitment` */
export function checkDataKey(header: RecordHeader, bytes: Bytes): DataKey {
  const dataKey = bytes as DataKey;
  const fits =
    bytes.length === keyBytesOf(header.suite) &&
    equalBytes(commitDataKey(header, dataKey), header.commitment);
  if (!fits) throw new EnvelopeError('commitment', 'the record commits to another key');
  return dataKey;
}
