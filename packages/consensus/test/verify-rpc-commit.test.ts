import { verifySignature } from '@yilian/crypto/signature';
import { expect, test } from 'vitest';
import { cometLightEngine } from '../src/light/cometbft/cometbft-light-engine.ts';
import { cometHeaderHash } from '../src/light/cometbft/header.ts';
import { type ExecutedBlock, verifyRpcCommit } from '../src/light/cometbft/verify-rpc-commit.ts';
import { blockAt, blocks, recording } from './comet-chain.ts';

function executedAt(height: number): ExecutedBlock {
  const { header, validators } = blockAt(height);
  return {
    chainId: recording.chainId,
    height: BigInt(height),
    blockId: cometHeaderHash(header),
    appHash: header.appHash,
    validators: validators.validators,
    nextValidators: blockAt(height + 1).validators.validators,
  };
}

const answerAt = (height: number): unknown => recording.commits[height - 1];
const other = new Uint8Array(32).fill(7);

test('what the engine decided and the node executed is stored as others will verify it', () => {
  for (let height = 1; height < blocks.length; height++) {
    const verdict = verifyRpcCommit(answerAt(height), executedAt(height), verifySignature);
    if (!verdict.ok) throw new Error(verdict.code);
    const { header } = cometLightEngine.decodeHeader(verdict.encoded);
    expect(header).toMatchObject({
      height: BigInt(height),
      blockId: blockAt(height).commit.blockId.hash,
    });
  }
});

const four = [...blockAt(5).validators.validators];

test.each<[string, unknown, Partial<ExecutedBlock>, string]>([
  ['is no commit', { signed_header: null }, {}, 'malformed'],
  ['is an error', null, {}, 'malformed'],
  ['is of another height', answerAt(4), {}, 'wrongBlock'],
  ['is of another chain', answerAt(5), { chainId: 'other' }, 'wrongChain'],
  ['is of another block than was executed', answerAt(5), { blockId: other }, 'wrongBlock'],
  ['stands on another state', answerAt(5), { appHash: other }, 'appHashDiffers'],
  ['has other validators', answerAt(5), { validators: four.slice(1) }, 'validatorsDiffer'],
  ['announces others', answerAt(5), { nextValidators: four.slice(1) }, 'validatorsDiffer'],
])('an answer that %s makes nothing final', (_, answer, change, code) => {
  expect(verifyRpcCommit(answerAt(5), executedAt(5), verifySignature).ok).toBe(true);
  const executed = { ...executedAt(5), ...change };
  expect(verifyRpcCommit(answer, executed, verifySignature)).toEqual({ ok: false, code });
});

test('an answer whose votes are too few or false makes nothing final', () => {
  const forged = structuredClone(answerAt(5)) as {
    signed_header: { commit: { signatures: { signature: string | null }[] } };
  };
  for (const vote of forged.signed_header.commit.signatures)
    if (vote.signature !== null) vote.signature = Buffer.alloc(64, 9).toString('base64');
  expect(verifyRpcCommit(forged, executedAt(5), verifySignature)).toEqual({
    ok: false,
    code: 'noQuorum',
  });
  const answer = structuredClone(answerAt(5)) as {
    signed_header: { commit: { signatures: object[] } };
  };
  const absent = {
    block_id_flag: 1,
    validator_address: '',
    timestamp: '0001-01-01T00:00:00Z',
    signature: null,
  };
  answer.signed_header.commit.signatures.splice(0, 2, absent, absent);
  expect(verifyRpcCommit(answer, executedAt(5), verifySignature)).toEqual({
    ok: false,
    code: 'noQuorum',
  });
});
