import { mkdtempSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { demoConsortium } from '@yilian/api/documents';
import { genesisId, decodeGenesisDocument } from '@yilian/consensus/genesis';
import { toHex } from '@yilian/crypto/bytes';
import { parseGenesis } from '@yilian/ledger/genesis';
import { beforeAll, describe, expect, it } from 'vitest';
import { readNodeFiles } from '../../src/config.ts';
import { NetworkExistsError, initNetwork } from '../../src/network/init-network.ts';
import { parseNetworkFile } from '../../src/network/network-file.ts';

const FILE = parseNetworkFile(`
chain: stroke-network
hospitals:
  - { institution: city-first, tier: tertiary, operator: city-health, host: 127.0.0.1 }
  - { institution: city-second, tier: tertiary, operator: city-health, host: 127.0.0.1 }
  - { institution: county, tier: secondary, host: 10.0.0.13 }
  - { institution: township, tier: community, host: 10.0.0.14 }
regulator: { institution: commission, host: 10.0.0.20 }
`);
const NAMES = ['city-first', 'city-second', 'commission', 'county', 'township'];

describe('a network made from its file', () => {
  let directory = '';
  beforeAll(async () => {
    directory = join(mkdtempSync(join(tmpdir(), 'yilian-network-')), 'net');
    await initNetwork(FILE, directory);
  });

  it('has a folder for each institution that its node can read, with one genesis', () => {
    expect(readdirSync(join(directory, 'nodes')).sort()).toEqual(NAMES);
    const ids = NAMES.map((name) => {
      const files = readNodeFiles(join(directory, 'nodes', name));
      expect(files.config.institution).toBe(name);
      expect(files.config.cometbft?.peers).toHaveLength(4);
      return toHex(genesisId(decodeGenesisDocument(files.genesis)));
    });
    expect(new Set(ids).size).toBe(1);
  });

  it('tells each node where the stores of the others are, to repair from and to audit, and never its own', () => {
    const placesOf = (name: string): readonly string[] =>
      readNodeFiles(join(directory, 'nodes', name)).copies.map(({ url }) => url);
    expect(placesOf('commission')).toHaveLength(4);
    expect(placesOf('county')).toHaveLength(3);
    const county = FILE.members.find(({ institution }) => institution === 'county')?.url;
    expect(placesOf('county')).not.toContain(county);
    expect(placesOf('township')).toContain(county);
  });

  it('lets each operator be named apart from its institutions, and community hospitals never lead', () => {
    const genesis = decodeGenesisDocument(
      readNodeFiles(join(directory, 'nodes', 'county')).genesis,
    );
    expect(genesis.validators.map(({ leads }) => leads)).toEqual([true, true, true, false]);
    const { validators, settings } = parseGenesis(genesis.appState);
    expect(validators.map(({ operator }) => operator)).toEqual([
      'city-health',
      'city-health',
      'county',
      'township',
    ]);
    expect(settings.faultsMax).toBe(1);
  });

  it('keeps keys for the owner of the machine alone and out of every other file', () => {
    const homes = NAMES.map((name) => join(directory, 'nodes', name));
    const secrets = homes.flatMap((home) => {
      expect(statSync(join(home, 'keys.json')).mode & 0o077).toBe(0);
      const keys = JSON.parse(readFileSync(join(home, 'keys.json'), 'utf8')) as Record<
        string,
        string | null
      >;
      return Object.values(keys).filter((key) => key !== null);
    });
    expect(new Set(secrets).size).toBe(secrets.length);
    for (const home of homes)
      for (const name of readdirSync(home).filter((each) => each !== 'keys.json')) {
        const content = readFileSync(join(home, name));
        for (const secret of secrets) {
          expect(content.includes(secret)).toBe(false);
          expect(content.includes(Buffer.from(secret, 'hex'))).toBe(false);
        }
      }
  });

  it('describes itself to clients, without enrolment secrets', () => {
    const document = demoConsortium.parse(
      JSON.parse(readFileSync(join(directory, 'consortium.json'), 'utf8')),
    );
    expect(document.nodes).toHaveLength(5);
    expect(document.enrolmentSecrets).toEqual([]);
    expect(statSync(join(directory, 'enrolment-secrets.json')).mode & 0o077).toBe(0);
  });

  it('is made once: an existing folder is refused and stays as it was', async () => {
    const before = readFileSync(join(directory, 'nodes', 'county', 'keys.json'), 'utf8');
    await expect(initNetwork(FILE, directory)).rejects.toThrow(NetworkExistsError);
    expect(readFileSync(join(directory, 'nodes', 'county', 'keys.json'), 'utf8')).toBe(before);
  });
});
