import { type Bytes, concatBytes } from '@yilian/crypto/bytes';
import { encodeObjectHead } from '@yilian/crypto/envelope/object';
import { createRecordWriter } from '@yilian/crypto/envelope/record-writer';
import { nativePrimitives } from '../../src/native-primitives.ts';
import type { Announcement } from '../../src/stores/object-store.ts';
import { randomBytes } from './support.ts';

/** A real sealed record as one object, with what the chain would say of it. */
export async function sealedObject(
  chainId: string,
  length: number,
): Promise<{ readonly bytes: Bytes; readonly announced: Announcement }> {
  const body: Bytes[] = [];
  const writer = createRecordWriter({
    context: { chainId, suite: 'intl', recordId: randomBytes(32), chunkBytes: 65_536 },
    primitives: nativePrimitives,
    randomBytes,
    sink: (parts) => {
      for (const part of parts) body.push(part.slice());
    },
  });
  await writer.writeSection({ path: 'a', mediaType: 'text/plain', content: [randomBytes(length)] });
  const sealed = await writer.finish({
    patientSlots: [{ slotKey: randomBytes(32), opens: 'record' }],
  });
  const bytes = concatBytes(encodeObjectHead(sealed), ...body);
  return {
    bytes,
    announced: { headerHash: sealed.headerHash, digest: sealed.digest, length: bytes.length },
  };
}
