/** Our messages against cosmjs-types, which is generated from the same .proto files, in both directions. */
import {
  Request as OtherRequest,
  Response as OtherResponse,
} from 'cosmjs-types/tendermint/abci/types';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Bytes, toHex } from '@yilian/crypto/bytes';
import {
  decodeRequest,
  decodeResponse,
  encodeExceptionFrame,
  encodeRequestFrame,
  encodeResponseFrame,
} from '../../src/abci/envelope.ts';
import type { RequestBodies, RequestKind } from '../../src/abci/requests.ts';
import type { ResponseBodies } from '../../src/abci/responses.ts';

const bytes = fc.uint8Array({ maxLength: 40 });
const long = fc.uint8Array({ minLength: 100, maxLength: 300 });
const text = fc.string({ unit: 'grapheme', maxLength: 12 });
/** cosmjs-types 0.11 writes these wrongly, cut to their lowest bits (seconds from the year 2038 on): see below. */
const isSpoiled = (value: bigint): boolean => value >= 1n << 31n && value < 1n << 32n;
const int64 = fc
  .bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n })
  .filter((value) => !isSpoiled(value));
const uint64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }).filter((value) => !isSpoiled(value));
const uint32 = fc.nat(0xffff_ffff);
const int32 = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff });
/** From year 1 to 9999: what a timestamp may say. */
const time = fc
  .bigInt({ min: -62_135_596_800_000_000_000n, max: 253_402_300_799_999_999_999n })
  .filter((value) => !isSpoiled(value / 1_000_000_000n));
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined });
const list = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
  fc.array(arbitrary, { maxLength: 4 });

const publicKey = fc.record({
  type: fc.constantFrom('ed25519' as const, 'secp256k1' as const),
  key: bytes,
});
const validatorUpdate = fc.record({ publicKey, power: int64 });
const validator = fc.record({ address: bytes, power: int64 });
const blockIdFlag = fc.constantFrom(
  'unknown' as const,
  'absent' as const,
  'commit' as const,
  'nil' as const,
);
const commitInfo = fc.record({ round: int32, votes: list(fc.record({ validator, blockIdFlag })) });
const extendedCommitInfo = fc.record({
  round: int32,
  votes: list(
    fc.record({ validator, voteExtension: bytes, extensionSignature: bytes, blockIdFlag }),
  ),
});
const misbehaviour = list(
  fc.record({
    type: fc.constantFrom(
      'unknown' as const,
      'duplicateVote' as const,
      'lightClientAttack' as const,
    ),
    validator,
    height: int64,
    timeNs: time,
    totalVotingPower: int64,
  }),
);
const event = fc.record({
  type: text,
  attributes: list(fc.record({ key: text, value: text, index: fc.boolean() })),
});
const snapshot = fc.record({
  height: uint64,
  format: uint32,
  chunks: uint32,
  hash: bytes,
  metadata: bytes,
});
const params = maybe(
  fc.record({
    block: maybe(fc.record({ maxBytes: int64, maxGas: int64 })),
    evidence: maybe(
      fc.record({
        maxAgeNumBlocks: int64,
        maxAgeDurationNs: fc.bigInt({ min: 0n, max: 10n ** 18n }),
        maxBytes: int64,
      }),
    ),
    validator: maybe(fc.record({ publicKeyTypes: list(text) })),
    version: maybe(fc.record({ app: uint64 })),
    abci: maybe(fc.record({ voteExtensionsEnableHeight: int64 })),
  }),
);
const block = {
  height: int64,
  timeNs: time,
  txs: list(fc.oneof(bytes, long)),
  misbehaviour,
  nextValidatorsHash: bytes,
  proposerAddress: bytes,
};
const result = fc.record({
  code: uint32,
  data: bytes,
  log: text,
  info: text,
  gasWanted: int64,
  gasUsed: int64,
  events: list(event),
  codespace: text,
});

const requests: { readonly [K in RequestKind]: fc.Arbitrary<RequestBodies[K]> } = {
  echo: fc.record({ message: text }),
  flush: fc.constant({}),
  info: fc.record({ version: text, blockVersion: uint64, p2pVersion: uint64, abciVersion: text }),
  initChain: fc.record({
    timeNs: time,
    chainId: text,
    consensusParams: params,
    validators: list(validatorUpdate),
    appStateBytes: long,
    initialHeight: int64,
  }),
  query: fc.record({ data: bytes, path: text, height: int64, prove: fc.boolean() }),
  checkTx: fc.record({ tx: long, type: fc.constantFrom('new' as const, 'recheck' as const) }),
  commit: fc.constant({}),
  listSnapshots: fc.constant({}),
  offerSnapshot: fc.record({ snapshot: maybe(snapshot), appHash: bytes }),
  loadSnapshotChunk: fc.record({ height: uint64, format: uint32, chunk: uint32 }),
  applySnapshotChunk: fc.record({ index: uint32, chunk: long, sender: text }),
  prepareProposal: fc.record({ ...block, maxTxBytes: int64, localLastCommit: extendedCommitInfo }),
  processProposal: fc.record({ ...block, proposedLastCommit: commitInfo, hash: bytes }),
  extendVote: fc.record({ ...block, proposedLastCommit: commitInfo, hash: bytes }),
  verifyVoteExtension: fc.record({
    hash: bytes,
    validatorAddress: bytes,
    height: int64,
    voteExtension: bytes,
  }),
  finalizeBlock: fc.record({ ...block, decidedLastCommit: commitInfo, hash: bytes }),
};

const verdict = fc.record({ status: fc.constantFrom('accept' as const, 'reject' as const) });
const responses: { readonly [K in RequestKind]: fc.Arbitrary<ResponseBodies[K]> } = {
  echo: fc.record({ message: text }),
  flush: fc.constant({}),
  info: fc.record({
    data: text,
    version: text,
    appVersion: uint64,
    lastBlockHeight: int64,
    lastBlockAppHash: bytes,
  }),
  initChain: fc.record({
    consensusParams: params,
    validators: list(validatorUpdate),
    appHash: bytes,
  }),
  query: fc.record({
    code: uint32,
    log: text,
    info: text,
    index: int64,
    key: bytes,
    value: long,
    proofOps: maybe(fc.record({ ops: list(fc.record({ type: text, key: bytes, data: bytes })) })),
    height: int64,
    codespace: text,
  }),
  checkTx: result,
  commit: fc.record({ retainHeight: int64 }),
  listSnapshots: fc.record({ snapshots: list(snapshot) }),
  offerSnapshot: fc.record({
    result: fc.constantFrom('accept', 'abort', 'reject', 'rejectFormat', 'rejectSender'),
  }),
  loadSnapshotChunk: fc.record({ chunk: long }),
  applySnapshotChunk: fc.record({
    result: fc.constantFrom('accept', 'abort', 'retry', 'retrySnapshot', 'rejectSnapshot'),
    // Without any, cosmjs-types writes an empty packed field and Go writes none: see below.
    refetchChunks: fc.array(uint32, { minLength: 1, maxLength: 4 }),
    rejectSenders: list(text),
  }),
  prepareProposal: fc.record({ txs: list(long) }),
  processProposal: verdict,
  extendVote: fc.record({ voteExtension: bytes }),
  verifyVoteExtension: verdict,
  finalizeBlock: fc.record({
    events: list(event),
    txResults: list(result),
    validatorUpdates: list(validatorUpdate),
    consensusParamUpdates: params,
    appHash: bytes,
  }),
};

const KINDS = Object.keys(requests) as RequestKind[];

/** The message within a frame. */
function unframed(frame: Bytes): Bytes {
  let at = 0;
  while ((frame[at] ?? 0) >= 0x80) at += 1;
  return frame.slice(at + 1);
}

/** What cosmjs-types calls what we call otherwise. */
const NAMES: Readonly<Record<string, string>> = {
  publicKey: 'pubKey',
  publicKeyTypes: 'pubKeyTypes',
  misbehaviour: 'misbehavior',
  timeNs: 'time',
  maxAgeDurationNs: 'maxAgeDuration',
};
const ENUMS: Readonly<Record<string, readonly string[]>> = {
  blockIdFlag: ['unknown', 'absent', 'commit', 'nil'],
  checkTxType: ['new', 'recheck'],
  misbehaviourType: ['unknown', 'duplicateVote', 'lightClientAttack'],
  status: ['', 'accept', 'reject'],
  offerResult: ['', 'accept', 'abort', 'reject', 'rejectFormat', 'rejectSender'],
  applyResult: ['', 'accept', 'abort', 'retry', 'retrySnapshot', 'rejectSnapshot'],
};

function enumOf(name: string, siblings: object): readonly string[] | undefined {
  if (name === 'blockIdFlag' || name === 'status') return ENUMS[name];
  if (name === 'type' && 'tx' in siblings) return ENUMS['checkTxType'];
  if (name === 'type' && 'totalVotingPower' in siblings) return ENUMS['misbehaviourType'];
  if (name === 'result')
    return 'refetchChunks' in siblings ? ENUMS['applyResult'] : ENUMS['offerResult'];
  return undefined;
}

/** Our value in the shape of cosmjs-types. */
function toOther(value: unknown): unknown {
  if (value instanceof Uint8Array || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(toOther);
  if ('type' in value && 'key' in value && Object.keys(value).length === 2)
    return { [value.type === 'ed25519' ? 'ed25519' : 'secp256k1']: value.key };
  const other: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(value)) {
    const named = NAMES[name] ?? name;
    if (typeof field === 'bigint' && name.endsWith('Ns')) {
      const nanos = ((field % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
      other[named] = { seconds: (field - nanos) / 1_000_000_000n, nanos: Number(nanos) };
    } else if (typeof field === 'string') {
      const at = enumOf(name, value)?.indexOf(field);
      other[named] = at ?? field;
    } else other[named] = toOther(field);
  }
  return other;
}

describe('messages agree with code generated from the .proto files', () => {
  test.each(KINDS)('request %s, both directions, to the byte', (kind) => {
    fc.assert(
      fc.property(requests[kind] as fc.Arbitrary<RequestBodies[RequestKind]>, (body) => {
        const ours = unframed(encodeRequestFrame(kind, body as never));
        const theirs = OtherRequest.encode(
          OtherRequest.fromPartial({ [kind]: toOther(body) } as never),
        ).finish();
        expect(ours).toEqual(new Uint8Array(theirs));
        expect(decodeRequest(theirs)).toEqual({ kind, body });
      }),
      { numRuns: 60 },
    );
  });

  test.each(KINDS)('response %s, both directions, to the byte', (kind) => {
    fc.assert(
      fc.property(responses[kind] as fc.Arbitrary<ResponseBodies[RequestKind]>, (body) => {
        const ours = unframed(encodeResponseFrame(kind, body as never));
        const theirs = OtherResponse.encode(
          OtherResponse.fromPartial({ [kind]: toOther(body) } as never),
        ).finish();
        expect(ours).toEqual(new Uint8Array(theirs));
        expect(decodeResponse(theirs)).toEqual({ kind, body });
      }),
      { numRuns: 60 },
    );
  });

  test('whole numbers from 2^31 to 2^32, where the other encoder fails', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n << 31n, max: (1n << 32n) - 1n }), (value) => {
        const body = { retainHeight: value };
        const ours = unframed(encodeResponseFrame('commit', body));
        expect(OtherResponse.decode(ours).commit).toEqual(body);
        expect(decodeResponse(ours)).toEqual({ kind: 'commit', body });
      }),
    );
    const ours = encodeResponseFrame('commit', { retainHeight: 1n << 31n });
    expect(toHex(ours)).toBe('086206188080808008');
  });

  test('no numbers are no field, as Go writes it', () => {
    const none = { result: 'accept' as const, refetchChunks: [], rejectSenders: [] };
    const ours = unframed(encodeResponseFrame('applySnapshotChunk', none));
    expect(toHex(ours)).toBe('8201020801');
    expect(decodeResponse(ours)).toEqual({ kind: 'applySnapshotChunk', body: none });
  });

  test('an exception', () => {
    const ours = unframed(encodeExceptionFrame('no'));
    expect(OtherResponse.decode(ours).exception).toEqual({ error: 'no' });
    expect(decodeResponse(ours)).toEqual({ kind: 'exception', body: { error: 'no' } });
  });
});

describe('what is no message of ours', () => {
  test('any bytes give a message, nothing, or CodecError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (noise) => {
        for (const decode of [decodeRequest, decodeResponse])
          try {
            decode(noise);
          } catch (error) {
            expect(error).toMatchObject({ name: 'CodecError' });
          }
      }),
      { numRuns: 2_000 },
    );
  });

  test('a message cut anywhere is malformed, or a shorter message: never a crash', () => {
    fc.assert(
      fc.property(requests.finalizeBlock, fc.nat(1_000), (body, cut) => {
        const whole = unframed(encodeRequestFrame('finalizeBlock', body));
        const part = whole.slice(0, cut % whole.length);
        if (part.length === 0) expect(decodeRequest(part)).toBeUndefined();
        else expect(() => decodeRequest(part)).toThrow();
      }),
    );
  });

  test('methods of other versions are not known', () => {
    for (const number of [4, 7, 9, 10, 21, 22, 100])
      expect(decodeRequest(emptyMember(number))).toBeUndefined();
  });

  test('UNKNOWN, on which CometBFT panics, reads as the careful answer and cannot be written', () => {
    const unknown = OtherResponse.encode(
      OtherResponse.fromPartial({ processProposal: { status: 0 } }),
    ).finish();
    expect(decodeResponse(unknown)).toEqual({
      kind: 'processProposal',
      body: { status: 'reject' },
    });
    fc.assert(
      fc.property(responses.processProposal, (body) => {
        const { processProposal } = OtherResponse.decode(
          unframed(encodeResponseFrame('processProposal', body)),
        );
        expect(processProposal?.status).toBeGreaterThan(0);
      }),
    );
  });

  test('a verdict that does not exist is malformed', () => {
    const strange = OtherResponse.encode(
      OtherResponse.fromPartial({ processProposal: { status: 9 as never } }),
    ).finish();
    expect(() => decodeResponse(strange)).toThrow(/enumeration/);
  });

  test('unknown fields of a known message are passed over', () => {
    const frame = unframed(encodeRequestFrame('checkTx', { tx: Uint8Array.of(1), type: 'new' }));
    const inner = frame.slice(2);
    const extra = [
      0x98, 0x06, 0x01, 0x9a, 0x06, 0x01, 0x07, 0x9d, 0x06, 1, 2, 3, 4, 0x99, 0x06, 1, 2, 3, 4, 5,
      6, 7, 8,
    ];
    const message = Uint8Array.of(0x42, inner.length + extra.length, ...extra, ...inner);
    expect(decodeRequest(message)).toEqual({
      kind: 'checkTx',
      body: { tx: Uint8Array.of(1), type: 'new' },
    });
  });

  test('a key of a later kind is unknown, not another kind of key', () => {
    const update = Uint8Array.of(0x0a, 0x04, 0x1a, 0x02, 7, 7, 0x10, 0x05);
    const request = Uint8Array.of(0x2a, update.length + 2, 0x22, update.length, ...update);
    const decoded = decodeRequest(request);
    expect(decoded?.kind === 'initChain' && decoded.body.validators).toEqual([
      { publicKey: { type: 'unknown' }, power: 5n },
    ]);
  });

  test('byte fields are copies: what is kept survives the buffer it came in', () => {
    const buffer = unframed(
      encodeRequestFrame('checkTx', { tx: Uint8Array.of(1, 2, 3), type: 'new' }),
    );
    for (const view of [buffer, Buffer.from(buffer)]) {
      const decoded = decodeRequest(view);
      view.fill(0xff);
      expect(decoded?.kind === 'checkTx' && [...decoded.body.tx]).toEqual([1, 2, 3]);
      view.set(
        unframed(encodeRequestFrame('checkTx', { tx: Uint8Array.of(1, 2, 3), type: 'new' })),
      );
    }
  });
});

/** A request oneof with an empty message at this number. */
function emptyMember(number: number): Bytes {
  const tag = number * 8 + 2;
  return tag < 0x80 ? Uint8Array.of(tag, 0) : Uint8Array.of((tag & 0x7f) | 0x80, tag >> 7, 0);
}
