/**
 * `ChainReader` over a network of nodes that may lie: every answer of every GET route is checked
 * against certified headers before anybody sees it, and an answer that fails names the node and the
 * route. How each is checked: docs/spec/verification.md; what takes more than a line, in the reader of
 * its kind beside this file.
 */
import { ROUTES } from '@yilian/api/routes';
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import { sha256 } from '@yilian/crypto/hash';
import { transactionsRoot } from '@yilian/consensus/transactions-root';
import { parseGrant } from '@yilian/ledger/contracts/consent/grant';
import { type Member, parseMember } from '@yilian/ledger/contracts/members/member';
import { parseNodeKeys } from '@yilian/ledger/contracts/members/node-keys';
import { parsePatient } from '@yilian/ledger/contracts/members/patient';
import { parseRecord, parseVisitEntry } from '@yilian/ledger/contracts/records/record';
import { type MemberId, toMemberId } from '@yilian/ledger/ids';
import { toGrantId } from '@yilian/crypto/ids';
import { parseCopyFindings } from '@yilian/ledger/contracts/records/storage-finding';
import { parseSettings } from '@yilian/ledger/settings';
import { type KeyHash, stateKeys } from '@yilian/ledger/state';
import { createCertificateReader } from './certificate-reader.ts';
import type { ChainBlock, ChainReader, ReadOptions } from './chain-reader.ts';
import { ClientError, VerificationError } from './failure.ts';
import { createHeadReader } from './head-reader.ts';
import { createHeaderStore, type HeaderStore } from './header-store.ts';
import { createLogReader } from './log-reader.ts';
import type { Network } from './network.ts';
import { createReceiptReader } from './receipt-reader.ts';
import { createStateReader } from './state-reader.ts';

const BLOCKS_AHEAD_MAX = 4n;
const PROOF_WITHIN_MS = 2_000;

/** The reader, with the headers it believes. */
export interface VerifiedReader extends ChainReader {
  readonly headers: HeaderStore;
}

export function createVerifiedReader(network: Network): VerifiedReader {
  const { context } = network;
  const headers = createHeaderStore(network);
  const heads = createHeadReader(network, headers);
  const states = createStateReader(network, headers, heads);
  const log = createLogReader(network, headers);
  const receipts = createReceiptReader(network, log);
  const certificates = createCertificateReader(network, (id) => member(id));

  async function parsed<T>(
    key: KeyHash,
    parse: (value: Bytes) => T,
    options?: ReadOptions,
  ): Promise<T | undefined> {
    const { value } = await states.read(key, options);
    return value === undefined ? undefined : parse(value);
  }

  async function member(id: MemberId, options?: ReadOptions): Promise<Member | undefined> {
    return parsed(stateKeys.member(id), parseMember, options);
  }

  return {
    context,
    headers,
    genesis: () => headers.genesis(),
    head: heads.read,
    state: states.read,
    settings: async () => {
      const settings = await parsed(stateKeys.settings(), parseSettings);
      if (settings === undefined) throw new ClientError('badAnchor', 'the chain has no settings');
      return settings;
    },
    member,
    memberOfKey: async (key) => {
      const { value } = await states.read(stateKeys.memberKey(key));
      return value === undefined ? undefined : member(toMemberId(value));
    },
    patientStatus: (commitment) => parsed(stateKeys.patient(commitment), parsePatient),
    nodeKeys: async (id, options) =>
      (await parsed(stateKeys.nodeKey(id), parseNodeKeys, options)) ?? [],
    grant: (id, options) => parsed(stateKeys.grant(id), parseGrant, options),
    grantOfTag: (tag, options) => parsed(stateKeys.tag(tag), toGrantId, options),
    record: (id, options) => parsed(stateKeys.record(id), parseRecord, options),
    copyFindings: async (id, store, options) =>
      (await parsed(stateKeys.storage(id, store), parseCopyFindings, options)) ?? [],
    visitEntry: (pid, number, options) =>
      parsed(stateKeys.visit(pid, number), parseVisitEntry, options),
    transaction: receipts.transaction,
    awaitTransaction: receipts.awaitTransaction,
    logEntry: log.logEntry,
    logRange: log.logRange,
    logSize: states.logSize,
    grantEvents: log.grantEvents,
    block: async (height) => {
      const { value } = await network.ask(
        ROUTES.getBlock,
        {
          params: { height },
          // A block that another node has told of may be on its way to this one.
          ...(height !== 'latest' && height <= headers.trustedHeight + BLOCKS_AHEAD_MAX
            ? { patience: { height, within: PROOF_WITHIN_MS } }
            : {}),
        },
        async (block, source): Promise<ChainBlock> => {
          const { header } = await headers.verify(block, source);
          if (height !== 'latest' && header.height !== height)
            throw new VerificationError('chain', source, 'it is a block of another height');
          const root = transactionsRoot(block.transactions.map((each) => sha256(each)));
          if (!equalBytes(root, header.transactionsRoot))
            throw new VerificationError(
              'transactionsRoot',
              source,
              'the transactions are not those of the header',
            );
          return {
            height: header.height,
            timeMs: Number(header.timeNs / 1_000_000n),
            transactions: headers.clientTransactions(block.transactions),
          };
        },
      );
      return value;
    },
    blob: async (grantId, name, hash, nodes) => {
      const { value } = await network.ask(
        ROUTES.getBlob,
        { params: { grantId, name } },
        (blob, source) => {
          if (!equalBytes(sha256(blob), hash))
            throw new VerificationError('blobHash', source, 'the blob is not the one on chain');
          return blob;
        },
        nodes,
      );
      return value;
    },
    certificate: certificates.read,
    expectHeight: states.expectHeight,
  };
}
