import { beforeEach, describe, expect, test } from 'vitest';
import {
  type CertificateSubject,
  certificateHash,
  certificateMessage,
  encodeCertificate,
} from '@yilian/api/certificate';
import { type Bytes, toHex } from '@yilian/crypto/bytes';
import { type Cbor, encode } from '@yilian/crypto/cbor';
import { publicKey, sign } from '@yilian/crypto/signature';
import type { Member } from '@yilian/ledger/contracts/members/member';
import { createMemoryNetwork, type MemoryNetwork } from '../../src/peers/memory-peers.ts';
import type { Peers } from '../../src/peers/peers.ts';
import { splitNotices } from '../../src/peers/notices.ts';
import {
  createMemberCertificates,
  type MemberCertificates,
} from '../../src/services/member-certificates.ts';
import { createShelf, type Shelf } from '../../src/services/service-store.ts';
import { createMemoryStore } from '../../src/storage/memory-store.ts';
import { CONTEXT, person, randomBytes, TestClock } from './support.ts';

const REGULATOR = randomBytes(32);
const seedOf = (n: number): Bytes => new Uint8Array(32).fill(n);

function certified(
  change: Partial<CertificateSubject> = {},
  serial = randomBytes(16),
): { readonly member: Member; readonly certificate: Bytes } {
  const { member } = person('doctor', 'h-4');
  const content = {
    chainId: CONTEXT.chainId,
    serial,
    subject: {
      name: 'Dr B',
      role: 'doctor',
      institution: 'h-4',
      operator: 'h-4',
      signingKey: member.key,
      hpkeKey: randomBytes(32),
      patientKey: null,
      licence: 'L-1',
      profiles: [],
      ...change,
    } satisfies CertificateSubject,
    notBefore: 1,
    notAfter: 2_000_000_000,
  };
  const certificate = encodeCertificate({
    content,
    signature: sign(REGULATOR, certificateMessage(CONTEXT, content)),
  });
  return {
    member: { ...member, certificateHash: certificateHash(CONTEXT, certificate) },
    certificate,
  };
}

/** Several nodes on one network; what is on chain, a test says. */
class World {
  readonly network: MemoryNetwork = createMemoryNetwork();
  readonly clock = new TestClock();
  readonly onChain = new Map<string, Member>();
  readonly sent: { readonly from: Bytes; readonly message: Bytes }[] = [];

  constructor() {
    this.network.setWire(({ from, message }) => {
      this.sent.push({ from, message });
      return [message];
    });
  }

  enrol(member: Member): void {
    this.onChain.set(toHex(member.id), member);
  }

  join(n: number): {
    readonly certificates: MemberCertificates;
    readonly shelf: Shelf;
    readonly cut: Bytes[];
  } {
    const cut: Bytes[] = [];
    const peers: Peers = this.network.join(publicKey(seedOf(n)));
    const shelf = createShelf(createMemoryStore(), 'certificates');
    const { certificates: notices, consensus } = splitNotices({
      ...peers,
      cut: (peer, reason) => {
        cut.push(peer);
        peers.cut(peer, reason);
      },
    });
    consensus.onMessage(() => undefined);
    const certificates = createMemberCertificates({
      context: CONTEXT,
      chain: { member: (id) => this.onChain.get(toHex(id)) },
      members: () => [...this.onChain.values()].map(({ id }) => id),
      clock: this.clock,
      shelf,
      notices,
    });
    notices.onNotice((from, notice) => void certificates.learn(from, notice));
    return { certificates, shelf, cut };
  }
}

/** What is under way has arrived, and what it causes too. */
async function arrived(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

let world: World;

beforeEach(() => {
  world = new World();
});

describe('certificates of members are on every node', () => {
  test('a new one is told to the peers', async () => {
    const regulator = world.join(1);
    const hospital = world.join(2);
    const { member, certificate } = certified();
    world.enrol(member);
    await regulator.certificates.put(member.id, certificate);
    await arrived();
    expect(hospital.certificates.get(member.id)).toEqual(certificate);
  });

  test('a node that was away asks when it is back, one peer after the other', async () => {
    const regulator = world.join(1);
    const empty = world.join(2);
    const { member, certificate } = certified();
    world.enrol(member);
    await regulator.certificates.put(member.id, certificate);
    await arrived();
    world.onChain.delete(toHex(member.id));
    world.enrol(member);
    const late = world.join(3);
    // Only one of the two has it after this node has lost it.
    await empty.shelf.delete(member.id);
    for (let round = 0; round < 2; round++) {
      late.certificates.tend();
      await arrived();
      world.clock.ms += 5_000;
    }
    expect(late.certificates.get(member.id)).toEqual(certificate);
  });

  test('a member enrolled or with a new key in a block is asked for', async () => {
    const regulator = world.join(1);
    const hospital = world.join(2);
    hospital.certificates.tend();
    const { member, certificate } = certified();
    await regulator.certificates.put(member.id, certificate);
    await arrived();
    // The notice came before the block: nothing vouched for it yet.
    expect(hospital.certificates.get(member.id)).toBeUndefined();
    world.enrol(member);
    hospital.certificates.onBlock({
      height: 2,
      timeMs: 0,
      transactions: [
        {
          outcome: 'ok',
          transaction: {
            body: { type: 'enrolMember', kind: 'member', member },
          } as never,
        },
      ],
    });
    await arrived();
    expect(hospital.certificates.get(member.id)).toEqual(certificate);
  });

  test('who misses nothing asks nobody', async () => {
    world.join(1);
    const hospital = world.join(2);
    hospital.certificates.tend();
    hospital.certificates.onBlock({ height: 1, timeMs: 0, transactions: [] });
    await arrived();
    expect(world.sent).toEqual([]);
  });

  test('what nobody has is asked for with pauses and keeps nothing else back', async () => {
    const regulator = world.join(1);
    for (let n = 0; n < 70; n++) world.enrol(certified().member);
    const { member, certificate } = certified();
    world.enrol(member);
    await regulator.shelf.put(member.id, certificate);
    const hospital = world.join(2);
    for (let round = 0; round < 10; round++) hospital.certificates.tend();
    await arrived();
    expect(world.sent.filter(({ message }) => message[0] === 1)).toHaveLength(1);
    world.clock.ms += 5_000;
    hospital.certificates.tend();
    await arrived();
    expect(hospital.certificates.get(member.id)).toEqual(certificate);
  });

  test('nothing is written after the close', async () => {
    const regulator = world.join(1);
    const hospital = world.join(2);
    const { member, certificate } = certified();
    world.enrol(member);
    await hospital.certificates.close();
    await regulator.certificates.put(member.id, certificate);
    await arrived();
    expect(hospital.shelf.list()).toEqual([]);
  });
});

describe('nobody is believed', () => {
  const tell = async (...entries: readonly Cbor[]): Promise<ReturnType<World['join']>> => {
    const hospital = world.join(2);
    const liar = splitNotices(world.network.join(publicKey(seedOf(9)))).certificates;
    liar.broadcast(encode(['have', [...entries]]));
    await arrived();
    return hospital;
  };

  test("another certificate than the chain's is not kept", async () => {
    const { member } = certified();
    world.enrol(member);
    const { certificate } = certified({ name: 'Dr Other', signingKey: member.key });
    const { shelf, cut } = await tell([member.id, certificate]);
    expect(shelf.list()).toEqual([]);
    // The peer may simply know an older key.
    expect(cut).toEqual([]);
  });

  test('a certificate of somebody the chain does not know is not kept', async () => {
    const { member, certificate } = certified();
    expect((await tell([member.id, certificate])).shelf.list()).toEqual([]);
  });

  test("one member's certificate does not stand under another's id", async () => {
    const one = certified();
    const two = certified();
    world.enrol(one.member);
    world.enrol(two.member);
    expect((await tell([one.member.id, two.certificate])).shelf.list()).toEqual([]);
  });

  test("a patient's certificate is never kept, whatever the chain says, and ends the connection", async () => {
    const { member, certificate } = certified({
      role: 'patient',
      institution: '',
      patientKey: new Uint8Array(48),
    });
    world.enrol(member);
    const { shelf, cut } = await tell([member.id, certificate]);
    expect(shelf.list()).toEqual([]);
    expect(cut).toHaveLength(1);
  });

  test.each<readonly [string, Cbor]>([
    ['no array', 1],
    ['an unknown kind', ['give', []]],
    ['a short id', ['want', [new Uint8Array(31)]]],
    ['too many ids', ['want', Array.from({ length: 65 }, () => new Uint8Array(32))]],
    ['no certificate', ['have', [[new Uint8Array(32), new Uint8Array(8)]]]],
    ['half an entry', ['have', [[new Uint8Array(32)]]]],
    ['more than an entry', ['have', [[new Uint8Array(32), new Uint8Array(8), 1]]]],
    ['more than a notice', ['want', [], 1]],
  ])('%s: the peer is cut', async (_what, notice) => {
    const hospital = world.join(2);
    const liar = splitNotices(world.network.join(publicKey(seedOf(9)))).certificates;
    liar.broadcast(encode(notice));
    await arrived();
    expect(hospital.cut).toHaveLength(1);
    expect(hospital.shelf.list()).toEqual([]);
  });

  test('bytes that are no CBOR: the peer is cut', async () => {
    const hospital = world.join(2);
    splitNotices(world.network.join(publicKey(seedOf(9)))).certificates.broadcast(
      Uint8Array.of(0xff),
    );
    await arrived();
    expect(hospital.cut).toHaveLength(1);
  });

  test('a peer that asks without end is answered with pauses', async () => {
    const hospital = world.join(2);
    const { member, certificate } = certified();
    world.enrol(member);
    await hospital.certificates.put(member.id, certificate);
    const asking = splitNotices(world.network.join(publicKey(seedOf(9)))).certificates;
    const before = world.sent.length;
    for (let n = 0; n < 50; n++) asking.broadcast(encode(['want', [member.id]]));
    await arrived();
    const answers = world.sent
      .slice(before)
      .filter(({ from }) => toHex(from) === toHex(publicKey(seedOf(2))));
    expect(answers).toHaveLength(1);
  });
});
