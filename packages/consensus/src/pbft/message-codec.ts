/**
 * Messages as bytes: the number of their kind and their fields, strict in both directions. One table
 * holds each kind's format, writing and reading side by side.
 */
import { type Bytes, CodecError } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';
import { ANY_COUNT, Fields } from '@yilian/crypto/fields';
import {
  BLOCK_ENCODING_BYTES_MAX,
  certifiedBlockFromCbor,
  certifiedBlockToCbor,
  nestBlock,
  unnestBlock,
} from '../block.ts';
import { certificateFromCbor } from '../certificate.ts';
import type { Message, PreparedCertificate, ViewChange, Vote } from './messages.ts';
import { preparedToCbor, viewChangeToCbor } from './signed-body.ts';
import type { WalRecord } from './wal.ts';

interface Format<M extends Message> {
  readonly number: number;
  /** Items of the whole array, the number of the kind among them. */
  readonly count: number;
  /** All items but the first. */
  readonly items: (message: M) => readonly Cbor[];
  /** Takes what `items` gives. */
  readonly read: (fields: Fields) => M;
}

function placeItems({ epoch, height, view }: Pick<Vote, 'epoch' | 'height' | 'view'>): Cbor[] {
  return [epoch, height, view];
}

function readPlace(fields: Fields): Pick<Vote, 'epoch' | 'height' | 'view'> {
  return { epoch: fields.whole(), height: fields.u64(), view: fields.whole() };
}

function signedItems({ signer, signature }: Pick<Vote, 'signer' | 'signature'>): Cbor[] {
  return [signer, signature];
}

function readSigned(fields: Fields): Pick<Vote, 'signer' | 'signature'> {
  return { signer: fields.whole(), signature: fields.bytes(64) };
}

function readPrepared(value: Cbor): PreparedCertificate {
  const fields = Fields.of(value, 6);
  return {
    height: fields.u64(),
    view: fields.whole(),
    blockId: fields.bytes(32),
    primary: fields.whole(),
    primarySignature: fields.bytes(64),
    prepares: fields.list(ANY_COUNT, (list) => readSigned(list.nested(2))),
  };
}

/** Without the block that rides along. */
function readViewChange(value: Cbor): ViewChange {
  const fields = Fields.of(value, 7);
  return {
    kind: 'viewChange',
    ...readPlace(fields),
    parentCertificate: fields.orNull((own) => certificateFromCbor(own.any())),
    prepared: fields.orNull((own) => readPrepared(own.any())),
    ...readSigned(fields),
    block: null,
  };
}

const FORMATS: {
  readonly [K in Message['kind']]: Format<Extract<Message, { readonly kind: K }>>;
} = {
  prePrepare: {
    number: 1,
    count: 8,
    items: (message) => [
      ...placeItems(message),
      message.blockId,
      ...signedItems(message),
      nestBlock(message.block),
    ],
    read: (fields) => ({
      kind: 'prePrepare',
      ...readPlace(fields),
      blockId: fields.bytes(32),
      ...readSigned(fields),
      block: unnestBlock(fields),
    }),
  },
  prepare: {
    number: 2,
    count: 7,
    items: (message) => [...placeItems(message), message.blockId, ...signedItems(message)],
    read: (fields) => ({
      kind: 'prepare',
      ...readPlace(fields),
      blockId: fields.bytes(32),
      ...readSigned(fields),
    }),
  },
  commit: {
    number: 3,
    count: 8,
    items: (message) => [
      ...placeItems(message),
      message.blockId,
      message.timeNs,
      ...signedItems(message),
    ],
    read: (fields) => ({
      kind: 'commit',
      ...readPlace(fields),
      blockId: fields.bytes(32),
      timeNs: fields.u64(),
      ...readSigned(fields),
    }),
  },
  checkpoint: {
    number: 4,
    count: 7,
    items: (message) => [
      message.epoch,
      message.height,
      message.blockId,
      message.appHash,
      ...signedItems(message),
    ],
    read: (fields) => ({
      kind: 'checkpoint',
      epoch: fields.whole(),
      height: fields.u64(),
      blockId: fields.bytes(32),
      appHash: fields.bytes(32),
      ...readSigned(fields),
    }),
  },
  viewChange: {
    number: 5,
    count: 3,
    items: (message) => [
      viewChangeToCbor(message),
      message.block === null ? null : nestBlock(message.block),
    ],
    read: (fields) => ({ ...readViewChange(fields.any()), block: fields.orNull(unnestBlock) }),
  },
  newView: {
    number: 6,
    count: 7,
    items: (message) => [
      ...placeItems(message),
      message.viewChanges.map(viewChangeToCbor),
      ...signedItems(message),
    ],
    read: (fields) => ({
      kind: 'newView',
      ...readPlace(fields),
      viewChanges: fields.list(ANY_COUNT, (list) => readViewChange(list.any())),
      ...readSigned(fields),
    }),
  },
  request: {
    number: 7,
    count: 2,
    items: ({ transactions }) => [transactions],
    read: (fields) => ({
      kind: 'request',
      transactions: fields.list(ANY_COUNT, (list) => list.bytes()),
    }),
  },
  status: {
    number: 8,
    count: 4,
    items: ({ height, view, hasProposal }) => [height, view, hasProposal],
    read: (fields) => ({
      kind: 'status',
      height: fields.u64(),
      view: fields.whole(),
      hasProposal: fields.flag(),
    }),
  },
  fetchBlocks: {
    number: 9,
    count: 2,
    items: ({ fromHeight }) => [fromHeight],
    read: (fields) => ({ kind: 'fetchBlocks', fromHeight: fields.u64() }),
  },
  blocks: {
    number: 10,
    count: 2,
    items: ({ blocks }) => [blocks.map(certifiedBlockToCbor)],
    read: (fields) => ({
      kind: 'blocks',
      blocks: fields.list(ANY_COUNT, (list) => certifiedBlockFromCbor(list.any())),
    }),
  },
};

const BY_NUMBER: ReadonlyMap<number, Pick<Format<Message>, 'count' | 'read'>> = new Map(
  Object.values(FORMATS).map((format) => [format.number, format]),
);

function messageToCbor(message: Message): Cbor {
  // The table ties a message to its own format, which the compiler cannot follow through a union.
  const { number, items } = FORMATS[message.kind] as unknown as Format<Message>;
  return [number, ...items(message)];
}

function messageFromCbor(value: Cbor): Message {
  const fields = new Fields(value, { min: 1, max: 8 });
  const format = BY_NUMBER.get(fields.whole());
  if (format === undefined) throw new CodecError('malformed', 'the kind of message is unknown');
  fields.checkCount(format.count);
  return format.read(fields);
}

/** No message is longer; a transport may refuse such frames before reading them. */
export const MESSAGE_BYTES_MAX: number = 2 * BLOCK_ENCODING_BYTES_MAX;

const LIMITS = { bytesMax: MESSAGE_BYTES_MAX, depthMax: 9 };

export function encodeMessage(message: Message): Bytes {
  return encode(messageToCbor(message));
}

/** @throws CodecError */
export function decodeMessage(bytes: Bytes): Message {
  return messageFromCbor(decode(bytes, LIMITS));
}

const VOTED = 1;
const PREPARED = 2;

export function encodeWalRecord(record: WalRecord): Bytes {
  if (record.kind === 'voted') return encode([VOTED, record.height, messageToCbor(record.message)]);
  const { height, certificate, block } = record;
  return encode([PREPARED, height, preparedToCbor(certificate), nestBlock(block)]);
}

function readVote(value: Cbor): Vote {
  const message = messageFromCbor(value);
  switch (message.kind) {
    case 'prePrepare':
    case 'prepare':
    case 'commit':
    case 'viewChange':
    case 'newView':
      return message;
    case 'checkpoint':
    case 'request':
    case 'status':
    case 'fetchBlocks':
    case 'blocks':
      throw new CodecError('malformed', 'a record holds a message that is not a vote');
  }
}

/** @throws CodecError */
export function decodeWalRecord(bytes: Bytes): WalRecord {
  const fields = new Fields(decode(bytes, LIMITS), { min: 3, max: 4 });
  const kind = fields.whole();
  fields.checkCount(kind === PREPARED ? 4 : 3);
  const height = fields.u64();
  if (kind === VOTED) return { kind: 'voted', height, message: readVote(fields.any()) };
  if (kind !== PREPARED) throw new CodecError('malformed', 'the kind of record is unknown');
  return {
    kind: 'prepared',
    height,
    certificate: readPrepared(fields.any()),
    block: unnestBlock(fields),
  };
}
