/**
 * Messages as tables: one row says a field's number and type, and reading and writing both follow it, so
 * that they cannot drift apart. The rows of a message stand in ascending order of their numbers, which is
 * the order in which Go writes them.
 */
import { type Bytes, CodecError } from '@yilian/crypto/bytes';
import {
  type ProtobufReader,
  type ProtobufWriter,
  readTimestamp,
  writeTimestamp,
} from '../protobuf.ts';

export interface MessageCodec<T> {
  /** Walks to the end of the reader's message. @throws CodecError */
  readonly read: (reader: ProtobufReader) => T;
  readonly write: (writer: ProtobufWriter, message: T) => void;
}

/** How the values of one field are read and written. */
export interface FieldType<T> {
  /** What a message without the field says. Lists are made anew each time. */
  readonly initial: () => T;
  /** `before`: what the message said of this field so far; only lists go on from there. */
  readonly read: (reader: ProtobufReader, before: T) => T;
  readonly write: (writer: ProtobufWriter, field: number, value: T) => void;
}

export type Fields<T> = { readonly [K in keyof T]-?: readonly [number, FieldType<T[K]>] };

interface Row<T> {
  readonly name: keyof T;
  readonly number: number;
  readonly type: FieldType<T[keyof T]>;
}

export function messageOf<T extends object>(fields: Fields<T>): MessageCodec<T> {
  const rows: Row<T>[] = [];
  const byNumber: (Row<T> | undefined)[] = [];
  for (const name in fields) {
    const [number, type] = fields[name];
    const row: Row<T> = { name, number, type: type as unknown as FieldType<T[keyof T]> };
    rows.push(row);
    byNumber[number] = row;
  }
  return {
    read: (reader) => {
      // Every row sets its field before anybody sees the message.
      const message = {} as { -readonly [K in keyof T]: T[K] };
      for (const { name, type } of rows) message[name] = type.initial();
      for (let number = reader.next(); number !== 0; number = reader.next()) {
        const row = byNumber[number];
        if (row === undefined) reader.skip();
        else message[row.name] = row.type.read(reader, message[row.name]);
      }
      return message;
    },
    write: (writer, message) => {
      for (const { name, number, type } of rows) type.write(writer, number, message[name]);
    },
  };
}

const NO_BYTES: Bytes = new Uint8Array(0);

/** A copy: whoever keeps it does not keep the frame. */
export const bytes: FieldType<Bytes> = {
  initial: () => NO_BYTES,
  read: (reader) => reader.bytes(),
  write: (writer, field, value) => writer.bytes(field, value),
};

export const text: FieldType<string> = {
  initial: () => '',
  read: (reader) => reader.string(),
  write: (writer, field, value) => writer.string(field, value),
};

export const bool: FieldType<boolean> = {
  initial: () => false,
  read: (reader) => reader.bool(),
  write: (writer, field, value) => writer.bool(field, value),
};

export const int32: FieldType<number> = {
  initial: () => 0,
  read: (reader) => reader.int32(),
  write: (writer, field, value) => writer.int32(field, value),
};

export const uint32: FieldType<number> = {
  initial: () => 0,
  read: (reader) => reader.uint32(),
  write: (writer, field, value) => writer.uint32(field, value),
};

export const int64: FieldType<bigint> = {
  initial: () => 0n,
  read: (reader) => reader.int64(),
  write: (writer, field, value) => writer.int64(field, value),
};

export const uint64: FieldType<bigint> = {
  initial: () => 0n,
  read: (reader) => reader.uint64(),
  write: (writer, field, value) => writer.uint64(field, value),
};

/** Nanoseconds since 1970; written even when 0, as Go's non-nullable times are. */
export const timestamp: FieldType<bigint> = {
  initial: () => 0n,
  read: (reader) => reader.message(readTimestamp),
  write: (writer, field, value) => writer.message(field, value, writeTimestamp),
};

/** Names by number. A number without a name is malformed: to guess at a verdict is worse than to stop. */
export function enumeration<Name extends string>(
  names: Readonly<Record<number, Name>>,
  initial: Name,
): FieldType<Name> {
  const numbers = new Map<Name, number>();
  for (const number of Object.keys(names)) {
    const name = names[Number(number)];
    if (name !== undefined) numbers.set(name, Number(number));
  }
  return {
    initial: () => initial,
    read: (reader) => {
      const name = names[reader.int32()];
      if (name === undefined)
        throw new CodecError('malformed', 'an enumeration without this value');
      return name;
    },
    write: (writer, field, value) => writer.int32(field, numbers.get(value) ?? 0),
  };
}

/** A message that is always there (a struct in Go): written even when all of it is default. */
export function embedded<T>(codec: MessageCodec<T>, initial: T): FieldType<T> {
  return {
    initial: () => initial,
    read: (reader) => reader.message(codec.read),
    write: (writer, field, value) => writer.message(field, value, codec.write),
  };
}

/** A message that may be absent (a pointer in Go). */
export function optional<T>(codec: MessageCodec<T>): FieldType<T | undefined> {
  return {
    initial: () => undefined,
    read: (reader) => reader.message(codec.read),
    write: (writer, field, value) => {
      if (value !== undefined) writer.message(field, value, codec.write);
    },
  };
}

function listOf<T>(
  read: (reader: ProtobufReader) => T,
  write: (writer: ProtobufWriter, field: number, item: T) => void,
): FieldType<readonly T[]> {
  return {
    initial: () => [],
    read: (reader, before) => {
      // The list that `initial` made for this very message: nobody else has it yet.
      (before as T[]).push(read(reader));
      return before;
    },
    write: (writer, field, items) => {
      for (const item of items) write(writer, field, item);
    },
  };
}

export function repeated<T>(codec: MessageCodec<T>): FieldType<readonly T[]> {
  return listOf(
    (reader) => reader.message(codec.read),
    (writer, field, item) => writer.message(field, item, codec.write),
  );
}

export const bytesList: FieldType<readonly Bytes[]> = listOf(
  (reader) => reader.bytes(),
  (writer, field, item) => writer.item(field, item),
);

export const textList: FieldType<readonly string[]> = listOf(
  (reader) => reader.string(),
  (writer, field, item) => writer.text(field, item),
);

export const uint32List: FieldType<readonly number[]> = {
  initial: () => [],
  read: (reader, before) => {
    reader.uint32s(before as number[]);
    return before;
  },
  write: (writer, field, items) => writer.uint32s(field, items),
};
