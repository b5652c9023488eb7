/**
 * A demonstration consortium: four hospitals of three tiers, each with its own operator, and the
 * regulator's observer. Keys are made here once, each node's in its own folder; nothing is shared but
 * the genesis document. Sample people get one-time enrolment secrets, never keys.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AnchorDocument } from '@yilian/api/documents';
import type { EngineName } from '@yilian/consensus/light/light-engine';
import { type Bytes, fromHex } from '@yilian/crypto/bytes';
import { encode } from '@yilian/crypto/cbor';
import {
  type Institution,
  type NodeFacts,
  type Tier,
  makeNetwork,
  writeNode,
} from '../network/make-network.ts';

function demoInstitution(institution: string, tier: Tier): Institution {
  return { institution, tier, operator: institution };
}

const INSTITUTIONS: readonly Institution[] = [
  demoInstitution('tertiary-1', 'tertiary'),
  demoInstitution('tertiary-2', 'tertiary'),
  demoInstitution('secondary-1', 'secondary'),
  demoInstitution('community-1', 'community'),
  demoInstitution('regulator', 'regulator'),
];

const PATIENTS = 64;
const DOCTORS_PER_HOSPITAL = 8;
const DEPARTMENTS_PER_HOSPITAL = 2;

export interface DemoTicket {
  readonly person: string;
  readonly role: 'patient' | 'doctor' | 'department';
  readonly institution: string | null;
  /** 16 bytes, hex. */
  readonly secret: string;
}

export interface DemoFacts {
  readonly engine: EngineName;
  readonly anchor: AnchorDocument;
  readonly nodes: readonly NodeFacts[];
  readonly tickets: readonly DemoTicket[];
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

async function make(home: string, engine: EngineName): Promise<DemoFacts> {
  const chainId = `yilian-demo-${randomBytes(4).toString('hex')}`;
  const network = await makeNetwork({ chainId, institutions: INSTITUTIONS, engine });
  const tickets = makeTickets();
  for (const node of network.nodes) {
    const directory = join(home, 'nodes', node.facts.institution);
    writeNode(directory, node, network.shared);
    if (node.facts.tier === 'regulator')
      writeFileSync(join(directory, 'tickets.cbor'), encodeTickets(tickets), { mode: 0o600 });
  }
  return {
    engine,
    anchor: network.anchor,
    nodes: network.nodes.map(({ facts }) => facts),
    tickets,
  };
}

/** Reads the consortium below `home`, or makes it. Written last and renamed: half a consortium never counts. */
export async function openConsortium(
  home: string,
  engine: EngineName = 'pbft',
): Promise<DemoFacts> {
  const path = join(home, 'consortium.json');
  if (existsSync(path)) return JSON.parse(readFileSync(path, 'utf8')) as DemoFacts;
  // What is there without this file was never finished, so no chain ran on it.
  rmSync(join(home, 'nodes'), { recursive: true, force: true });
  mkdirSync(home, { recursive: true });
  const facts = await make(home, engine);
  writeFileSync(`${path}.part`, JSON.stringify(facts, null, 2), { mode: 0o600 });
  renameSync(`${path}.part`, path);
  return facts;
}
