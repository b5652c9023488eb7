/** T-1 … T-7: what is refused before any contract looks, and leaves no trace. */
import { describe, expect, test } from 'vitest';
import { type Bytes, concatBytes } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import { randomScalar } from '@yilian/crypto/curve';
import { deriveMemberId } from '../src/ids.ts';
import type { IssueRecord } from '../src/contracts/records/issue-record.ts';
import {
  TRANSACTION_BYTES_MAX,
  encodeTransaction,
  parseTransaction,
  signTransaction,
} from '../src/transaction-codec.ts';
import { EXPIRY_HEIGHTS_MAX, type Transaction } from '../src/transaction.ts';
import {
  CHAIN_ID,
  Chain,
  bytesOf,
  curve,
  doctors,
  grantBody,
  grantTx,
  hospitals,
  introduce,
  nodes,
  person,
  pointsOf,
  randomOf,
  recordTransaction,
  recordTx,
  regulator,
  signed,
  signerOf,
  tagSigner,
  tx,
  unsigned,
  verifyAll,
  visit,
} from './consortium.ts';

const stroke = visit('stroke', 'hospital-a');
const newcomer = person('newcomer', 'doctor', 'hospital-a', 'operator-a');
const impostor = signerOf('impostor');
introduce(newcomer.signer, impostor);

const enrol = { type: 'enrolMember', kind: 'member', member: newcomer.member } as const;

function reEncoded(bytes: Bytes, change: (items: ReturnType<typeof decode>[]) => void): Bytes {
  const items = decode(bytes);
  if (!Array.isArray(items)) throw new Error('a transaction is an array');
  const copy = [...items];
  change(copy);
  return encode(copy);
}

interface Row {
  readonly rule: string;
  readonly why: string;
  readonly transaction: () => Bytes;
  readonly expected: string;
}

const good = tx(regulator.signer, enrol);

const rows: readonly Row[] = [
  {
    rule: 'T-1',
    why: 'bytes that are no CBOR',
    transaction: () => Uint8Array.of(0xff, 0x00),
    expected: 'malformed',
  },
  { rule: 'T-1', why: 'nothing', transaction: () => new Uint8Array(0), expected: 'malformed' },
  {
    rule: 'T-1',
    why: 'bytes behind the end',
    transaction: () => concatBytes(good, Uint8Array.of(0)),
    expected: 'malformed',
  },
  {
    rule: 'T-1',
    why: 'a cut end',
    transaction: () => good.subarray(0, good.length - 1),
    expected: 'malformed',
  },
  {
    rule: 'T-1',
    why: 'a number in a longer form than needed',
    transaction: () => {
      // 1,000 as four bytes instead of two.
      const at = good.findIndex(
        (byte, i) => byte === 0x19 && good[i + 1] === 0x03 && good[i + 2] === 0xe8,
      );
      return concatBytes(
        good.subarray(0, at),
        Uint8Array.of(0x1a, 0, 0, 0x03, 0xe8),
        good.subarray(at + 3),
      );
    },
    expected: 'notCanonical',
  },
  {
    rule: 'T-1',
    why: 'an unknown type',
    transaction: () => reEncoded(good, (items) => (items[1] = 'toString')),
    expected: 'malformed',
  },
  {
    rule: 'T-1',
    why: 'a body of another type',
    transaction: () => reEncoded(good, (items) => (items[1] = 'revokeAccess')),
    expected: 'malformed',
  },
  {
    rule: 'T-1',
    why: 'one item more',
    transaction: () => reEncoded(good, (items) => items.push(0)),
    expected: 'malformed',
  },
  {
    rule: 'T-1',
    why: 'a nonce of 15 bytes',
    transaction: () => reEncoded(good, (items) => (items[4] = new Uint8Array(15))),
    expected: 'malformed',
  },
  {
    rule: 'T-1',
    why: 'a negative expiry',
    transaction: () => reEncoded(good, (items) => (items[5] = -1)),
    expected: 'malformed',
  },
  {
    rule: 'T-1',
    why: 'more bytes than any transaction has',
    transaction: () => new Uint8Array(TRANSACTION_BYTES_MAX + 1),
    expected: 'tooLarge',
  },
  {
    rule: 'T-1',
    why: 'arrays in arrays in arrays',
    transaction: () => Uint8Array.from({ length: 200 }, (_, i) => (i < 199 ? 0x81 : 0x80)),
    expected: 'tooDeep',
  },
  {
    rule: 'T-2',
    why: 'another chain',
    transaction: () => tx(regulator.signer, enrol, { chainId: 'yilian-other' }),
    expected: 'wrongChain',
  },
  {
    rule: 'T-3',
    why: 'the new key did not co-sign',
    transaction: () =>
      encodeTransaction(signTransaction(unsigned(regulator.signer, enrol), [regulator.signer])),
    expected: 'wrongSigners',
  },
  {
    rule: 'T-3',
    why: 'one tag of the grant did not sign',
    transaction: () =>
      encodeTransaction(
        signTransaction(unsigned(tagSigner('g'), grantBody('g')), [tagSigner('g')]),
      ),
    expected: 'wrongSigners',
  },
  {
    rule: 'T-3',
    why: 'somebody more signed',
    transaction: () =>
      encodeTransaction(
        signTransaction(unsigned(regulator.signer, enrol), [
          regulator.signer,
          newcomer.signer,
          impostor,
        ]),
      ),
    expected: 'wrongSigners',
  },
  {
    rule: 'T-3',
    why: 'the signatures stand in another order',
    transaction: () =>
      encodeTransaction(
        signTransaction(unsigned(regulator.signer, enrol), [newcomer.signer, regulator.signer]),
      ),
    expected: 'wrongSigners',
  },
  {
    rule: 'T-4',
    why: "a signature under the regulator's name by somebody else",
    transaction: () =>
      encodeTransaction(
        signTransaction(unsigned(regulator.signer, enrol), [
          { key: regulator.signer.key, sign: (message) => impostor.sign(message) },
          newcomer.signer,
        ]),
      ),
    expected: 'signatureInvalid',
  },
  {
    rule: 'T-4',
    why: 'a body changed after signing',
    transaction: () => {
      const made = signed(unsigned(regulator.signer, enrol));
      const changed: Transaction = {
        ...made,
        body: { ...enrol, member: { ...enrol.member, institution: 'hospital-b' } },
      };
      return encodeTransaction(changed);
    },
    expected: 'signatureInvalid',
  },
  {
    rule: 'T-4',
    why: 'the expiry changed after signing',
    transaction: () => reEncoded(good, (items) => (items[5] = 999)),
    expected: 'signatureInvalid',
  },
  {
    rule: 'T-5',
    why: 'the expiry height has passed',
    transaction: () => tx(regulator.signer, enrol, { expiryHeight: 0 }),
    expected: 'expired',
  },
  {
    rule: 'T-6',
    why: 'the expiry height is too far ahead',
    transaction: () => tx(regulator.signer, enrol, { expiryHeight: 1 + EXPIRY_HEIGHTS_MAX + 1 }),
    expected: 'expiryTooFar',
  },
];

describe('refused before any contract looks', () => {
  test.each(rows)('$rule $why: $expected', ({ transaction, expected }) => {
    const chain = new Chain();
    const bytes = transaction();
    const before = chain.ledger.info().appHash;
    const verified = verifyAll(chain.ledger, [bytes]);
    const outcome = chain.ledger.checkTransaction(bytes, 'new', verified);
    expect(outcome).toEqual({ ok: false, rejection: { code: expected } });
    expect(chain.ledger.processProposal(chain.block([bytes]), verified)).toBe('reject');
    expect(chain.ledger.prepareProposal(chain.block([bytes]), 1 << 20, verified)).toEqual([]);
    expect(chain.codes(bytes)).toEqual([expected]);
    expect(chain.ledger.info().appHash).toEqual(before);
  });

  test('T-5 T-6 the first and the last admissible height', () => {
    const chain = new Chain();
    expect(chain.codes(tx(regulator.signer, enrol, { expiryHeight: 1 }))).toEqual(['ok']);
    const commitment = { kind: 'patient', commitment: bytesOf('p') };
    const far = { expiryHeight: 2 + EXPIRY_HEIGHTS_MAX };
    expect(
      chain.codes(tx(regulator.signer, { type: 'enrolMember', ...commitment } as never, far)),
    ).toEqual(['ok']);
  });

  test('T-7 a replay is a duplicate, in the same block, a later one and after a restart', () => {
    const chain = new Chain();
    expect(chain.codes(good, good)).toEqual(['ok', 'duplicate']);
    expect(chain.codes(good)).toEqual(['duplicate']);
    chain.restart();
    expect(chain.codes(good)).toEqual(['duplicate']);
    const verified = verifyAll(chain.ledger, [good]);
    expect(chain.ledger.processProposal(chain.block([good]), verified)).toBe('reject');
  });

  test('T-7 a transaction that a rule refused is used up too', () => {
    const chain = new Chain();
    const refused = tx(hospitals['hospital-a'].signer, enrol);
    expect(chain.codes(refused)).toEqual(['roleNotAllowed']);
    expect(chain.codes(refused)).toEqual(['duplicate']);
  });

  test('T-7 another signature of the same sender does not make another transaction', () => {
    const chain = new Chain();
    const transaction = signed(unsigned(regulator.signer, enrol));
    const first = encodeTransaction(transaction);
    const parsed = parseTransaction(first);
    if (!parsed.ok) throw new Error(parsed.rejection.code);
    const second = encodeTransaction({
      ...transaction,
      signatures: transaction.signatures.map((each) => ({
        ...each,
        signature: Uint8Array.from(each.signature).fill(1, 0, 1),
      })),
    });
    const again = parseTransaction(second);
    if (!again.ok) throw new Error(again.rejection.code);
    expect(again.transaction.id).toEqual(parsed.transaction.id);
    // Its bad signature does not use up the honest one's id.
    expect(chain.codes(second, first)).toEqual(['signatureInvalid', 'ok']);
  });

  test('T-7 an id is forgotten only when its transaction can no longer be included', () => {
    const chain = new Chain();
    const short = tx(hospitals['hospital-a'].signer, enrol, { expiryHeight: 2 });
    expect(chain.codes(short)).toEqual(['roleNotAllowed']);
    expect(chain.codes(short)).toEqual(['duplicate']);
    expect(chain.codes(short)).toEqual(['expired']);
    chain.run(grantTx('g'));
    expect(chain.codes(short)).toEqual(['expired']);
  });
});

function forged(change: (body: IssueRecord) => Partial<IssueRecord>): Bytes {
  const made = recordTransaction({ visit: stroke, name: 'ct' });
  if (made.body.type !== 'issueRecord') throw new Error('expected an issueRecord');
  const body: IssueRecord = { ...made.body, ...change(made.body) };
  return encodeTransaction(signed({ ...made, body }));
}

/** C and C̄ raised to one more exponent. */
function raised(body: IssueRecord): IssueRecord['capsule'] {
  const s = randomScalar(curve, randomOf('raise'));
  const raise = (point: Bytes): Bytes => curve.encodeG1(curve.multiplyG1(curve.parseG1(point), s));
  return { ...body.capsule, c: raise(body.capsule.c), cBar: raise(body.capsule.cBar) };
}

const INFINITY = Uint8Array.from({ length: 48 }, (_, i) => (i === 0 ? 0xc0 : 0));
/** x = 4 is on the curve but outside the subgroup. */
const OUTSIDE = Uint8Array.from({ length: 48 }, (_, i) => (i === 0 ? 0x80 : i === 47 ? 4 : 0));
const NOT_CANONICAL = Uint8Array.from({ length: 48 }, (_, i) => (i === 0 ? 0x9f : 0xff));
const [otherPoint = INFINITY] = pointsOf('other', 1);

const capsuleRows: readonly { readonly why: string; readonly transaction: () => Bytes }[] = [
  {
    why: 'F2 (C^s, C̄^s) with the old proof',
    transaction: () => forged((body) => ({ capsule: raised(body) })),
  },
  {
    why: 'F16 a C̄ of another exponent',
    transaction: () => forged((body) => ({ capsule: { ...body.capsule, cBar: otherPoint } })),
  },
  {
    why: 'F2 C = O',
    transaction: () => forged((body) => ({ capsule: { ...body.capsule, c: INFINITY } })),
  },
  {
    why: 'F2 C̄ = O',
    transaction: () => forged((body) => ({ capsule: { ...body.capsule, cBar: INFINITY } })),
  },
  {
    why: 'F2 a C outside the subgroup',
    transaction: () => forged((body) => ({ capsule: { ...body.capsule, c: OUTSIDE } })),
  },
  {
    why: 'F2 a C that is not canonical',
    transaction: () => forged((body) => ({ capsule: { ...body.capsule, c: NOT_CANONICAL } })),
  },
  {
    why: 'F16 another header under the proof',
    transaction: () => forged(() => ({ headerHash: bytesOf('other header') })),
  },
  {
    why: 'F16 another number under the proof',
    transaction: () => forged(() => ({ number: 1 })),
  },
  {
    why: 'F16 another mark under the proof',
    transaction: () => forged(() => ({ marks: ['package'] })),
  },
  {
    why: 'F2 a capsule of suite intl under suite paper',
    transaction: () => forged(() => ({ suite: 'paper' })),
  },
  {
    why: 'F2 verbatim copy under a new sender',
    transaction: () => {
      const made = recordTransaction({ visit: stroke, name: 'ct' });
      const thief = hospitals['hospital-b'].signer;
      return encodeTransaction(signed({ ...made, sender: thief.key }));
    },
  },
  {
    why: 'F2 a capsule of another chain',
    transaction: () => {
      const elsewhere = recordTransaction({
        visit: stroke,
        name: 'ct',
        envelope: { chainId: 'yilian-other' },
      });
      return encodeTransaction(signed({ ...elsewhere, chainId: CHAIN_ID }));
    },
  },
  {
    why: 'a visit authorisation for another hospital',
    transaction: () =>
      forged((body) => ({
        visitAuthorisation: stroke.signer.sign(body.visitAuthorisation),
      })),
  },
  {
    why: 'an attestation of other content',
    transaction: () =>
      forged((body) => ({
        attestations: body.attestations.map((each) => ({ ...each, signature: new Uint8Array(64) })),
      })),
  },
  {
    why: "R8 another section root under the doctor's signature",
    transaction: () =>
      forged((body) => ({
        authorship:
          body.authorship === null
            ? null
            : { ...body.authorship, signature: new Uint8Array(64).fill(7) },
      })),
  },
  {
    why: 'F10 an epoch key without its proof',
    transaction: () =>
      forged((body) => ({
        index: body.index.mode === 'pk' ? { ...body.index, proof: new Uint8Array(64) } : body.index,
      })),
  },
  {
    why: 'F10 A := C of the capsule',
    transaction: () =>
      forged((body) => ({
        index: body.index.mode === 'pk' ? { ...body.index, a: body.capsule.c } : body.index,
      })),
  },
  {
    why: 'GA-10 F14 V_1 = O',
    transaction: () => grantTx('g', { commitments: [otherPoint, INFINITY] }),
  },
  {
    why: 'GA-10 V_0 outside the subgroup',
    transaction: () => grantTx('g', { commitments: [OUTSIDE, otherPoint] }),
  },
  {
    why: 'GA-10 V_1 not canonical',
    transaction: () => grantTx('g', { commitments: [otherPoint, NOT_CANONICAL] }),
  },
];

function sealedFor(patient: string): Bytes {
  return recordTx({ visit: stroke, name: 'ct', patient, envelope: { nonce: bytesOf('n', 16) } });
}

describe('T-4 statements inside the body', () => {
  test.each(capsuleRows)('$why is refused', ({ transaction }) => {
    const chain = new Chain();
    expect(chain.codes(transaction())).toEqual(['signatureInvalid']);
  });

  test('the same record untouched is accepted', () => {
    expect(new Chain().codes(recordTx({ visit: stroke, name: 'ct' }))).toEqual(['ok']);
  });

  test('F1 two patients, the same coins and header: one byte string', () => {
    expect(sealedFor('one patient')).toEqual(sealedFor('another patient'));
  });
});

describe('nodeReport in one block', () => {
  test('NR-2 a node reports once per block, and again in the next', () => {
    const chain = new Chain();
    chain.run(grantTx('g'), grantTx('h'));
    const node = nodes['hospital-a'].signer;
    const acknowledge = (name: string): Bytes =>
      tx(node, {
        type: 'nodeReport',
        acknowledgements: [{ grantId: grantBody(name).grantId, index: 1 }],
        releases: [],
        erasures: [],
        losses: [],
      });
    const [first, second, third] = [acknowledge('g'), acknowledge('h'), acknowledge('h')];
    expect(chain.codes(first, second)).toEqual(['ok', 'reportRepeated']);
    expect(chain.codes(third)).toEqual(['ok']);
    // A proposer leaves the second for the next block.
    const chosen = new Chain();
    chosen.run(grantTx('g'), grantTx('h'));
    const verified = verifyAll(chosen.ledger, [first, second]);
    expect(chosen.ledger.prepareProposal(chosen.block([first, second]), 1 << 20, verified)).toEqual(
      [first],
    );
  });
});

test('ids of members depend on the chain', () => {
  const key = doctors['hospital-a'].signer.key;
  expect(deriveMemberId({ chainId: CHAIN_ID }, key)).not.toEqual(
    deriveMemberId({ chainId: 'yilian-other' }, key),
  );
});
