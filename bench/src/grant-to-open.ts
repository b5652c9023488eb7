/**
 * From the patient's grant to the doctor's plaintext, search included, through real node processes and
 * their HTTP endpoints. One record; each repeat is a new grant.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { parseBundle } from '@yilian/client/content/fhir-bundle';
import { toRecordDraft } from '@yilian/client/content/record-draft';
import { generateSampleCase } from '@yilian/client/content/sample-bundle';
import { splitBundle } from '@yilian/client/content/split-bundle';
import { connectToDemo } from '@yilian/client/demo-consortium';
import { createDoctor, type Doctor } from '@yilian/client/doctor';
import { enrolMember } from '@yilian/client/enrolment';
import {
  createKeyringSlot,
  createMemberKeyring,
  createPatientKeyring,
} from '@yilian/client/keyring';
import { createPatient } from '@yilian/client/patient';
import { createNodePlatform } from '@yilian/client/platform/node-platform';
import { createMemoryStorage } from '@yilian/client/platform/platform';
import { readSection } from '@yilian/client/record-opening';
import { visitOfPackage } from '@yilian/client/visit-for-writing';
import { admitVisit } from '@yilian/client/visit-package';
import { fromHex } from '@yilian/crypto/bytes';
import { describeConsortium } from '@yilian/node/demo/describe-consortium';
import { openConsortium } from '@yilian/node/demo/make-consortium';
import { createNodeChildren } from '@yilian/node/demo/node-children';

export interface GrantToOpen {
  readonly intervals: readonly number[];
  readonly rssMebibytes: readonly number[];
}

export async function grantToOpen(options: {
  readonly repeats: number;
  readonly blockIntervalMs: number;
}): Promise<GrantToOpen> {
  const home = mkdtempSync(join(tmpdir(), 'yilian-bench-whole-'));
  const facts = await openConsortium(home);
  const children = createNodeChildren({
    home,
    facts,
    origins: () => [],
    settings: {
      blockIntervalMs: options.blockIntervalMs,
      logLevel: 'silent',
      // One address plays everybody here.
      addressPerSecond: 100_000,
      signerPerSecond: 100_000,
    },
  });
  try {
    await Promise.all(children.map((child) => child.start()));
    const platform = await createNodePlatform({ storage: createMemoryStorage() });
    const consortium = describeConsortium(facts, ({ id }) => ({
      url: children.find((child) => child.facts.id === id)?.url ?? '',
      running: true,
    }));
    const { network, reader } = connectToDemo(platform, consortium);
    const { curve, randomBytes } = platform;
    const { chainId } = facts.anchor;
    const secretOf = (role: string, institution: string | null): Uint8Array => {
      const ticket = facts.tickets.find(
        (each) => each.role === role && each.institution === institution,
      );
      if (ticket === undefined) throw new Error(`no ticket for a ${role}`);
      return fromHex(ticket.secret);
    };
    const enrolDoctor = async (institution: string): Promise<Doctor> => {
      const node = network.nodes.find((each) => each.institution === institution);
      const fresh = createMemberKeyring({
        chainId,
        role: 'doctor',
        institution,
        operator: node?.operator ?? institution,
        name: `doctor of ${institution}`,
        randomBytes,
      });
      const keyring = await enrolMember(network, reader, fresh, {
        secret: secretOf('doctor', institution),
      });
      return createDoctor(network, reader, createKeyringSlot(keyring));
    };
    const patient = createPatient(
      network,
      reader,
      createKeyringSlot(createPatientKeyring({ chainId, curve, randomBytes })),
    );
    const sample = generateSampleCase({ seed: 1, admissionTimeMs: Date.now() - 600_000 });
    await patient.enrol({
      identity: sample.person.healthCardNumber,
      secret: secretOf('patient', null),
    });
    const author = await enrolDoctor('community-1');
    const referred = await enrolDoctor('tertiary-1');
    const { code } = await patient.prepareVisit({ hospital: 'community-1' });
    const admitted = admitVisit({ curve, context: network.context, hospital: 'community-1', code });
    const [clinical] = splitBundle(parseBundle(JSON.stringify(sample.visits)));
    if (clinical === undefined) throw new Error('the sample has no visit');
    await author.issueRecord({
      visit: visitOfPackage(curve, admitted),
      draft: toRecordDraft(clinical),
    });

    const intervals: number[] = [];
    for (let repeat = 0; repeat < options.repeats; repeat++) {
      const { timeMs } = await reader.head();
      const started = performance.now();
      const { grantId } = await patient.grantAccess({
        grantee: referred.id,
        to: Math.floor(timeMs / 1000) + 86_400,
        purpose: 'bench',
      });
      await referred.receiveGrant(grantId);
      const [hit] = await referred.search(grantId);
      if (hit === undefined) throw new Error('the search found nothing');
      const opened = await referred.openRecord({ grantId, hit, purpose: 'bench' });
      for (const section of opened.sections) await readSection(section);
      intervals.push((performance.now() - started) / options.blockIntervalMs);
    }
    const pids = JSON.parse(
      readFileSync(join(home, 'processes.json'), 'utf8'),
    ) as readonly number[];
    const rssMebibytes = pids.map(
      (pid) =>
        Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })) / 1024,
    );
    return { intervals, rssMebibytes };
  } finally {
    await Promise.all(children.map((child) => child.stop()));
    rmSync(home, { recursive: true, force: true });
  }
}
