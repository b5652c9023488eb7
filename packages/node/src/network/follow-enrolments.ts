/**
 * A node takes up what `network enrol` has left in its home, at its start and while it runs: the introduction and
 * the certificates of each institution that came later.
 */
import { statSync } from 'node:fs';
import type { Bytes } from '@yilian/crypto/bytes';
import type { LogEvent } from '../logging.ts';
import { listEnrolmentRecords, readEnrolmentRecord } from './enrolment-record.ts';

const LOOK_MS = 2_000;

export interface FollowEnrolmentsOptions {
  readonly home: string;
  /** False: not the regulator's. */
  readonly introduce: (introduction: Bytes) => Promise<boolean>;
  readonly certify: (member: Bytes, certificate: Bytes) => Promise<void>;
  readonly log: (event: LogEvent) => void;
}

/** Resolves when all that is there is taken up; `stop` ends the looking. */
export async function followEnrolments(
  options: FollowEnrolmentsOptions,
): Promise<{ readonly stop: () => void }> {
  const { home, introduce, certify, log } = options;
  /** By path: when it was written last. */
  const taken = new Map<string, number>();

  const take = async (path: string): Promise<void> => {
    const { introduction, members } = readEnrolmentRecord(path);
    if (!(await introduce(introduction))) {
      log({
        level: 'warn',
        event: 'enrolmentRefused',
        path,
        reason: 'the regulator did not sign it',
      });
      return;
    }
    for (const { id, certificate } of members)
      // oxlint-disable-next-line no-await-in-loop -- a handful
      await certify(id, certificate);
    log({ level: 'info', event: 'enrolmentTaken', path });
  };

  const look = async (): Promise<void> => {
    for (const path of listEnrolmentRecords(home)) {
      const { mtimeMs } = statSync(path);
      if (taken.get(path) === mtimeMs) continue;
      taken.set(path, mtimeMs);
      try {
        // oxlint-disable-next-line no-await-in-loop -- one after the other
        await take(path);
      } catch (error) {
        log({ level: 'error', event: 'enrolmentUnreadable', path, reason: String(error) });
      }
    }
  };

  let saidReason = '';
  /** A folder that cannot be read keeps no node from its work. */
  const attempt = async (): Promise<void> => {
    try {
      await look();
      saidReason = '';
    } catch (error) {
      const reason = String(error);
      if (reason !== saidReason) log({ level: 'error', event: 'enrolmentUnreadable', reason });
      saidReason = reason;
    }
  };

  await attempt();
  let looking: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    looking = looking.then(attempt);
  }, LOOK_MS);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
