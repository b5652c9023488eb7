import { afterAll, beforeAll, expect, test } from 'vitest';
import { certificateHash, parseCertificate } from '@yilian/api/certificate';
import { toHex } from '@yilian/crypto/bytes';
import { deriveMemberId } from '@yilian/ledger/ids';
import type { Doctor } from '../src/doctor.ts';
import { createNetwork } from '../src/network.ts';
import type { Patient } from '../src/patient.ts';
import { createMemoryStorage } from '../src/platform/platform.ts';
import type { NodeEndpoint } from '../src/transport.ts';
import { createVerifiedReader, type VerifiedReader } from '../src/verified-reader.ts';
import { type Cast, createCast } from './support/cast.ts';
import { startConsortium, type TestConsortium } from './support/consortium.ts';
import { createWire, flipBit, type Wire } from './support/wire.ts';

let consortium: TestConsortium;
let cast: Cast;
let doctor: Doctor;
let patient: Patient;
const wire: Wire = createWire();

beforeAll(async () => {
  consortium = await startConsortium();
  cast = await createCast(consortium, { fetch: wire.fetch });
  // A node that is away when she is enrolled hears nothing of her.
  await consortium.stopNode('tertiary-2');
  doctor = await cast.doctor('community-1', 1);
  patient = await cast.patient('patient-1');
  await consortium.startNode('tertiary-2');
}, 120_000);

afterAll(async () => {
  await consortium.stop();
});

function readerOf(nodes: readonly NodeEndpoint[]): VerifiedReader {
  const { network } = cast.connection;
  const platform = { ...cast.platform, storage: createMemoryStorage() };
  return createVerifiedReader(
    createNetwork({ platform, anchor: network.anchor, nodes, retries: 0 }),
  );
}

async function served(name: string, id: Uint8Array = doctor.id): Promise<boolean> {
  const { url } = consortium.nodes.find(({ institution }) => institution === name) ?? {};
  const answer = await fetch(`${url}/v1/members/${toHex(id)}/certificate`);
  return answer.ok;
}

test("no node serves a patient's certificate, under whatever name", async () => {
  const { certificate } = patient.keyring.current;
  if (certificate === null) throw new Error('not certified');
  const parsing = parseCertificate(certificate);
  if (!parsing.ok) throw new Error('no certificate');
  const { context } = cast.connection.network;
  const { signingKey } = parsing.value.content.subject;
  const names = [deriveMemberId(context, signingKey), certificateHash(context, certificate)];
  for (const { name } of cast.connection.network.nodes)
    for (const id of [...names, signingKey]) expect(await served(name, id)).toBe(false);
});

test("a doctor's certificate is fetched and verified while the regulator's node is stopped, from each hospital's", async () => {
  const hospitals = cast.connection.network.nodes.filter(({ isRegulator }) => !isRegulator);
  expect(hospitals).toHaveLength(4);
  // Told, or (by the one that was away) asked for.
  const end = Date.now() + 60_000;
  for (const { name } of hospitals)
    while (!(await served(name))) {
      expect(Date.now()).toBeLessThan(end);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  await consortium.stopNode('regulator');
  for (const node of hospitals) {
    const { content } = await readerOf([node]).certificate(doctor.id);
    expect(content.subject.name).toBe('Dr community-1-1');
  }

  // One that lies is named, and another one asked.
  const [liar] = hospitals;
  if (liar === undefined) throw new Error('no hospital');
  const isLiars = (url: URL): boolean =>
    url.pathname.endsWith('/certificate') && liar.url.startsWith(url.origin);
  wire.alter((_method, url) => isLiars(url), flipBit(0.5));
  await expect(readerOf([liar]).certificate(doctor.id)).rejects.toMatchObject({
    name: 'VerificationError',
    source: { node: liar.name, route: 'getCertificate' },
  });
  for (let n = 0; n < 8; n++)
    expect((await readerOf(hospitals).certificate(doctor.id)).content.subject.name).toBe(
      'Dr community-1-1',
    );
  wire.heal();
}, 120_000);
