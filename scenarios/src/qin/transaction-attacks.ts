/**
 * Attacks with transactions: bytes that an insider or outsider sends to a running node, made out of
 * transactions that stand on the chain. Every one must come back with the reason and leave no trace in
 * the state (LM-6).
 */
import { randomBytes as nodeRandomBytes } from 'node:crypto';
import { type Bytes, concatBytes } from '@yilian/crypto/bytes';
import type { Curve } from '@yilian/crypto/curve';
import { publicKey, sign } from '@yilian/crypto/signature';
import type { GrantAccess } from '@yilian/ledger/contracts/consent/grant-access';
import type { IssueRecord } from '@yilian/ledger/contracts/records/issue-record';
import { type MemberId, toPatientCommitment } from '@yilian/ledger/ids';
import { type RecordId, toGrantId } from '@yilian/crypto/ids';
import type { Transaction, TransactionBody } from '@yilian/ledger/transaction';
import {
  encodeTransaction,
  parseTransaction,
  type Signer,
  signTransaction,
} from '@yilian/ledger/transaction-codec';
import type { Report } from '../report.ts';
import { postTransaction } from '../wire.ts';

/** What the attacker has gathered. */
export interface Loot {
  /** Of a running node. */
  readonly url: string;
  readonly chainId: string;
  readonly height: number;
  readonly curve: Curve;
  /** A grant and a record as they stand on the chain. */
  readonly grant: Transaction<GrantAccess>;
  readonly record: Transaction<IssueRecord>;
  readonly recordId: RecordId;
  /** Node of the grantee's own institution. */
  readonly granteeNode: MemberId;
  /** A doctor whose key the attacker has. */
  readonly doctor: Signer;
}

function randomBytes(length: number): Bytes {
  return new Uint8Array(nodeRandomBytes(length));
}

function newSigner(): Signer {
  const seed = randomBytes(32);
  return { key: publicKey(seed), sign: (message) => sign(seed, message) };
}

/** A transaction on chain as one of the wanted type. */
export function findTransaction<Type extends TransactionBody['type']>(
  transactions: readonly Bytes[],
  type: Type,
): Transaction<Extract<TransactionBody, { type: Type }>> | undefined {
  for (const bytes of transactions) {
    const parsed = parseTransaction(bytes);
    if (parsed.ok && parsed.transaction.body.type === type)
      return parsed.transaction as unknown as Transaction<Extract<TransactionBody, { type: Type }>>;
  }
  return undefined;
}

export async function runTransactionAttacks(report: Report, loot: Loot): Promise<void> {
  const { url, chainId, grant, record, doctor } = loot;
  const envelope = { chainId, nonce: randomBytes(16), expiryHeight: loot.height + 200 };
  const send = (bytes: Bytes): Promise<void> => postTransaction(url, bytes);
  const submit = (body: TransactionBody, signers: readonly Signer[]): Promise<void> => {
    const [sender] = signers;
    if (sender === undefined) throw new Error('an attack needs a sender');
    return send(
      encodeTransaction(
        signTransaction({ ...envelope, nonce: randomBytes(16), body, sender: sender.key }, signers),
      ),
    );
  };
  const bytes = encodeTransaction(record);

  await report.refused('bytes that are no CBOR', ['malformed'], () => send(randomBytes(200)));
  await report.refused('a transaction cut off in the middle', ['malformed'], () =>
    send(bytes.subarray(0, bytes.length >> 1)),
  );
  await report.refused(
    'a transaction with one length in a longer form',
    ['notCanonical', 'malformed'],
    () => send(concatBytes(Uint8Array.of(0x98, 0x07), bytes.subarray(1))),
  );
  await report.refused('a body of half a megabyte', ['tooLarge'], () =>
    send(randomBytes(512 * 1024)),
  );
  await report.refused('a transaction sent a second time', ['duplicate'], () =>
    send(encodeTransaction(grant)),
  );
  await report.refused('a transaction of another chain', ['wrongChain', 'signatureInvalid'], () =>
    send(
      encodeTransaction(
        signTransaction(
          {
            ...envelope,
            chainId: 'another-chain',
            body: { type: 'revokeAccess', grantId: grant.body.grantId },
            sender: doctor.key,
          },
          [doctor],
        ),
      ),
    ),
  );
  await report.refused('a transaction past its expiry', ['expired'], () =>
    send(
      encodeTransaction(
        signTransaction(
          {
            ...envelope,
            expiryHeight: 1,
            body: { type: 'revokeAccess', grantId: grant.body.grantId },
            sender: doctor.key,
          },
          [doctor],
        ),
      ),
    ),
  );
  await report.refused(
    'a record under the hospital’s name, signed by somebody else',
    ['signatureInvalid'],
    () => {
      const thief = newSigner();
      const unsigned = { ...record, nonce: randomBytes(16) };
      return send(
        encodeTransaction(
          signTransaction(unsigned, [
            { key: record.sender, sign: (message) => thief.sign(message) },
          ]),
        ),
      );
    },
  );
  await report.refused(
    'F2 a record taken from the pool and sent under a new sender',
    ['signatureInvalid'],
    () => submit(record.body, [doctor]),
  );
  await report.refused(
    'a key of small order whose signature fits every message',
    ['signatureInvalid', 'malformed'],
    () => {
      const identity = new Uint8Array(32);
      identity[0] = 1;
      const universal = concatBytes(identity, new Uint8Array(32));
      return submit({ type: 'revokeAccess', grantId: grant.body.grantId }, [
        { key: identity, sign: () => universal },
      ]);
    },
  );
  await report.refused(
    'an enrolment that a doctor signs in the regulator’s place',
    ['roleNotAllowed', 'senderUnknown'],
    () =>
      submit(
        { type: 'enrolMember', kind: 'patient', commitment: toPatientCommitment(randomBytes(32)) },
        [doctor],
      ),
  );
  await report.refused('an acknowledgement of a record by a stranger', ['notTheVisit'], () =>
    submit({ type: 'acknowledgeRecord', record: loot.recordId }, [newSigner()]),
  );
  await runGrantAttacks(report, loot, submit);
}

async function runGrantAttacks(
  report: Report,
  loot: Loot,
  submit: (body: TransactionBody, signers: readonly Signer[]) => Promise<void>,
): Promise<void> {
  const {
    grant: { body },
    curve,
    doctor,
    granteeNode,
  } = loot;
  const forge = (changes: Partial<GrantAccess>): Promise<void> => {
    const tag = newSigner();
    return submit({ ...body, grantId: toGrantId(randomBytes(16)), tags: [tag.key], ...changes }, [
      tag,
    ]);
  };
  const { holders, blobHashes } = body;
  const [first, ...others] = holders;
  if (first === undefined) throw new Error('a grant has holders');

  await report.refused(
    'R1 a grant that carries a copied tag without its key',
    ['signatureInvalid', 'wrongSigners'],
    () => {
      const own = newSigner();
      const [copied] = body.tags;
      if (copied === undefined) throw new Error('a grant has tags');
      return submit({ ...body, grantId: toGrantId(randomBytes(16)), tags: [own.key, copied] }, [
        own,
        { key: copied, sign: (message) => own.sign(message) },
      ]);
    },
  );
  await report.refused('a grant under an id that is taken', ['grantExists'], () =>
    forge({ grantId: body.grantId }),
  );
  await report.refused('F14 a grant with threshold 1', ['threshold'], () =>
    forge({ commitments: body.commitments.slice(0, 1) }),
  );
  await report.refused('F14 a grant with a share of index 0', ['holderIndex', 'malformed'], () =>
    forge({ holders: [{ ...first, index: 0 }, ...others] }),
  );
  await report.refused('R4 a grant to two nodes of one operator', ['operatorRepeated'], () =>
    forge({ holders: holders.map(({ index }) => ({ index, node: first.node })) }),
  );
  await report.refused(
    'R4 a grant with a node of doctor B’s own hospital',
    ['holderOfGrantee'],
    () => forge({ holders: [{ index: 1, node: granteeNode }, ...others] }),
  );
  await report.refused(
    'a grant whose commitment is the point at infinity',
    ['commitmentPoint', 'signatureInvalid', 'malformed'],
    () => {
      const infinity = new Uint8Array(48);
      infinity[0] = 0xc0;
      return forge({ commitments: [infinity, ...body.commitments.slice(1)] });
    },
  );
  await report.refused(
    'a grant whose commitment is no point of the group',
    ['commitmentPoint', 'signatureInvalid', 'malformed'],
    () => {
      const outside = curve.encodeG1(curve.g1).slice();
      for (let i = 1; i < 48; i++) outside[i] = 0x5a;
      return forge({ commitments: [outside, ...body.commitments.slice(1)] });
    },
  );
  await report.refused('a grant for a year', ['periodTooLong'], () =>
    forge({ from: 0, to: body.to + 365 * 86_400 }),
  );
  await report.refused('a grant that has already ended', ['periodOver'], () =>
    forge({ from: 1, to: 2 }),
  );
  await report.refused('a grant to a node in place of a doctor', ['granteeNotAllowed'], () =>
    forge({ grantee: first.node }),
  );
  await report.refused('a grant with fewer blobs than holders', ['blobCount', 'malformed'], () =>
    forge({ blobHashes: blobHashes.slice(1) }),
  );
  await report.refused('a revocation by a stranger', ['notATag'], () =>
    submit({ type: 'revokeAccess', grantId: body.grantId }, [newSigner()]),
  );
  await report.refused('a longer period by a stranger', ['notATag'], () =>
    submit({ type: 'narrowGrant', grantId: body.grantId, to: body.to, narrowingHash: null }, [
      newSigner(),
    ]),
  );
  await report.refused(
    'an access by a doctor who is not the grantee',
    ['notTheGrantee', 'grantRevoked'],
    () =>
      submit(
        {
          type: 'recordAccess',
          grantId: body.grantId,
          accessNonce: randomBytes(16),
          sealed: randomBytes(80),
        },
        [doctor],
      ),
  );
  await report.refused(
    'a share’s acknowledgement by a doctor in a node’s place',
    ['roleNotAllowed'],
    () =>
      submit(
        {
          type: 'nodeReport',
          acknowledgements: [{ grantId: body.grantId, index: 1 }],
          releases: [],
          erasures: [],
          losses: [],
        },
        [doctor],
      ),
  );
}
