import { expect, test } from 'vitest';
import { compareBytes } from '@yilian/crypto/bytes';
import { NetworkFileError } from '../../src/network/network-file.ts';
import { formatValidatorsFile, parseValidatorsFile } from '../../src/network/validators-file.ts';

const KEY = '5f'.repeat(32);
const OTHER = '1e'.repeat(32);

const FILE = `
mode: stake
validators:
  - institution: city-first
    operator: city-health
    key: "${KEY}"
    power: 3
    leads: false
  - institution: county
    key: "${OTHER}"
`;

test('what people leave out has its usual value, and the list is sorted by key', () => {
  const { mode, validators } = parseValidatorsFile(FILE);
  expect(mode).toBe('stake');
  expect(
    validators.map(({ institution, operator, power, leads }) => [
      institution,
      operator,
      power,
      leads,
    ]),
  ).toEqual([
    ['county', 'county', 1, true],
    ['city-first', 'city-health', 3, false],
  ]);
  const [first, second] = validators;
  expect(first && second && compareBytes(first.key, second.key)).toBeLessThan(0);
});

test('a file that the command wrote says the same when it is read', () => {
  const list = parseValidatorsFile(FILE);
  expect(parseValidatorsFile(formatValidatorsFile(list))).toEqual(list);
});

test.each([
  ['mode: fair\nvalidators: []', 'validators file.mode'],
  ['mode: equal\nvalidators: []', 'validators'],
  ['mode: equal\nvalidators: 3', 'validators'],
  ['mode: equal\nvalidatores: []', 'validators file.validatores'],
  [FILE.replace('power: 3', 'power: 0'), 'validators[0].power'],
  [FILE.replace('power: 3', 'power: 1.5'), 'validators[0].power'],
  [FILE.replace('power: 3', 'power: 5000000000'), 'validators[0].power'],
  [FILE.replace('leads: false', 'leads: perhaps'), 'validators[0].leads'],
  [FILE.replace(KEY, 'zz'), 'validators[0].key'],
  [FILE.replace('county', 'County Hospital'), 'validators[1].institution'],
  [FILE.replace('    power: 3', '    weight: 3'), 'validators[0].weight'],
  ['mode: [', 'validators file'],
])('a mistake is told with its place: %#', (source, place) => {
  expect(() => parseValidatorsFile(source)).toThrow(NetworkFileError);
  expect(() => parseValidatorsFile(source)).toThrow(place);
});
