/** One record, three platforms: the same bytes come out, and each opens what another sealed. */
import { concatBytes, type Bytes } from '@yilian/crypto/bytes';
import { openPatientSlots } from '@yilian/crypto/envelope/slots';
import { verifyBody } from '@yilian/crypto/envelope/object';
import { openRecord, verifyRecord } from '@yilian/crypto/envelope/record-reader';
import { sealRecord, type SealedRecord } from '@yilian/crypto/envelope/record-writer';
import { type Primitives, purePrimitives } from '@yilian/crypto/primitives';
import { describe, expect, it } from 'vitest';
import {
  collect,
  context,
  expectedOf,
  fetchFrom,
  image,
  recordSlotKey,
  seededBytes,
  standardSections,
} from '../../../crypto/test/sealed-record.ts';
import { createNodePrimitives } from '../../src/platform/node-ciphers.ts';
import { createWebPrimitives } from '../../src/platform/web-ciphers.ts';

const platforms: [string, Primitives][] = [
  ['pure', purePrimitives],
  ['node', createNodePrimitives()],
  ['web', createWebPrimitives()],
];

async function seal(
  primitives: Primitives,
  suite: 'intl' | 'paper',
): Promise<{ sealed: SealedRecord; body: Bytes }> {
  const parts: Bytes[] = [];
  const sealed = await sealRecord(
    {
      context: { ...context, suite },
      primitives,
      randomBytes: seededBytes(1),
      sink: (chunk) => void parts.push(...chunk.map((part) => part.slice())),
    },
    standardSections,
    { patientSlots: [{ slotKey: recordSlotKey, opens: 'record' }] },
  );
  return { sealed, body: concatBytes(...parts) };
}

describe.each(['intl', 'paper'] as const)('suite %s', (suite) => {
  it.each(platforms)('%s seals to the bytes that noble seals to', async (_, primitives) => {
    expect(await seal(primitives, suite)).toEqual(await seal(purePrimitives, suite));
  });

  it.each(platforms)('%s verifies and opens what noble sealed', async (_, primitives) => {
    const { sealed, body } = await seal(purePrimitives, suite);
    const expected = expectedOf(sealed, suite);
    const object = { header: sealed.header, body: [body] };
    const chunkHashes = await verifyBody(object, expected, primitives);
    const record = verifyRecord({ header: sealed.header, chunkHashes }, expected, primitives);
    const [opening] = openPatientSlots(record.header, [recordSlotKey]);
    if (opening?.content.opens !== 'record') throw new Error('no slot opened');
    const section = openRecord(record, opening.content.key, primitives).section('dicom/1');
    expect(await collect(section.read(fetchFrom(body)))).toEqual(image);
    const cut = fetchFrom(body.subarray(0, body.length - 4));
    await expect(collect(section.read(cut))).rejects.toMatchObject({ code: 'chunkHash' });
  });
});
