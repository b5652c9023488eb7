/**
 * `yilian network prepare`: the home of a hospital that wants to join, with fresh keys that never leave it, and
 * the request for the consortium. It has no configuration yet: a node cannot be started there before the answer.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AnchorDocument } from '@yilian/api/documents';
import { CodecError, fromBase64Url, toHex } from '@yilian/crypto/bytes';
import { type ChainFacts, chainFactsOf } from './chain-facts.ts';
import { EnrolmentError } from './enrolment-error.ts';
import {
  encodeEnrolmentRequest,
  type EnrolmentRequest,
  makeEnrolmentRequest,
  parseEnrolmentRequest,
} from './enrolment-request.ts';
import { makeNode, writeSeeds } from './make-network.ts';
import type { NetworkMember } from './network-file.ts';

const REQUEST_FILE = 'request.cbor';

function factsOf(anchor: AnchorDocument, place: string): ChainFacts {
  try {
    const facts = chainFactsOf(fromBase64Url(anchor.genesis));
    const { chainId, regulatorKey } = anchor;
    if (
      facts.chainId === chainId &&
      toHex(facts.genesisId) === anchor.genesisId &&
      toHex(facts.regulatorKey) === regulatorKey
    )
      return facts;
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
  }
  throw new EnrolmentError('badConsortium', place, 'its genesis document is not the one it names');
}

/**
 * Written beside and renamed: half a home never stands there.
 * @throws EnrolmentError `homeExists`, `badConsortium`
 */
export async function prepareHome(input: {
  readonly home: string;
  readonly member: NetworkMember;
  readonly anchor: AnchorDocument;
  /** Where the anchor comes from, for messages. */
  readonly place: string;
}): Promise<EnrolmentRequest> {
  const { home, member, anchor, place } = input;
  if (existsSync(home))
    throw new EnrolmentError('homeExists', home, 'it exists; keys are made once');
  const { genesis, chainId, genesisId } = factsOf(anchor, place);
  if (genesis.engine !== 'cometbft')
    throw new EnrolmentError('badConsortium', place, 'only a chain that CometBFT orders is joined');
  const { tier } = member;
  if (tier === 'regulator')
    throw new EnrolmentError('badConsortium', place, 'there is one regulator');
  const { seeds } = makeNode(chainId, member);
  const request = await makeEnrolmentRequest({ chainId, genesisId, member, tier, seeds });
  const part = `${home}.part`;
  rmSync(part, { recursive: true, force: true });
  mkdirSync(part, { recursive: true, mode: 0o700 });
  writeSeeds(part, seeds);
  writeFileSync(join(part, 'genesis.cbor'), fromBase64Url(anchor.genesis), { mode: 0o600 });
  writeFileSync(join(part, REQUEST_FILE), encodeEnrolmentRequest(request), { mode: 0o600 });
  renameSync(part, home);
  return request;
}

/** Whether the home was prepared and has had no answer yet. */
export function isAwaitingAnswer(home: string): boolean {
  return existsSync(join(home, REQUEST_FILE)) && !existsSync(join(home, 'config.json'));
}

/** The request that `prepareHome` left in a home. @throws EnrolmentError */
export function readOwnRequest(home: string): EnrolmentRequest {
  const path = join(home, REQUEST_FILE);
  if (!existsSync(path)) throw new EnrolmentError('notPrepared', home, `it has no ${REQUEST_FILE}`);
  return parseEnrolmentRequest(new Uint8Array(readFileSync(path)), path);
}
