/**
 * What lies in a key slot: kind (1 byte), section index (2 bytes), key. All slots of a record are
 * equally long, whatever they open, so that they and the random padding look alike.
 */
import { keyBytesOf, TAG_BYTES } from '../aead.ts';
import { type Bytes, concatBytes } from '../bytes.ts';
import type { SuiteContext } from '../context.ts';
import { type DataKey, parseDataKey, parseSectionKey, type SectionKey } from './keys.ts';

/** Patient slots are padded with random bytes to one of these numbers. */
export const PATIENT_SLOT_COUNTS: readonly number[] = [4, 8, 16, 32, 64];

export type SlotContent =
  | { readonly opens: 'record'; readonly key: DataKey }
  /** `index` counts in the header's sections (0 is the manifest). */
  | { readonly opens: 'section'; readonly index: number; readonly key: SectionKey };

const HEAD_BYTES = 3;
const RECORD = 0;
const SECTION = 1;

/** Bytes of a sealed patient slot under each suite. */
export function patientSlotBytes(suite: SuiteContext['suite']): number {
  return HEAD_BYTES + keyBytesOf(suite) + TAG_BYTES;
}

export function encodeSlotContent(content: SlotContent): Bytes {
  const head =
    content.opens === 'record'
      ? Uint8Array.of(RECORD, 0, 0)
      : Uint8Array.of(SECTION, content.index >> 8, content.index & 0xff);
  return concatBytes(head, content.key);
}

/** `null` for anything that `encodeSlotContent` does not make. */
export function parseSlotContent(context: SuiteContext, bytes: Bytes): SlotContent | null {
  const [kind, high, low] = bytes;
  if (high === undefined || low === undefined) return null;
  const index = high * 256 + low;
  const key = bytes.slice(HEAD_BYTES);
  if (kind === RECORD && index === 0) {
    const dataKey = parseDataKey(context, key);
    return dataKey === null ? null : { opens: 'record', key: dataKey };
  }
  if (kind === SECTION) {
    const sectionKey = parseSectionKey(context, key);
    return sectionKey === null ? null : { opens: 'section', index, key: sectionKey };
  }
  return null;
}
