/**
 * Hospitals join a network of real processes and engines, by commands alone: prepared, enrolled, joined (the
 * first by blocks and then as a validator, the second by a snapshot from after that change), and the dark paths.
 */
import { once } from 'node:events';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { DemoConsortium } from '@yilian/api/documents';
import { freePorts } from '@yilian/node/bind-port';
import type { DemoTicket } from '@yilian/node/demo/make-consortium';
import { answerRequest, openRegulatorHome } from '@yilian/node/network/enrol-hospital';
import { readOwnRequest } from '@yilian/node/network/prepare-home';
import {
  FROM,
  HEARTBEAT_MS,
  SNAPSHOT_EVERY,
  WAIT,
  altered,
  connectOnlyTo,
  consortiumFile,
  done,
  enrolDoctor,
  enrolment,
  growTo,
  hasSigned,
  highest,
  homeOf,
  issue,
  joining,
  logged,
  network,
  nodes,
  ports,
  portsOf,
  prepare,
  program,
  reach,
  refused,
  regulator,
  root,
  startNode,
  statusOf,
  yilian,
} from './running-network.ts';

afterAll(async () => {
  for (const child of nodes.values())
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
  if (existsSync(network)) await yilian(['network', 'down', network]);
  rmSync(root, { recursive: true, force: true });
}, 120_000);

describe.skipIf(program === undefined)('a hospital joins a running network', () => {
  let first = { fingerprint: '' };

  beforeAll(async () => {
    ports.push(...(await freePorts(24)));
    const hospitals = ['city-first', 'city-second', 'county', 'township'].map(
      (name, at) =>
        `  - { institution: ${name}, tier: ${at < 3 ? 'tertiary' : 'community'}, host: 127.0.0.1, ports: ${portsOf(at)} }`,
    );
    const file = [
      'chain: joined',
      `heartbeatMs: ${HEARTBEAT_MS}`,
      `snapshotEvery: ${SNAPSHOT_EVERY}`,
      'hospitals:',
      ...hospitals,
      `regulator: { institution: commission, host: 127.0.0.1, ports: ${portsOf(4)} }`,
    ];
    writeFileSync(join(root, 'network.yaml'), file.join('\n'));
    await done(['network', 'init', '--hospitals', join(root, 'network.yaml'), '--out', network]);
    const secrets = JSON.parse(
      readFileSync(join(network, 'enrolment-secrets.json'), 'utf8'),
    ) as DemoTicket[];
    await done(['network', 'up', network]);
    await done(['connect', consortiumFile]);
    const secretOf = (person: string): string =>
      secrets.find((each) => each.person === person)?.secret ?? '';
    await done(['keys', 'create', '--role', 'patient', '--as', 'li']);
    await done(['enrol', '--as', 'li', '--secret', secretOf('patient-1'), '--identity', '1101']);
    const keys = ['keys', 'create', '--role', 'doctor', '--institution', 'city-first'];
    await done([...keys, '--name', 'Dr chen', '--as', 'chen']);
    await done(['enrol', '--as', 'chen', '--secret', secretOf('city-first-doctor-1')]);
    await issue('chen', 'city-first');
  }, 240_000);

  test('prepares a home of its own, with keys that are in no other file', async () => {
    first = await prepare('city-third', 5);
    const home = join(root, 'city-third');
    expect(readdirSync(home).sort()).toEqual(['genesis.cbor', 'keys.json', 'request.cbor']);
    expect(statSync(home).mode & 0o077).toBe(0);
    for (const name of readdirSync(home)) expect(statSync(join(home, name)).mode & 0o077).toBe(0);
    const keys = JSON.parse(readFileSync(join(home, 'keys.json'), 'utf8')) as Record<
      string,
      string | null
    >;
    const request = readFileSync(join(root, 'city-third.request'));
    for (const secret of Object.values(keys)) {
      if (secret === null) continue;
      expect(request.includes(Buffer.from(secret, 'hex'))).toBe(false);
    }
    const again = ['network', 'prepare', '--hospital', join(root, 'city-third.yaml')];
    const before = readFileSync(join(home, 'keys.json'), 'utf8');
    await refused([...again, '--consortium', consortiumFile, '--home', home], 'homeExists');
    expect(readFileSync(join(home, 'keys.json'), 'utf8')).toBe(before);
    await refused(['network', 'join', '--home', home, ...FROM()], 'answerMissing');
    await refused(['node', '--home', home], 'answerMissing');
  }, 180_000);

  test('is enrolled by the regulator alone, and only with the fingerprint it was told', async () => {
    const request = join(root, 'city-third.request');
    const look = ['network', 'enrol', '--request', request, '--node'];
    const looked = await done([...look, regulator]);
    expect(looked.json).toMatchObject({ ...first, institution: 'city-third', enrolled: false });
    expect(existsSync(join(regulator, 'enrolments'))).toBe(false);
    await refused([...look, homeOf('county')], 'notRegulator');
    const bare = join(root, 'regulator-without-key');
    mkdirSync(bare);
    for (const name of ['config.json', 'genesis.cbor', 'keys.json'])
      copyFileSync(join(regulator, name), join(bare, name));
    const keys = JSON.parse(readFileSync(join(bare, 'keys.json'), 'utf8')) as object;
    writeFileSync(join(bare, 'keys.json'), JSON.stringify({ ...keys, regulator: null }));
    await refused([...look, bare], 'notRegulator');
    const admit = ['admit', '--role', 'patient', '--name', '1102', '--node'];
    await refused([...admit, bare], 'notRegulator');
    expect((await yilian(['admit', '--role', 'king', '--name', 'x', '--node', bare])).code).toBe(2);
    const wrong = first.fingerprint.replace(/^./, (digit) => (digit === '0' ? '1' : '0'));
    await refused(enrolment('city-third', wrong), 'fingerprintDiffers');
    const forged = ['network', 'enrol', '--request', altered(request), '--node', regulator];
    await refused(forged, 'requestAltered');
    const nonsense = ['network', 'enrol', '--request', join(root, 'network.yaml'), '--node'];
    await refused([...nonsense, regulator], 'requestUnreadable');
    expect(existsSync(join(regulator, 'enrolments'))).toBe(false);

    const enrolled = await done(enrolment('city-third', first.fingerprint));
    expect(enrolled.json).toMatchObject({ enrolled: true, isRepeated: false });
    // Lost on the way: it is made again, and is as good.
    const again = await done(enrolment('city-third', first.fingerprint.replaceAll(' ', '')));
    expect(again.json).toMatchObject({ enrolled: true, isRepeated: true });
  }, 180_000);

  test('a request for another chain, or under a name that is taken, is refused', async () => {
    const other = join(root, 'other');
    await done(['network', 'init', '--hospitals', join(root, 'network.yaml'), '--out', other]);
    const yaml = join(root, 'fourth.yaml');
    writeFileSync(yaml, 'institution: city-fourth\ntier: secondary\nhost: 127.0.0.1\n');
    const foreign = join(root, 'foreign');
    const file = join(other, 'consortium.json');
    const make = ['network', 'prepare', '--hospital', yaml, '--consortium'];
    await done([...make, file, '--home', foreign]);
    const request = join(foreign, 'request.cbor');
    const enrol = ['network', 'enrol', '--node', regulator, '--request'];
    await refused([...enrol, request], 'requestOtherChain');
    await refused(
      [
        'network',
        'join',
        '--home',
        foreign,
        '--answer',
        join(root, 'city-third.answer'),
        ...FROM(),
      ],
      'answerOtherChain',
    );

    for (const name of ['county', 'city-third']) {
      const twice = join(root, `twice-${name}`);
      writeFileSync(yaml, `institution: ${name}\ntier: secondary\nhost: 127.0.0.1\n`);
      await done([...make, consortiumFile, '--home', twice]);
      await refused([...enrol, join(twice, 'request.cbor')], 'nameTaken');
    }
    const document = JSON.parse(readFileSync(consortiumFile, 'utf8')) as DemoConsortium;
    const { anchor } = document;
    const false_ = join(root, 'false.json');
    writeFileSync(
      false_,
      JSON.stringify({ ...document, anchor: { ...anchor, regulatorKey: '00'.repeat(32) } }),
    );
    await refused([...make, false_, '--home', join(root, 'nowhere')], 'badConsortium');
    expect(existsSync(join(root, 'nowhere'))).toBe(false);
  }, 180_000);

  test('an answer that was altered, for somebody else or for another home changes nothing', async () => {
    const home = join(root, 'city-third');
    const before = readdirSync(home);
    const answer = join(root, 'city-third.answer');
    copyFileSync(altered(answer), join(root, 'altered.answer'));
    await refused(joining('city-third', 'altered.answer'), 'answerForged');
    await refused(joining('city-third', 'network.yaml'), 'answerUnreadable');
    await refused(
      ['network', 'join', '--home', join(root, 'twice-county'), '--answer', answer, ...FROM()],
      'answerForAnother',
    );
    await refused(
      ['network', 'join', '--home', join(root, 'net'), '--answer', answer, ...FROM()],
      'notPrepared',
    );
    const swapped = join(root, 'swapped');
    cpSync(home, swapped, { recursive: true });
    copyFileSync(join(root, 'twice-county', 'keys.json'), join(swapped, 'keys.json'));
    await refused(
      ['network', 'join', '--home', swapped, '--answer', answer, ...FROM()],
      'notPrepared',
    );
    // Signed when the chain was 4,900 blocks younger, as it were.
    const request = readOwnRequest(home);
    const { answer: old } = answerRequest(openRegulatorHome(regulator), request, {
      height: -4_899n,
    });
    writeFileSync(join(root, 'old.answer'), old);
    await refused(joining('city-third', 'old.answer'), 'answerExpired');
    const nobody = ['--from', 'http://127.0.0.1:9', '--from', 'http://127.0.0.1:10'];
    const away = ['network', 'join', '--home', home, '--answer', answer, ...nobody];
    const unreachable = await yilian([...away, '--json']);
    expect(unreachable.code, unreachable.err).toBe(4);
    expect(unreachable.err).toContain('→');
    expect(readdirSync(home)).toEqual(before);
  }, 180_000);

  test('joins, follows, and serves what its own state proves', async () => {
    const joined = await done(joining('city-third'));
    expect(joined.json).toMatchObject({ enrolled: ['node', 'store', 'hospital'] });
    // Once more, as after a broken connection: what is on chain stays.
    const config = readFileSync(join(root, 'city-third', 'config.json'), 'utf8');
    await done(joining('city-third'));
    expect(readFileSync(join(root, 'city-third', 'config.json'), 'utf8')).toBe(config);

    // A regulator that has lost what it issued issues nothing else for keys that are on chain.
    const record = join(regulator, 'enrolments', 'city-third.cbor');
    renameSync(record, `${record}.lost`);
    await refused(enrolment('city-third', first.fingerprint), 'keyUsed');
    expect(existsSync(record)).toBe(false);
    renameSync(`${record}.lost`, record);

    startNode('city-third');
    await reach(5, await highest());
    await vi.waitFor(async () => expect((await statusOf(5)).peers.connected).toBe(5), WAIT);
    expect(await statusOf(5)).toMatchObject({ role: 'observer', halted: false });
    // What a service manager sends on reload reaches the node, and ends nothing.
    nodes.get('city-third')?.kill('SIGHUP');
    const log = join(root, 'city-third.log');
    await vi.waitFor(() => expect(logged(log, 'peersRead')).toHaveLength(1), WAIT);
    const cli = await connectOnlyTo('city-third');
    const shown = await done(['validators'], cli);
    expect(shown.json).toMatchObject({ epoch: 0 });
    expect(Number(shown.json['height'])).toBeGreaterThan(0);

    // It works as a hospital: its doctor writes a record there, its server and store sign for it, and the
    // receipt is proven by this node alone.
    await done(['connect', consortiumFile]);
    await enrolDoctor('wang', 'city-third');
    const transaction = await issue('wang', 'city-third');
    const receipt = join(root, 'third.receipt');
    await vi.waitFor(
      async () => void (await done(['receipt', transaction, '--out', receipt], cli)),
      WAIT,
    );
    expect((await done(['verify', receipt], cli)).json).toMatchObject({
      valid: true,
      type: 'issueRecord',
      outcome: 'ok',
    });
    expect(existsSync(join(root, 'city-third', 'data', 'objects'))).toBe(true);
  }, 240_000);

  test('becomes a validator, without a restart, and signs blocks', async () => {
    const list = join(root, 'validators.yaml');
    await done(['validators', '--out', list]);
    const key = String(
      (await done(['validators', 'key', '--node', join(root, 'city-third')])).json['key'],
    );
    writeFileSync(
      list,
      `${readFileSync(list, 'utf8')}  - { institution: city-third, key: "${key}", power: 1, leads: true }\n`,
    );
    const changed = await done(['validators', 'change', '--file', list, '--node', regulator]);
    const hash = String(changed.json['change']);
    let acts = false;
    for (const home of [
      homeOf('city-first'),
      homeOf('city-second'),
      homeOf('county'),
      join(root, 'city-third'),
    ]) {
      expect(acts).toBe(false);
      const approved = await done(['validators', 'approve', '--change', hash, '--node', home]);
      acts = approved.json['acts'] === true;
    }
    expect(acts).toBe(true);
    await vi.waitFor(async () => expect((await statusOf(5)).role).toBe('validator'), WAIT);
    await vi.waitFor(
      async () => expect(await hasSigned((await highest()) - 1, key)).toBe(true),
      WAIT,
    );
  }, 240_000);

  test('a second one takes a snapshot from after that change, and knows the first', async () => {
    const { epoch, height } = (await done(['validators'])).json;
    expect(epoch).toBe(1);
    // The newest snapshot, and the header where trust begins, lie after the change.
    const changedBefore = Number(height);
    await growTo((Math.floor(changedBefore / SNAPSHOT_EVERY) + 2) * SNAPSHOT_EVERY);
    const { fingerprint } = await prepare('city-fourth', 6);
    await done(enrolment('city-fourth', fingerprint));
    const joined = await done(joining('city-fourth'));
    expect(Number(joined.json['height'])).toBeGreaterThan(changedBefore);
    startNode('city-fourth');
    await reach(6, await highest());
    const log = join(root, 'city-fourth.log');
    await vi.waitFor(() => expect(logged(log, 'snapshotRestored')).toHaveLength(1), WAIT);
    await vi.waitFor(async () => expect((await statusOf(6)).peers.connected).toBe(6), WAIT);
    const cli = await connectOnlyTo('city-fourth');
    const own = (await done(['validators'], cli)).json as {
      readonly epoch: number;
      readonly validators: readonly { readonly institution: string }[];
    };
    expect(own.epoch).toBe(1);
    expect(own.validators.map(({ institution }) => institution)).toContain('city-third');
  }, 300_000);

  test('a snapshot from before a change of validators is followed across it', async () => {
    // One snapshot back from here the set is of five; now it becomes one of four again.
    const list = join(root, 'fewer.yaml');
    await done(['validators', '--out', list]);
    const entries = readFileSync(list, 'utf8').split(/(?= {2}- institution)/);
    const township = entries.filter((entry) => !entry.includes('"township"'));
    writeFileSync(list, township.join(''));
    // Just after a snapshot, so that the next lies far away and the newcomer plays the blocks of the change.
    await growTo((Math.floor((await highest()) / SNAPSHOT_EVERY) + 1) * SNAPSHOT_EVERY);
    const before = await highest();
    const { json } = await done(['validators', 'change', '--file', list, '--node', regulator]);
    const hash = String(json['change']);
    let from = 0;
    for (const home of [
      homeOf('city-first'),
      homeOf('city-second'),
      homeOf('county'),
      join(root, 'city-third'),
    ]) {
      const approved = await done(['validators', 'approve', '--change', hash, '--node', home]);
      from = Number(approved.json['from'] ?? 0);
    }
    expect(from).toBeGreaterThan(before);
    const { fingerprint } = await prepare('city-fifth', 7);
    await done(enrolment('city-fifth', fingerprint));
    await done(joining('city-fifth'));
    startNode('city-fifth');
    await reach(7, Math.max(await highest(), from + 1));
    const log = join(root, 'city-fifth.log');
    const [restored] = logged(log, 'snapshotRestored');
    expect(Number(restored?.['height'])).toBeLessThan(from);
    const cli = await connectOnlyTo('city-fifth');
    const own = await done(['validators'], cli);
    expect(own.json).toMatchObject({ epoch: 2 });
  }, 300_000);
});
