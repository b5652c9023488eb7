/** How CometBFT names a block: the hash of its header, and of the parts in which it was gossiped. */
import { type Bytes, CodecError, equalBytes } from '@yilian/crypto/bytes';
import type { ProtobufReader, ProtobufWriter } from '../../protobuf.ts';

export interface BlockId {
  /** 32 bytes; empty, with no parts, where there is no block (below height 1). */
  readonly hash: Bytes;
  readonly partsTotal: number;
  readonly partsHash: Bytes;
}

export const NO_BLOCK: BlockId = {
  hash: new Uint8Array(0),
  partsTotal: 0,
  partsHash: new Uint8Array(0),
};

export function isNoBlock(id: BlockId): boolean {
  return id.hash.length === 0 && id.partsTotal === 0 && id.partsHash.length === 0;
}

export function equalBlockIds(left: BlockId, right: BlockId): boolean {
  return (
    left.partsTotal === right.partsTotal &&
    equalBytes(left.hash, right.hash) &&
    equalBytes(left.partsHash, right.partsHash)
  );
}

/** @throws CodecError unless it names a block */
export function assertBlockId(id: BlockId): BlockId {
  if (id.hash.length !== 32 || id.partsHash.length !== 32 || id.partsTotal === 0)
    throw new CodecError('malformed', 'this is not the id of a block');
  return id;
}

/** `BlockID` and `CanonicalBlockID` have the same form: hash (1), parts (2) of total (1) and hash (2). */
export function writeBlockId(writer: ProtobufWriter, id: BlockId): void {
  writer.bytes(1, id.hash);
  writer.message(2, id, (parts, { partsTotal, partsHash }) => {
    parts.uint32(1, partsTotal);
    parts.bytes(2, partsHash);
  });
}

export function readBlockId(reader: ProtobufReader): BlockId {
  let { hash, partsTotal, partsHash } = NO_BLOCK;
  for (let field = reader.next(); field !== 0; field = reader.next())
    if (field === 1) hash = reader.bytes();
    else if (field === 2)
      reader.message((parts) => {
        for (let part = parts.next(); part !== 0; part = parts.next())
          if (part === 1) partsTotal = parts.uint32();
          else if (part === 2) partsHash = parts.bytes();
          else parts.skip();
      });
    else reader.skip();
  return { hash, partsTotal, partsHash };
}
