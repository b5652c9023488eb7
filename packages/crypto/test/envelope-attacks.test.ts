/** What a store, a hospital or a reader may try with a sealed record, and where each attempt ends. */
import * as fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { at } from './at.ts';
import { open } from '../src/aead.ts';
import { type Bytes, concatBytes, equalBytes, toHex, utf8 } from '../src/bytes.ts';
import { chunkExtent, chunkInput } from '../src/envelope/chunk.ts';
import { EnvelopeError } from '../src/envelope/envelope-error.ts';
import {
  digestOf,
  encodeHeader,
  headerHashOf,
  parseHeader,
  type RecordHeader,
  type SectionFacts,
} from '../src/envelope/header.ts';
import {
  commitDataKey,
  type DataKey,
  deriveSectionKey,
  deriveSectionSecrets,
  parseDataKey,
  parseSectionKey,
  type SectionKey,
} from '../src/envelope/keys.ts';
import { encodeObjectHead, readObject } from '../src/envelope/object.ts';
import { openRecord, openSection, verifyRecord } from '../src/envelope/record-reader.ts';
import {
  MANIFEST_PATH,
  sealDescriptor,
  sealManifest,
  sectionLeaf,
} from '../src/envelope/section.ts';
import { checkDataKey, openPatientSlots, sealPatientSlots } from '../src/envelope/slots.ts';
import { hmacSha256 } from '../src/hash.ts';
import { hashLeaf, rootOfLeafHashes } from '../src/merkle.ts';
import { purePrimitives } from '../src/primitives.ts';
import {
  CHUNK_BYTES,
  collect,
  context,
  expectedOf,
  type Fixture,
  fetchFrom,
  recordId,
  recordSlotKey,
  sealFixture,
  sectionSlotKey,
  seededBytes,
} from './sealed-record.ts';
import { sealUnderTwoKeys } from './two-key-gcm.ts';

const refusedAs = (code: string): unknown => expect.objectContaining({ code });

/** Everything a reader does, from untrusted object to plaintext of the last section. */
async function readAll(
  fixture: Pick<Fixture, 'expected' | 'fetchChunk'> & {
    readonly object: { readonly header: Bytes; readonly chunkHashes: readonly Bytes[] };
  },
  slotKey: Bytes = recordSlotKey,
): Promise<Bytes[]> {
  const record = verifyRecord(fixture.object, fixture.expected, purePrimitives);
  const contents: Bytes[] = [];
  for (const { content } of openPatientSlots(record.header, [slotKey])) {
    if (content.opens === 'section') {
      const section = openSection(record, content, purePrimitives);
      contents.push(await collect(section.read(fixture.fetchChunk)));
      continue;
    }
    const reader = openRecord(record, content.key, purePrimitives);
    for (const { path } of reader.manifest.sections)
      contents.push(await collect(reader.section(path).read(fixture.fetchChunk)));
  }
  return contents;
}

async function honest(): Promise<Fixture & { readonly header: RecordHeader }> {
  const fixture = await sealFixture();
  return { ...fixture, header: parseHeader(fixture.sealed.header) };
}

/** A header as if it were the one on chain: the attacker is the author, or the chain is his. */
function onChain(
  header: RecordHeader,
  chunkHashes: readonly Bytes[],
): { object: { header: Bytes; chunkHashes: readonly Bytes[] }; expected: Fixture['expected'] } {
  const bytes = encodeHeader(header);
  const headerHash = headerHashOf(bytes);
  const digest = digestOf(headerHash, chunkHashes, (input) => purePrimitives.sha256(input));
  return {
    object: { header: bytes, chunkHashes },
    expected: expectedOf({ headerHash, digest }, header.suite),
  };
}

function replaceSection(
  header: RecordHeader,
  index: number,
  change: Partial<SectionFacts>,
): RecordHeader {
  return {
    ...header,
    sections: header.sections.map((facts, at) => (at === index ? { ...facts, ...change } : facts)),
  };
}

function flip(bytes: Bytes, at: number): Bytes {
  const copy = bytes.slice();
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

describe('F23 a store that changes what it keeps', () => {
  const headerChanges: [string, (header: RecordHeader) => RecordHeader][] = [
    [
      'suite',
      (header) => ({
        ...header,
        suite: 'paper',
        patientSlots: header.patientSlots.map((s) => s.subarray(0, 35)),
      }),
    ],
    ['chunk size', (header) => ({ ...header, chunkBytes: 2 * CHUNK_BYTES })],
    ['record id', (header) => ({ ...header, recordId: new Uint8Array(32) })],
    ['chain', (header) => ({ ...header, chainId: 'chain-2' })],
    ['commitment', (header) => ({ ...header, commitment: new Uint8Array(32) })],
    ['order of slots', (header) => ({ ...header, patientSlots: header.patientSlots.toReversed() })],
    [
      'a slot',
      (header) => ({ ...header, patientSlots: header.patientSlots.map((s) => flip(s, 0)) }),
    ],
    ['author slot', (header) => ({ ...header, authorSlot: new Uint8Array(80) })],
    ['package', (header) => ({ ...header, package: new Uint8Array(1) })],
    [
      'order of sections',
      (header) => ({
        ...header,
        sections: [header.sections[0], header.sections[2], header.sections[1]] as SectionFacts[],
      }),
    ],
    ['a dropped section', (header) => ({ ...header, sections: header.sections.slice(0, 2) })],
    [
      'chunk count',
      (header) => replaceSection(header, 2, { chunkCount: 2, finalChunkBytes: CHUNK_BYTES + 16 }),
    ],
  ];

  test.each(headerChanges)('F23 swapped header: %s is refused by its hash', async (_, change) => {
    const { header, sealed, expected, fetchChunk } = await honest();
    const object = { header: encodeHeader(change(header)), chunkHashes: sealed.chunkHashes };
    await expect(readAll({ object, expected, fetchChunk })).rejects.toThrow(
      refusedAs('headerHash'),
    );
  });

  it('F23 the header of another record is refused, with its own chunks too', async () => {
    const first = await sealFixture();
    const second = await sealFixture({ randomBytes: seededBytes(2) });
    const mixed = { ...first, object: second.sealed };
    await expect(readAll(mixed)).rejects.toThrow(refusedAs('headerHash'));
    const foreignHashes = {
      ...first,
      object: { header: first.sealed.header, chunkHashes: second.sealed.chunkHashes },
    };
    await expect(readAll(foreignHashes)).rejects.toThrow(refusedAs('digest'));
  });

  const hashChanges: [string, (hashes: readonly Bytes[]) => readonly Bytes[]][] = [
    ['reordered', (hashes) => hashes.toReversed()],
    ['cut', (hashes) => hashes.slice(0, -1)],
    ['doubled', (hashes) => [...hashes, ...hashes.slice(-1)]],
    ['changed', (hashes) => hashes.map((hash) => flip(hash, 3))],
    ['empty', () => []],
  ];

  test.each(hashChanges)('F23 %s chunk hashes are refused', async (_, change) => {
    const { sealed, expected, fetchChunk } = await sealFixture();
    const object = { header: sealed.header, chunkHashes: change(sealed.chunkHashes) };
    await expect(readAll({ object, expected, fetchChunk })).rejects.toThrow(refusedAs('digest'));
  });

  const bodyChanges: [
    string,
    (body: Bytes, at: (section: number, index: number) => [number, number]) => Bytes,
  ][] = [
    ['a flipped bit in the first chunk', (body) => flip(body, 10)],
    ['a flipped bit in a tag', (body) => flip(body, body.length - 1)],
    ['a dropped final chunk', (body, at) => body.subarray(0, at(2, 2)[0])],
    ['a truncated final chunk', (body) => body.subarray(0, body.length - 1)],
    ['a truncated tag', (body) => body.subarray(0, body.length - 12)],
    [
      'two chunks exchanged',
      (body, at) => {
        const [first, length] = at(2, 0);
        const [second] = at(2, 1);
        const copy = body.slice();
        copy.set(body.subarray(second, second + length), first);
        copy.set(body.subarray(first, first + length), second);
        return copy;
      },
    ],
    [
      'a chunk repeated',
      (body, at) => {
        const [first, length] = at(2, 0);
        const [second] = at(2, 1);
        const copy = body.slice();
        copy.set(body.subarray(first, first + length), second);
        return copy;
      },
    ],
    ['nothing left', () => new Uint8Array(0)],
  ];

  test.each(bodyChanges)('F23 %s is refused before its plaintext', async (_, change) => {
    const { sealed, header, expected, body } = await honest();
    const at = (section: number, index: number): [number, number] => {
      const { offset, length } = chunkExtent(header, section, index);
      return [offset, length];
    };
    const fetchChunk = fetchFrom(change(body, at));
    await expect(readAll({ object: sealed, expected, fetchChunk })).rejects.toThrow(
      refusedAs('chunkHash'),
    );
  });

  it('F23 what precedes a bad chunk is handed out, the bad chunk and what follows is not', async () => {
    const { sealed, header, expected, body } = await honest();
    const { offset } = chunkExtent(header, 2, 1);
    const record = verifyRecord(sealed, expected, purePrimitives);
    const [opening] = openPatientSlots(header, [recordSlotKey]);
    if (opening?.content.opens !== 'record') throw new Error('no slot opened');
    const section = openRecord(record, opening.content.key, purePrimitives).section('dicom/1');
    const released: number[] = [];
    const reading = (async () => {
      for await (const piece of section.read(fetchFrom(flip(body, offset + 5))))
        released.push(piece.length);
    })();
    await expect(reading).rejects.toThrow(refusedAs('chunkHash'));
    expect(released).toEqual([CHUNK_BYTES]);
  });

  it('F23 a suite that the patient did not allow is refused', async () => {
    const fixture = await sealFixture({ context: { ...context, suite: 'paper' } });
    const expected = { ...fixture.expected, allowedSuites: ['intl' as const] };
    await expect(readAll({ ...fixture, object: fixture.sealed, expected })).rejects.toThrow(
      refusedAs('suiteNotAllowed'),
    );
    expect(await readAll({ ...fixture, object: fixture.sealed })).toHaveLength(2);
  });

  test.each([
    ['chain', { chainId: 'chain-2' }],
    ['record', { recordId: new Uint8Array(32) }],
  ])('F23 a header for another %s is refused', async (_, other) => {
    const fixture = await sealFixture();
    const expected = { ...fixture.expected, ...other };
    await expect(readAll({ ...fixture, object: fixture.sealed, expected })).rejects.toThrow(
      refusedAs('otherRecord'),
    );
  });
});

describe('F23 an attacker whose header is on chain but who has no key', () => {
  it('no changed byte of a header gives other plaintext', async () => {
    const { sealed, fetchChunk } = await honest();
    const whole = (await readAll({ ...(await honest()), object: sealed })).map(toHex);
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.integer({ min: 1, max: 255 }), async (pick, change) => {
        const header = sealed.header.slice();
        const at = pick % header.length;
        header[at] = (header[at] ?? 0) ^ change;
        const headerHash = headerHashOf(header);
        const digest = digestOf(headerHash, sealed.chunkHashes, (input) =>
          purePrimitives.sha256(input),
        );
        const expected = {
          ...expectedOf({ headerHash, digest }),
          allowedSuites: ['intl', 'paper'] as const,
        };
        const object = { header, chunkHashes: sealed.chunkHashes };
        try {
          const contents = await readAll({ object, expected, fetchChunk });
          // Random padding, or the reader's own slot, may change: then all or nothing opens.
          expect([[], whole]).toContainEqual(contents.map(toHex));
        } catch (error) {
          expect(error).toBeInstanceOf(EnvelopeError);
        }
      }),
      { numRuns: 120 },
    );
  });

  it('F23 a shortened section with matching roots is refused by its leaf', async () => {
    const { header, sealed, fetchChunk } = await honest();
    const facts = at(header.sections, 2);
    const kept = sealed.chunkHashes.slice(0, -1);
    const shortened = replaceSection(header, 2, {
      chunkCount: facts.chunkCount - 1,
      finalChunkBytes: CHUNK_BYTES + 16,
      ciphertextRoot: rootOfLeafHashes([...kept.slice(1), hashLeaf(facts.descriptor)]),
    });
    await expect(readAll({ ...onChain(shortened, kept), fetchChunk })).rejects.toThrow(
      refusedAs('sectionCommitment'),
    );
  });

  it('F23 sections exchanged with everything recomputed are refused', async () => {
    const { header, sealed, body } = await honest();
    const [manifest, small, large] = header.sections as [SectionFacts, SectionFacts, SectionFacts];
    const exchanged = { ...header, sections: [manifest, large, small] };
    const [first, ...rest] = sealed.chunkHashes as [Bytes, ...Bytes[]];
    const end = chunkExtent(header, 1, 0).length;
    const fetchChunk = fetchFrom(concatBytes(body.subarray(end), body.subarray(0, end)));
    await expect(readAll({ ...onChain(exchanged, [...rest, first]), fetchChunk })).rejects.toThrow(
      refusedAs('descriptor'),
    );
  });

  it('E5 chunk hashes that fit the digest but not the section roots are refused', async () => {
    const { header, sealed, fetchChunk } = await honest();
    const chain = onChain(header, sealed.chunkHashes.toReversed());
    await expect(readAll({ ...chain, fetchChunk })).rejects.toThrow(refusedAs('ciphertextRoot'));
  });

  it('E4 E5 every truncated descriptor is refused', async () => {
    const { header, sealed, fetchChunk } = await honest();
    const facts = at(header.sections, 0);
    for (let length = 0; length < facts.descriptor.length; length += 5) {
      const descriptor = facts.descriptor.subarray(0, length);
      const ciphertextRoot = rootOfLeafHashes([hashLeaf(descriptor)]);
      const cut = replaceSection(header, 0, { descriptor, ciphertextRoot });
      await expect(readAll({ ...onChain(cut, sealed.chunkHashes), fetchChunk })).rejects.toThrow(
        refusedAs('sectionCommitment'),
      );
    }
  });
});

describe('chunk places', () => {
  const key = new Uint8Array(32).fill(8);
  const place = { path: 'a', index: 1, isFinal: false };
  const nonceOf = (index: number): Bytes => chunkInput(context, key, { ...place, index }).nonce;
  const sealed = concatBytes(
    ...Object.values(
      purePrimitives.aead.sealParts({
        ...chunkInput(context, key, place),
        plaintext: utf8('text'),
      }),
    ),
  );

  it('open where they were sealed', () => {
    expect(open({ ...chunkInput(context, key, place), sealed })).toEqual(utf8('text'));
  });

  test.each([
    ['as the final chunk', context, { ...place, isFinal: true }],
    ['at another index', context, { ...place, index: 2 }],
    ['in another section', context, { ...place, path: 'b' }],
    ['under another suite', { ...context, suite: 'paper' as const }, place],
    ['with another chunk size', { ...context, chunkBytes: 131_072 }, place],
    ['in another record', { ...context, recordId: new Uint8Array(32) }, place],
    ['on another chain', { ...context, chainId: 'chain-2' }, place],
  ])('F23 a chunk passed off %s is refused', (_, otherContext, otherPlace) => {
    expect(open({ ...chunkInput(otherContext, key, otherPlace), sealed })).toBeNull();
  });

  it('E3 have associated data of their own: chain, suite, record, chunk size, path, index, end', () => {
    const others = [
      chunkInput(context, key, place),
      chunkInput({ ...context, chainId: 'chain-2' }, key, place),
      chunkInput({ ...context, suite: 'paper' }, key, place),
      chunkInput({ ...context, recordId: new Uint8Array(32) }, key, place),
      chunkInput({ ...context, chunkBytes: 131_072 }, key, place),
      chunkInput(context, key, { ...place, path: 'b' }),
      chunkInput(context, key, { ...place, index: 2 }),
      chunkInput(context, key, { ...place, isFinal: true }),
    ].map(({ associatedData }) => toHex(associatedData));
    expect(new Set(others).size).toBe(others.length);
  });

  it('E3 have nonces of their own: no two chunks of a section share one', () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 20 }), fc.nat({ max: 2 ** 20 }), (left, right) => {
        expect(equalBytes(nonceOf(left), nonceOf(right))).toBe(left === right);
      }),
    );
  });
});

/** An author who wants two readers to see two contents in one signed ciphertext. */
function twoFaced(): {
  leftKey: SectionKey;
  rightKey: SectionKey;
  chunk: Bytes;
  headerFor: (leafKey: SectionKey, descriptorKey: SectionKey, dataKey: DataKey) => RecordHeader;
} {
  const leftKey = parseSectionKey(context, new Uint8Array(32).fill(0xaa)) as SectionKey;
  const rightKey = parseSectionKey(context, new Uint8Array(32).fill(0xbb)) as SectionKey;
  const left = deriveSectionSecrets(context, leftKey);
  const right = deriveSectionSecrets(context, rightKey);
  const place = { path: 'finding', index: 0, isFinal: true };
  const { nonce, associatedData } = chunkInput(context, left.contentKey, place);
  const chunk = sealUnderTwoKeys({
    leftKey: left.contentKey,
    rightKey: right.contentKey,
    nonce,
    associatedData,
    left: utf8('tumour is benign'),
    right: utf8('tumour MALIGNANT'),
  });
  const headerFor = (
    leafKey: SectionKey,
    descriptorKey: SectionKey,
    dataKey: DataKey,
  ): RecordHeader => {
    const secrets = deriveSectionSecrets(context, descriptorKey);
    const listed = { path: 'finding', mediaType: 'text/plain', length: 48 };
    const descriptor = sealDescriptor(context, secrets, listed);
    const ciphertextRoot = rootOfLeafHashes([hashLeaf(chunk), hashLeaf(descriptor)]);
    const manifestSecrets = deriveSectionSecrets(
      context,
      deriveSectionKey(context, dataKey, MANIFEST_PATH),
    );
    const manifest = sealManifest(context, manifestSecrets, {
      sections: [listed],
      attributes: null,
    });
    const manifestRoot = rootOfLeafHashes([hashLeaf(manifest)]);
    return {
      ...context,
      commitment: commitDataKey(context, dataKey),
      sections: [
        {
          leaf: sectionLeaf(context, {
            path: MANIFEST_PATH,
            ciphertextRoot: manifestRoot,
            secrets: manifestSecrets,
          }),
          ciphertextRoot: manifestRoot,
          chunkCount: 0,
          finalChunkBytes: 0,
          descriptor: manifest,
        },
        {
          leaf: sectionLeaf(context, {
            path: 'finding',
            ciphertextRoot,
            secrets: deriveSectionSecrets(context, leafKey),
          }),
          ciphertextRoot,
          chunkCount: 1,
          finalChunkBytes: chunk.length,
          descriptor,
        },
      ],
      patientSlots: sealPatientSlots({
        context,
        slots: [
          { slotKey: recordSlotKey, content: { opens: 'section', index: 1, key: leftKey } },
          { slotKey: sectionSlotKey, content: { opens: 'section', index: 1, key: rightKey } },
        ],
        randomBytes: seededBytes(4),
      }),
      authorSlot: null,
      package: null,
      authorship: null,
      administratorSlots: [],
      personSlots: [],
    };
  };
  return { leftKey, rightKey, chunk, headerFor };
}

describe('F9 one ciphertext under two keys', () => {
  const dataKey = parseDataKey(context, new Uint8Array(32).fill(0xcc)) as DataKey;
  const place = { path: 'finding', index: 0, isFinal: true };

  it('F9 the attack is real: GCM alone opens the chunk to both contents', () => {
    const { leftKey, rightKey, chunk } = twoFaced();
    const opened = [leftKey, rightKey].map((key) => {
      const { contentKey } = deriveSectionSecrets(context, key);
      return open({ ...chunkInput(context, contentKey, place), sealed: chunk });
    });
    expect(opened[0]?.subarray(0, 16)).toEqual(utf8('tumour is benign'));
    expect(opened[1]?.subarray(16, 32)).toEqual(utf8('tumour MALIGNANT'));
  });

  it('E6 F9 the committed reader opens, the other is refused (com_sec in the signed leaf)', async () => {
    const { leftKey, rightKey, chunk, headerFor } = twoFaced();
    const chain = onChain(headerFor(leftKey, leftKey, dataKey), [hashLeaf(chunk)]);
    const record = verifyRecord(chain.object, chain.expected, purePrimitives);
    const section = openSection(record, { index: 1, key: leftKey }, purePrimitives);
    expect((await section.openChunk(0, chunk)).subarray(0, 16)).toEqual(utf8('tumour is benign'));
    expect(() => openSection(record, { index: 1, key: rightKey }, purePrimitives)).toThrow(
      EnvelopeError,
    );
  });

  it('F9 a descriptor that fits the second key does not help it: the leaf refuses', () => {
    const { leftKey, rightKey, chunk, headerFor } = twoFaced();
    const chain = onChain(headerFor(leftKey, rightKey, dataKey), [hashLeaf(chunk)]);
    const record = verifyRecord(chain.object, chain.expected, purePrimitives);
    expect(() => openSection(record, { index: 1, key: rightKey }, purePrimitives)).toThrow(
      refusedAs('sectionCommitment'),
    );
  });

  it('E13 F9 at acknowledgement the slot with the other key is named', () => {
    const { leftKey, headerFor } = twoFaced();
    const header = headerFor(leftKey, leftKey, dataKey);
    const openings = openPatientSlots(header, [recordSlotKey, sectionSlotKey]);
    expect(openings.map(({ keyIndex, isCommitted }) => [keyIndex, isCommitted])).toEqual([
      [0, true],
      [1, false],
    ]);
    expect(openings[1]?.slotIndex).not.toBe(openings[0]?.slotIndex);
  });

  it('F9 a section key that does not follow from the DEK is refused to holders of the DEK', async () => {
    const { leftKey, chunk, headerFor } = twoFaced();
    const chain = onChain(headerFor(leftKey, leftKey, dataKey), [hashLeaf(chunk)]);
    const record = verifyRecord(chain.object, chain.expected, purePrimitives);
    const reader = openRecord(record, dataKey, purePrimitives);
    expect(() => reader.section('finding')).toThrow(EnvelopeError);
  });

  it('F9 a whole record under two DEKs: the second is refused and its slot named (com)', async () => {
    const { header, sealed } = await honest();
    const other = parseDataKey(context, new Uint8Array(32).fill(0xdd)) as DataKey;
    const twoDataKeys = {
      ...header,
      patientSlots: sealPatientSlots({
        context,
        slots: [{ slotKey: sectionSlotKey, content: { opens: 'record', key: other } }],
        randomBytes: seededBytes(4),
      }),
    };
    const chain = onChain(twoDataKeys, sealed.chunkHashes);
    const record = verifyRecord(chain.object, chain.expected, purePrimitives);
    const openings = openPatientSlots(record.header, [sectionSlotKey]);
    expect(openings).toMatchObject([{ keyIndex: 0, isCommitted: false }]);
    expect(() => openRecord(record, other, purePrimitives)).toThrow(refusedAs('commitment'));
  });
});

describe('F9 commitments', () => {
  const short = new Uint8Array(16).fill(5);
  const long = concatBytes(short, new Uint8Array(16));

  it('F9 16 bytes and the same 16 bytes with zeros have different commitments', () => {
    const message = utf8('commit');
    expect(hmacSha256(short, message), 'keyed by the DEK they would collide').toEqual(
      hmacSha256(long, message),
    );
    for (const suite of ['intl', 'paper'] as const) {
      const suited = { ...context, suite };
      expect(commitDataKey(suited, short as DataKey)).not.toEqual(
        commitDataKey(suited, long as DataKey),
      );
    }
  });

  test.each([
    ['intl' as const, 16],
    ['intl' as const, 0],
    ['paper' as const, 32],
    ['paper' as const, 15],
  ])('F9 suite %s refuses a DEK of %i bytes', async (suite, length) => {
    const fixture = await sealFixture({ context: { ...context, suite } }, []);
    const header = parseHeader(fixture.sealed.header);
    expect(parseDataKey(header, new Uint8Array(length))).toBeNull();
    expect(parseSectionKey(header, new Uint8Array(length))).toBeNull();
    expect(() => checkDataKey(header, new Uint8Array(length))).toThrow(refusedAs('commitment'));
  });

  it('F9 commitments and section keys differ in every part of their context', () => {
    const key = long as DataKey;
    const others = [
      { ...context, suite: 'paper' as const },
      { ...context, chainId: 'chain-2' },
      { ...context, recordId: new Uint8Array(32) },
      { ...context, chunkBytes: 131_072 },
    ];
    const values = [context, ...others].flatMap((each) => [
      toHex(commitDataKey(each, key)),
      toHex(deriveSectionKey(each, key, 'a')),
      toHex(deriveSectionKey(each, key, 'b')),
      ...Object.values(deriveSectionSecrets(each, key as Bytes as SectionKey)).map(toHex),
    ]);
    expect(new Set(values).size).toBe(values.length);
  });
});

describe('F11 without the header nothing opens', () => {
  it('F11 a store backup that lost its header is refused, whatever keys the reader has', async () => {
    const { sealed, body } = await sealFixture();
    const head = encodeObjectHead(sealed);
    const erased = concatBytes(head.subarray(0, 4), new Uint8Array(head.length - 4), body);
    const read = (offset: number, length: number): Bytes =>
      erased.subarray(offset, offset + length);
    await expect(readObject(read, sealed.headerHash)).rejects.toThrow(refusedAs('headerHash'));
  });

  it('E10 F11 K_j gives no key without the slot: it opens no chunk, nor does what follows from it', async () => {
    const { sealed, header, fetchChunk } = await honest();
    const withoutSlots = {
      ...header,
      patientSlots: header.patientSlots.map(() => new Uint8Array(51)),
    };
    expect(openPatientSlots(withoutSlots, [recordSlotKey])).toEqual([]);
    const record = verifyRecord(sealed, expectedOf(sealed), purePrimitives);
    expect(() => openRecord(record, recordSlotKey, purePrimitives)).toThrow(
      refusedAs('commitment'),
    );
    const place = { path: 'Observation', index: 0, isFinal: true };
    const chunk = fetchChunk(chunkExtent(header, 1, 0));
    for (const key of [
      recordSlotKey,
      deriveSectionKey(context, recordSlotKey as DataKey, 'Observation'),
    ])
      expect(open({ ...chunkInput(context, key, place), sealed: chunk })).toBeNull();
  });
});

describe('a dishonest author', () => {
  it('who seals a chunk wrongly is found out at that chunk', async () => {
    const dataKey = parseDataKey(context, new Uint8Array(32).fill(0xcc)) as DataKey;
    const { leftKey, headerFor } = twoFaced();
    const header = headerFor(leftKey, leftKey, dataKey);
    const facts = at(header.sections, 1);
    const wrong = new Uint8Array(facts.finalChunkBytes).fill(1);
    const ciphertextRoot = rootOfLeafHashes([hashLeaf(wrong), hashLeaf(facts.descriptor)]);
    const secrets = deriveSectionSecrets(context, leftKey);
    const leaf = sectionLeaf(context, { path: 'finding', ciphertextRoot, secrets });
    const chain = onChain(replaceSection(header, 1, { ciphertextRoot, leaf }), [hashLeaf(wrong)]);
    const record = verifyRecord(chain.object, chain.expected, purePrimitives);
    const section = openSection(record, { index: 1, key: leftKey }, purePrimitives);
    await expect(section.openChunk(0, wrong)).rejects.toThrow(refusedAs('chunkSealed'));
  });

  test.each([
    ['claims more bytes than there are', { path: 'finding', mediaType: 'x', length: 65_537 }],
    ['takes the manifest’s path', { path: '', mediaType: 'x', length: 1 }],
  ])('who %s is refused', (_, listed) => {
    const dataKey = parseDataKey(context, new Uint8Array(32).fill(0xcc)) as DataKey;
    const { leftKey, chunk, headerFor } = twoFaced();
    const secrets = deriveSectionSecrets(context, leftKey);
    const descriptor = sealDescriptor(context, secrets, listed);
    const ciphertextRoot = rootOfLeafHashes([hashLeaf(chunk), hashLeaf(descriptor)]);
    const leaf = sectionLeaf(context, { path: listed.path, ciphertextRoot, secrets });
    const header = replaceSection(headerFor(leftKey, leftKey, dataKey), 1, {
      descriptor,
      ciphertextRoot,
      leaf,
    });
    const chain = onChain(header, [hashLeaf(chunk)]);
    const record = verifyRecord(chain.object, chain.expected, purePrimitives);
    expect(() => openSection(record, { index: 1, key: leftKey }, purePrimitives)).toThrow(
      refusedAs('descriptor'),
    );
  });

  it('E7 whose manifest lists one path twice is refused', () => {
    const dataKey = parseDataKey(context, new Uint8Array(32).fill(0xcc)) as DataKey;
    const { leftKey, chunk, headerFor } = twoFaced();
    const header = headerFor(leftKey, leftKey, dataKey);
    const secrets = deriveSectionSecrets(
      context,
      deriveSectionKey(context, dataKey, MANIFEST_PATH),
    );
    const listed = { path: 'finding', mediaType: 'text/plain', length: 48 };
    const sections = [listed, listed];
    const descriptor = sealManifest(context, secrets, { sections, attributes: null });
    const ciphertextRoot = rootOfLeafHashes([hashLeaf(descriptor)]);
    const leaf = sectionLeaf(context, { path: MANIFEST_PATH, ciphertextRoot, secrets });
    const doubled = replaceSection(header, 0, { descriptor, ciphertextRoot, leaf });
    const chain = onChain({ ...doubled, sections: [...doubled.sections, at(header.sections, 1)] }, [
      hashLeaf(chunk),
      hashLeaf(chunk),
    ]);
    const record = verifyRecord(chain.object, chain.expected, purePrimitives);
    expect(() => openRecord(record, dataKey, purePrimitives)).toThrow(refusedAs('descriptor'));
  });

  it('E7 whose manifest lists other sections than the header is refused', async () => {
    const dataKey = parseDataKey(context, new Uint8Array(32).fill(0xcc)) as DataKey;
    const { leftKey, chunk, headerFor } = twoFaced();
    const header = headerFor(leftKey, leftKey, dataKey);
    const doubled = {
      ...header,
      sections: [...header.sections, at(header.sections, 1)],
    };
    const chain = onChain(doubled, [hashLeaf(chunk), hashLeaf(chunk)]);
    const record = verifyRecord(chain.object, chain.expected, purePrimitives);
    expect(() => openRecord(record, dataKey, purePrimitives)).toThrow(refusedAs('descriptor'));
  });
});

describe('header bytes', () => {
  it('parse to what was encoded', async () => {
    const { header, sealed } = await honest();
    expect(encodeHeader(parseHeader(sealed.header))).toEqual(sealed.header);
    expect(header.recordId).toEqual(recordId);
  });

  const malformed: [string, (header: RecordHeader) => RecordHeader][] = [
    ['an unknown suite', (header) => ({ ...header, suite: 'gm' as 'intl' })],
    ['a chunk size of 1000', (header) => ({ ...header, chunkBytes: 1000 })],
    ['a short record id', (header) => ({ ...header, recordId: new Uint8Array(31) })],
    ['a short commitment', (header) => ({ ...header, commitment: new Uint8Array(16) })],
    ['no sections', (header) => ({ ...header, sections: [] })],
    ['three slots', (header) => ({ ...header, patientSlots: header.patientSlots.slice(1) })],
    [
      '128 slots',
      (header) => ({
        ...header,
        patientSlots: Array.from({ length: 128 }, () => at(header.patientSlots, 0)),
      }),
    ],
    [
      'a truncated slot',
      (header) => ({ ...header, patientSlots: header.patientSlots.map((s) => s.subarray(1)) }),
    ],
    [
      'a manifest with chunks',
      (header) => replaceSection(header, 0, { chunkCount: 1, finalChunkBytes: 17 }),
    ],
    [
      'a section without chunks',
      (header) => replaceSection(header, 1, { chunkCount: 0, finalChunkBytes: 0 }),
    ],
    [
      'an empty final chunk after others',
      (header) => replaceSection(header, 2, { finalChunkBytes: 16 }),
    ],
    [
      'a final chunk shorter than a tag',
      (header) => replaceSection(header, 1, { finalChunkBytes: 15 }),
    ],
    [
      'a final chunk longer than a chunk',
      (header) => replaceSection(header, 1, { finalChunkBytes: CHUNK_BYTES + 17 }),
    ],
    ['a negative chunk count', (header) => replaceSection(header, 1, { chunkCount: -1 })],
    [
      'too many chunks',
      (header) =>
        replaceSection(replaceSection(header, 1, { chunkCount: 2 ** 20 }), 2, {
          chunkCount: 2 ** 20,
        }),
    ],
    ['a short leaf', (header) => replaceSection(header, 1, { leaf: new Uint8Array(31) })],
    ['a package of 64 KiB and more', (header) => ({ ...header, package: new Uint8Array(65_537) })],
    [
      '65 person slots',
      (header) => ({ ...header, personSlots: Array.from({ length: 65 }, () => new Uint8Array(1)) }),
    ],
  ];

  test.each(malformed)('with %s are refused', async (_, change) => {
    const { header } = await honest();
    expect(() => parseHeader(encodeHeader(change(header)))).toThrow(refusedAs('headerMalformed'));
  });

  it('of any other form are refused, never crash', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        expect(() => parseHeader(bytes)).toThrow(EnvelopeError);
      }),
    );
  });

  it('with trailing bytes are refused', async () => {
    const { sealed } = await sealFixture();
    expect(() => parseHeader(concatBytes(sealed.header, Uint8Array.of(0)))).toThrow(
      refusedAs('headerMalformed'),
    );
  });

  it('longer than the limit are not sealed', async () => {
    const { header } = await honest();
    const descriptor = new Uint8Array(1024 * 1024);
    expect(() => encodeHeader(replaceSection(header, 1, { descriptor }))).toThrow(
      refusedAs('notSealable'),
    );
  });
});
