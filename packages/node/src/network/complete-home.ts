/**
 * The answer at the new hospital: held against its own request, its own keys and the chain that it was given at
 * the beginning; then the home gets what it lacked. Nothing is believed that the regulator did not sign.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Bytes, equalBytes, toHex } from '@yilian/crypto/bytes';
import { encode } from '@yilian/crypto/cbor';
import { publicKey, sign } from '@yilian/crypto/signature';
import type { EnrolMember } from '@yilian/ledger/contracts/members/enrol-member';
import { deriveMemberId } from '@yilian/ledger/ids';
import { type Transaction, transactionSigningMessage } from '@yilian/ledger/transaction';
import { parseTransaction, signTransaction } from '@yilian/ledger/transaction-codec';
import { engineAddress } from '../cometbft/engine-files.ts';
import { parseNodeConfig, parseNodeSeeds } from '../config.ts';
import { ConfigError } from '../json-fields.ts';
import { checkCertificate } from '../services/certificate-check.ts';
import { verifySignature } from '../verification/verify-signature.ts';
import { type ChainFacts, readChainFacts } from './chain-facts.ts';
import {
  type EnrolmentAnswerContent,
  ENROLLED_ROLES,
  parseEnrolmentAnswer,
} from './enrolment-answer.ts';
import { EnrolmentError } from './enrolment-error.ts';
import { type EnrolmentRequest, enrolmentRequestHash, SIGNING_KEYS } from './enrolment-request.ts';
import { parseIntroduction, verifyIntroduction } from './introduction.ts';
import { listenAddresses } from './listen-addresses.ts';
import { readOwnRequest } from './prepare-home.ts';

/** One of the hospital's members, ready to be submitted. */
export interface Enrolment {
  readonly role: (typeof ENROLLED_ROLES)[number];
  readonly key: Bytes;
  readonly certificate: Bytes;
  readonly certificateHash: Bytes;
  /** Signed by the regulator and by the member's own key. */
  readonly transaction: Transaction;
}

export interface CheckedAnswer {
  readonly home: string;
  readonly chain: ChainFacts;
  readonly request: EnrolmentRequest;
  readonly content: EnrolmentAnswerContent;
  readonly enrolments: readonly Enrolment[];
}

function readSeeds(home: string, request: EnrolmentRequest): Readonly<Record<string, Bytes>> {
  const path = join(home, 'keys.json');
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new ConfigError(`${path} cannot be read`, { cause });
  }
  const seeds: Readonly<Record<string, Bytes | null>> = { ...parseNodeSeeds(path, value) };
  const own: Record<string, Bytes> = {};
  for (const name of SIGNING_KEYS) {
    const secret = seeds[name] ?? null;
    if (secret === null || !equalBytes(publicKey(secret), request.description.keys[name]))
      throw new EnrolmentError('notPrepared', home, `keys.json and request.cbor differ (${name})`);
    own[name] = secret;
  }
  return own;
}

/** @throws EnrolmentError, ConfigError */
export function checkAnswer(home: string, encoded: Bytes, place: string): CheckedAnswer {
  const request = readOwnRequest(home);
  const seeds = readSeeds(home, request);
  const chain = readChainFacts(home);
  const { chainId, genesisId, regulatorKey } = chain;
  const content = parseEnrolmentAnswer(encoded, {
    place,
    chainId,
    genesisId,
    regulatorKey,
    request: enrolmentRequestHash(request),
  });
  const refuse = (what: string): never => {
    throw new EnrolmentError('answerForAnother', place, what);
  };
  const { description } = request;
  const introduction = parseIntroduction(content.introduction);
  if (
    introduction === null ||
    !verifyIntroduction({ chainId }, regulatorKey, introduction) ||
    !equalBytes(introduction.content.consensusKey, description.keys.consensus) ||
    !equalBytes(introduction.content.engineId, engineAddress(description.keys.engine))
  )
    return refuse('it introduces another node');
  const enrolments = ENROLLED_ROLES.map((role, at): Enrolment => {
    const parsing = parseTransaction(content.enrolments[at] ?? new Uint8Array(0));
    const certificate = content.certificates[at];
    const secret = seeds[role];
    if (!parsing.ok || certificate === undefined || secret === undefined)
      return refuse(`the enrolment of the ${role} is missing`);
    const { transaction } = parsing;
    const { body, sender, signatures } = transaction;
    if (body.type !== 'enrolMember' || body.kind !== 'member')
      return refuse(`the enrolment of the ${role} is something else`);
    const { member } = body;
    const [first] = signatures;
    const message = transactionSigningMessage({ chainId }, transaction.id);
    const isOwn =
      equalBytes(member.key, description.keys[role]) &&
      member.role === role &&
      member.institution === description.institution &&
      equalBytes(sender, regulatorKey) &&
      first !== undefined &&
      verifySignature({ publicKey: regulatorKey, message, signature: first.signature });
    const id = deriveMemberId({ chainId }, member.key);
    const checked = checkCertificate({
      context: { chainId },
      regulatorKey,
      member: { ...member, id, status: 'active' },
      encoded: certificate,
      nowSeconds: Math.floor(Date.now() / 1000),
    });
    if (!isOwn || first === undefined || checked === null)
      return refuse(`the enrolment or certificate of the ${role} is not for this key`);
    const unsigned = { ...transaction, body: body satisfies EnrolMember };
    return {
      role,
      key: member.key,
      certificate,
      certificateHash: member.certificateHash,
      transaction: signTransaction(unsigned, [
        { key: regulatorKey, sign: () => first.signature },
        { key: member.key, sign: (each) => sign(secret, each) },
      ]),
    };
  });
  return { home, chain, request, content, enrolments };
}

/** What the home lacked: certificates.cbor, and at last config.json. A configuration that is there stays. */
export function completeHome({ home, chain, request, content, enrolments }: CheckedAnswer): void {
  const path = join(home, 'config.json');
  if (existsSync(path)) return;
  const { description } = request;
  const { institution, operator, host, ports, keys } = description;
  const listens = listenAddresses(description);
  const config = {
    name: institution,
    institution,
    operator,
    http: listens.http,
    peer: listens.peer,
    peers: [
      ...content.peers.map(({ key, ...address }) => ({ key: toHex(key), ...address })),
      { key: toHex(keys.consensus), host, port: ports.peer },
    ],
    origins: [],
    settings: content.settings,
    ...(content.upgrades.length === 0 ? {} : { upgrades: content.upgrades }),
    copies: content.copies.map(({ store, node, url }) => ({
      store: toHex(store),
      node: toHex(node),
      url,
    })),
    cometbft: {
      listen: listens.engine,
      peers: content.engines.map(({ id, ...address }) => ({ id: toHex(id), ...address })),
    },
  };
  parseNodeConfig(path, config);
  const certificates = enrolments.map(({ key, certificate }) => [
    deriveMemberId({ chainId: chain.chainId }, key),
    certificate,
  ]);
  writeFileSync(join(home, 'certificates.cbor'), encode(certificates), { mode: 0o600 });
  // Last: a home with a configuration is complete.
  writeFileSync(`${path}.part`, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.part`, path);
}
