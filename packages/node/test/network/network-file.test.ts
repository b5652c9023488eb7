import { describe, expect, it } from 'vitest';
import { NetworkFileError, parseNetworkFile } from '../../src/network/network-file.ts';

const FOUR = `
chain: stroke-network
hospitals:
  - { institution: city-first, tier: tertiary, operator: city-health, host: 10.0.0.11 }
  - { institution: city-second, tier: tertiary, host: 10.0.0.12, url: 'http://city-second.example:8080' }
  - { institution: county, tier: secondary, host: 10.0.0.13, ports: { http: 8443 } }
  - { institution: township, tier: community, host: 10.0.0.14 }
regulator: { institution: health-commission, host: 10.0.0.20 }
`;

function hospitals(...entries: string[]): string {
  return [
    'chain: c',
    'hospitals:',
    ...entries.map((each) => `  - ${each}`),
    'regulator: { institution: r, host: 127.0.0.1 }',
  ].join('\n');
}

const GOOD = '{ institution: a, tier: tertiary, host: 127.0.0.1 }';

describe('a network file', () => {
  it('names members, operators, addresses; the regulator comes last and leads nothing', () => {
    const file = parseNetworkFile(FOUR);
    expect(file.chainId).toBe('stroke-network');
    expect(file.members.map(({ institution, tier }) => `${institution} ${tier}`)).toEqual([
      'city-first tertiary',
      'city-second tertiary',
      'county secondary',
      'township community',
      'health-commission regulator',
    ]);
    expect(file.members[0]?.operator).toBe('city-health');
    expect(file.members[1]?.operator).toBe('city-second');
    expect(file.members[2]?.ports).toEqual({ http: 8443, peer: 19_400, engine: 26_656 });
    expect(file.members.map(({ url }) => url).slice(0, 2)).toEqual([
      'https://10.0.0.11',
      'http://city-second.example:8080',
    ]);
    expect(file).toMatchObject({ blockIntervalMs: 250, heartbeatMs: 10_000 });
  });

  it('gives members on one machine ports of their own', () => {
    const file = parseNetworkFile(
      hospitals(GOOD, '{ institution: b, tier: secondary, host: 127.0.0.1 }'),
    );
    const ports = file.members.flatMap((each) => Object.values(each.ports));
    expect(new Set(ports).size).toBe(9);
  });

  it.each<[string, string, RegExp]>([
    ['no YAML', 'chain: [', /line 1|network file/],
    ['a list', '- a', /network file: expected/],
    ['nothing', '', /network file: expected/],
    ['an unknown field', `${FOUR}color: red\n`, /network file\.color: unknown/],
    [
      'no hospitals',
      'chain: c\nregulator: { institution: r, host: h }',
      /hospitals: must be a list/,
    ],
    ['no regulator', `chain: c\nhospitals:\n  - ${GOOD}`, /regulator: expected/],
    ['a chain id with capitals', FOUR.replace('stroke-network', 'Stroke'), /network file\.chain/],
    [
      'a path as institution',
      hospitals(GOOD.replace(': a', ': ../a')),
      /hospitals\[0\]\.institution/,
    ],
    ['an unknown tier', hospitals(GOOD.replace('tertiary', 'village')), /hospitals\[0\]\.tier/],
    ['only community hospitals', hospitals(GOOD.replace('tertiary', 'community')), /at least one/],
    ['an institution twice', hospitals(GOOD, GOOD), /a: is there twice/],
    [
      'one address twice',
      hospitals(
        GOOD.replace(' }', ', ports: { http: 5000 } }'),
        '{ institution: b, tier: tertiary, host: 127.0.0.1, ports: { peer: 5000 } }',
      ),
      /b: 127\.0\.0\.1:5000 is taken/,
    ],
    ['a port out of range', hospitals(GOOD.replace(' }', ', ports: { http: 0 } }')), /ports\.http/],
    [
      'a url of another scheme',
      hospitals(GOOD.replace(' }', ', url: "ftp://a" }')),
      /hospitals\[0\]\.url: must be an address like https/,
    ],
    ['a host with a space', hospitals(GOOD.replace('127.0.0.1', '"a b"')), /hospitals\[0\]\.host/],
    ['an interval of a millisecond', `${FOUR}blockIntervalMs: 1\n`, /blockIntervalMs: must lie/],
    [
      'a tier for the regulator',
      FOUR.replace('commission,', 'commission, tier: x,'),
      /regulator\.tier/,
    ],
    ['an alias that grows', 'chain: &a c\nhospitals: *a', /network file|hospitals/],
    ['a file that is too long', `# ${'x'.repeat(300_000)}`, /must be shorter/],
  ])('refuses %s and names the place', (_what, source, message) => {
    expect(() => parseNetworkFile(source)).toThrow(NetworkFileError);
    expect(() => parseNetworkFile(source)).toThrow(message);
  });
});
