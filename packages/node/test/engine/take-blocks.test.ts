import type { CertifiedBlock } from '@yilian/consensus/block';
import type { Certificate } from '@yilian/consensus/certificate';
import { encodeMessage } from '@yilian/consensus/pbft/message-codec';
import { expect, test } from 'vitest';
import { takeBlocks } from '../../src/ordering/take-blocks.ts';

const bytes = (length: number): Uint8Array => new Uint8Array(length).fill(1);

/** An empty block of a consortium with so many members. */
function emptyBlock(height: bigint, members: number): CertifiedBlock {
  const certificate: Certificate = {
    height,
    view: 0,
    blockId: bytes(32),
    signatures: Array.from({ length: members }, (_, signer) => ({
      signer,
      timeNs: 1_700_000_000_000_000_000n,
      signature: bytes(64),
    })),
  };
  const header = {
    version: 1,
    chainId: 'test',
    height,
    previousId: bytes(32),
    timeNs: 1_700_000_000_000_000_000n,
    transactionsRoot: bytes(32),
    appHash: bytes(32),
    parentCertificateHash: bytes(32),
    validatorsHash: bytes(32),
    nextValidatorsHash: bytes(32),
    proposer: bytes(32),
    count: 0,
    size: 0,
    difficulty: 0,
    puzzleNonce: null,
  };
  const block = { header, signature: bytes(64), transactions: [], parentCertificate: certificate };
  return { block, certificate };
}

const MIB = 1_048_576;
const range = { fromHeight: 1n, toHeight: 10_000n, bytesMax: MIB };

test.each([4, 100, 256])(
  'PB-20 an answer about an idle chain of %i members fits its bytes, certificates included',
  (members) => {
    const blocks = takeBlocks({ block: (height) => emptyBlock(height, members) }, range);
    expect(blocks.length).toBeGreaterThan(1);
    expect(encodeMessage({ kind: 'blocks', blocks }).length).toBeLessThanOrEqual(MIB);
  },
);

test('PB-20 an answer begins where it was asked to, has at least one block and ends with the chain', () => {
  const chain = { block: (height: bigint) => emptyBlock(height, 4) };
  expect(takeBlocks(chain, { ...range, bytesMax: 1 })).toHaveLength(1);
  const last = takeBlocks(chain, { ...range, fromHeight: 9_998n });
  expect(last.map(({ block }) => block.header.height)).toEqual([9_998n, 9_999n, 10_000n]);
  expect(takeBlocks({ block: () => undefined }, range)).toEqual([]);
});
