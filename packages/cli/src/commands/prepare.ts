/** `network prepare`: a hospital that wants to join makes its home and its request. */
import { copyFileSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { demoConsortium, type DemoConsortium } from '@yilian/api/documents';
import { fingerprintOf, type HospitalDescription } from '@yilian/node/network/enrolment-request';
import { parseHospitalFile } from '@yilian/node/network/network-file';
import { prepareHome } from '@yilian/node/network/prepare-home';
import type { Options } from '../command.ts';
import { EXIT, type ExitCode, UsageError } from '../exit-code.ts';
import type { Session } from '../session.ts';

export function readConsortium(path: string): DemoConsortium {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    throw new UsageError('unreadableJson', { path }, 'nextConsortiumFile');
  }
  const parsed = demoConsortium.safeParse(value);
  if (!parsed.success)
    throw new UsageError('describesNoConsortium', { path }, 'nextConsortiumFile');
  return parsed.data;
}

/** What the request says, for the eyes of both sides. */
export function linesOfHospital(
  session: Session,
  { chainId, institution, tier, operator, host, url, ports }: HospitalDescription,
): readonly string[] {
  const { http, peer, engine } = ports;
  return [
    session.say('hospitalStated', { chain: chainId, institution, tier, operator }),
    session.say('hospitalMet', { host, url, http, peer, engine }),
  ];
}

export async function prepare(session: Session, options: Options): Promise<ExitCode> {
  const home = resolve(options.required('home'));
  const file = options.required('hospital');
  const consortium = options.required('consortium');
  let source: string;
  try {
    source = readFileSync(file, 'utf8');
  } catch {
    throw new UsageError('unreadable', { path: file });
  }
  const member = parseHospitalFile(source);
  const { anchor } = readConsortium(consortium);
  const request = await prepareHome({ home, member, anchor, place: consortium });
  const made = join(home, 'request.cbor');
  const out = options.text('out');
  if (out !== undefined) copyFileSync(made, out);
  const fingerprint = fingerprintOf(request);
  session.answer({ home, request: out ?? made, fingerprint }, [
    ...linesOfHospital(session, request.description),
    session.say('homePrepared', { home, request: out ?? made }),
    session.say('fingerprint', { fingerprint }),
  ]);
  return EXIT.ok;
}
