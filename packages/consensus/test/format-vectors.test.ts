/**
 * Digests of everything that ordering signs, sends or stores. Keys and clocks of the stage are fixed, so
 * the same bytes come out of every run. To write the file again after a deliberate change of format
 * (which needs a decision record):
 *   YILIAN_WRITE_VECTORS=1 npx vitest run packages/consensus/test/format-vectors.test.ts
 */
import { readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { type Bytes, toHex } from '@yilian/crypto/bytes';
import { expect, test } from 'vitest';
import { encodeCertifiedBlock } from '../src/block.ts';
import { certificateHash, encodeCertificate } from '../src/certificate.ts';
import { encodeChainTip } from '../src/chain-tip.ts';
import { genesisId, genesisTip } from '../src/genesis.ts';
import { encodeSignedHeader, headerId } from '../src/header.ts';
import { encodePbftLightBlock } from '../src/light/pbft-light-engine.ts';
import { trustGenesis, encodeTrustedBlock } from '../src/light/trust.ts';
import { encodeTrustCheckpoint } from '../src/light/trust-checkpoint.ts';
import { encodeMessage } from '../src/pbft/message-codec.ts';
import type { Message } from '../src/pbft/messages.ts';
import { actorAt, createScript, hash, propose } from './script.ts';

const file = new URL('vectors/formats.json', import.meta.url);

const script = createScript({ validators: 4 });
propose(script);
script.deliver();
for (const index of [0, 1, 2, 3]) script.expire(index, 'view');
script.deliver();

const digest = (bytes: Bytes): string => toHex(hash(bytes));

function digestsOf(parts: Readonly<Record<string, Bytes>>): Record<string, string> {
  return Object.fromEntries(Object.entries(parts).map(([name, bytes]) => [name, digest(bytes)]));
}

function compute(): unknown {
  const { blocks, tip, wal } = actorAt(script, 0);
  const { chainId } = script.genesis;
  const decided = blocks[1];
  if (decided === undefined) throw new Error('two blocks were decided');
  const { block, certificate } = decided;
  const { appHash, lastValidators: validators } = tip;
  const genesis = genesisId(script.genesis);
  const trusted = trustGenesis(
    { chainId, genesisId: genesis, regulatorKey: hash(genesis) },
    script.genesis,
  );
  if (trusted === null) throw new Error('the anchor names this genesis');
  const messages: readonly Message[] = [
    ...script.actors.flatMap(({ sent }) => sent.map(({ message }) => message)),
    {
      kind: 'checkpoint',
      epoch: 1,
      height: 1n << 60n,
      blockId: genesis,
      appHash,
      signer: 3,
      signature: block.signature,
    },
    { kind: 'fetchBlocks', fromHeight: 300n },
    { kind: 'blocks', blocks },
  ];
  const byKind: Record<string, string[]> = {};
  for (const message of messages) {
    const list = (byKind[message.kind] ??= []);
    const name = digest(encodeMessage(message));
    if (!list.includes(name)) list.push(name);
  }
  return {
    ...digestsOf({
      genesisTip: encodeChainTip(genesisTip(script.genesis, { appHash, validators: [] })),
      tip: encodeChainTip(tip),
      certifiedBlock: encodeCertifiedBlock(decided),
      certificate: encodeCertificate(certificate),
      signedHeader: encodeSignedHeader(block),
      lightBlock: encodePbftLightBlock({ ...block, certificate, validators }),
      trustedBlock: encodeTrustedBlock(trusted),
      trustCheckpoint: encodeTrustCheckpoint({
        ...trusted,
        genesisId: genesis,
        signature: block.signature,
      }),
    }),
    genesisId: toHex(genesis),
    blockId: toHex(headerId(block.header)),
    certificateHash: toHex(certificateHash(chainId, certificate)),
    validatorsHash: toHex(validators.hash),
    log: wal.map(digest),
    messages: Object.fromEntries(
      Object.entries(byKind).map(([kind, names]) => [kind, names.toSorted()]),
    ),
  };
}

if (process.env['YILIAN_WRITE_VECTORS'] === '1')
  writeFileSync(file, `${JSON.stringify(compute(), null, 2)}\n`);

test('ids and encodings are those on file', () => {
  expect(compute()).toEqual(JSON.parse(readFileSync(file, 'utf8')));
});
