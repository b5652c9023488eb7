import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { decodeCertificate, verifyCertificate } from '@yilian/consensus/certificate';
import { genesisTip } from '@yilian/consensus/genesis';
import { decodeSignedHeader, headerId } from '@yilian/consensus/header';
import { decodeMessage, encodeMessage } from '@yilian/consensus/pbft/message-codec';
import { equalBytes, toHex, type Bytes } from '@yilian/crypto/bytes';
import { bindChain } from '@yilian/crypto/context';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { type PatientCommitment, toPatientCommitment } from '@yilian/ledger/ids';
import {
  createMemoryNetwork,
  type MemoryNetwork,
  type Wire,
} from '../../src/peers/memory-peers.ts';
import type { LogEvent } from '../../src/logging.ts';
import type { FinalBlock } from '../../src/ordering/final-block.ts';
import { createOrderingNode, type OrderingNode } from '../../src/ordering-node.ts';
import { openLmdbStore } from '../../src/storage/lmdb-store.ts';
import { verifySignature } from '../../src/verification/verify-signature.ts';
import {
  CHAIN_ID,
  doctor,
  enrolPatient,
  genesis,
  keysOf,
  observer,
  order,
  QUICK,
  regulator,
  request,
  startNode,
  transaction,
  validators,
} from './consortium.ts';

const root = mkdtempSync(join(tmpdir(), 'yilian-ordering-'));
let made = 0;
const fresh = (): string => join(root, String(made++));
const running = new Set<OrderingNode>();
afterEach(async () => {
  await Promise.all([...running].map((node) => node.stop()));
  running.clear();
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

interface Site {
  node: OrderingNode;
  readonly start: () => Promise<void>;
}

type Settings = Parameters<typeof startNode>[0]['settings'];

async function site(
  network: MemoryNetwork,
  keys = observer,
  settings: Settings = {},
): Promise<Site> {
  const directory = fresh();
  const open = (): Promise<OrderingNode> => startNode({ keys, network, directory, settings });
  const made: Site = {
    node: await open(),
    start: async () => {
      made.node = await open();
      running.add(made.node);
    },
  };
  running.add(made.node);
  return made;
}

function consortium(network: MemoryNetwork, settings: Settings = {}): Promise<Site[]> {
  return Promise.all(validators.map((keys) => site(network, keys, settings)));
}

/** All nodes have this height, with one header and one state. */
async function agree(sites: readonly Site[], height: bigint): Promise<void> {
  await vi.waitFor(
    () => {
      for (const { node } of sites) expect(node.latest().height).toBeGreaterThanOrEqual(height);
    },
    { timeout: 20_000 },
  );
  const headers = sites.map(({ node }) => toHex(node.header(height)?.header ?? new Uint8Array()));
  expect(new Set(headers).size).toBe(1);
  expect(headers[0]).not.toBe('');
}

/** What a light client does: the certificate of a header against the validators of genesis. */
function isCertified(node: OrderingNode, height: bigint): boolean {
  const stored = node.header(height);
  if (stored === undefined) return false;
  const { header } = decodeSignedHeader(stored.header);
  const answer = { appHash: new Uint8Array(32), validators: genesis.validators };
  return verifyCertificate({
    certificate: decodeCertificate(stored.certificate),
    height,
    blockId: headerId(header),
    validators: genesisTip(genesis, answer).validators,
    verifySignature,
  }).ok;
}

const indexOf = (key: Bytes): number => validators.findIndex((each) => equalBytes(each.key, key));

describe('four replicas in one process', () => {
  test('transactions handed to any node become final at every node, in one order', async () => {
    const sites = await consortium(createMemoryNetwork());
    const heights = await Promise.all(
      sites.flatMap(({ node }) => [1, 2, 3].map(() => order(node, enrolPatient()))),
    );
    const last = heights.reduce((a, b) => (a > b ? a : b));
    await agree(sites, last);
    for (let height = 1n; height <= last; height++)
      for (const { node } of sites) expect(isCertified(node, height)).toBe(true);
  });

  test('listeners hear every final block once, in order, with all outcomes', async () => {
    const sites = await consortium(createMemoryNetwork());
    const heard: FinalBlock[] = [];
    const stop = sites[3]?.node.subscribe((block) => heard.push(block));
    sites[3]?.node.subscribe(() => {
      throw new Error('a listener with a bug');
    });
    const submission = await sites[0]?.node.submit(enrolPatient());
    expect(submission?.admitted).toBe(true);
    await vi.waitFor(() => expect(heard.some(({ txs }) => txs.length > 0)).toBe(true));
    expect(heard.map(({ height }) => height)).toEqual(heard.map((_, i) => BigInt(i + 1)));
    const full = heard.find(({ txs }) => txs.length > 0);
    const outcome = full?.outcomes[0];
    expect(outcome).toMatchObject({ index: 0, outcome: { ok: true } });
    if (submission?.admitted) expect(outcome?.id).toEqual(submission.id);
    stop?.();
    const count = heard.length;
    await order(sites[0]?.node ?? never(), enrolPatient());
    expect(heard.length).toBe(count);
  });

  test('f+1 nodes sign the same outcome, and each signature names its node', async () => {
    const sites = await consortium(createMemoryNetwork());
    const submission = await (sites[0]?.node ?? never()).submit(enrolPatient());
    if (!submission.admitted) throw new Error('not admitted');
    const replies = await Promise.all(
      sites.map(async ({ node }) => {
        const outcome = await node.outcome(submission.id, 10_000);
        if (outcome === 'timeout') throw new Error('not final');
        return node.signReply(outcome);
      }),
    );
    expect(new Set(replies.map(({ key }) => toHex(key))).size).toBe(4);
    for (const { id, height, index, key: publicKey, signature } of replies) {
      const context = { chainId: CHAIN_ID };
      const message = bindChain(DOMAIN_TAGS.outcomeReply, context, id, height, index, 'ok');
      expect(verifySignature({ publicKey, message, signature })).toBe(true);
      const other = bindChain(DOMAIN_TAGS.outcomeReply, context, id, height, index, 'expired');
      expect(verifySignature({ publicKey, message: other, signature })).toBe(false);
    }
  });

  test('after a block with transactions a proof block follows at once, and then silence until a heartbeat', async () => {
    const sites = await consortium(createMemoryNetwork(), { heartbeatMs: 600 });
    const node = sites[1]?.node ?? never();
    const height = await order(node, enrolPatient());
    await vi.waitFor(() => expect(node.latest().height).toBe(height + 1n));
    const proof = decodeSignedHeader(node.header('latest')?.header ?? new Uint8Array());
    expect(proof.header.count).toBe(0);
    await vi.waitFor(() => expect(node.latest().height).toBeGreaterThan(height + 1n), {
      timeout: 5_000,
    });
    const beats = [1n, 2n].map((step) => node.block(height + step));
    expect(beats.map((block) => block?.txs.length)).toEqual([0, 0]);
  });

  test('the fourth hospital votes and never leads', async () => {
    const sites = await consortium(createMemoryNetwork(), { heartbeatMs: 30 });
    const node = sites[0]?.node ?? never();
    await vi.waitFor(() => expect(node.latest().height).toBeGreaterThan(8n), { timeout: 20_000 });
    const proposers = node
      .headers(1n, 8)
      .map(({ header }) => indexOf(decodeSignedHeader(header).header.proposer));
    expect([...new Set(proposers)].sort((a, b) => a - b)).toEqual([0, 1, 2]);
  });
});

describe('bad transactions', () => {
  test.each([
    ['no CBOR', () => new Uint8Array([1, 2, 3]), 'malformed'],
    ['a flipped signature bit', () => flip(enrolPatient(), -1), 'signatureInvalid'],
    [
      'a rule of the ledger',
      () => transaction({ type: 'enrolMember', kind: 'patient', commitment: commitment() }, doctor),
      'roleNotAllowed',
    ],
    ['a sender that nobody knows', () => request(keysOf('nobody')), 'senderUnknown'],
    [
      'an expiry in the past',
      () =>
        transaction({ type: 'enrolMember', kind: 'patient', commitment: commitment() }, regulator, {
          expiryHeight: 0,
        }),
      'expired',
    ],
  ])('%s is refused with its code and never reaches a block', async (_, make, code) => {
    const sites = await consortium(createMemoryNetwork());
    const node = sites[0]?.node ?? never();
    expect(await node.submit(make())).toEqual({ admitted: false, rejection: { code } });
    const height = await order(node, enrolPatient());
    const counts = node
      .headers(1n, Number(height))
      .map(({ header }) => decodeSignedHeader(header).header.count);
    expect(counts.reduce((a, b) => a + b, 0)).toBe(1);
  });

  test('the same bytes handed to every node are executed once', async () => {
    const sites = await consortium(createMemoryNetwork());
    const tx = enrolPatient();
    const heights = await Promise.all(sites.map(({ node }) => order(node, tx)));
    expect(new Set(heights).size).toBe(1);
    const again = await (sites[0]?.node ?? never()).submit(tx);
    expect(again).toEqual({ admitted: false, rejection: { code: 'duplicate' } });
  });

  test('overload: a full mempool and a greedy source are refused with their codes, and the rest goes on', async () => {
    const sites = await consortium(createMemoryNetwork(), {
      mempoolCountMax: 12,
      mempoolCountPerSourceMax: 8,
      blockIntervalMs: 300,
    });
    const node = sites[0]?.node ?? never();
    const greedy = await Promise.all(
      Array.from({ length: 10 }, () => node.submit(enrolPatient(), 'greedy')),
    );
    const others = await Promise.all(
      Array.from({ length: 6 }, () => node.submit(enrolPatient(), 'other')),
    );
    const codes = (list: typeof greedy): string[] =>
      list.map((each) => (each.admitted ? 'ok' : each.rejection.code));
    expect(codes(greedy).filter((code) => code === 'sourceBusy')).toHaveLength(2);
    expect(codes(others).filter((code) => code === 'mempoolFull')).toHaveLength(2);
    const admitted = [...greedy, ...others].filter((each) => each.admitted);
    const outcomes = await Promise.all(admitted.map(({ id }) => node.outcome(id, 10_000)));
    expect(outcomes.every((each) => each !== 'timeout' && each.outcome.ok)).toBe(true);
    expect(node.status().mempool).toEqual({ count: 0, bytes: 0 });
    await order(node, enrolPatient());
  });
});

/** Changes what validator 0 sends, bytes on the wire, from now on. */
function lie(network: MemoryNetwork, change: Wire): void {
  network.setWire((passing) => (indexOf(passing.from) === 0 ? change(passing) : [passing.message]));
}

describe('a liar among the replicas', () => {
  test.each<[string, Wire]>([
    ['flips a bit in every message', ({ message }) => [flip(message, message.length >> 1)]],
    ['flips the last bit: signatures', ({ message }) => [flip(message, -1)]],
    ['sends everything twice', ({ message }) => [message, message]],
    ['says nothing', () => []],
    [
      'votes for another block than the one proposed',
      ({ message }) => {
        const said = decodeMessage(message);
        if (said.kind !== 'prepare' && said.kind !== 'commit') return [message];
        return [encodeMessage({ ...said, blockId: new Uint8Array(32).fill(9) })];
      },
    ],
    [
      'sends blocks whose transactions are not those of the header',
      ({ message }) => {
        const said = decodeMessage(message);
        if (said.kind !== 'prePrepare') return [message];
        const block = { ...said.block, transactions: [enrolPatient()] };
        return [encodeMessage({ ...said, block })];
      },
    ],
    [
      'shows a different proposal to each half',
      ({ to, message }) => {
        const said = decodeMessage(message);
        if (said.kind !== 'prePrepare' || indexOf(to) % 2 === 0) return [message];
        const header = { ...said.block.header, timeNs: said.block.header.timeNs + 1n };
        const block = { ...said.block, header };
        return [encodeMessage({ ...said, block, blockId: headerId(header) })];
      },
    ],
  ])('one that %s changes nothing for the others', async (_, change) => {
    const network = createMemoryNetwork();
    const sites = await consortium(network);
    lie(network, change);
    const honest = sites.slice(1);
    const heights: bigint[] = [];
    for (let round = 0; round < 3; round++)
      for (const { node } of honest) {
        // oxlint-disable-next-line no-await-in-loop -- every honest primary gets its turn
        heights.push(await order(node, enrolPatient()));
      }
    const last = heights.at(-1) ?? 0n;
    await agree(honest, last);
    for (let height = 1n; height <= last; height++)
      expect(honest.every(({ node }) => isCertified(node, height))).toBe(true);
  });

  test('blocks that a liar serves to one who catches up are not believed', async () => {
    const network = createMemoryNetwork();
    const sites = await consortium(network);
    await sites[3]?.node.stop();
    for (let i = 0; i < 5; i++) {
      // oxlint-disable-next-line no-await-in-loop -- several blocks
      await order(sites[1]?.node ?? never(), enrolPatient());
    }
    lie(network, ({ message }) => {
      const said = decodeMessage(message);
      if (said.kind !== 'blocks') return [message];
      const blocks = said.blocks.map(({ block, certificate }) => ({
        certificate,
        block: { ...block, transactions: [...block.transactions, enrolPatient()] },
      }));
      return [encodeMessage({ kind: 'blocks', blocks })];
    });
    await sites[3]?.start();
    const height = await order(sites[1]?.node ?? never(), enrolPatient());
    await agree(sites, height);
  });

  test('a peer that floods with garbage is cut, and the others go on', async () => {
    const network = createMemoryNetwork();
    const events: LogEvent[] = [];
    const sites = await Promise.all(validators.slice(0, 3).map((keys) => site(network, keys)));
    const flooder = network.join(validators[3]?.key ?? never());
    await sites[0]?.node.stop();
    const watching = await createOrderingNode({
      directory: fresh(),
      genesis,
      secretKey: validators[0]?.seed ?? never(),
      peers: network.join(validators[0]?.key ?? never()),
      settings: QUICK,
      log: (event) => events.push(event),
    });
    running.add(watching);
    for (let i = 0; i < 50; i++) flooder.broadcast(new Uint8Array(100).fill(i));
    const bad = { kind: 'request', transactions: [flip(enrolPatient(), -1)] } as const;
    for (let i = 0; i < 200; i++) flooder.broadcast(encodeMessage(bad));
    await vi.waitFor(() => {
      const cut = events.filter(({ event }) => event === 'peerCut');
      expect(cut.map((event) => event['peer'])).toContain(toHex(flooder.self));
    });
    await order(watching, enrolPatient());
  });
});

describe('restart', () => {
  test('each node in turn goes away and comes back: the chain goes on, and the one that was away catches up', async () => {
    const sites = await consortium(createMemoryNetwork());
    let last = 0n;
    for (const [i, away] of sites.entries()) {
      const other = sites[(i + 1) % 4] ?? never();
      // oxlint-disable-next-line no-await-in-loop -- one after another
      await away.node.stop();
      for (let n = 0; n < 2; n++) {
        // oxlint-disable-next-line no-await-in-loop -- as above
        await order(other.node, enrolPatient());
      }
      // oxlint-disable-next-line no-await-in-loop -- as above
      await away.start();
      // oxlint-disable-next-line no-await-in-loop -- as above
      last = await order(away.node, enrolPatient());
    }
    await agree(sites, last);
  });

  test('all nodes stop and continue from disk at the height where they were', async () => {
    const sites = await consortium(createMemoryNetwork());
    const height = await order(sites[0]?.node ?? never(), enrolPatient());
    await agree(sites, height + 1n);
    const before = sites.map(({ node }) => toHex(node.status().appHash));
    await Promise.all(sites.map(({ node }) => node.stop()));
    await Promise.all(sites.map(({ start }) => start()));
    expect(sites.map(({ node }) => toHex(node.status().appHash))).toEqual(before);
    expect(sites.every(({ node }) => node.latest().height >= height)).toBe(true);
    const next = await order(sites[2]?.node ?? never(), enrolPatient());
    expect(next).toBeGreaterThan(height);
    await agree(sites, next);
  });

  test('a lost application state is rebuilt from the blocks, to the same app hash', async () => {
    const network = createMemoryNetwork();
    const sites = await consortium(network);
    await order(sites[0]?.node ?? never(), enrolPatient());
    const last = await order(sites[0]?.node ?? never(), enrolPatient());
    await agree(sites, last + 1n);
    await Promise.all(sites.map(({ node }) => node.stop()));
    const directory = fresh();
    const first = await startNode({ keys: observer, network, directory });
    await first.stop();
    await Promise.all(sites.map(({ start }) => start()));
    const follower = await startNode({ keys: observer, network, directory });
    running.add(follower);
    await agree([...sites, { node: follower, start: () => Promise.resolve() }], last + 1n);
    const hash = toHex(follower.status().appHash);
    await follower.stop();
    const store = openLmdbStore(join(directory, 'chain'));
    const state = store.range({ from: Uint8Array.of(1), to: Uint8Array.of(2) });
    expect(state.length).toBeGreaterThan(0);
    await store.write({ puts: [], deletes: state.map(({ key }) => key) });
    await store.close();
    const again = await startNode({ keys: observer, network: createMemoryNetwork(), directory });
    running.add(again);
    expect(toHex(again.status().appHash)).toBe(hash);
  });

  test('a database of another chain, and a state that is not the chain’s, are refused', async () => {
    const network = createMemoryNetwork();
    const sites = await consortium(network);
    const height = await order(sites[0]?.node ?? never(), enrolPatient());
    await agree(sites, height);
    const directory = fresh();
    const node = await startNode({ keys: observer, network, directory });
    await agree([...sites, { node, start: () => Promise.resolve() }], height);
    await node.stop();
    const other = { ...genesis, timeNs: genesis.timeNs + 1n };
    const peers = createMemoryNetwork().join(observer.key);
    const options = { directory, secretKey: observer.seed, peers, settings: QUICK };
    await expect(createOrderingNode({ ...options, genesis: other })).rejects.toMatchObject({
      code: 'wrongChain',
    });
    const store = openLmdbStore(join(directory, 'chain'));
    const meta = store.get(Uint8Array.of(1, 'm'.charCodeAt(0))) ?? never();
    const bent = flip(meta, -40);
    await store.write({
      puts: [{ key: Uint8Array.of(1, 'm'.charCodeAt(0)), value: bent }],
      deletes: [],
    });
    await store.close();
    await expect(createOrderingNode({ ...options, genesis })).rejects.toThrow();
  });
});

describe('observer', () => {
  test('follows without a vote, verifies by itself, and takes transactions in', async () => {
    const network = createMemoryNetwork();
    const sites = await consortium(network);
    await order(sites[0]?.node ?? never(), enrolPatient());
    const follower = await site(network);
    expect(follower.node.status().role).toBe('observer');
    const height = await order(follower.node, enrolPatient());
    await agree([...sites, follower], height);
    const signers = decodeCertificate(
      follower.node.header(height)?.certificate ?? never(),
    ).signatures;
    expect(signers.every(({ signer }) => signer < 4)).toBe(true);
    // The consortium needs no observer.
    await follower.node.stop();
    await order(sites[0]?.node ?? never(), enrolPatient());
  });

  test('answers queries from final state only, before the first block as well', async () => {
    const follower = await site(createMemoryNetwork());
    const ask = { path: 'status', key: new Uint8Array(), height: 0n, prove: false };
    expect(follower.node.query(ask)).toMatchObject({ ok: true, height: 0n });
    expect(follower.node.query({ ...ask, path: 'nothing' })).toEqual({
      ok: false,
      code: 'pathUnknown',
    });
    expect(follower.node.header('latest')).toBeUndefined();
    expect(await follower.node.outcome(new Uint8Array(32), 20)).toBe('timeout');
  });
});

function commitment(): PatientCommitment {
  return toPatientCommitment(new Uint8Array(32).fill(3));
}

function never(): never {
  throw new Error('a test has lost its footing');
}

function flip(bytes: Bytes, at: number): Bytes {
  const bent = bytes.slice();
  const index = at < 0 ? bytes.length + at : at;
  bent[index] = (bent[index] ?? 0) ^ 1;
  return bent;
}
