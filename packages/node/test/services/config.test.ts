import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseNodeConfig, parseNodeSeeds, readNodeFiles } from '../../src/config.ts';
import { openConsortium } from '../../src/demo/make-consortium.ts';
import { fromBase64Url, fromHex, toHex } from '@yilian/crypto/bytes';
import { decodeGenesisDocument, genesisId } from '@yilian/consensus/genesis';
import { parseGenesis } from '@yilian/ledger/genesis';
import { readFileSync } from 'node:fs';

const GOOD = {
  name: 'h-1',
  institution: 'h-1',
  operator: 'h-1',
  http: { host: '127.0.0.1', port: 0 },
  peer: { host: '127.0.0.1', port: 0 },
  peers: [],
  origins: [],
  settings: {},
};

describe('a node’s configuration', () => {
  it('fills in defaults', () => {
    expect(parseNodeConfig('c', GOOD).settings).toMatchObject({
      blockIntervalMs: 250,
      heartbeatMs: 10_000,
    });
  });

  it.each<[string, unknown]>([
    ['no object', []],
    ['an institution with a path in it', { ...GOOD, institution: '../x' }],
    ['a port that is none', { ...GOOD, http: { host: 'h', port: 70_000 } }],
    ['a peer without key', { ...GOOD, peers: [{ host: 'h', port: 1 }] }],
    ['a setting of zero', { ...GOOD, settings: { blockIntervalMs: 0 } }],
    ['a setting as text', { ...GOOD, settings: { heartbeatMs: '10' } }],
    ['an origin that is no text', { ...GOOD, origins: [1] }],
  ])('refuses %s, naming the file', (_why, value) => {
    expect(() => parseNodeConfig('config.json', value)).toThrow(/config\.json/);
  });

  it('refuses seeds of another length, without quoting them', () => {
    const short = 'ab'.repeat(31);
    const seeds = {
      consensus: short,
      node: short,
      nodeHpke: short,
      store: null,
      hospital: null,
      regulator: null,
    };
    expect(() => parseNodeSeeds('keys.json', seeds)).toThrow(/keys\.json: consensus/);
    expect(() => parseNodeSeeds('keys.json', seeds)).not.toThrow(new RegExp(short));
  });

  it('names the file that is missing or broken', () => {
    const home = mkdtempSync(join(tmpdir(), 'yilian-config-'));
    expect(() => readNodeFiles(home)).toThrow(/config\.json/);
    writeFileSync(join(home, 'config.json'), '{');
    expect(() => readNodeFiles(home)).toThrow(/config\.json/);
    rmSync(home, { recursive: true });
  });
});

describe('the demonstration consortium', () => {
  it('is made once, with keys of its own in each node’s folder and people’s in none', async () => {
    const home = mkdtempSync(join(tmpdir(), 'yilian-demo-'));
    const facts = await openConsortium(home);
    expect(await openConsortium(home)).toEqual(facts);
    const seeds = facts.nodes.map(({ institution }) =>
      readFileSync(join(home, 'nodes', institution, 'keys.json'), 'utf8'),
    );
    const values = seeds
      .flatMap((text) => Object.values(JSON.parse(text) as Record<string, string | null>))
      .filter((value) => value !== null);
    expect(new Set(values).size).toBe(values.length);
    // Only the nodes' own six kinds of key are there.
    expect(Object.keys(JSON.parse(seeds[0] ?? '{}') as object)).toEqual([
      'consensus',
      'node',
      'nodeHpke',
      'store',
      'hospital',
      'regulator',
    ]);
    const genesis = decodeGenesisDocument(fromBase64Url(facts.anchor.genesis));
    expect(toHex(genesisId(genesis))).toBe(facts.anchor.genesisId);
    expect(
      parseGenesis(genesis.appState).members.some(
        ({ key }) => toHex(key) === facts.anchor.regulatorKey,
      ),
    ).toBe(true);
    // QJ-8: the community hospital votes and never leads.
    const community = facts.nodes.find(({ tier }) => tier === 'community');
    const validator = genesis.validators.find(({ key }) => toHex(key) === community?.consensusKey);
    expect(validator).toMatchObject({ leads: false, power: 1n });
    expect(fromHex(facts.tickets[0]?.secret ?? '')).toHaveLength(16);
    rmSync(home, { recursive: true });
  });

  it('refuses a genesis document that is none', () => {
    expect(() => decodeGenesisDocument(Uint8Array.of(0x80))).toThrow();
    expect(() => decodeGenesisDocument(Uint8Array.of(0x84, 1, 2, 3, 4))).toThrow();
  });
});
