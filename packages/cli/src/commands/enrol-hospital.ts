/**
 * `network enrol`: the regulator looks at a hospital's request; with the fingerprint that it was told by phone,
 * it answers it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { DemoConsortium } from '@yilian/api/documents';
import { replaceFile } from '@yilian/client/platform/node-platform';
import { toHex, utf8 } from '@yilian/crypto/bytes';
import { deriveMemberId } from '@yilian/ledger/ids';
import { ENROLLED_ROLES } from '@yilian/node/network/enrolment-answer';
import { EnrolmentError } from '@yilian/node/network/enrolment-error';
import {
  fingerprintOf,
  type HospitalDescription,
  isFingerprint,
  parseEnrolmentRequest,
} from '@yilian/node/network/enrolment-request';
import {
  answerRequest,
  checkRequest,
  isAnswered,
  openRegulatorHome,
  type RegulatorHome,
} from '@yilian/node/network/enrol-hospital';
import type { Options } from '../command.ts';
import { EXIT, type ExitCode, UsageError } from '../exit-code.ts';
import type { Session } from '../session.ts';
import { connectToChainOf } from './chain-of-home.ts';
import { linesOfHospital, readConsortium } from './prepare.ts';

function readBytes(path: string): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(readFileSync(path));
  } catch {
    throw new UsageError('unreadable', { path });
  }
}

/** Its own node, unless others are named. */
function urlsOf({ config }: RegulatorHome, options: Options): readonly string[] {
  const named = options.texts('from');
  if (named.length > 0) return named;
  const { host, port } = config.http;
  return [`http://${host === '0.0.0.0' ? '127.0.0.1' : host}:${port}`];
}

/** As clients find it, in the place of what stood there of the same name. */
function withHospital(
  consortium: DemoConsortium,
  { chainId, institution, operator, tier, url, keys }: HospitalDescription,
): DemoConsortium {
  const idOf = (key: Uint8Array): string => toHex(deriveMemberId({ chainId }, key));
  const node = {
    id: idOf(keys.node),
    name: institution,
    institution,
    operator,
    tier,
    consensusKey: toHex(keys.consensus),
    store: idOf(keys.store),
    hospitalKey: toHex(keys.hospital),
    url,
    running: true,
  };
  const others = consortium.nodes.filter((each) => each.institution !== institution);
  return { ...consortium, nodes: [...others, node] };
}

export async function enrolHospital(session: Session, options: Options): Promise<ExitCode> {
  const path = options.required('request');
  const regulatorHome = openRegulatorHome(resolve(options.required('node')));
  const request = parseEnrolmentRequest(readBytes(path), path);
  checkRequest(regulatorHome, request, path);
  const { description } = request;
  const { institution } = description;
  const fingerprint = fingerprintOf(request);
  const told = options.text('fingerprint');
  if (told === undefined) {
    session.answer({ institution, fingerprint, enrolled: false }, [
      ...linesOfHospital(session, description),
      session.say('fingerprint', { fingerprint }),
      session.say('compareFingerprint', { institution }),
    ]);
    return EXIT.ok;
  }
  if (!isFingerprint(request, told))
    throw new EnrolmentError('fingerprintDiffers', path, `it is ${fingerprint}`);
  const out = options.required('out');
  const file = options.text('consortium');
  const consortium = file === undefined ? undefined : readConsortium(file);
  const { reader } = await connectToChainOf(regulatorHome.home, urlsOf(regulatorHome, options));
  const { height } = await reader.head({ fresh: true });
  if (!isAnswered(regulatorHome, institution))
    for (const role of ENROLLED_ROLES)
      // oxlint-disable-next-line no-await-in-loop -- one question to one node
      if ((await reader.memberOfKey(description.keys[role])) !== undefined)
        throw new EnrolmentError('keyUsed', path, `the ${role} key is a member’s`);
  const answered = answerRequest(regulatorHome, request, { height });
  writeFileSync(out, answered.answer);
  if (file !== undefined && consortium !== undefined)
    await replaceFile(
      file,
      utf8(`${JSON.stringify(withHospital(consortium, description), null, 2)}\n`),
    );
  const { expiryHeight, isRepeated } = answered;
  session.answer(
    { institution, fingerprint, enrolled: true, answer: out, expiryHeight, isRepeated },
    [session.say('answerWritten', { institution, out, height: expiryHeight })],
  );
  return EXIT.ok;
}
