/** Protocol Buffers' wire format: the edges that the messages' own tests do not reach. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromHex, toHex } from '@yilian/crypto/bytes';
import { decodeMessage, encodeMessage, ProtobufReader, ProtobufWriter } from '../src/protobuf.ts';

const read = <T>(hex: string, take: (reader: ProtobufReader) => T): T => {
  const reader = new ProtobufReader(fromHex(hex));
  expect(reader.next()).toBe(1);
  return take(reader);
};

describe('numbers', () => {
  test('64-bit integers come back, signed and unsigned', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), (value) => {
        const signed = BigInt.asIntN(64, value);
        const bytes = encodeMessage(value, (writer) => {
          writer.uint64(1, value);
          writer.int64(2, signed);
          writer.fixed64(3, value);
          writer.sfixed64(4, signed);
        });
        const found = new Map<number, bigint>();
        decodeMessage(bytes, (reader) => {
          for (let field = reader.next(); field !== 0; field = reader.next())
            found.set(
              field,
              field === 1
                ? reader.uint64()
                : field === 2
                  ? reader.int64()
                  : field === 3
                    ? reader.fixed64()
                    : reader.sfixed64(),
            );
        });
        if (value === 0n) expect(found.size).toBe(0);
        else expect([...found.values()]).toEqual([value, signed, value, signed]);
      }),
    );
  });

  test('a negative number takes ten bytes, as in Go', () => {
    expect(toHex(encodeMessage(-1n, (writer, value) => writer.int64(1, value)))).toBe(
      '08ffffffffffffffffff01',
    );
    expect(toHex(encodeMessage(-1, (writer, value) => writer.int32(1, value)))).toBe(
      '08ffffffffffffffffff01',
    );
    expect(read('08ffffffffffffffffff01', (reader) => reader.int32())).toBe(-1);
  });

  test('a number may be longer than it needs to be, up to ten bytes', () => {
    expect(read('08818000', (reader) => reader.uint64())).toBe(1n);
    expect(read('0881808080808080808000', (reader) => reader.uint64())).toBe(1n);
    expect(() => read('088180808080808080808000', (reader) => reader.uint64())).toThrow(
      /ten bytes/,
    );
  });

  test('lists of numbers are read packed and one by one', () => {
    const numbers: number[] = [];
    const reader = new ProtobufReader(fromHex('0a03ac02050807'));
    for (let field = reader.next(); field !== 0; field = reader.next()) reader.uint32s(numbers);
    expect(numbers).toEqual([300, 5, 7]);
    expect(() => read('0a01ac02', (packed) => packed.uint32s([]))).toThrow(/within a number/);
  });
});

describe('what is malformed', () => {
  test.each([
    ['a tag without a field number', '00'],
    ['a tag of the number 0', '0201'],
    ['a tag cut off', '80'],
    ['a tag beyond 32 bits', '80808080807f'],
  ])('%s', (_, hex) => {
    expect(() => new ProtobufReader(fromHex(hex)).next()).toThrow(
      expect.objectContaining({ code: 'malformed' }),
    );
  });

  test.each([
    ['a number cut off', '0880', 'number'],
    ['a byte string cut off', '0a0201', 'bytes'],
    ['a length beyond all bounds', '0affffffffffffffffff01', 'bytes'],
    ['a message cut off', '0a0201', 'message'],
    ['a word cut off', '0901020304050607', 'word'],
    ['a field of another wire type, as number', '0a00', 'number'],
    ['a field of another wire type, as bytes', '0800', 'bytes'],
    ['a group', '0b', 'skip'],
    ['the end of a group', '0c', 'skip'],
    ['a skipped field cut off', '0a05', 'skip'],
  ] as const)('%s', (_, hex, how) => {
    expect(() =>
      read(hex, (reader) => {
        if (how === 'number') reader.uint64();
        else if (how === 'bytes') reader.bytes();
        else if (how === 'word') reader.fixed64();
        else if (how === 'skip') reader.skip();
        else reader.message(() => undefined);
      }),
    ).toThrow(expect.objectContaining({ code: 'malformed' }));
  });

  test('a message may not reach beyond the one that holds it', () => {
    const hex = '0a020a050102030405';
    expect(() =>
      read(hex, (reader) =>
        reader.message((inner) => {
          inner.next();
          return inner.bytes();
        }),
      ),
    ).toThrow(expect.objectContaining({ code: 'malformed' }));
  });

  test('messages nested without end are refused', () => {
    let bytes = new Uint8Array(0);
    for (let i = 0; i < 60; i++) {
      const writer = new ProtobufWriter();
      writer.item(1, bytes);
      bytes = new Uint8Array(writer.finish());
    }
    const descend = (reader: ProtobufReader): number =>
      reader.next() === 1 ? 1 + reader.message(descend) : 0;
    expect(() => decodeMessage(bytes, descend)).toThrow(
      expect.objectContaining({ code: 'tooDeep' }),
    );
  });
});

test('a long message gets its length before it whatever that takes', () => {
  fc.assert(
    fc.property(fc.constantFrom(0, 1, 127, 128, 16_383, 16_384, 70_000), (length) => {
      const inner = new Uint8Array(length).fill(5);
      const bytes = encodeMessage(inner, (writer, value) => {
        writer.message(2, value, (nested, item) => nested.bytes(1, item));
        writer.uint32(3, 9);
      });
      const found = decodeMessage(bytes, (reader) => {
        reader.next();
        const item = reader.message((nested) => (nested.next() === 1 ? nested.bytes() : inner));
        reader.next();
        return [item, reader.uint32(), reader.next()] as const;
      });
      expect(found).toEqual([inner, 9, 0]);
    }),
  );
});
