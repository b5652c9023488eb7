/**
 * `network join`: what a node needs before it starts on a chain that runs. A new hospital brings the consortium's
 * answer: it is checked, its enrolments are signed and submitted, and its home is completed. Then, and for a node
 * whose disk was lost: where trust begins, verified by this device.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { ROUTES } from '@yilian/api/routes';
import { RejectedError } from '@yilian/client/failure';
import { submitTransaction } from '@yilian/client/submission';
import { equalBytes } from '@yilian/crypto/bytes';
import { DEFAULT_LIGHT_SETTINGS } from '@yilian/consensus/light/verify-header';
import { readNodeFiles } from '@yilian/node/config';
import { checkAnswer, completeHome } from '@yilian/node/network/complete-home';
import { EnrolmentError } from '@yilian/node/network/enrolment-error';
import { hasSnapshot, joinNetwork, trustHeightFor } from '@yilian/node/network/join-network';
import { isAwaitingAnswer } from '@yilian/node/network/prepare-home';
import { EXIT, type ExitCode, UsageError } from '../exit-code.ts';
import type { Options } from '../command.ts';
import type { Session } from '../session.ts';
import { connectToChainOf } from './chain-of-home.ts';

const HOUR_NS = 3_600_000_000_000n;

/**
 * Repeatable at any point: what is on chain already is left as it is, and the same transactions are submitted
 * again. Returns the roles that are now on chain.
 */
async function enter(
  session: Session,
  home: string,
  path: string,
  urls: readonly string[],
): Promise<readonly string[]> {
  let encoded: Uint8Array<ArrayBuffer>;
  try {
    encoded = new Uint8Array(readFileSync(path));
  } catch {
    throw new UsageError('unreadable', { path });
  }
  const answer = checkAnswer(home, encoded, path);
  const { network, reader } = await connectToChainOf(home, urls);
  const { height } = await reader.head({ fresh: true });
  for (const { role, key, certificateHash, transaction } of answer.enrolments) {
    // oxlint-disable-next-line no-await-in-loop -- the node first, whose store and signing server the others are
    const member = await reader.memberOfKey(key);
    if (member !== undefined && !equalBytes(member.certificateHash, certificateHash))
      throw new EnrolmentError('keyUsed', path, `the ${role} key has another certificate on chain`);
    if (member === undefined) {
      if (height >= BigInt(transaction.expiryHeight))
        throw new EnrolmentError(
          'answerExpired',
          path,
          `it was good until ${transaction.expiryHeight}`,
        );
      try {
        // oxlint-disable-next-line no-await-in-loop -- as above
        await submitTransaction(network, reader, transaction);
      } catch (error) {
        if (error instanceof RejectedError && error.code === 'expired')
          throw new EnrolmentError('answerExpired', path, 'the chain has gone on');
        throw error;
      }
    }
    if (!session.json) process.stderr.write(`${session.say('memberEnrolled', { role })}\n`);
  }
  completeHome(answer);
  return answer.enrolments.map(({ role }) => role);
}

export async function join(session: Session, options: Options): Promise<ExitCode> {
  const home = resolve(options.required('home'));
  const urls = options.texts('from');
  if (new Set(urls).size < 2) throw new UsageError('fromTwice');
  const file = options.text('answer');
  if (file === undefined && isAwaitingAnswer(home))
    throw new EnrolmentError('answerMissing', home, 'it has no config.json yet');
  const enrolled = file === undefined ? [] : await enter(session, home, file, urls);
  const { config } = readNodeFiles(home);
  const { reader } = await connectToChainOf(home, urls);
  const newest = await reader.head({ fresh: true });
  const { snapshotEvery } = config.settings;
  const trusted = hasSnapshot(newest.height, snapshotEvery)
    ? await trustedHeader(home, urls, trustHeightFor(newest.height, snapshotEvery))
    : undefined;
  const { keepsSignState } = joinNetwork(home, { urls, trusted, newestHeight: newest.height });
  session.answer(
    {
      height: trusted === undefined ? null : String(trusted.height),
      newest: String(newest.height),
      keepsSignState,
      enrolled,
    },
    [
      trusted === undefined
        ? session.say('networkJoinedByBlocks', { home })
        : session.say('networkJoined', { height: trusted.height, home }),
      ...(keepsSignState ? [session.say('signStateKept')] : []),
    ],
  );
  return EXIT.ok;
}

async function trustedHeader(
  home: string,
  urls: readonly string[],
  height: bigint,
): Promise<NonNullable<Parameters<typeof joinNetwork>[1]['trusted']>> {
  const { network, reader } = await connectToChainOf(home, urls);
  const { value } = await network.ask(ROUTES.getHeader, { params: { height } }, (answer, source) =>
    reader.headers.verify(answer, source),
  );
  return {
    height,
    blockId: value.header.blockId,
    periodHours: Number(DEFAULT_LIGHT_SETTINGS.trustingPeriodNs / HOUR_NS),
  };
}
