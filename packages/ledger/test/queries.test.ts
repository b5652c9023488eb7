import { describe, expect, test } from 'vitest';
import { type Bytes, equalBytes, toHex, utf8 } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';
import {
  parseConsistencyAnswer,
  parseListAnswer,
  parseLogAnswer,
  parseStateAnswer,
  parseStatusAnswer,
  parseSubtreeAnswer,
  verifyConsistencyAnswer,
  verifyLogAnswer,
  verifyStateAnswer,
  verifySubtreeAnswer,
} from '../src/answers.ts';
import { parseGrant } from '../src/contracts/consent/grant.ts';
import { parseMember } from '../src/contracts/members/member.ts';
import { parseRecord, parseVisitEntry } from '../src/contracts/records/record.ts';
import { HEIGHTS_KEPT } from '../src/history.ts';
import { parseLogLeaf } from '../src/log-leaf.ts';
import { encodeLedgerReceipt, parseLedgerReceipt, verifyLedgerReceipt } from '../src/receipt.ts';
import { stateKeys } from '../src/state.ts';
import { parseTransaction } from '../src/transaction-codec.ts';
import {
  Chain,
  START,
  acknowledgementTxs,
  bytesOf,
  doctors,
  grantBody,
  grantTx,
  nodes,
  people,
  recordIdOf,
  recordTx,
  tagSigner,
  tx,
  visit,
} from './consortium.ts';

function ask(chain: Chain, path: string, key: Bytes, height = 0n): Bytes {
  const result = chain.ledger.query({ path, key, height, prove: true });
  if (!result.ok) throw new Error(`${path}: ${result.code}`);
  return result.value;
}

function code(chain: Chain, path: string, key: Bytes, height = 0n): string {
  const result = chain.ledger.query({ path, key, height, prove: true });
  return result.ok ? 'ok' : result.code;
}

const key = (...items: Cbor[]): Bytes => encode(items);
const stroke = visit('stroke', 'hospital-a');
const { grantId } = grantBody('g');

function accessTx(n: number): Bytes {
  return tx(doctors['hospital-b'].signer, {
    type: 'recordAccess',
    grantId,
    accessNonce: bytesOf(`nonce:${n}`, 16),
    sealed: bytesOf(`sealed:${n}`, 80),
  });
}

describe('state queries', () => {
  test('are proved for each of the last heights, and refused before', () => {
    const chain = new Chain();
    chain.run(grantTx('g'));
    chain.run(...acknowledgementTxs('g'));
    const hashes = new Map<number, Bytes>([[chain.height, chain.ledger.info().appHash]]);
    const first = chain.height;
    const seen = new Map<number, number>([[first, 0]]);
    let accesses = 0;
    for (let i = 0; i < 25; i++) {
      // Some blocks change the grant, some another key, some nothing.
      if (i % 3 === 0) {
        chain.run(accessTx(i));
        accesses++;
      } else if (i % 3 === 1) chain.run(grantTx(`other-${i}`));
      else chain.run();
      hashes.set(chain.height, chain.ledger.info().appHash);
      seen.set(chain.height, accesses);
    }
    const keyHash = stateKeys.grant(grantId);
    const later = stateKeys.grant(grantBody('other-22').grantId);
    let proved = 0;
    for (const [height, appHash] of hashes) {
      if (height < chain.height - HEIGHTS_KEPT) {
        expect(code(chain, 'state', keyHash, BigInt(height))).toBe('heightUnknown');
        continue;
      }
      const answer = parseStateAnswer(ask(chain, 'state', keyHash, BigInt(height)));
      expect(verifyStateAnswer(appHash, keyHash, answer)).toBe(true);
      expect(parseGrant(answer.value ?? new Uint8Array()).accesses).toBe(seen.get(height));
      const absent = parseStateAnswer(ask(chain, 'state', later, BigInt(height)));
      expect(verifyStateAnswer(appHash, later, absent)).toBe(true);
      const digits = toHex(keyHash).slice(0, 1);
      const subtree = parseSubtreeAnswer(ask(chain, 'subtree', utf8(digits), BigInt(height)));
      expect(verifySubtreeAnswer(appHash, digits, subtree)).toBe(true);
      proved++;
    }
    expect(proved).toBe(HEIGHTS_KEPT + 1);
    expect(code(chain, 'state', keyHash, BigInt(chain.height + 1))).toBe('heightUnknown');
  });

  test('undo entries do not pile up', () => {
    const chain = new Chain();
    chain.run(grantTx('g'));
    chain.run(...acknowledgementTxs('g'));
    const undoEntries = (): number =>
      [...chain.disk.entries()].filter(([name]) => name.startsWith('75')).length;
    for (let i = 0; i < 20; i++) chain.run(accessTx(i));
    const after20 = undoEntries();
    for (let i = 20; i < 40; i++) chain.run(accessTx(i));
    expect(undoEntries()).toBeLessThan(after20 * 1.5);
    for (let i = 0; i < HEIGHTS_KEPT; i++) chain.run();
    expect(undoEntries()).toBe(0);
  });

  test('R1 the walk of a tag ends at a proved absence, and another value for it is refused', () => {
    const chain = new Chain();
    chain.run(grantTx('g'));
    const { appHash } = chain.ledger.info();
    const used = stateKeys.tag(tagSigner('g').key);
    const answer = parseStateAnswer(ask(chain, 'state', used));
    expect(answer.value).toEqual(grantId);
    expect(verifyStateAnswer(appHash, used, answer)).toBe(true);
    const free = stateKeys.tag(tagSigner('g', 2).key);
    const absence = parseStateAnswer(ask(chain, 'state', free));
    expect(absence.value).toBeNull();
    expect(verifyStateAnswer(appHash, free, absence)).toBe(true);
    expect(verifyStateAnswer(appHash, used, { ...answer, value: null })).toBe(false);
    expect(verifyStateAnswer(appHash, used, absence)).toBe(false);
    expect(verifyStateAnswer(bytesOf('forged'), free, absence)).toBe(false);
  });
});

describe('recovery', () => {
  test("R3 the walk over a PID's numbers finds every record and ends at a proved absence", () => {
    const chain = new Chain();
    chain.run(recordTx({ visit: stroke, name: 'ct' }));
    chain.run(recordTx({ visit: stroke, name: 'labs', number: 1 }));
    const { appHash } = chain.ledger.info();
    const found: Bytes[] = [];
    for (let number = 0; ; number++) {
      const keyHash = stateKeys.visit(stroke.pid, number);
      const answer = parseStateAnswer(ask(chain, 'state', keyHash));
      expect(verifyStateAnswer(appHash, keyHash, answer)).toBe(true);
      if (answer.value === null) break;
      found.push(parseVisitEntry(answer.value).record);
    }
    expect(found).toEqual(['ct', 'labs'].map((name) => recordIdOf({ visit: stroke, name })));
  });
});

describe('the log', () => {
  test('R1 numbers every access without a gap and proves each', () => {
    const chain = new Chain();
    chain.run(grantTx('g'));
    chain.run(...acknowledgementTxs('g'));
    chain.run(accessTx(0), accessTx(1));
    chain.run(accessTx(2));
    const { appHash } = chain.ledger.info();
    for (let number = 1; number <= 3; number++) {
      const answer = parseLogAnswer(ask(chain, 'access', key(grantId, number)));
      expect(verifyLogAnswer(appHash, answer)).toBe(true);
      const [fact] = parseLogLeaf(answer.leaf).facts;
      expect(fact).toEqual(['access', grantId, number, START + (number < 3 ? 3 : 4)]);
    }
    expect(code(chain, 'access', key(grantId, 4))).toBe('notFound');
    expect(code(chain, 'access', key(grantId, 0))).toBe('notFound');
  });

  test('any later header proves any old transaction; a receipt with another transaction is refused', () => {
    const chain = new Chain();
    const first = grantTx('g');
    const second = grantTx('h');
    chain.run(first, second);
    for (let i = 0; i < 5; i++) chain.run(grantTx(`later-${i}`));
    const parsed = parseTransaction(first);
    if (!parsed.ok) throw new Error(parsed.rejection.code);
    const entry = parseLogAnswer(ask(chain, 'transaction', parsed.transaction.id));
    const bytes = encodeLedgerReceipt({ transaction: first, entry });
    const receipt = parseLedgerReceipt(bytes);
    const { appHash } = chain.ledger.info();
    const content = verifyLedgerReceipt(appHash, receipt);
    expect(content?.leaf).toMatchObject({ height: 1, index: 0, outcome: 'ok' });
    expect(content?.transaction.id).toEqual(parsed.transaction.id);
    expect(verifyLedgerReceipt(appHash, { ...receipt, transaction: second })).toBeUndefined();
    expect(verifyLedgerReceipt(bytesOf('other'), receipt)).toBeUndefined();
    const moved = { ...receipt, entry: { ...receipt.entry, position: 1 } };
    expect(verifyLedgerReceipt(appHash, moved)).toBeUndefined();
    const outcome = { ...receipt, entry: { ...receipt.entry, leaf: bytesOf('leaf', 60) } };
    expect(verifyLedgerReceipt(appHash, outcome)).toBeUndefined();
  });

  test('a refused transaction has a receipt that names the reason', () => {
    const chain = new Chain();
    const refused = tx(tagSigner('g'), { type: 'revokeAccess', grantId });
    chain.run(refused);
    const parsed = parseTransaction(refused);
    if (!parsed.ok) throw new Error(parsed.rejection.code);
    const entry = parseLogAnswer(ask(chain, 'transaction', parsed.transaction.id));
    const content = verifyLedgerReceipt(chain.ledger.info().appHash, {
      transaction: refused,
      entry,
    });
    expect(content?.leaf).toMatchObject({ outcome: 'grantUnknown', facts: [] });
  });

  test('is append-only: every older log is proved to be its beginning', () => {
    const chain = new Chain();
    const sizes: { size: number; root: Bytes }[] = [];
    for (let i = 0; i < 9; i++) {
      chain.run(grantTx(`a-${i}`), grantTx(`b-${i}`));
      const status = parseStatusAnswer(ask(chain, 'status', new Uint8Array(0)));
      sizes.push({ size: status.parts.logSize, root: status.parts.logRoot });
    }
    const { appHash } = chain.ledger.info();
    for (const { size, root } of sizes) {
      const answer = parseConsistencyAnswer(ask(chain, 'log/consistency', key(size)));
      expect(answer.oldRoot).toEqual(root);
      expect(verifyConsistencyAnswer(appHash, answer)).toBe(true);
      const forged = { ...answer, oldRoot: bytesOf('another past') };
      expect(verifyConsistencyAnswer(appHash, forged)).toBe(false);
    }
    expect(code(chain, 'log/consistency', key(1_000))).toBe('notFound');
  });
});

describe('look-ups', () => {
  test('lead to what proofs then confirm: records, marks, epochs, members, events', () => {
    const chain = new Chain();
    const draft = { visit: stroke, name: 'ct', statement: { marks: ['package'] } } as const;
    chain.run(recordTx(draft), recordTx({ visit: stroke, name: 'labs', number: 1 }), grantTx('g'));
    chain.run(...acknowledgementTxs('g'));
    chain.run(accessTx(0), accessTx(1));
    chain.run(
      tx(nodes['hospital-a'].signer, {
        type: 'nodeReport',
        acknowledgements: [],
        releases: [
          { grantId, number: 1 },
          { grantId, number: 2 },
        ],
        erasures: [],
        losses: [],
      }),
    );
    const [ct, labs] = [recordIdOf(draft), recordIdOf({ visit: stroke, name: 'labs' })];
    const list = (path: string, ...items: Cbor[]): readonly Bytes[] =>
      parseListAnswer(ask(chain, path, key(...items))).items;
    expect(list('visit', stroke.pid, 0, 10)).toEqual([ct, labs]);
    const [epoch] = list('epochs', 0, 10);
    const [institution, day] = epochOf(epoch);
    expect(institution).toBe('hospital-a');
    expect(list('epoch/records', institution, day, 0, 10)).toEqual([ct, labs]);
    expect(list('epoch/records', institution, day, 1, 10)).toEqual([labs]);
    expect(list('epoch/records', institution, day, 5, 10)).toEqual([]);

    const members = parseListAnswer(ask(chain, 'members', key(0, 100)));
    expect(members.count).toBe(people.length);
    const { appHash } = chain.ledger.info();
    for (const id of members.items) {
      const keyHash = stateKeys.member(id);
      const answer = parseStateAnswer(ask(chain, 'state', keyHash));
      expect(verifyStateAnswer(appHash, keyHash, answer)).toBe(true);
      expect(parseMember(answer.value ?? new Uint8Array()).id).toEqual(id);
    }

    const kinds = list('grant/events', grantId, 0, 100).map((item) => {
      const answer = parseLogAnswer(ask(chain, 'log', item));
      expect(verifyLogAnswer(appHash, answer)).toBe(true);
      return parseLogLeaf(answer.leaf).facts[0]?.[0];
    });
    expect(kinds).toEqual([
      'grant',
      'acknowledgement',
      'acknowledgement',
      'access',
      'access',
      'release',
    ]);

    const record = parseRecord(
      parseStateAnswer(ask(chain, 'state', stateKeys.record(ct))).value ?? new Uint8Array(),
    );
    expect(record).toMatchObject({ number: 0, institution: 'hospital-a', marks: ['package'] });
    expect(equalBytes(record.id, ct)).toBe(true);
  });

  const wrong: readonly (readonly [string, string, Bytes, string])[] = [
    ['an unknown path', 'nowhere', new Uint8Array(0), 'pathUnknown'],
    ['a path of the prototype', 'constructor', new Uint8Array(0), 'pathUnknown'],
    ['a key of another length', 'state', new Uint8Array(31), 'malformed'],
    ['a prefix that is no hex', 'subtree', utf8('xyz'), 'malformed'],
    ['a prefix of 65 digits', 'subtree', utf8('a'.repeat(65)), 'malformed'],
    ['a key that is no CBOR', 'log', Uint8Array.of(0xff), 'malformed'],
    ['a negative position', 'log', encode([-1]), 'malformed'],
    ['a position that is not there', 'log', encode([0]), 'notFound'],
    ['a transaction that is not there', 'transaction', new Uint8Array(32), 'notFound'],
    ['a list of a million', 'members', encode([0, 1_000_000]), 'malformed'],
    ['a list that there was once', 'marked', encode(['package', 0, 1]), 'pathUnknown'],
    ['an institution with a zero byte', 'epoch/records', encode(['a\0b', 1, 0, 1]), 'malformed'],
  ];
  test.each(wrong)('%s gets a code, never an exception', (_, path, asked, expected) => {
    expect(code(new Chain(), path, asked)).toBe(expected);
  });
});

function epochOf(item: Bytes | undefined): readonly [string, number] {
  const value = decode(item ?? new Uint8Array());
  if (!Array.isArray(value)) throw new Error('expected an array');
  const [institution, epoch] = value;
  if (typeof institution !== 'string' || typeof epoch !== 'number') throw new Error('malformed');
  return [institution, epoch];
}
