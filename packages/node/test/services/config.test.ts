import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseNodeConfig, parseNodeSeeds, readNodeFiles } from '../../src/config.ts';
import { ConfigError } from '../../src/json-fields.ts';
import { parseCopyPlaces } from '../../src/stores/copy-source.ts';
import { parseS3Settings } from '../../src/stores/s3-settings.ts';
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

describe('where ciphertexts lie', () => {
  const S3 = {
    kind: 's3',
    endpoint: 'https://s3.hospital.example',
    region: 'cn-north-1',
    bucket: 'yilian-records',
    prefix: 'hospital-a/',
  };
  const KEYS = { objectStore: { accessKey: 'AK', secretKey: 'shown-to-nobody' } };
  const parse = (
    objectStore: unknown,
    keys: unknown = KEYS,
    environment: Record<string, string> = {},
  ): ReturnType<typeof parseS3Settings> =>
    parseS3Settings(
      {
        config: { file: 'config.json', value: { ...GOOD, objectStore } },
        keys: { file: 'keys.json', value: keys },
      },
      environment,
    );

  it('is the node’s own disk where nothing is said, or files are', () => {
    const keys = { file: 'keys.json', value: {} };
    expect(parseS3Settings({ config: { file: 'c', value: GOOD }, keys }, {})).toBeNull();
    expect(parse({ kind: 'files' })).toBeNull();
  });

  it('is S3 with the credentials of keys.json, or of the environment', () => {
    expect(parse(S3)).toMatchObject({
      bucket: 'yilian-records',
      pathStyle: true,
      credentials: KEYS.objectStore,
    });
    const environment = { YILIAN_S3_ACCESS_KEY: 'E', YILIAN_S3_SECRET_KEY: 'F' };
    expect(parse(S3, {}, environment)?.credentials).toEqual({ accessKey: 'E', secretKey: 'F' });
    expect(parse({ ...S3, endpoint: 'http://127.0.0.1:7070' })?.endpoint).toBe(
      'http://127.0.0.1:7070/',
    );
  });

  it.each<[string, unknown, RegExp, unknown?, Record<string, string>?]>([
    ['another kind', { ...S3, kind: 'ftp' }, /config\.json: objectStore: kind/],
    ['no endpoint', { ...S3, endpoint: undefined }, /endpoint/],
    ['an endpoint that is no URL', { ...S3, endpoint: 's3' }, /endpoint must be a URL/],
    ['plain HTTP to elsewhere', { ...S3, endpoint: 'http://s3.example' }, /https/],
    [
      'HTTP to a name that begins like loopback',
      { ...S3, endpoint: 'http://127.0.0.1.evil.example' },
      /https/,
    ],
    ['credentials in the URL', { ...S3, endpoint: 'https://u:p@s3.example' }, /credentials/],
    ['a query in the URL', { ...S3, endpoint: 'https://s3.example/?x' }, /query/],
    ['a bucket with a slash', { ...S3, bucket: 'a/b' }, /bucket/],
    ['a prefix that goes up', { ...S3, prefix: '../' }, /prefix/],
    ['a prefix without its slash', { ...S3, prefix: 'a' }, /prefix/],
    ['a path style that is text', { ...S3, pathStyle: 'yes' }, /pathStyle/],
    ['time limits of none', { ...S3, answerMs: 0 }, /answerMs/],
    ['a secret in config.json', { ...S3, secretKey: 'shown-to-nobody' }, /belongs into keys\.json/],
    ['no credentials', S3, /keys\.json: objectStore/, {}],
    ['half the credentials', S3, /secretKey/, { objectStore: { accessKey: 'AK' } }],
    ['half of the environment', S3, /together/, KEYS, { YILIAN_S3_ACCESS_KEY: 'shown-to-nobody' }],
  ])('is not %s, and no message quotes a secret', (_what, store, message, keys, environment) => {
    const run = (): unknown => parse(store, keys ?? KEYS, environment ?? {});
    expect(run).toThrow(ConfigError);
    expect(run).toThrow(message);
    expect(run).not.toThrow(/shown-to-nobody/);
  });

  it.each<[string, unknown]>([
    ['no list', {}],
    ['without a store', [{ node: 'ab'.repeat(32), url: 'http://h' }]],
    ['with a short id', [{ store: 'ab', node: 'ab'.repeat(32), url: 'http://h' }]],
    ['with a URL that is none', [{ store: 'ab'.repeat(32), node: 'ab'.repeat(32), url: 'h' }]],
    ['with a file', [{ store: 'ab'.repeat(32), node: 'ab'.repeat(32), url: 'file:///etc/passwd' }]],
  ])('other operators’ stores are refused when they are %s', (_what, copies) => {
    expect(() => parseCopyPlaces('config.json', { ...GOOD, copies })).toThrow(
      /config\.json: copies/,
    );
  });

  it('other operators’ stores may be none', () => {
    expect(parseCopyPlaces('config.json', GOOD)).toEqual([]);
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
    // Only the nodes' own seven kinds of key are there.
    expect(Object.keys(JSON.parse(seeds[0] ?? '{}') as object)).toEqual([
      'consensus',
      'engine',
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
