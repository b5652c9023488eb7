import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Bytes, CodecError, equalBytes } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';
import { parseStateAnswer, parseSubtreeAnswer } from '../src/answers.ts';
import { parseGrant } from '../src/contracts/consent/grant.ts';
import { parseRecord } from '../src/contracts/records/record.ts';
import { REQUEST_LENGTH } from '../src/contracts/consent/request-access.ts';
import {
  encodeTransaction,
  paddedRequestAccess,
  parseTransaction,
  transactionId,
} from '../src/transaction-codec.ts';
import {
  CHAIN_ID,
  Chain,
  acknowledgementTxs,
  bytesOf,
  departments,
  doctors,
  grantBody,
  grantTx,
  nodes,
  recordTx,
  regulator,
  signed,
  tagSigner,
  tx,
  visit,
} from './consortium.ts';
import { toPatientCommitment } from '../src/ids.ts';

const stroke = visit('stroke', 'hospital-a');
const { grantId } = grantBody('g');
const [acknowledgement] = acknowledgementTxs('g', 1);
if (acknowledgement === undefined) throw new Error('one was asked for');

/** One of each kind. */
const samples: readonly (readonly [string, Bytes])[] = [
  [
    'enrolMember',
    tx(regulator.signer, {
      type: 'enrolMember',
      kind: 'patient',
      commitment: toPatientCommitment(bytesOf('p')),
    }),
  ],
  ['issueRecord', recordTx({ visit: stroke, name: 'ct', statement: { marks: ['package'] } })],
  [
    'issueRecord in group mode',
    recordTx({ visit: stroke, name: 'ct', statement: { authorship: null } }),
  ],
  ['grantAccess', grantTx('g')],
  ['nodeReport', acknowledgement],
  ['narrowGrant', tx(tagSigner('g'), { type: 'narrowGrant', grantId, to: 5, narrowingHash: null })],
  [
    'publishNodeKey',
    tx(nodes['hospital-a'].signer, { type: 'publishNodeKey', hpkeKey: bytesOf('k'), day: 1 }),
  ],
];

describe('parsing', () => {
  test.each(samples)('%s: what parses encodes to the same bytes and id', (_, bytes) => {
    const parsed = parseTransaction(bytes);
    if (!parsed.ok) throw new Error(parsed.rejection.code);
    expect(encodeTransaction(parsed.transaction)).toEqual(bytes);
    expect(transactionId(parsed.transaction)).toEqual(parsed.transaction.id);
    expect(parsed.transaction.length).toBe(bytes.length);
  });

  test.each(samples)(
    '%s: no changed byte keeps both its form and its id with other content',
    (_, bytes) => {
      const original = parseTransaction(bytes);
      if (!original.ok) throw new Error(original.rejection.code);
      for (let at = 0; at < bytes.length; at++) {
        const changed = Uint8Array.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ (at % 2 === 0 ? 1 : 0x80);
        const parsed = parseTransaction(changed);
        if (!parsed.ok) continue;
        expect(equalBytes(encodeTransaction(parsed.transaction), changed)).toBe(true);
        const sameId = equalBytes(parsed.transaction.id, original.transaction.id);
        // Only a change among the signatures keeps the id.
        if (sameId) expect(transactionId(parsed.transaction)).toEqual(original.transaction.id);
      }
    },
  );

  test('random bytes are refused with a code, never an exception', () => {
    const chain = new Chain();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const inspection = chain.ledger.inspect(bytes);
        expect(inspection.ok).toBe(false);
      }),
      { numRuns: 2_000 },
    );
  });

  const anyCbor = fc.letrec<{ value: Cbor }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.constant(null),
      fc.boolean(),
      fc.integer(),
      fc.bigInt({ min: 0n, max: 1n << 70n }).filter((n) => n < 1n << 64n),
      fc.string({ maxLength: 8 }),
      fc.uint8Array({ maxLength: 64 }),
      fc.constantFrom(
        new Uint8Array(16),
        new Uint8Array(32),
        new Uint8Array(48),
        new Uint8Array(64),
      ),
      fc.array(tie('value'), { maxLength: 6 }),
    ),
  })).value;

  test('well-formed CBOR in place of any item is refused with a code or parses to itself', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...samples.map(([, bytes]) => bytes)),
        fc.nat(6),
        fc.nat(20),
        anyCbor,
        (bytes, outer, inner, value) => {
          const items = decode(bytes);
          if (!Array.isArray(items)) throw new Error('expected an array');
          const copy: Cbor[] = [...items];
          const item = copy[outer];
          copy[outer] = Array.isArray(item)
            ? item.map((each: Cbor, i) => (i === inner % item.length ? value : each))
            : value;
          let encoded: Bytes;
          try {
            encoded = encode(copy);
          } catch (error) {
            expect(error).toBeInstanceOf(CodecError);
            return;
          }
          const parsed = parseTransaction(encoded);
          if (parsed.ok) expect(encodeTransaction(parsed.transaction)).toEqual(encoded);
          else expect(parsed.rejection.code).toMatch(/^(malformed|notCanonical|tooLarge|tooDeep)$/);
        },
      ),
      { numRuns: 1_500 },
    );
  });

  test('state values and answers that are damaged throw a CodecError and nothing else', () => {
    const parsers = [parseGrant, parseRecord, parseStateAnswer, parseSubtreeAnswer];
    fc.assert(
      fc.property(anyCbor, fc.constantFrom(...parsers), (value, parse) => {
        let encoded: Bytes;
        try {
          encoded = encode(value);
        } catch {
          return;
        }
        expect(() => parse(encoded)).toThrow(CodecError);
      }),
      { numRuns: 500 },
    );
  });

  test('a request has 512 bytes whoever asks and whatever the height', () => {
    for (const sender of [doctors['hospital-a'], departments['hospital-d']])
      for (const expiryHeight of [1, 200, 60_000, 5_000_000, 6_000_000_000]) {
        const request = paddedRequestAccess({
          chainId: CHAIN_ID,
          commitment: bytesOf('c'),
          sender: sender.signer.key,
          nonce: bytesOf('n', 16),
          expiryHeight,
        });
        expect(encodeTransaction(signed(request)).length).toBe(REQUEST_LENGTH);
      }
  });
});
