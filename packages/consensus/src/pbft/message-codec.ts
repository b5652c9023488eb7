/** Messages as bytes: a kind number and fields, strict in both directions. */
import { type Bytes, CodecError } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';
import {
  BLOCK_ENCODING_BYTES_MAX,
  certifiedBlockFromCbor,
  certifiedBlockToCbor,
  nestBlock,
  unnestBlock,
} from '../block.ts';
import { certificateFromCbor } from '../certificate.ts';
import { readArray, readBig, readBytes, readCount, readFlag, readOptional } from '../fields.ts';
import type { Message, PreparedCertificate, ViewChange } from './messages.ts';
import { preparedToCbor, viewChangeToCbor } from './signed-body.ts';
import type { WalRecord } from './wal.ts';

const KIND = {
  prePrepare: 1,
  prepare: 2,
  commit: 3,
  checkpoint: 4,
  viewChange: 5,
  newView: 6,
  request: 7,
  status: 8,
  fetchBlocks: 9,
  blocks: 10,
} as const;

function messageToCbor(message: Message): Cbor {
  const kind = KIND[message.kind];
  switch (message.kind) {
    case 'prePrepare':
      return [
        kind,
        message.epoch,
        message.height,
        message.view,
        message.blockId,
        message.signer,
        message.signature,
        nestBlock(message.block),
      ];
    case 'prepare':
      return [
        kind,
        message.epoch,
        message.height,
        message.view,
        message.blockId,
        message.signer,
        message.signature,
      ];
    case 'commit':
      return [
        kind,
        message.epoch,
        message.height,
        message.view,
        message.blockId,
        message.timeNs,
        message.signer,
        message.signature,
      ];
    case 'checkpoint':
      return [
        kind,
        message.epoch,
        message.height,
        message.blockId,
        message.appHash,
        message.signer,
        message.signature,
      ];
    case 'viewChange':
      return [
        kind,
        viewChangeToCbor(message),
        message.block === null ? null : nestBlock(message.block),
      ];
    case 'newView':
      return [
        kind,
        message.epoch,
        message.height,
        message.view,
        message.viewChanges.map(viewChangeToCbor),
        message.signer,
        message.signature,
      ];
    case 'request':
      return [kind, message.transactions];
    case 'status':
      return [kind, message.height, message.view, message.hasProposal];
    case 'fetchBlocks':
      return [kind, message.fromHeight];
    case 'blocks':
      return [kind, message.blocks.map(certifiedBlockToCbor)];
  }
}

/** Fields of one message, read in order; every field must be read and none may be left. */
function createReader(value: Cbor | undefined, length: number): () => Cbor | undefined {
  const items = readArray(value, length);
  let next = 0;
  return () => items[next++];
}

function preparedFromCbor(value: Cbor): PreparedCertificate {
  const next = createReader(value, 6);
  return {
    height: readBig(next()),
    view: readCount(next()),
    blockId: readBytes(next(), 32),
    primary: readCount(next()),
    primarySignature: readBytes(next(), 64),
    prepares: readArray(next()).map((item) => {
      const [signer, signature] = readArray(item, 2);
      return { signer: readCount(signer), signature: readBytes(signature, 64) };
    }),
  };
}

function viewChangeFromCbor(value: Cbor | undefined): ViewChange {
  const next = createReader(value, 7);
  return {
    kind: 'viewChange',
    epoch: readCount(next()),
    height: readBig(next()),
    view: readCount(next()),
    parentCertificate: readOptional(next(), certificateFromCbor),
    prepared: readOptional(next(), preparedFromCbor),
    signer: readCount(next()),
    signature: readBytes(next(), 64),
    block: null,
  };
}

function messageFromCbor(value: Cbor): Message {
  const kind = readCount(readArray(value)[0]);
  const open = (length: number): (() => Cbor | undefined) => {
    const next = createReader(value, length);
    next();
    return next;
  };
  switch (kind) {
    case KIND.prePrepare: {
      const next = open(8);
      return {
        kind: 'prePrepare',
        epoch: readCount(next()),
        height: readBig(next()),
        view: readCount(next()),
        blockId: readBytes(next(), 32),
        signer: readCount(next()),
        signature: readBytes(next(), 64),
        block: unnestBlock(next()),
      };
    }
    case KIND.prepare: {
      const next = open(7);
      return {
        kind: 'prepare',
        epoch: readCount(next()),
        height: readBig(next()),
        view: readCount(next()),
        blockId: readBytes(next(), 32),
        signer: readCount(next()),
        signature: readBytes(next(), 64),
      };
    }
    case KIND.commit: {
      const next = open(8);
      return {
        kind: 'commit',
        epoch: readCount(next()),
        height: readBig(next()),
        view: readCount(next()),
        blockId: readBytes(next(), 32),
        timeNs: readBig(next()),
        signer: readCount(next()),
        signature: readBytes(next(), 64),
      };
    }
    case KIND.checkpoint: {
      const next = open(7);
      return {
        kind: 'checkpoint',
        epoch: readCount(next()),
        height: readBig(next()),
        blockId: readBytes(next(), 32),
        appHash: readBytes(next(), 32),
        signer: readCount(next()),
        signature: readBytes(next(), 64),
      };
    }
    case KIND.viewChange: {
      const next = open(3);
      return { ...viewChangeFromCbor(next()), block: readOptional(next(), unnestBlock) };
    }
    case KIND.newView: {
      const next = open(7);
      return {
        kind: 'newView',
        epoch: readCount(next()),
        height: readBig(next()),
        view: readCount(next()),
        viewChanges: readArray(next()).map(viewChangeFromCbor),
        signer: readCount(next()),
        signature: readBytes(next(), 64),
      };
    }
    case KIND.request: {
      const next = open(2);
      return {
        kind: 'request',
        transactions: readArray(next()).map((item) => readBytes(item)),
      };
    }
    case KIND.status: {
      const next = open(4);
      return {
        kind: 'status',
        height: readBig(next()),
        view: readCount(next()),
        hasProposal: readFlag(next()),
      };
    }
    case KIND.fetchBlocks: {
      const next = open(2);
      return { kind: 'fetchBlocks', fromHeight: readBig(next()) };
    }
    case KIND.blocks: {
      const next = open(2);
      return { kind: 'blocks', blocks: readArray(next()).map(certifiedBlockFromCbor) };
    }
    default:
      throw new CodecError('malformed', 'the kind of message is unknown');
  }
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

export function encodeWalRecord(record: WalRecord): Bytes {
  if (record.kind === 'voted') return encode([1, record.height, messageToCbor(record.message)]);
  const { height, certificate, block } = record;
  return encode([2, height, preparedToCbor(certificate), nestBlock(block)]);
}

/** @throws CodecError */
export function decodeWalRecord(bytes: Bytes): WalRecord {
  const value = decode(bytes, LIMITS);
  const [kind] = readArray(value);
  if (kind === 2) {
    const [, height, certificate, block] = readArray(value, 4);
    if (certificate === undefined) throw new CodecError('malformed', 'a certificate is missing');
    return {
      kind: 'prepared',
      height: readBig(height),
      certificate: preparedFromCbor(certificate),
      block: unnestBlock(block),
    };
  }
  if (kind !== 1) throw new CodecError('malformed', 'the kind of record is unknown');
  const [, height, voted] = readArray(value, 3);
  if (voted === undefined) throw new CodecError('malformed', 'a vote is missing');
  const message = messageFromCbor(voted);
  switch (message.kind) {
    case 'prePrepare':
    case 'prepare':
    case 'commit':
    case 'viewChange':
    case 'newView':
      return { kind: 'voted', height: readBig(height), message };
    case 'checkpoint':
    case 'request':
    case 'status':
    case 'fetchBlocks':
    case 'blocks':
      throw new CodecError('malformed', 'a record holds a message that is not a vote');
  }
}
