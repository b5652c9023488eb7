/**
 * `yilian network enrol`, on the regulator's machine: certificates, introduction and enrolments for a request
 * whose fingerprint was compared. Nothing of it is in force before the new keys have signed their enrolments and
 * the ledger has taken them; the same request may be answered as often as is needed.
 */
import { existsSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { type Bytes, equalBytes, fromHex, toHex } from '@yilian/crypto/bytes';
import { publicKey, sign } from '@yilian/crypto/signature';
import type { MemberDescription } from '@yilian/ledger/contracts/members/member';
import { deriveMemberId } from '@yilian/ledger/ids';
import { EXPIRY_HEIGHTS_MAX } from '@yilian/ledger/transaction';
import { encodeTransaction, type Signer, signTransaction } from '@yilian/ledger/transaction-codec';
import { certificateHash } from '@yilian/api/certificate';
import { engineAddress, engineNodeId } from '../cometbft/engine-files.ts';
import { type NodeConfig, type NodeSeeds, readNodeFiles } from '../config.ts';
import { createSigner } from '../verification/verify-signature.ts';
import { type ChainFacts, readChainFacts } from './chain-facts.ts';
import {
  ENROLLED_ROLES,
  type MetEngine,
  type MetPeer,
  signEnrolmentAnswer,
} from './enrolment-answer.ts';
import { EnrolmentError } from './enrolment-error.ts';
import {
  type EnrolmentRecord,
  enrolmentRecordPath,
  listEnrolmentRecords,
  readEnrolmentRecord,
  writeEnrolmentRecord,
} from './enrolment-record.ts';
import {
  type EnrolmentRequest,
  enrolmentRequestHash,
  type HospitalDescription,
} from './enrolment-request.ts';
import { encodeIntroduction, introductionMessage, parseIntroduction } from './introduction.ts';
import { certify, NO_HPKE_KEY } from './make-network.ts';
import type { CopyPlace } from '../stores/copy-source.ts';

/** Heights that pass between the height that was read and the transaction's own check. */
const EXPIRY_MARGIN = 100;

/** The regulator's home, with what it knows. */
export interface RegulatorHome {
  readonly home: string;
  readonly chain: ChainFacts;
  readonly config: NodeConfig;
  /** Stores of the others, as its configuration names them. */
  readonly copies: readonly CopyPlace[];
  /** Seeds of the regulator's key and of its engine's. */
  readonly regulator: Bytes;
  readonly engineSeed: Bytes | null;
  /** What its node authenticates with among nodes. */
  readonly consensusKey: Bytes;
}

function regulatorSeed({ regulator }: NodeSeeds, chain: ChainFacts, home: string): Bytes {
  if (regulator === null || !equalBytes(publicKey(regulator), chain.regulatorKey))
    throw new EnrolmentError(
      'notRegulator',
      home,
      'its keys.json has not the key of this chain’s regulator',
    );
  return regulator;
}

/** @throws EnrolmentError `notRegulator`, ConfigError */
export function openRegulatorHome(home: string): RegulatorHome {
  const chain = readChainFacts(home);
  const { config, copies, seeds } = readNodeFiles(home);
  return {
    home,
    chain,
    config,
    copies,
    regulator: regulatorSeed(seeds, chain, home),
    engineSeed: seeds.engine,
    consensusKey: publicKey(seeds.consensus),
  };
}

/** Whether the request is this chain's, and its name nobody's. @throws EnrolmentError */
export function checkRequest(
  { home, chain }: RegulatorHome,
  request: EnrolmentRequest,
  place: string,
): void {
  const { description } = request;
  const { institution } = description;
  if (description.chainId !== chain.chainId || !equalBytes(description.genesisId, chain.genesisId))
    throw new EnrolmentError(
      'requestOtherChain',
      place,
      `it is for the chain ${description.chainId}${description.chainId === chain.chainId ? ' of another genesis document' : ''}, and this is ${chain.chainId}`,
    );
  const taken = chain.state.members.some((member) => member.institution === institution);
  const path = enrolmentRecordPath(home, institution);
  const isOther =
    existsSync(path) &&
    !equalBytes(readEnrolmentRecord(path).request, enrolmentRequestHash(request));
  if (taken || isOther)
    throw new EnrolmentError(
      'nameTaken',
      place,
      `${institution} is the name of an institution that is there already${isOther ? ` (${path})` : ''}`,
    );
}

/** Whether a request of this institution was answered before. */
export function isAnswered({ home }: RegulatorHome, institution: string): boolean {
  return existsSync(enrolmentRecordPath(home, institution));
}

function describeMembers(
  description: HospitalDescription,
): readonly Omit<MemberDescription, 'certificateHash'>[] {
  const { institution, operator, keys, nodeHpke } = description;
  return ENROLLED_ROLES.map((role) => ({
    key: keys[role],
    role,
    institution,
    operator,
    hpkeKey: role === 'node' ? nodeHpke : NO_HPKE_KEY,
  }));
}

function issue({ chain, regulator }: RegulatorHome, request: EnrolmentRequest): EnrolmentRecord {
  const { chainId } = chain;
  const { description } = request;
  const { institution, operator, host, url, ports, keys } = description;
  const content = {
    member: deriveMemberId({ chainId }, keys.node),
    store: deriveMemberId({ chainId }, keys.store),
    institution,
    operator,
    consensusKey: keys.consensus,
    engineId: engineAddress(keys.engine),
    host,
    url,
    peerPort: ports.peer,
    enginePort: ports.engine,
    issuedAt: Math.floor(Date.now() / 1000),
  };
  const signature = sign(regulator, introductionMessage({ chainId }, content));
  return {
    request: enrolmentRequestHash(request),
    introduction: encodeIntroduction({ content, signature }),
    members: describeMembers(description).map((member) => ({
      id: deriveMemberId({ chainId }, member.key),
      certificate: certify(chainId, regulator, member).certificate,
    })),
  };
}

/** Everybody whom the regulator's node knows, but the one who asks. */
function met(
  { home, config, consensusKey, engineSeed }: RegulatorHome,
  asking: HospitalDescription,
): { readonly peers: readonly MetPeer[]; readonly engines: readonly MetEngine[] } {
  const peers: MetPeer[] = config.peers.map(({ key, host, port }) => ({
    key: fromHex(key),
    host,
    port,
  }));
  const engines: MetEngine[] = (config.cometbft?.peers ?? []).map(({ id, host, port }) => ({
    id: fromHex(id),
    host,
    port,
  }));
  // A configuration does not name its own engine; where it is met stands among the peers.
  const own = config.peers.find(({ key }) => key === toHex(consensusKey));
  if (own !== undefined && engineSeed !== null && config.cometbft !== null)
    engines.push({
      id: fromHex(engineNodeId(engineSeed)),
      host: own.host,
      port: config.cometbft.listen.port,
    });
  for (const path of listEnrolmentRecords(home)) {
    const introduction = parseIntroduction(readEnrolmentRecord(path).introduction);
    if (introduction === null || introduction.content.institution === asking.institution) continue;
    const { consensusKey, engineId, host, peerPort, enginePort } = introduction.content;
    peers.push({ key: consensusKey, host, port: peerPort });
    engines.push({ id: engineId, host, port: enginePort });
  }
  return { peers, engines };
}

/**
 * The answer, encoded, and the last height at which its enrolments are taken. `height`: the newest of the chain.
 */
export function answerRequest(
  regulatorHome: RegulatorHome,
  request: EnrolmentRequest,
  input: { readonly height: bigint },
): { readonly answer: Bytes; readonly expiryHeight: number; readonly isRepeated: boolean } {
  const { home, chain, config, copies, regulator } = regulatorHome;
  const { chainId, genesisId } = chain;
  const { description } = request;
  const { institution } = description;
  const isRepeated = isAnswered(regulatorHome, institution);
  const record = isRepeated
    ? readEnrolmentRecord(enrolmentRecordPath(home, institution))
    : issue(regulatorHome, request);
  const expiryHeight = Number(input.height) + EXPIRY_HEIGHTS_MAX - EXPIRY_MARGIN;
  const signer: Signer = { key: publicKey(regulator), sign: createSigner(regulator) };
  const enrolments = describeMembers(description).map((member, at) => {
    const certificate = record.members[at]?.certificate;
    if (certificate === undefined) throw new Error('one certificate for each member');
    const body = {
      type: 'enrolMember',
      kind: 'member',
      member: { ...member, certificateHash: certificateHash({ chainId }, certificate) },
    } as const;
    const nonce = new Uint8Array(randomBytes(16));
    return encodeTransaction(
      signTransaction({ chainId, body, sender: signer.key, nonce, expiryHeight }, [signer]),
    );
  });
  const { blockIntervalMs, heartbeatMs, snapshotEvery } = config.settings;
  const answer = signEnrolmentAnswer(
    {
      chainId,
      genesisId,
      request: enrolmentRequestHash(request),
      introduction: record.introduction,
      certificates: record.members.map(({ certificate }) => certificate),
      enrolments,
      ...met(regulatorHome, description),
      copies,
      settings: { blockIntervalMs, heartbeatMs, snapshotEvery },
      upgrades: (config.upgrades ?? []).map(({ height, version }) => ({
        height: Number(height),
        version: Number(version),
      })),
    },
    signer,
  );
  // Known here before anybody has it: an answer that is lost is given again with the same certificates.
  if (!isRepeated) writeEnrolmentRecord(home, institution, record);
  return { answer, expiryHeight, isRepeated };
}
