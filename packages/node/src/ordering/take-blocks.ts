/** What one answer of state transfer holds: as many stored blocks as its bytes and a turn of the loop allow. */
import { type CertifiedBlock, encodeBlock } from '@yilian/consensus/block';
import { encodeCertificate } from '@yilian/consensus/certificate';
import type { ChainStore } from '../storage/chain-store.ts';

/** Reading so many small blocks keeps the loop for some ten milliseconds. */
const BLOCKS_MAX = 256;

/** Room for the heads of the encoding around a block. */
const FRAME_BYTES = 32;

/**
 * Consecutive blocks, at least one if there is one. Bytes are those that go over the wire: with many
 * members the certificates of an empty block weigh more than all else.
 */
export function takeBlocks(
  chain: Pick<ChainStore, 'block'>,
  range: { readonly fromHeight: bigint; readonly toHeight: bigint; readonly bytesMax: number },
): readonly CertifiedBlock[] {
  const blocks: CertifiedBlock[] = [];
  let bytes = 0;
  for (let height = range.fromHeight; height <= range.toHeight; height++) {
    if (blocks.length >= BLOCKS_MAX) break;
    const decided = chain.block(height);
    if (decided === undefined) break;
    bytes += encodeBlock(decided.block).length + encodeCertificate(decided.certificate).length;
    bytes += FRAME_BYTES;
    if (blocks.length > 0 && bytes > range.bytesMax) break;
    blocks.push(decided);
  }
  return blocks;
}
