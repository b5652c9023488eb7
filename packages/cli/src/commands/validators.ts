/**
 * Who orders the chain: shown to anybody; changed by the regulator's operator, who puts a list to the
 * vote, and by those who order, who approve it with the consensus key of their node.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROUTES } from '@yilian/api/routes';
import { replaceFile } from '@yilian/client/platform/node-platform';
import {
  approveValidators,
  proposeValidators,
  readMisbehaviour,
  readValidators,
} from '@yilian/client/validators';
import { type Bytes, toHex, utf8 } from '@yilian/crypto/bytes';
import { publicKey, sign } from '@yilian/crypto/signature';
import type { ValidatorList } from '@yilian/ledger/contracts/governance/validators';
import type { Signer } from '@yilian/ledger/transaction-codec';
import { type NodeSeeds, parseNodeSeeds } from '@yilian/node/config';
import { ConfigError } from '@yilian/node/json-fields';
import { NetworkFileError } from '@yilian/node/network/network-file';
import { formatValidatorsFile, parseValidatorsFile } from '@yilian/node/network/validators-file';
import type { Command, Options } from '../command.ts';
import { EXIT, type ExitCode, InputError, UsageError } from '../exit-code.ts';
import type { Session } from '../session.ts';

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw new UsageError('unreadable', { path });
  }
}

/** The keys of a node, out of its home folder. */
function seedsOf(options: Options): NodeSeeds {
  const path = join(options.required('node'), 'keys.json');
  try {
    return parseNodeSeeds(path, JSON.parse(read(path)));
  } catch (error) {
    if (error instanceof ConfigError) throw new InputError(error.message, 'badInput');
    if (error instanceof SyntaxError) throw new UsageError('notJson', { path });
    throw error;
  }
}

function signerOf(seed: Bytes): Signer {
  return { key: publicKey(seed), sign: (message) => sign(seed, message) };
}

function documentOf({ mode, validators }: ValidatorList): Readonly<Record<string, unknown>> {
  return {
    mode,
    validators: validators.map((each) => ({ ...each, key: toHex(each.key) })),
  };
}

function linesOf(session: Session, list: ValidatorList, turn?: string): readonly string[] {
  const total = list.validators.reduce((sum, { power }) => sum + power, 0);
  return list.validators.map(({ key, institution, operator, power, leads }) =>
    session.say(leads ? 'validatorLeads' : 'validatorVerifies', {
      institution,
      operator,
      power,
      total,
      key: toHex(key),
      turn: toHex(key) === turn ? '*' : ' ',
    }),
  );
}

/** By the word of one node: whose turn it is is past before anybody could prove it. */
async function turnOf(session: Session): Promise<string | undefined> {
  const { network } = session.connect();
  try {
    const { value } = await network.ask(ROUTES.getStatus, { params: {} }, ({ primary }) => primary);
    return value;
  } catch {
    return undefined;
  }
}

async function show(session: Session, options: Options): Promise<ExitCode> {
  const { network, reader } = session.connect();
  const { current, change, height } = await readValidators(reader, { fresh: true });
  const offences = await readMisbehaviour(network, reader);
  const turn = await turnOf(session);
  const file = options.text('out');
  if (file !== undefined) await replaceFile(file, utf8(formatValidatorsFile(current)));
  const approvals = (change?.approvals ?? []).map((key) => toHex(key));
  session.answer(
    {
      height: String(height),
      epoch: current.epoch,
      ...documentOf(current),
      turn: turn ?? null,
      misbehaviour: offences,
      change:
        change === undefined
          ? null
          : {
              ...documentOf(change),
              hash: toHex(change.hash),
              until: new Date(change.until * 1000).toISOString(),
              approvals,
            },
      ...(file === undefined ? {} : { file }),
    },
    [
      session.say('validatorsNow', { epoch: current.epoch, mode: current.mode, height }),
      ...linesOf(session, current, turn),
      ...offences.map(({ institution, kind, height: at, reportedAt }) =>
        session.say('misbehaved', { institution, kind, at, reportedAt }),
      ),
      ...(change === undefined
        ? []
        : [
            session.say('changeWaits', {
              hash: toHex(change.hash),
              mode: change.mode,
              until: new Date(change.until * 1000).toISOString(),
              approvals: approvals.length,
            }),
            ...linesOf(session, change),
          ]),
    ],
  );
  return EXIT.ok;
}

async function change(session: Session, options: Options): Promise<ExitCode> {
  const { network, reader } = session.connect();
  let list: ValidatorList;
  try {
    list = parseValidatorsFile(read(options.required('file')));
  } catch (error) {
    throw error instanceof NetworkFileError ? new InputError(error.message, 'badInput') : error;
  }
  const { regulator } = seedsOf(options);
  if (regulator === null) throw new UsageError('notTheRegulator');
  const proposed = await proposeValidators(network, reader, list, signerOf(regulator));
  const hash = toHex(proposed.change);
  session.answer({ change: hash, height: proposed.final.leaf.height }, [
    session.say('changeProposed', { hash }),
  ]);
  return EXIT.ok;
}

async function approve(session: Session, options: Options): Promise<ExitCode> {
  const { network, reader } = session.connect();
  const hash = options.hex('change', 32);
  const { consensus } = seedsOf(options);
  const { acts, final } = await approveValidators(network, reader, hash, signerOf(consensus));
  const { height } = final.leaf;
  session.answer({ change: toHex(hash), height, acts, ...(acts ? { from: height + 2 } : {}) }, [
    acts
      ? session.say('changeActs', { from: height + 2 })
      : session.say('changeApproved', { hash: toHex(hash) }),
  ]);
  return EXIT.ok;
}

const validators: Command = {
  name: 'validators',
  usage:
    'validators [--out FILE] | validators change --file FILE --node DIR | validators approve --change HASH --node DIR | validators key --node DIR',
  summary: {
    en: 'show who orders the chain, with what power, and what is proven against them; put another list to the vote (regulator) or approve it (who orders now or will)',
    zh: '查看由谁排序、各自的投票权及已证实的违规；监管方提出新名单，验证者批准',
  },
  options: {
    file: { type: 'string' },
    node: { type: 'string' },
    change: { type: 'string' },
    out: { type: 'string' },
  },
  run: async (session, options) => {
    const [action] = options.positionals;
    switch (action) {
      case undefined:
        return show(session, options);
      case 'change':
        return change(session, options);
      case 'approve':
        return approve(session, options);
      case 'key': {
        const key = toHex(publicKey(seedsOf(options).consensus));
        session.answer({ key }, [key]);
        return EXIT.ok;
      }
      default:
        throw new UsageError('noAction', { command: 'validators', action });
    }
  },
};

export const VALIDATOR_COMMANDS: readonly Command[] = [validators];
