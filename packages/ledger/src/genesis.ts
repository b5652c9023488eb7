/** The ledger's genesis document: who is there from the beginning. It travels as the chain's `appState`. */
import { type Bytes, CodecError, compareBytes, equalBytes } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import {
  type GovernedValidators,
  POWER_MAX,
  VALIDATORS_MAX,
  type ValidatorEntry,
  putValidators,
} from './contracts/governance/validators.ts';
import {
  type MemberDescription,
  addMember,
  describeFields,
  readDescription,
} from './contracts/members/member.ts';
import { Fields } from '@yilian/crypto/fields';
import { deriveMemberId } from './ids.ts';
import type { Validator } from './ledger-port.ts';
import { type Settings, encodeSettings } from './settings.ts';
import { type State, stateKeys } from './state.ts';

/** Which member's consensus key a validator key is. */
export interface GenesisValidator {
  /** Ed25519, 32 bytes. */
  readonly consensusKey: Bytes;
  readonly institution: string;
  readonly operator: string;
}

export interface GenesisState {
  readonly chainId: string;
  /** Exactly one has the role `regulator`. */
  readonly members: readonly MemberDescription[];
  readonly validators: readonly GenesisValidator[];
  readonly settings: Settings;
}

const VERSION = 1;

export function encodeGenesis(genesis: GenesisState): Bytes {
  return encode([
    VERSION,
    genesis.chainId,
    genesis.members.map(describeFields),
    genesis.validators.map((each) => [each.consensusKey, each.institution, each.operator]),
    [genesis.settings.faultsMax],
  ]);
}

/** @throws CodecError */
export function parseGenesis(bytes: Bytes): GenesisState {
  const fields = Fields.of(decode(bytes), 5);
  if (fields.whole() !== VERSION)
    throw new CodecError('malformed', 'the genesis document has another version');
  const chainId = fields.name();
  const members = fields.list({ min: 1, max: 10_000 }, (list) => readDescription(list.nested(6)));
  const validators = fields.list({ min: 0, max: 1_000 }, (list) => {
    const each = list.nested(3);
    return {
      consensusKey: each.bytes(32),
      institution: each.name(),
      operator: each.name(),
    };
  });
  const settings = { faultsMax: fields.nested(1).whole(0xff) };
  if (members.filter((member) => member.role === 'regulator').length !== 1)
    throw new CodecError('malformed', 'a genesis names one regulator');
  return { chainId, members, validators, settings };
}

/** The first set: who orders is the chain's genesis to say, whose each is, the ledger's. @throws CodecError */
function genesisValidators(
  genesis: GenesisState,
  ordering: readonly Validator[],
): GovernedValidators {
  if (ordering.length > VALIDATORS_MAX)
    throw new CodecError('malformed', `a chain has at most ${VALIDATORS_MAX} validators`);
  const validators = ordering
    .map(({ key, power, leads }): ValidatorEntry => {
      const named = genesis.validators.find((each) => equalBytes(each.consensusKey, key));
      if (named === undefined)
        throw new CodecError('malformed', 'the genesis does not say whose validator a key is');
      if (power < 1n || power > BigInt(POWER_MAX))
        throw new CodecError('malformed', 'a validator of the genesis has no possible power');
      const { institution, operator } = named;
      return { key, institution, operator, power: Number(power), leads };
    })
    .sort((a, b) => compareBytes(a.key, b.key));
  const mode = validators.every(({ power }) => power === 1) ? 'equal' : 'stake';
  return { epoch: 0, mode, validators };
}

/**
 * Writes the first state. `ordering`: the validators of the chain's genesis document.
 * @throws CodecError when a key occurs twice or a validator is nobody's
 */
export function applyGenesis(
  state: State,
  genesis: GenesisState,
  ordering: readonly Validator[],
): void {
  for (const member of genesis.members) {
    if (state.has(stateKeys.memberKey(member.key)))
      throw new CodecError('malformed', 'two members of the genesis have one key');
    addMember(state, { ...member, id: deriveMemberId(genesis, member.key), status: 'active' });
  }
  state.put(stateKeys.settings(), encodeSettings(genesis.settings));
  putValidators(state, genesisValidators(genesis, ordering));
}
