/**
 * Hundreds of checks in one buffer, which changes threads without being copied or walked by the
 * structured clone: count (4), then per check: scheme (1), lengths of key (2), signature (2) and
 * message (4), and the three byte strings. The answer is one byte per check, 1 = holds.
 */
import type { Check } from '@yilian/consensus/application';

export type Statement = Pick<Check, 'scheme' | 'key' | 'message' | 'signature'>;

const SCHEMES = ['ed25519', 'capsule', 'points', 'epochKey'] as const;
const HEAD_BYTES = 9;

export function encodeCheckFrame(checks: readonly Statement[]): Uint8Array<ArrayBuffer> {
  let length = 4;
  for (const { key, signature, message } of checks)
    length += HEAD_BYTES + key.length + signature.length + message.length;
  const frame = new Uint8Array(length);
  const view = new DataView(frame.buffer);
  view.setUint32(0, checks.length);
  let offset = 4;
  for (const { scheme, key, signature, message } of checks) {
    view.setUint8(offset, SCHEMES.indexOf(scheme));
    view.setUint16(offset + 1, key.length);
    view.setUint16(offset + 3, signature.length);
    view.setUint32(offset + 5, message.length);
    offset += HEAD_BYTES;
    for (const part of [key, signature, message]) {
      frame.set(part, offset);
      offset += part.length;
    }
  }
  return frame;
}

/** Views into the frame. The frame comes from our own thread: no form is checked. */
export function decodeCheckFrame(frame: Uint8Array): readonly Statement[] {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const checks: Statement[] = [];
  let offset = 4;
  for (let left = view.getUint32(0); left > 0; left--) {
    const scheme = SCHEMES[view.getUint8(offset)] ?? 'ed25519';
    const keyEnd = offset + HEAD_BYTES + view.getUint16(offset + 1);
    const signatureEnd = keyEnd + view.getUint16(offset + 3);
    const messageEnd = signatureEnd + view.getUint32(offset + 5);
    checks.push({
      scheme,
      key: frame.subarray(offset + HEAD_BYTES, keyEnd),
      signature: frame.subarray(keyEnd, signatureEnd),
      message: frame.subarray(signatureEnd, messageEnd),
    });
    offset = messageEnd;
  }
  return checks;
}
