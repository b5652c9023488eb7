/**
 * A demonstration consortium: four hospitals of three tiers, each with its own operator, and the
 * regulator's observer. Keys are made here once, each node's in its own folder; nothing is shared but
 * the genesis document. Sample people get one-time enrolment secrets, never keys.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { certificateHash, certificateMessage, encodeCertificate } from '@yilian/api/certificate';
import type { CertifiedRole } from '@yilian/api/certificate';
import type { Genesis, Validator } from '@yilian/consensus/application';
import { genesisId } from '@yilian/consensus/genesis';
import { type Bytes, fromHex, toBase64Url, toHex } from '@yilian/crypto/bytes';
import { encode } from '@yilian/crypto/cbor';
import { deriveHpkeKeyPair } from '@yilian/crypto/hpke';
import { publicKey, sign } from '@yilian/crypto/signature';
import type { MemberDescription } from '@yilian/ledger/contracts/members/member';
import { encodeGenesis } from '@yilian/ledger/genesis';
import { deriveMemberId } from '@yilian/ledger/ids';
import type { AnchorDocument } from '@yilian/api/documents';
import type { NodeSeeds } from '../config.ts';
import { encodeGenesisDocument } from '../genesis-document.ts';

export type Tier = 'tertiary' | 'secondary' | 'community' | 'regulator';

export interface DemoInstitution {
  readonly institution: string;
  readonly tier: Tier;
}

const INSTITUTIONS: readonly DemoInstitution[] = [
  { institution: 'tertiary-1', tier: 'tertiary' },
  { institution: 'tertiary-2', tier: 'tertiary' },
  { institution: 'secondary-1', tier: 'secondary' },
  { institution: 'community-1', tier: 'community' },
  { institution: 'regulator', tier: 'regulator' },
];

const PATIENTS = 64;
const DOCTORS_PER_HOSPITAL = 8;
const DEPARTMENTS_PER_HOSPITAL = 2;
const CERTIFICATE_SECONDS = 2 * 365 * 86_400;

export interface DemoTicket {
  readonly person: string;
  readonly role: 'patient' | 'doctor' | 'department';
  readonly institution: string | null;
  /** 16 bytes, hex. */
  readonly secret: string;
}

/** What the supervisor knows of a node; everything else lies in the node's folder. */
export interface DemoNodeFacts extends DemoInstitution {
  /** Member id, hex. */
  readonly id: string;
  readonly consensusKey: string;
  readonly store: string | null;
  readonly hospitalKey: string | null;
}

export interface DemoFacts {
  readonly anchor: AnchorDocument;
  readonly nodes: readonly DemoNodeFacts[];
  readonly tickets: readonly DemoTicket[];
}

interface MadeNode {
  readonly facts: DemoNodeFacts;
  readonly seeds: NodeSeeds;
}

function seed(): Bytes {
  return new Uint8Array(randomBytes(32));
}

function makeNode(chainId: string, { institution, tier }: DemoInstitution): MadeNode {
  const isHospital = tier !== 'regulator';
  const seeds = {
    consensus: seed(),
    node: seed(),
    nodeHpke: seed(),
    store: isHospital ? seed() : null,
    hospital: isHospital ? seed() : null,
    regulator: isHospital ? null : seed(),
  };
  const idOf = (secret: Bytes): string => toHex(deriveMemberId({ chainId }, publicKey(secret)));
  return {
    seeds,
    facts: {
      institution,
      tier,
      id: idOf(seeds.node),
      consensusKey: toHex(publicKey(seeds.consensus)),
      store: seeds.store === null ? null : idOf(seeds.store),
      hospitalKey: seeds.hospital === null ? null : toHex(publicKey(seeds.hospital)),
    },
  };
}

const NO_HPKE_KEY: Bytes = new Uint8Array(32);

function certify(
  chainId: string,
  regulatorSeed: Bytes,
  member: Omit<MemberDescription, 'certificateHash'>,
): { readonly member: MemberDescription; readonly certificate: Bytes } {
  const now = Math.floor(Date.now() / 1000);
  const role: CertifiedRole = member.role;
  const content = {
    chainId,
    serial: new Uint8Array(randomBytes(16)),
    subject: {
      name: `${member.institution} (${role})`,
      role,
      institution: member.institution,
      operator: member.operator,
      signingKey: member.key,
      hpkeKey: member.hpkeKey,
      patientKey: null,
      licence: '',
      profiles: [],
    },
    notBefore: now - 300,
    notAfter: now + CERTIFICATE_SECONDS,
  };
  const signature = sign(regulatorSeed, certificateMessage({ chainId }, content));
  const certificate = encodeCertificate({ content, signature });
  return {
    certificate,
    member: { ...member, certificateHash: certificateHash({ chainId }, certificate) },
  };
}

function makeSecret(): string {
  return randomBytes(16).toString('hex');
}

function makeTickets(): readonly DemoTicket[] {
  const tickets: DemoTicket[] = [];
  for (let i = 1; i <= PATIENTS; i++)
    tickets.push({
      person: `patient-${i}`,
      role: 'patient',
      institution: null,
      secret: makeSecret(),
    });
  for (const { institution, tier } of INSTITUTIONS) {
    if (tier === 'regulator') continue;
    for (let i = 1; i <= DOCTORS_PER_HOSPITAL; i++)
      tickets.push({
        person: `${institution}-doctor-${i}`,
        role: 'doctor',
        institution,
        secret: makeSecret(),
      });
    for (let i = 1; i <= DEPARTMENTS_PER_HOSPITAL; i++)
      tickets.push({
        person: `${institution}-department-${i}`,
        role: 'department',
        institution,
        secret: makeSecret(),
      });
  }
  return tickets;
}

/** Canonical CBOR of [[secret, role, institution]…], as node-process.ts takes it in. */
export function encodeTickets(tickets: readonly DemoTicket[]): Bytes {
  return encode(
    tickets.map(({ secret, role, institution }) => [fromHex(secret), role, institution ?? '']),
  );
}

function writeNode(
  directory: string,
  made: MadeNode,
  shared: { readonly genesis: Bytes; readonly certificates: Bytes },
): void {
  mkdirSync(directory, { recursive: true });
  const { seeds } = made;
  const keys = Object.fromEntries(
    Object.entries(seeds).map(([name, value]) => [name, value === null ? null : toHex(value)]),
  );
  writeFileSync(join(directory, 'keys.json'), JSON.stringify(keys, null, 2), { mode: 0o600 });
  writeFileSync(join(directory, 'genesis.cbor'), shared.genesis);
  writeFileSync(join(directory, 'certificates.cbor'), shared.certificates);
}

async function make(home: string): Promise<DemoFacts> {
  const chainId = `yilian-demo-${randomBytes(4).toString('hex')}`;
  const made = INSTITUTIONS.map((institution) => makeNode(chainId, institution));
  const regulatorSeed = made.find(({ seeds }) => seeds.regulator !== null)?.seeds.regulator;
  if (regulatorSeed === null || regulatorSeed === undefined)
    throw new Error('a consortium has a regulator');
  const members: MemberDescription[] = [];
  const certificates: [Bytes, Bytes][] = [];
  for (const { facts, seeds } of made) {
    const { institution } = facts;
    const { publicKey: nodeHpke } = await deriveHpkeKeyPair(seeds.nodeHpke);
    const wished = [
      { role: 'node', secret: seeds.node, hpkeKey: nodeHpke },
      { role: 'store', secret: seeds.store, hpkeKey: NO_HPKE_KEY },
      { role: 'hospital', secret: seeds.hospital, hpkeKey: NO_HPKE_KEY },
      { role: 'regulator', secret: seeds.regulator, hpkeKey: NO_HPKE_KEY },
    ] as const;
    for (const { role, secret, hpkeKey } of wished) {
      if (secret === null) continue;
      const key = publicKey(secret);
      const certified = certify(chainId, regulatorSeed, {
        key,
        role,
        institution,
        operator: institution,
        hpkeKey,
      });
      members.push(certified.member);
      certificates.push([deriveMemberId({ chainId }, key), certified.certificate]);
    }
  }
  const voting = made.filter(({ facts }) => facts.tier !== 'regulator');
  const validators: Validator[] = voting.map(({ facts }) => ({
    key: fromHex(facts.consensusKey),
    power: 1n,
    // QJ-8: community hospitals check and vote, they never lead.
    leads: facts.tier !== 'community',
  }));
  const genesis: Genesis = {
    chainId,
    timeNs: BigInt(Date.now()) * 1_000_000n,
    validators,
    appState: encodeGenesis({
      chainId,
      members,
      validators: voting.map(({ facts }) => ({
        consensusKey: fromHex(facts.consensusKey),
        institution: facts.institution,
        operator: facts.institution,
      })),
      settings: { faultsMax: Math.floor((validators.length - 1) / 3) },
    }),
  };
  const document = encodeGenesisDocument(genesis);
  const shared = { genesis: document, certificates: encode(certificates) };
  const tickets = makeTickets();
  for (const node of made) {
    const directory = join(home, 'nodes', node.facts.institution);
    writeNode(directory, node, shared);
    if (node.facts.tier === 'regulator')
      writeFileSync(join(directory, 'tickets.cbor'), encodeTickets(tickets), { mode: 0o600 });
  }
  return {
    anchor: {
      chainId,
      genesis: toBase64Url(document),
      genesisId: toHex(genesisId(genesis)),
      regulatorKey: toHex(publicKey(regulatorSeed)),
    },
    nodes: made.map(({ facts }) => facts),
    tickets,
  };
}

/** Reads the consortium below `home`, or makes it. Written last and renamed: half a consortium never counts. */
export async function openConsortium(home: string): Promise<DemoFacts> {
  const path = join(home, 'consortium.json');
  if (existsSync(path)) return JSON.parse(readFileSync(path, 'utf8')) as DemoFacts;
  // What is there without this file was never finished, so no chain ran on it.
  rmSync(join(home, 'nodes'), { recursive: true, force: true });
  mkdirSync(home, { recursive: true });
  const facts = await make(home);
  writeFileSync(`${path}.part`, JSON.stringify(facts, null, 2), { mode: 0o600 });
  renameSync(`${path}.part`, path);
  return facts;
}
