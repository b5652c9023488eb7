/**
 * The keys and the genesis of a network, made once. Each node's keys go to its own folder; nothing is
 * shared but the genesis document and the certificates of the members that are there from the beginning.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { certificateHash, certificateMessage, encodeCertificate } from '@yilian/api/certificate';
import type { CertifiedRole } from '@yilian/api/certificate';
import type { AnchorDocument } from '@yilian/api/documents';
import type { Genesis, Validator } from '@yilian/consensus/application';
import { encodeGenesisDocument, genesisId } from '@yilian/consensus/genesis';
import type { EngineName } from '@yilian/consensus/light/light-engine';
import { type Bytes, fromHex, toBase64Url, toHex } from '@yilian/crypto/bytes';
import { encode } from '@yilian/crypto/cbor';
import { deriveHpkeKeyPair } from '@yilian/crypto/hpke';
import { publicKey, sign } from '@yilian/crypto/signature';
import type { MemberDescription } from '@yilian/ledger/contracts/members/member';
import { encodeGenesis } from '@yilian/ledger/genesis';
import { deriveMemberId } from '@yilian/ledger/ids';
import { engineNodeId } from '../cometbft/engine-files.ts';
import type { NodeSeeds } from '../config.ts';

export type Tier = 'tertiary' | 'secondary' | 'community' | 'regulator';

export interface Institution {
  /** Short name, unique in the network. */
  readonly institution: string;
  readonly tier: Tier;
  /** Who runs the machine; thresholds count operators. */
  readonly operator: string;
}

/** What others may know of a node; everything else lies in the node's folder. */
export interface NodeFacts extends Institution {
  /** Member id, hex. */
  readonly id: string;
  readonly consensusKey: string;
  readonly store: string | null;
  readonly hospitalKey: string | null;
  /** Names the node on the network of a CometBFT engine, hex. */
  readonly engineId: string;
}

export interface MadeNode {
  readonly facts: NodeFacts;
  readonly seeds: NodeSeeds;
}

export interface MadeNetwork {
  readonly genesis: Genesis;
  readonly anchor: AnchorDocument;
  readonly nodes: readonly MadeNode[];
  /** Encoded: genesis document, and [[member id, certificate]…]. */
  readonly shared: { readonly genesis: Bytes; readonly certificates: Bytes };
}

const CERTIFICATE_SECONDS = 2 * 365 * 86_400;

function seed(): Bytes {
  return new Uint8Array(randomBytes(32));
}

/** Fresh keys of one institution's node. */
export function makeNode(chainId: string, { institution, tier, operator }: Institution): MadeNode {
  const isHospital = tier !== 'regulator';
  const seeds = {
    consensus: seed(),
    engine: seed(),
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
      operator,
      id: idOf(seeds.node),
      consensusKey: toHex(publicKey(seeds.consensus)),
      store: seeds.store === null ? null : idOf(seeds.store),
      hospitalKey: seeds.hospital === null ? null : toHex(publicKey(seeds.hospital)),
      engineId: engineNodeId(seeds.engine),
    },
  };
}

/** Of members that receive nothing. */
export const NO_HPKE_KEY: Bytes = new Uint8Array(32);

/** A certificate of two years by the regulator, and the member as the ledger describes it. */
export function certify(
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

/** `keys.json`, for the owner of the folder alone. */
export function writeSeeds(directory: string, seeds: NodeSeeds): void {
  const keys = Object.fromEntries(
    Object.entries(seeds).map(([name, value]: [string, Bytes | null]) => [
      name,
      value === null ? null : toHex(value),
    ]),
  );
  writeFileSync(join(directory, 'keys.json'), JSON.stringify(keys, null, 2), { mode: 0o600 });
}

/** Below `directory`: keys.json (mode 0600), genesis.cbor, certificates.cbor. */
export function writeNode(directory: string, made: MadeNode, shared: MadeNetwork['shared']): void {
  mkdirSync(directory, { recursive: true });
  writeSeeds(directory, made.seeds);
  writeFileSync(join(directory, 'genesis.cbor'), shared.genesis);
  writeFileSync(join(directory, 'certificates.cbor'), shared.certificates);
}

/**
 * Makes everything anew. The regulator signs the certificates of all institutions, so its key is made
 * here too; the person who runs this then hands each folder to its institution and keeps none.
 */
export async function makeNetwork(input: {
  readonly chainId: string;
  readonly institutions: readonly Institution[];
  readonly engine: EngineName;
}): Promise<MadeNetwork> {
  const { chainId } = input;
  const nodes = input.institutions.map((each) => makeNode(chainId, each));
  const regulatorSeed = nodes.find(({ seeds }) => seeds.regulator !== null)?.seeds.regulator;
  if (regulatorSeed === null || regulatorSeed === undefined)
    throw new Error('a consortium has a regulator');
  const members: MemberDescription[] = [];
  const certificates: [Bytes, Bytes][] = [];
  for (const { facts, seeds } of nodes) {
    const { institution, operator } = facts;
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
        operator,
        hpkeKey,
      });
      members.push(certified.member);
      certificates.push([deriveMemberId({ chainId }, key), certified.certificate]);
    }
  }
  const voting = nodes.filter(({ facts }) => facts.tier !== 'regulator');
  const validators: Validator[] = voting.map(({ facts }) => ({
    key: fromHex(facts.consensusKey),
    power: 1n,
    // QJ-8: community hospitals check and vote, they never lead.
    leads: facts.tier !== 'community',
  }));
  const genesis: Genesis = {
    ...(input.engine === 'cometbft' ? { engine: input.engine } : {}),
    chainId,
    timeNs: BigInt(Date.now()) * 1_000_000n,
    validators,
    appState: encodeGenesis({
      chainId,
      members,
      validators: voting.map(({ facts }) => ({
        consensusKey: fromHex(facts.consensusKey),
        institution: facts.institution,
        operator: facts.operator,
      })),
      settings: { faultsMax: Math.floor((validators.length - 1) / 3) },
    }),
  };
  const document = encodeGenesisDocument(genesis);
  return {
    genesis,
    anchor: {
      chainId,
      genesis: toBase64Url(document),
      genesisId: toHex(genesisId(genesis)),
      regulatorKey: toHex(publicKey(regulatorSeed)),
    },
    nodes,
    shared: { genesis: document, certificates: encode(certificates) },
  };
}
