/**
 * Who orders the chain, as its state proves it; what the engine has proof of against them; and the two
 * transactions by which the regulator and those who order change it (docs/decisions/0012-validators.md).
 */
import { ROUTES } from '@yilian/api/routes';
import { type Bytes, compareBytes, equalBytes } from '@yilian/crypto/bytes';
import { decode } from '@yilian/crypto/cbor';
import { Fields } from '@yilian/crypto/fields';
import {
  type ValidatorChange,
  parseValidatorChange,
} from '@yilian/ledger/contracts/governance/validator-change';
import {
  type GovernedValidators,
  type ValidatorList,
  parseGovernedValidators,
  validatorChangeHash,
} from '@yilian/ledger/contracts/governance/validators';
import { type Offence, offenceOf, parseMisbehaviourCount } from '@yilian/ledger/misbehaviour';
import { stateKeys } from '@yilian/ledger/state';
import type { Signer } from '@yilian/ledger/transaction-codec';
import type { ChainReader, FinalTransaction, ReadOptions } from './chain-reader.ts';
import { ClientError, RejectedError, VerificationError } from './failure.ts';
import type { Network } from './network.ts';
import { type SubmitOptions, submitBody } from './submission.ts';

export interface ValidatorsState {
  readonly current: GovernedValidators;
  /** What waits for approvals, lapsed or not. */
  readonly change: ValidatorChange | undefined;
  /** After this block. */
  readonly height: bigint;
}

/** @throws ClientError `badAnchor` for a chain that has no such state */
export async function readValidators(
  reader: ChainReader,
  options?: ReadOptions,
): Promise<ValidatorsState> {
  const current = await reader.state(stateKeys.validators(), options);
  const change = await reader.state(stateKeys.validatorChange(), options);
  if (current.value === undefined)
    throw new ClientError('badAnchor', 'the chain has no validators in its state');
  return {
    current: parseGovernedValidators(current.value),
    change: change.value === undefined ? undefined : parseValidatorChange(change.value),
    height: change.height < current.height ? change.height : current.height,
  };
}

export interface ReportedOffence extends Offence {
  /** Height of the block that reported it. */
  readonly reportedAt: number;
  /** In the log. */
  readonly position: number;
}

/**
 * All misbehaviour that the engine has reported. The list of a node only says where to look: each entry is
 * proven, and the state says how many there are.
 * @throws VerificationError when every node that answers leaves one out
 */
export async function readMisbehaviour(
  network: Pick<Network, 'ask' | 'context'>,
  reader: Pick<ChainReader, 'state' | 'logEntry'>,
): Promise<readonly ReportedOffence[]> {
  const { value: counted } = await reader.state(stateKeys.misbehaviourCount());
  const count = counted === undefined ? 0 : parseMisbehaviourCount(counted);
  if (count === 0) return [];
  const positions: number[] = [];
  while (positions.length < count) {
    const from = positions.length;
    // oxlint-disable-next-line no-await-in-loop -- page after page
    const { value: page } = await network.ask(
      ROUTES.getListing,
      { params: { name: 'misbehaviour' }, query: { from, institution: null, epoch: 0 } },
      (listing, source) => {
        const items = listing.items.map((item) => Fields.of(decode(item), 1).whole());
        const all = [...positions.slice(-1), ...items];
        const isAscending = all.every((each, i) => i === 0 || each > (all[i - 1] ?? -1));
        if (!isAscending || items.length === 0)
          throw new VerificationError('eventCount', source, 'reported misbehaviour is missing');
        return items;
      },
    );
    positions.push(...page);
  }
  return Promise.all(
    positions.slice(0, count).map(async (position) => {
      const { leaf } = await reader.logEntry(position);
      const offence = offenceOf(network.context, leaf);
      if (offence === undefined)
        throw new VerificationError(
          'eventCount',
          { node: 'log', route: ROUTES.getListing.name },
          `entry ${position} is no misbehaviour`,
        );
      return { ...offence, reportedAt: leaf.height, position };
    }),
  );
}

/** The regulator puts a list to the vote; returns the hash that approvals name. @throws RejectedError, NetworkError */
export async function proposeValidators(
  network: Network,
  reader: ChainReader,
  list: ValidatorList,
  regulator: Signer,
  options?: SubmitOptions,
): Promise<{ readonly change: Bytes; readonly final: FinalTransaction }> {
  const { current } = await readValidators(reader, { fresh: true });
  const validators = [...list.validators].sort((a, b) => compareBytes(a.key, b.key));
  const { epoch } = current;
  const body = { type: 'changeValidators', epoch, mode: list.mode, validators } as const;
  const final = await submitBody(network, reader, body, [regulator], options);
  return { change: validatorChangeHash(network.context, body), final };
}

/**
 * A validator, or one that is to join, approves by its consensus key the change of this hash: the one that
 * its people have read.
 * @throws RejectedError, `changeUnknown` too when another change waits or none; NetworkError
 */
export async function approveValidators(
  network: Network,
  reader: ChainReader,
  change: Bytes,
  validator: Signer,
  options?: SubmitOptions,
): Promise<{ readonly acts: boolean; readonly final: FinalTransaction }> {
  const { change: waiting } = await readValidators(reader, { fresh: true });
  // Nobody signs a hash whose list he cannot have seen.
  if (
    waiting === undefined ||
    !equalBytes(waiting.hash, change) ||
    !equalBytes(validatorChangeHash(network.context, waiting), change)
  )
    throw new RejectedError('changeUnknown', 'approveValidators');
  const body = { type: 'approveValidators', change } as const;
  const final = await submitBody(network, reader, body, [validator], options);
  return { acts: final.leaf.facts.some(([kind]) => kind === 'validators'), final };
}
