/**
 * A list of validators as people write it, read it and argue about it:
 *
 *   mode: equal                      # equal | stake
 *   validators:
 *     - institution: city-first
 *       operator: city-health        # optional; default: the institution itself
 *       key: 5f1c…                   # consensus key, 64 hexadecimal digits
 *       power: 1                     # optional; default 1
 *       leads: true                  # optional; default true; false: a verification node
 */
import { compareBytes, fromHex, toHex } from '@yilian/crypto/bytes';
import {
  POWER_MAX,
  VALIDATOR_MODES,
  VALIDATORS_MAX,
  type ValidatorEntry,
  type ValidatorList,
} from '@yilian/ledger/contracts/governance/validators';
import { fieldsOf, NetworkFileError, parseDocument, text, whole } from './yaml-fields.ts';

/** As the ledger takes names. */
const NAME = /^[a-z0-9-]{1,64}$/;
const NAME_TEXT = 'lower-case letters, digits and hyphens, at most 64';

function readEntry(value: unknown, place: string): ValidatorEntry {
  const fields = fieldsOf(place, value, ['institution', 'operator', 'key', 'power', 'leads']);
  const institution = text(fields, place, 'institution', NAME, NAME_TEXT);
  const leads = fields.get('leads') ?? true;
  if (typeof leads !== 'boolean')
    throw new NetworkFileError(`${place}.leads`, 'must be true or false');
  return {
    key: fromHex(text(fields, place, 'key', /^[0-9a-f]{64}$/, '64 hexadecimal digits')),
    institution,
    operator: fields.has('operator')
      ? text(fields, place, 'operator', NAME, NAME_TEXT)
      : institution,
    power: whole(fields, place, 'power', { min: 1, max: POWER_MAX, standard: 1 }),
    leads,
  };
}

/** Sorted by key. The ledger's rules are not looked at here. @throws NetworkFileError */
export function parseValidatorsFile(source: string): ValidatorList {
  const name = 'validators file';
  const root = fieldsOf(name, parseDocument(name, source), ['mode', 'validators']);
  const mode = VALIDATOR_MODES.find((each) => each === root.get('mode'));
  if (mode === undefined)
    throw new NetworkFileError(`${name}.mode`, `must be ${VALIDATOR_MODES.join(' or ')}`);
  const listed = root.get('validators');
  if (!Array.isArray(listed) || listed.length === 0 || listed.length > VALIDATORS_MAX)
    throw new NetworkFileError('validators', `must be a list of 1 to ${VALIDATORS_MAX}`);
  const validators = listed.map((value: unknown, at) => readEntry(value, `validators[${at}]`));
  return { mode, validators: validators.sort((a, b) => compareBytes(a.key, b.key)) };
}

/** What `parseValidatorsFile` reads: a beginning for whoever writes the next list. */
export function formatValidatorsFile({ mode, validators }: ValidatorList): string {
  const entries = validators.flatMap(({ key, institution, operator, power, leads }) => [
    `  - institution: ${JSON.stringify(institution)}`,
    `    operator: ${JSON.stringify(operator)}`,
    `    key: "${toHex(key)}"`,
    `    power: ${power}`,
    `    leads: ${leads}`,
  ]);
  return `${[`mode: ${mode}`, 'validators:', ...entries].join('\n')}\n`;
}
