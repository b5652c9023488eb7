import * as fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import type { Bytes } from '../src/bytes.ts';
import { chunkExtent } from '../src/envelope/chunk.ts';
import { parseHeader, sectionRootOf } from '../src/envelope/header.ts';
import { encodeObjectHead, objectBytesOf, readObject, verifyBody } from '../src/envelope/object.ts';
import { bucketBytes, BUCKET_BYTES_MIN } from '../src/envelope/padding.ts';
import { divideIntoChunks } from '../src/envelope/plaintext-chunks.ts';
import {
  openRecord,
  openSection,
  type RecordReader,
  verifyChunk,
  verifyRecord,
  verifyRecordByPaths,
} from '../src/envelope/record-reader.ts';
import { createRecordWriter, type RecordWriterOptions } from '../src/envelope/record-writer.ts';
import { openAuthorSlot, openPatientSlots } from '../src/envelope/slots.ts';
import { openAuthorship, signAuthorship, verifyAuthorship } from '../src/envelope/authorship.ts';
import { concatBytes } from '../src/bytes.ts';
import { deriveHpkeKeyPair } from '../src/hpke.ts';
import { hashLeaf, nodesOf, proveInclusion } from '../src/merkle.ts';
import { purePrimitives } from '../src/primitives.ts';
import { publicKey } from '../src/signature.ts';
import {
  CHUNK_BYTES,
  collect,
  context,
  type Fixture,
  image,
  labs,
  recordId,
  recordSlotKey,
  sealFixture,
  sectionSlotKey,
  seededBytes,
} from './sealed-record.ts';

function reader(fixture: Fixture, slotKey: Bytes = recordSlotKey): RecordReader {
  const object = { header: fixture.sealed.header, chunkHashes: fixture.sealed.chunkHashes };
  const record = verifyRecord(object, fixture.expected, purePrimitives);
  const [opening] = openPatientSlots(record.header, [slotKey]);
  if (opening?.content.opens !== 'record') throw new Error('no slot opened');
  expect(opening.isCommitted).toBe(true);
  return openRecord(record, opening.content.key, purePrimitives);
}

/** Cuts bytes at the given places, so that pieces and chunks never meet. */
function* pieces(bytes: Bytes, sizes: readonly number[]): Generator<Bytes> {
  let offset = 0;
  for (let i = 0; offset < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    yield bytes.subarray(offset, offset + size);
    offset += size;
  }
}

const boundarySizes = [-1, 0, 1].flatMap((d) =>
  [0, CHUNK_BYTES, 2 * CHUNK_BYTES].map((n) => n + d),
);

describe('a sealed record opens to what was sealed', () => {
  test.each([...boundarySizes.filter((size) => size >= 0), 15, 16, 17])(
    'E1 E2 a section of %i bytes',
    async (size) => {
      const content = seededBytes(7)(size);
      const fixture = await sealFixture({}, [
        { path: 'a', mediaType: 'text/plain', content: [content] },
      ]);
      const section = reader(fixture).section('a');
      expect(section.descriptor).toEqual({ path: 'a', mediaType: 'text/plain', length: size });
      expect(section.chunkCount).toBe(Math.max(1, Math.ceil(size / CHUNK_BYTES)));
      expect(await collect(section.read(fixture.fetchChunk))).toEqual(content);
    },
  );

  it('E4 E7 E8 any sizes, cut into any pieces, in both suites, with and without padding', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            fc.integer({ min: 0, max: 300 }),
            fc.constantFrom(...boundarySizes.filter((size) => size >= 0)),
          ),
          { maxLength: 3 },
        ),
        fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 4 }),
        fc.constantFrom('intl' as const, 'paper' as const),
        fc.constantFrom('none' as const, 'buckets' as const),
        async (sizes, cuts, suite, padding) => {
          const contents = sizes.map((size, i) => seededBytes(i)(size));
          const fixture = await sealFixture(
            { context: { ...context, suite }, padding },
            contents.map((content, i) => ({
              path: `section/${i}`,
              mediaType: 'x/y',
              content: pieces(content, cuts),
            })),
          );
          const record = reader(fixture);
          expect(record.manifest.sections.map(({ length }) => length)).toEqual(sizes);
          for (const [i, content] of contents.entries()) {
            const section = record.section(`section/${i}`);
            expect(await collect(section.read(fixture.fetchChunk))).toEqual(content);
          }
        },
      ),
      { numRuns: 6 },
    );
  });

  it('E7 a record without sections has a manifest, with its attributes', async () => {
    const attributes = ['title', 5, [null, true]];
    const fixture = await sealFixture({}, [], { attributes });
    expect(reader(fixture).manifest).toEqual({ sections: [], attributes });
    expect(fixture.body).toHaveLength(0);
  });

  it('E2 the larger chunk sizes work', async () => {
    const content = seededBytes(3)(1_048_577);
    const fixture = await sealFixture({ context: { ...context, chunkBytes: 1_048_576 } }, [
      { path: 'a', mediaType: 'x/y', content: pieces(content, [400_000]) },
    ]);
    const section = reader(fixture).section('a');
    expect(section.chunkCount).toBe(2);
    expect(await collect(section.read(fixture.fetchChunk))).toEqual(content);
  });

  it('resumes at any chunk', async () => {
    const fixture = await sealFixture();
    const section = reader(fixture).section('dicom/1');
    for (let from = 0; from <= section.chunkCount; from++)
      expect(await collect(section.read(fixture.fetchChunk, from))).toEqual(
        image.slice(from * CHUNK_BYTES),
      );
  });

  it('two seals of one content share no byte sequence of note', async () => {
    const first = await sealFixture();
    const second = await sealFixture({ randomBytes: seededBytes(2) });
    expect(first.sealed.digest).not.toEqual(second.sealed.digest);
    expect(first.body.subarray(0, 16)).not.toEqual(second.body.subarray(0, 16));
    expect(first.sealed.sectionRoot).not.toEqual(second.sealed.sectionRoot);
  });
});

describe('chunks of a stream', () => {
  it('E2 have the chunk size but for the last, whatever the pieces', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 12 }),
        fc.integer({ min: 1, max: 16 }),
        async (stream, chunkBytes) => {
          const whole = concatBytes(...stream);
          const chunks: { bytes: Bytes; isFinal: boolean }[] = [];
          for await (const chunk of divideIntoChunks(stream, chunkBytes))
            chunks.push({ bytes: chunk.bytes.slice(), isFinal: chunk.isFinal });
          expect(concatBytes(...chunks.map(({ bytes }) => bytes))).toEqual(whole);
          expect(chunks.map(({ isFinal }) => isFinal)).toEqual(
            chunks.map((_, i) => i === chunks.length - 1),
          );
          expect(chunks).toHaveLength(Math.max(1, Math.ceil(whole.length / chunkBytes)));
          for (const { bytes } of chunks.slice(0, -1)) expect(bytes).toHaveLength(chunkBytes);
        },
      ),
    );
  });

  it('leave before much more is read: memory does not grow with the record', async () => {
    let read = 0;
    let written = 0;
    let ahead = 0;
    async function* source(): AsyncGenerator<Bytes> {
      for (let i = 0; i < 40; i++) {
        read += 50_000;
        ahead = Math.max(ahead, read - written);
        yield new Uint8Array(50_000);
      }
    }
    await sealFixture(
      {
        sink: (parts) => {
          written += parts.reduce((sum, part) => sum + part.length, 0);
        },
      },
      [{ path: 'a', mediaType: 'x/y', content: source() }],
    );
    expect(ahead).toBeLessThan(3 * CHUNK_BYTES);
  });
});

describe('slots', () => {
  it('E9 E10 a section slot opens its section and nothing else', async () => {
    const fixture = await sealFixture({}, undefined, {
      patientSlots: [
        { slotKey: recordSlotKey, opens: 'record' },
        { slotKey: sectionSlotKey, opens: 'section', path: 'Observation' },
      ],
    });
    const record = verifyRecord(fixture.sealed, fixture.expected, purePrimitives);
    const openings = openPatientSlots(record.header, [sectionSlotKey]);
    expect(openings).toHaveLength(1);
    const content = openings[0]?.content;
    if (content?.opens !== 'section') throw new Error('no section slot');
    const section = openSection(record, content, purePrimitives);
    expect(section.descriptor.path).toBe('Observation');
    expect(await collect(section.read(fixture.fetchChunk))).toEqual(labs);
    expect(() => openSection(record, { ...content, index: 2 }, purePrimitives)).toThrow(
      expect.objectContaining({ code: 'descriptor' }),
    );
    expect(() => openSection(record, { ...content, index: 0 }, purePrimitives)).toThrow(
      expect.objectContaining({ code: 'noSuchSection' }),
    );
    expect(() => openRecord(record, content.key, purePrimitives)).toThrow(
      expect.objectContaining({ code: 'commitment' }),
    );
  });

  test.each([
    [0, 4],
    [1, 4],
    [4, 4],
    [5, 8],
    [9, 16],
    [17, 32],
    [33, 64],
    [64, 64],
  ])('E11 %i are padded to %i of one length', async (count, padded) => {
    const keys = Array.from({ length: count }, (_, i) => new Uint8Array(32).fill(i + 1));
    const { sealed } = await sealFixture({}, [], {
      patientSlots: keys.map((slotKey) => ({ slotKey, opens: 'record' as const })),
    });
    const header = parseHeader(sealed.header);
    expect(header.patientSlots).toHaveLength(padded);
    expect(new Set(header.patientSlots.map((slot) => slot.length)).size).toBe(1);
    const openings = openPatientSlots(header, keys);
    expect(openings.map(({ keyIndex }) => keyIndex)).toEqual(keys.map((_, i) => i));
    expect(new Set(openings.map(({ slotIndex }) => slotIndex)).size).toBe(count);
  });

  it('E11 are shuffled: the first does not stay first', async () => {
    const places = new Set<number>();
    for (let seed = 0; seed < 20; seed++) {
      const { sealed } = await sealFixture({ randomBytes: seededBytes(seed) }, []);
      const [opening] = openPatientSlots(parseHeader(sealed.header), [recordSlotKey]);
      places.add(opening?.slotIndex ?? -1);
    }
    expect(places).toEqual(new Set([0, 1, 2, 3]));
  });

  it('a stranger’s key opens none', async () => {
    const { sealed } = await sealFixture();
    const header = parseHeader(sealed.header);
    expect(openPatientSlots(header, [new Uint8Array(32), sectionSlotKey])).toEqual([]);
  });

  it('E12 the author opens with his HPKE key, nobody else, and only this record', async () => {
    const author = await deriveHpkeKeyPair(new Uint8Array(32).fill(4));
    const stranger = await deriveHpkeKeyPair(new Uint8Array(32).fill(5));
    const fixture = await sealFixture({}, undefined, { author: author.publicKey });
    const record = verifyRecord(fixture.sealed, fixture.expected, purePrimitives);
    const key = await openAuthorSlot(record.header, author.privateKey);
    if (key === null) throw new Error('the author slot did not open');
    const section = openRecord(record, key, purePrimitives).section('Observation');
    expect(await collect(section.read(fixture.fetchChunk))).toEqual(labs);
    expect(await openAuthorSlot(record.header, stranger.privateKey)).toBeNull();
    const other = { ...record.header, recordId: new Uint8Array(32) };
    expect(await openAuthorSlot(other, author.privateKey)).toBeNull();
    const without = { ...record.header, authorSlot: null };
    expect(await openAuthorSlot(without, author.privateKey)).toBeNull();
    const [{ authorSlot: foreign }] = [
      parseHeader(
        (await sealFixture({ randomBytes: seededBytes(2) }, [], { author: author.publicKey }))
          .sealed.header,
      ),
    ];
    await expect(
      openAuthorSlot({ ...record.header, authorSlot: foreign }, author.privateKey),
    ).rejects.toMatchObject({ code: 'commitment' });
  });

  it('a package travels in the header', async () => {
    const { sealed } = await sealFixture({}, [], { package: Uint8Array.of(1, 2, 3) });
    expect(parseHeader(sealed.header).package).toEqual(Uint8Array.of(1, 2, 3));
  });
});

describe('R8 the doctor signs the section root', () => {
  const seed = new Uint8Array(32).fill(9);
  const pid = new Uint8Array(20).fill(1);
  const statement = (sectionRoot: Bytes) => ({
    pid,
    sectionRoot,
    author: publicKey(seed) as Bytes,
    time: 1_700_000_000,
  });

  it('R8 whoever holds one section verifies the signature, with other slots too', async () => {
    const { sealed } = await sealFixture();
    const signature = signAuthorship(seed, context, statement(sealed.sectionRoot));
    const header = parseHeader(sealed.header);
    const resealed = { ...header, patientSlots: header.patientSlots.toReversed() };
    for (const held of [header, resealed])
      expect(verifyAuthorship(context, statement(sectionRootOf(held)), signature)).toBe(true);
  });

  test.each([
    ['PID', { pid: new Uint8Array(20) }],
    ['section root', { sectionRoot: new Uint8Array(32) }],
    ['author', { author: publicKey(new Uint8Array(32)) }],
    ['time', { time: 1 }],
  ])('R8 another %s is refused', (_, change) => {
    const signature = signAuthorship(seed, context, statement(recordId));
    expect(verifyAuthorship(context, { ...statement(recordId), ...change }, signature)).toBe(false);
  });

  it('R8 another chain is refused', () => {
    const signature = signAuthorship(seed, context, statement(recordId));
    expect(verifyAuthorship({ chainId: 'chain-2' }, statement(recordId), signature)).toBe(false);
  });

  it('R8 a swapped section changes the root', async () => {
    const { sealed } = await sealFixture();
    const header = parseHeader(sealed.header);
    const swapped = { sections: header.sections.toReversed() };
    expect(sectionRootOf(swapped)).not.toEqual(sealed.sectionRoot);
  });

  it('R8 the signature inside a header covers that header’s sections, for its PID only', async () => {
    const fixture = await sealFixture({}, undefined, {
      authorship: (sectionRoot) => ({
        author: publicKey(seed),
        time: 5,
        signature: signAuthorship(seed, context, { ...statement(sectionRoot), time: 5 }),
      }),
    });
    const header = parseHeader(fixture.sealed.header);
    const [opening] = openPatientSlots(header, [recordSlotKey]);
    if (opening?.content.opens !== 'record') throw new Error('no slot opened');
    const { key } = opening.content;
    expect(openAuthorship(header, key, pid)).toMatchObject({ time: 5 });
    expect(openAuthorship({ ...header, authorship: null }, key, pid)).toBeNull();
    const refused = expect.objectContaining({ code: 'descriptor' });
    expect(() => openAuthorship(header, key, new Uint8Array(20))).toThrow(refused);
    const others = { ...header, sections: header.sections.slice(0, 2) };
    expect(() => openAuthorship(others, key, pid)).toThrow(refused);
    const { authorship } = header;
    for (let length = 0; length < (authorship?.length ?? 0); length += 9) {
      const cut = { ...header, authorship: authorship?.subarray(0, length) ?? null };
      expect(() => openAuthorship(cut, key, pid)).toThrow(refused);
    }
  });
});

describe('one chunk with its path', () => {
  it('opens through the section tree, and not at another index or with another path', async () => {
    const { sealed, expected, fetchChunk } = await sealFixture();
    const header = parseHeader(sealed.header);
    const [facts] = header.sections.slice(2);
    if (facts === undefined) throw new Error('no section');
    const leaves = [...sealed.chunkHashes.slice(1), hashLeaf(facts.descriptor)];
    const nodes = nodesOf(leaves);
    const record = verifyRecordByPaths(sealed.header, expected, (section, index) => {
      expect(section).toBe(2);
      return proveInclusion(nodes, index, leaves.length);
    });
    const [opening] = openPatientSlots(record.header, [recordSlotKey]);
    if (opening?.content.opens !== 'record') throw new Error('no slot opened');
    const section = openRecord(record, opening.content.key, purePrimitives).section('dicom/1');
    const sealedChunk = fetchChunk(section.extentOf(1));
    expect(await section.openChunk(1, sealedChunk)).toEqual(
      image.slice(CHUNK_BYTES, 2 * CHUNK_BYTES),
    );
    await expect(section.openChunk(0, sealedChunk)).rejects.toMatchObject({ code: 'chunkHash' });
    const lying = verifyRecordByPaths(sealed.header, expected, () => []);
    const misled = openRecord(lying, opening.content.key, purePrimitives).section('dicom/1');
    await expect(misled.openChunk(1, sealedChunk)).rejects.toMatchObject({ code: 'chunkHash' });
  });

  it('is verified against the digest without any key', async () => {
    const { sealed, fetchChunk } = await sealFixture();
    const leaves = [hashLeaf(sealed.headerHash), ...sealed.chunkHashes];
    const chunkCount = sealed.chunkHashes.length;
    const extent = chunkExtent(parseHeader(sealed.header), 2, 0);
    const claim = {
      sealed: fetchChunk(extent),
      chunk: extent.chunk,
      chunkCount,
      path: proveInclusion(nodesOf(leaves), extent.chunk + 1, leaves.length),
      digest: sealed.digest,
    };
    expect(await verifyChunk(claim, purePrimitives)).toBe(true);
    expect(await verifyChunk({ ...claim, chunk: 0 }, purePrimitives)).toBe(false);
    const cut = claim.sealed.subarray(1);
    expect(await verifyChunk({ ...claim, sealed: cut }, purePrimitives)).toBe(false);
  });
});

async function object(): Promise<Fixture & { readonly bytes: Bytes }> {
  const fixture = await sealFixture();
  return { ...fixture, bytes: concatBytes(encodeObjectHead(fixture.sealed), fixture.body) };
}

describe('objects', () => {
  it('are read back from one sequence of bytes', async () => {
    const { bytes, sealed, expected } = await object();
    const parts = await readObject(
      (offset, length) => bytes.subarray(offset, offset + length),
      sealed.headerHash,
    );
    expect(parts.objectBytes).toBe(bytes.length);
    expect(objectBytesOf(sealed.header.length, parseHeader(sealed.header))).toBe(bytes.length);
    const record = verifyRecord(parts, expected, purePrimitives);
    const [opening] = openPatientSlots(record.header, [recordSlotKey]);
    if (opening?.content.opens !== 'record') throw new Error('no slot opened');
    const section = openRecord(record, opening.content.key, purePrimitives).section('dicom/1');
    expect(await collect(section.read(parts.fetchChunk))).toEqual(image);
  });

  it('every truncation of the head is refused', async () => {
    const { bytes, sealed } = await object();
    const head = encodeObjectHead(sealed).length;
    for (let length = 0; length < head; length += 13)
      await expect(
        readObject(
          (offset, wanted) => bytes.subarray(0, length).subarray(offset, offset + wanted),
          sealed.headerHash,
        ),
      ).rejects.toMatchObject({ code: 'headerMalformed' });
  });

  it('a header length beyond the limit is refused before it is read', async () => {
    const prefix = new Uint8Array(4).fill(0xff);
    await expect(readObject(() => prefix, recordId)).rejects.toMatchObject({
      code: 'headerMalformed',
    });
  });

  it('a store verifies a body that streams in, in pieces of any size', async () => {
    const { sealed, body, expected } = await object();
    for (const size of [7_001, 65_552, 200_000])
      expect(
        await verifyBody(
          { header: sealed.header, body: pieces(body, [size]) },
          expected,
          purePrimitives,
        ),
      ).toEqual(sealed.chunkHashes);
  });

  test.each([
    ['a byte short', (body: Bytes) => body.subarray(0, body.length - 1)],
    ['a byte long', (body: Bytes) => concatBytes(body, Uint8Array.of(0))],
    ['empty', () => new Uint8Array(0)],
    ['changed', (body: Bytes) => Uint8Array.from(body, (byte, i) => (i === 70_000 ? ~byte : byte))],
  ])('a store refuses a body that is %s', async (_, change) => {
    const { sealed, body, expected } = await object();
    await expect(
      verifyBody({ header: sealed.header, body: [change(body)] }, expected, purePrimitives),
    ).rejects.toMatchObject({ code: 'digest' });
  });

  it('a store refuses another header', async () => {
    const { sealed, body, expected } = await object();
    const header = concatBytes(sealed.header, Uint8Array.of(0));
    await expect(
      verifyBody({ header, body: [body] }, expected, purePrimitives),
    ).rejects.toMatchObject({ code: 'headerHash' });
  });
});

describe('padding', () => {
  it('E8 never shrinks, costs at most 12 % above the smallest bucket, and is idempotent', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 45 }), (length) => {
        const bucket = bucketBytes(length);
        expect(bucket).toBeGreaterThanOrEqual(length);
        expect(bucket).toBeLessThanOrEqual(Math.max(BUCKET_BYTES_MIN, length * 1.12));
        expect(bucketBytes(bucket)).toBe(bucket);
      }),
    );
  });

  it('E8 F5 contents of one bucket give objects of one size', async () => {
    const sizes = await Promise.all(
      [0, 1, 3000, 4096].map(async (size) => {
        const fixture = await sealFixture({ padding: 'buckets' }, [
          { path: 'a', mediaType: 'x/y', content: [new Uint8Array(size)] },
        ]);
        return fixture.body.length;
      }),
    );
    expect(new Set(sizes).size).toBe(1);
  });
});

describe('what cannot be sealed', () => {
  const options: RecordWriterOptions = {
    context,
    primitives: purePrimitives,
    randomBytes: seededBytes(1),
    sink: () => {},
  };
  const refused = { code: 'notSealable' };
  const section = { path: 'a', mediaType: 'x/y', content: [] };

  test.each([
    ['the manifest’s path', { path: '' }],
    ['a path too long', { path: 'x'.repeat(257) }],
    ['a media type too long', { mediaType: 'x'.repeat(129) }],
  ])('E1 a section with %s', async (_, change) => {
    const writer = createRecordWriter(options);
    await expect(writer.writeSection({ ...section, ...change })).rejects.toMatchObject(refused);
  });

  it('E1 a path twice', async () => {
    const writer = createRecordWriter(options);
    await writer.writeSection(section);
    await expect(writer.writeSection(section)).rejects.toMatchObject(refused);
  });

  it('anything after a failure: a second try would use nonces again', async () => {
    const writer = createRecordWriter({
      ...options,
      sink: () => {
        throw new Error('disk full');
      },
    });
    await expect(writer.writeSection(section)).rejects.toThrow('disk full');
    await expect(writer.writeSection({ ...section, path: 'b' })).rejects.toMatchObject(refused);
    await expect(writer.finish({ patientSlots: [] })).rejects.toMatchObject(refused);
  });

  it('two sections at once, or anything after the end', async () => {
    const writer = createRecordWriter(options);
    const first = writer.writeSection(section);
    await expect(writer.writeSection({ ...section, path: 'b' })).rejects.toMatchObject(refused);
    await first;
    await writer.finish({ patientSlots: [] });
    await expect(writer.finish({ patientSlots: [] })).rejects.toMatchObject(refused);
  });

  it('with slots that repeat a key, name no section, have the wrong length or are too many', async () => {
    const slot = { slotKey: recordSlotKey, opens: 'record' } as const;
    const many = Array.from({ length: 65 }, (_, i) => ({
      ...slot,
      slotKey: new Uint8Array(32).fill(i),
    }));
    for (const patientSlots of [
      [slot, slot],
      [{ slotKey: recordSlotKey, opens: 'section', path: 'nowhere' } as const],
      [{ ...slot, slotKey: new Uint8Array(16) }],
      many,
    ])
      await expect(createRecordWriter(options).finish({ patientSlots })).rejects.toMatchObject(
        refused,
      );
  });

  it('with dry randomness or outside the format', () => {
    const wrong: Partial<RecordWriterOptions>[] = [
      { randomBytes: (length) => new Uint8Array(length) },
      { randomBytes: () => new Uint8Array(0) },
      { context: { ...context, chunkBytes: 1000 } },
      { context: { ...context, recordId: new Uint8Array(20) } },
    ];
    for (const change of wrong)
      expect(() => createRecordWriter({ ...options, ...change })).toThrow(
        expect.objectContaining(refused),
      );
  });
});
