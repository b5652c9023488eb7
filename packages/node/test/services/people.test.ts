import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type CertificateSubject,
  certificateHash,
  certificateMessage,
  certificateRequestHash,
  certificateRequestMessage,
  encodeCertificate,
  encodeCertificateRequest,
  parseCertificate,
  patientCommitment,
} from '@yilian/api/certificate';
import { accessRequestCommitment } from '@yilian/api/messages-access';
import { type Bytes, toHex, utf8 } from '@yilian/crypto/bytes';
import { randomScalar } from '@yilian/crypto/curve';
import { deriveHpkeKeyPair } from '@yilian/crypto/hpke';
import { patientKeyOf, provePossession } from '@yilian/crypto/possession';
import { encodeProof, parseProof } from '@yilian/crypto/proof';
import { verifyEpochKey } from '@yilian/crypto/searchable-encryption';
import { publicKey, sign } from '@yilian/crypto/signature';
import { epochText } from '@yilian/ledger/checks';
import { toTransactionId } from '@yilian/ledger/ids';
import { transactionSigningMessage } from '@yilian/ledger/transaction';
import {
  type Signer,
  paddedRequestAccess,
  signTransaction,
} from '@yilian/ledger/transaction-codec';
import { dayOf } from '../../src/clock.ts';
import { createEpochKeys } from '../../src/services/epoch-keys.ts';
import { createQueryManager } from '../../src/services/query-manager.ts';
import { createRegistration } from '../../src/services/registration.ts';
import { type SecretSlots, openSecretSlots } from '../../src/services/secret-slots.ts';
import { createShelf } from '../../src/services/service-store.ts';
import { createMemoryStore } from '../../src/storage/memory-store.ts';
import {
  CONTEXT,
  ChainModel,
  type Person,
  TestClock,
  contains,
  curve,
  person,
  randomBytes,
  recordingSender,
  temporaryDirectory,
  transaction,
} from './support.ts';

let place: ReturnType<typeof temporaryDirectory>;
let clock: TestClock;
let chain: ChainModel;
let slots: SecretSlots;
let store: ReturnType<typeof createMemoryStore>;

const regulatorSeed = randomBytes(32);
const regulator: Signer = {
  key: publicKey(regulatorSeed),
  sign: (message) => sign(regulatorSeed, message),
};

function dump(): Uint8Array {
  return Buffer.concat(
    store
      .range({ from: new Uint8Array(0), to: new Uint8Array(64).fill(0xff) })
      .flatMap(({ key, value }) => [Buffer.from(key), Buffer.from(value)]),
  );
}

function problem(result: { readonly ok: boolean; readonly problem?: string }): string | undefined {
  return result.ok ? 'ok' : result.problem;
}

beforeEach(async () => {
  place = temporaryDirectory();
  clock = new TestClock();
  chain = new ChainModel(clock);
  chain.addBlock();
  store = createMemoryStore();
  slots = await openSecretSlots(join(place.path, 'secrets'));
});
afterEach(async () => {
  await slots.close();
  place.clean();
});

describe('the query manager', () => {
  const handle = randomBytes(32);

  function certified(
    change: Partial<CertificateSubject> = {},
    by = regulatorSeed,
    ends = 86_400,
  ): { readonly doctor: Person; readonly certificate: Bytes } {
    const doctor = person('doctor', 'h-4');
    const content = {
      chainId: CONTEXT.chainId,
      serial: randomBytes(16),
      subject: {
        name: 'Dr B',
        role: 'doctor',
        institution: 'h-4',
        operator: 'h-4',
        signingKey: doctor.member.key,
        hpkeKey: randomBytes(32),
        patientKey: null,
        licence: 'L-1',
        profiles: [],
        ...change,
      } satisfies CertificateSubject,
      notBefore: Math.floor(clock.ms / 1000) - 10,
      notAfter: Math.floor(clock.ms / 1000) + ends,
    };
    const certificate = encodeCertificate({
      content,
      signature: sign(by, certificateMessage(CONTEXT, content)),
    });
    const member = { ...doctor.member, certificateHash: certificateHash(CONTEXT, certificate) };
    return { doctor: { ...doctor, member }, certificate };
  }

  function committed(doctor: Person, sealed: Bytes, at = handle): Bytes {
    const unsigned = paddedRequestAccess({
      chainId: CONTEXT.chainId,
      commitment: accessRequestCommitment(CONTEXT, { handle: at, sealed }),
      sender: doctor.member.key,
      nonce: randomBytes(16),
      expiryHeight: 100,
    });
    const { body } = signTransaction(unsigned, [doctor.signer]);
    const parsed = transaction(body, [doctor.signer]);
    chain.addBlock(parsed);
    return parsed.id;
  }

  const create = (): ReturnType<typeof createQueryManager> =>
    createQueryManager({
      chain,
      clock,
      context: CONTEXT,
      regulatorKey: regulator.key,
      shelf: createShelf(store, 'inbox'),
    });

  it('puts a committed request into the inbox, numbered, over a restart', async () => {
    const { doctor, certificate } = certified();
    const manager = create();
    for (const n of [1, 2]) {
      const sealed = randomBytes(100);
      const transactionId = committed(doctor, sealed);
      expect(
        problem(await manager.post(doctor.member, { transactionId, handle, sealed, certificate })),
      ).toBe('ok');
      expect(manager.list(handle, n - 1)).toMatchObject([{ number: n, sealed }]);
    }
    const again = create();
    expect(again.list(handle, 0).map(({ number }) => number)).toEqual([1, 2]);
    const sealed = randomBytes(100);
    await again.post(doctor.member, {
      transactionId: committed(doctor, sealed),
      handle,
      sealed,
      certificate,
    });
    expect(again.list(handle, 2)).toMatchObject([{ number: 3 }]);
  });

  it('tells a waiting stream, and takes a repeated request once', async () => {
    const { doctor, certificate } = certified();
    const manager = create();
    const heard: number[] = [];
    const stop = manager.subscribe(handle, ({ number }) => heard.push(number));
    const sealed = randomBytes(100);
    const request = { transactionId: committed(doctor, sealed), handle, sealed, certificate };
    const results = await Promise.all([
      manager.post(doctor.member, request),
      manager.post(doctor.member, request),
    ]);
    expect(results.map(problem)).toEqual(['ok', 'ok']);
    expect(heard).toEqual([1]);
    stop();
    expect(manager.list(handle, 0)).toHaveLength(1);
  });

  it.each<
    [
      string,
      string,
      () => readonly [
        Person,
        { transactionId: Bytes; handle: Bytes; sealed: Bytes; certificate: Bytes },
      ],
    ]
  >([
    [
      'other sealed bytes than committed',
      'commitmentMismatch',
      () => {
        const { doctor, certificate } = certified();
        return [
          doctor,
          {
            transactionId: committed(doctor, randomBytes(100)),
            handle,
            sealed: randomBytes(100),
            certificate,
          },
        ];
      },
    ],
    [
      'a commitment to another handle',
      'commitmentMismatch',
      () => {
        const { doctor, certificate } = certified();
        const sealed = randomBytes(100);
        return [
          doctor,
          {
            transactionId: committed(doctor, sealed, randomBytes(32)),
            handle,
            sealed,
            certificate,
          },
        ];
      },
    ],
    [
      'somebody else’s transaction',
      'commitmentMismatch',
      () => {
        const { doctor, certificate } = certified();
        const sealed = randomBytes(100);
        return [
          doctor,
          {
            transactionId: committed(person('doctor', 'h-4'), sealed),
            handle,
            sealed,
            certificate,
          },
        ];
      },
    ],
    [
      'no transaction',
      'notFinal',
      () => {
        const { doctor, certificate } = certified();
        return [
          doctor,
          { transactionId: randomBytes(32), handle, sealed: randomBytes(100), certificate },
        ];
      },
    ],
    [
      'R12 a certificate that the regulator did not sign',
      'certificateInvalid',
      () => {
        const { doctor, certificate } = certified({}, randomBytes(32));
        const sealed = randomBytes(100);
        return [doctor, { transactionId: committed(doctor, sealed), handle, sealed, certificate }];
      },
    ],
    [
      'R12 a certificate that has ended',
      'certificateInvalid',
      () => {
        const { doctor, certificate } = certified({}, regulatorSeed, 0);
        const sealed = randomBytes(100);
        return [doctor, { transactionId: committed(doctor, sealed), handle, sealed, certificate }];
      },
    ],
    [
      'R12 another doctor’s certificate',
      'certificateInvalid',
      () => {
        const { doctor } = certified();
        const sealed = randomBytes(100);
        return [
          doctor,
          {
            transactionId: committed(doctor, sealed),
            handle,
            sealed,
            certificate: certified().certificate,
          },
        ];
      },
    ],
    [
      'R12 a certificate for another role',
      'certificateInvalid',
      () => {
        const { doctor, certificate } = certified({ role: 'department' });
        const sealed = randomBytes(100);
        return [doctor, { transactionId: committed(doctor, sealed), handle, sealed, certificate }];
      },
    ],
    [
      'a node as sender',
      'notPermitted',
      () => {
        const { doctor, certificate } = certified();
        const sealed = randomBytes(100);
        const node = { ...doctor, member: { ...doctor.member, role: 'node' } as const };
        return [node, { transactionId: committed(doctor, sealed), handle, sealed, certificate }];
      },
    ],
  ])('refuses %s', async (_why, expected, make) => {
    const [doctor, request] = make();
    const manager = create();
    expect(problem(await manager.post(doctor.member, request))).toBe(expected);
    expect(manager.list(handle, 0)).toEqual([]);
  });

  it('R14 caps an inbox', async () => {
    const { doctor, certificate } = certified();
    const manager = create();
    const results: (string | undefined)[] = [];
    for (let i = 0; i < 65; i++) {
      const sealed = randomBytes(10);
      results.push(
        problem(
          await manager.post(doctor.member, {
            transactionId: committed(doctor, sealed),
            handle,
            sealed,
            certificate,
          }),
        ),
      );
    }
    expect(results.filter((each) => each === 'ok')).toHaveLength(64);
    expect(results.at(-1)).toBe('inboxFull');
  });

  it('drops requests after their time', async () => {
    const { doctor, certificate } = certified();
    const manager = create();
    const sealed = randomBytes(10);
    await manager.post(doctor.member, {
      transactionId: committed(doctor, sealed),
      handle,
      sealed,
      certificate,
    });
    clock.ms += 41 * 86_400_000;
    await manager.tend();
    expect(manager.list(handle, 0)).toEqual([]);
  });
});

describe('the index service of a hospital', () => {
  const patientScalar = randomScalar(curve, randomBytes);
  const patientKey = patientKeyOf(curve, patientScalar);
  const create = (): ReturnType<typeof createEpochKeys> =>
    createEpochKeys({
      curve,
      context: CONTEXT,
      chain,
      clock,
      institution: 'h-1',
      slots,
      shelf: createShelf(store, 'epochs'),
      randomBytes,
    });

  function request(
    hospital = 'h-1',
    shownFor?: Bytes,
  ): {
    readonly patientKey: Bytes;
    readonly possession: Bytes;
    readonly visitKey: Bytes;
    readonly epoch: number | null;
  } {
    const visitKey = randomBytes(32);
    const purpose = {
      kind: 'visit',
      hospitalId: utf8(hospital),
      visitKey: shownFor ?? visitKey,
    } as const;
    const proof = provePossession({
      curve,
      context: CONTEXT,
      patientScalar,
      patientKey,
      purpose,
      randomBytes,
    });
    return {
      patientKey: curve.encodeG1(patientKey),
      possession: encodeProof(curve, proof),
      visitKey,
      epoch: null,
    };
  }

  it('answers (A, P^ρ) with a proof, the same A all day and over a restart', async () => {
    const first = await create().share(request());
    const second = await create().share(request());
    if (!first.ok || !second.ok) throw new Error('refused');
    expect(second.value).toEqual(first.value);
    const { epoch, epochKey, proof } = first.value;
    const key = {
      hospitalId: utf8('h-1'),
      epoch: epochText(epoch),
      point: curve.parseG1(epochKey),
      proof: parseProof(curve, proof),
    };
    expect(verifyEpochKey(curve, CONTEXT, key)).toBe(true);
    expect(epoch).toBe(dayOf(clock.ms));
  });

  it('R5 F19 keeps neither P nor ρ in the database, and no ρ anywhere after the day', async () => {
    const service = create();
    const answer = await service.share(request());
    if (!answer.ok) throw new Error(answer.problem);
    const [id] = slots.ids();
    const exponent = slots.get(id ?? new Uint8Array(0));
    if (exponent === undefined) throw new Error('ρ lies in a slot');
    expect(contains(dump(), curve.encodeG1(patientKey))).toBe(false);
    expect(contains(dump(), exponent)).toBe(false);
    clock.ms += 86_400_000;
    await service.tend();
    expect(slots.ids()).toEqual([]);
    expect(service.openKey(answer.value.epoch)).toBeUndefined();
  });

  it.each<[string, string, () => Parameters<ReturnType<typeof createEpochKeys>['share']>[0]]>([
    [
      'F19 a P without a proof',
      'possessionInvalid',
      () => ({ ...request(), possession: new Uint8Array(64) }),
    ],
    [
      'F19 a rogue P^s',
      'possessionInvalid',
      () => ({
        ...request(),
        patientKey: curve.encodeG1(curve.multiplyG1(patientKey, randomScalar(curve, randomBytes))),
      }),
    ],
    ['F19 a proof shown to another hospital', 'possessionInvalid', () => request('h-2')],
    ['F19 a proof of another visit', 'possessionInvalid', () => request('h-1', randomBytes(32))],
    [
      'the identity as P',
      'possessionInvalid',
      () => ({ ...request(), patientKey: Uint8Array.of(0xc0, ...new Uint8Array(47)) }),
    ],
    ['yesterday’s epoch', 'epochClosed', () => ({ ...request(), epoch: dayOf(clock.ms) - 1 })],
    ['tomorrow’s epoch', 'epochClosed', () => ({ ...request(), epoch: dayOf(clock.ms) + 1 })],
  ])('refuses %s', async (_why, expected, make) => {
    expect(problem(await create().share(make()))).toBe(expected);
  });

  it('says so when another A of the day is on chain', async () => {
    chain.epochKeys.set(`h-1/${dayOf(clock.ms)}`, curve.encodeG1(curve.g1));
    expect(problem(await create().share(request()))).toBe('epochClosed');
  });
});

describe('the registration centre', () => {
  const secret = randomBytes(16);

  async function create(): Promise<{
    readonly centre: Awaited<ReturnType<typeof createRegistration>>;
    readonly sender: ReturnType<typeof recordingSender>;
  }> {
    const sender = recordingSender(chain);
    const centre = await createRegistration({
      curve,
      context: CONTEXT,
      clock,
      regulator,
      sender,
      slots,
      shelf: createShelf(store, 'registration'),
      certificates: createShelf(store, 'certificates'),
      randomBytes,
    });
    return { centre, sender };
  }

  function patientRequest(name = '110101195001011234'): {
    readonly request: Bytes;
    readonly key: Bytes;
  } {
    const seed = randomBytes(32);
    const scalar = randomScalar(curve, randomBytes);
    const key = patientKeyOf(curve, scalar);
    const subject: CertificateSubject = {
      name,
      role: 'patient',
      institution: '',
      operator: '',
      signingKey: publicKey(seed),
      hpkeKey: new Uint8Array(32),
      patientKey: curve.encodeG1(key),
      licence: '',
      profiles: [],
    };
    const purpose = {
      kind: 'certificate',
      requestHash: certificateRequestHash(CONTEXT, subject),
    } as const;
    const proof = provePossession({
      curve,
      context: CONTEXT,
      patientScalar: scalar,
      patientKey: key,
      purpose,
      randomBytes,
    });
    const signature = sign(seed, certificateRequestMessage(CONTEXT, subject));
    return {
      request: encodeCertificateRequest({
        subject,
        signature,
        possession: encodeProof(curve, proof),
      }),
      key: curve.encodeG1(key),
    };
  }

  async function doctorRequest(
    change: Partial<CertificateSubject> = {},
    signWith?: Bytes,
  ): Promise<{ readonly request: Bytes; readonly seed: Bytes }> {
    const seed = randomBytes(32);
    const { publicKey: hpkeKey } = await deriveHpkeKeyPair(randomBytes(32));
    const subject: CertificateSubject = {
      name: 'Dr B',
      role: 'doctor',
      institution: 'h-4',
      operator: 'h-4',
      signingKey: publicKey(seed),
      hpkeKey,
      patientKey: null,
      licence: 'L-1',
      profiles: [],
      ...change,
    };
    const signature = sign(signWith ?? seed, certificateRequestMessage(CONTEXT, subject));
    return { request: encodeCertificateRequest({ subject, signature, possession: null }), seed };
  }

  it('enrols a patient by a salted hash, and answers the same again to who has the secret', async () => {
    const { centre, sender } = await create();
    await centre.admit(secret, { role: 'patient', institution: '' });
    const { request, key } = patientRequest();
    const first = await centre.register({ request, secret, cosignature: null });
    if (!first.ok || first.value.salt === null) throw new Error('refused');
    const commitment = patientCommitment(CONTEXT, first.value.salt, first.value.certificate);
    expect(sender.sent).toMatchObject([{ type: 'enrolMember', kind: 'patient', commitment }]);
    expect(await centre.register({ request, secret, cosignature: null })).toEqual(first);
    expect(sender.sent).toHaveLength(1);
    // R5: what the centre keeps names neither P nor the card.
    expect(contains(dump(), key)).toBe(false);
    expect(contains(dump(), utf8('110101195001011234'))).toBe(false);
    expect(contains(dump(), secret)).toBe(false);
  });

  it('enrols a doctor with the new key’s co-signature', async () => {
    const { centre, sender } = await create();
    await centre.admit(secret, { role: 'doctor', institution: 'h-4' });
    const { request, seed } = await doctorRequest();
    const draft = await centre.register({ request, secret, cosignature: null });
    if (!draft.ok) throw new Error(draft.problem);
    expect(draft.value.submitted).toBe(false);
    expect(sender.sent).toEqual([]);
    const cosignature = sign(
      seed,
      transactionSigningMessage(CONTEXT, toTransactionId(draft.value.transactionId)),
    );
    const done = await centre.register({ request, secret, cosignature });
    expect(done).toMatchObject({ ok: true, value: { submitted: true } });
    const parsed = parseCertificate(draft.value.certificate);
    expect(parsed.ok && parsed.value.content.subject.name).toBe('Dr B');
    expect(sender.sent).toMatchObject([
      {
        kind: 'member',
        member: { certificateHash: certificateHash(CONTEXT, draft.value.certificate) },
      },
    ]);
    expect(
      problem(
        await centre.register({
          request: (await doctorRequest()).request,
          secret,
          cosignature: null,
        }),
      ),
    ).toBe('enrolmentRefused');
  });

  it('refuses a second P for the same card', async () => {
    const { centre } = await create();
    for (const each of [secret, randomBytes(16)])
      await centre.admit(each, { role: 'patient', institution: '' });
    const other = randomBytes(16);
    await centre.admit(other, { role: 'patient', institution: '' });
    expect(
      (await centre.register({ request: patientRequest().request, secret, cosignature: null })).ok,
    ).toBe(true);
    expect(
      problem(
        await centre.register({
          request: patientRequest().request,
          secret: other,
          cosignature: null,
        }),
      ),
    ).toBe('enrolmentRefused');
  });

  it.each<[string, string, () => Promise<{ readonly request: Bytes; readonly secret: Bytes }>]>([
    [
      'an unknown secret',
      'enrolmentRefused',
      async () => ({ request: (await doctorRequest()).request, secret: randomBytes(16) }),
    ],
    [
      'a secret of another role',
      'enrolmentRefused',
      async () => ({ request: (await doctorRequest({ role: 'department' })).request, secret }),
    ],
    [
      'a secret of another institution',
      'enrolmentRefused',
      async () => ({ request: (await doctorRequest({ institution: 'h-1' })).request, secret }),
    ],
    [
      'a request signed by another key',
      'requestInvalid',
      async () => ({ request: (await doctorRequest({}, randomBytes(32))).request, secret }),
    ],
    [
      'an HPKE key of small order',
      'requestInvalid',
      async () => ({
        request: (await doctorRequest({ hpkeKey: new Uint8Array(32) })).request,
        secret,
      }),
    ],
    ['noise', 'requestInvalid', () => Promise.resolve({ request: randomBytes(100), secret })],
  ])('refuses %s', async (_why, expected, make) => {
    const { centre, sender } = await create();
    await centre.admit(secret, { role: 'doctor', institution: 'h-4' });
    expect(problem(await centre.register({ ...(await make()), cosignature: null }))).toBe(expected);
    expect(sender.sent).toEqual([]);
  });

  it('A9 a secret given to one person certifies nobody else', async () => {
    const { centre, sender } = await create();
    await centre.admit(secret, { role: 'patient', institution: '', name: '330106198001011234' });
    const stranger = await centre.register({
      request: patientRequest().request,
      secret,
      cosignature: null,
    });
    expect(problem(stranger)).toBe('enrolmentRefused');
    expect(sender.sent).toEqual([]);
    expect(contains(dump(), utf8('330106198001011234'))).toBe(false);
    const own = randomBytes(16);
    await centre.admit(own, { role: 'patient', institution: '', name: '110101195001011234' });
    const { request } = patientRequest();
    expect((await centre.register({ request, secret: own, cosignature: null })).ok).toBe(true);
    const doctor = randomBytes(16);
    await centre.admit(doctor, { role: 'doctor', institution: 'h-4', name: 'Dr A' });
    const other = await centre.register({
      request: (await doctorRequest()).request,
      secret: doctor,
      cosignature: null,
    });
    expect(problem(other)).toBe('enrolmentRefused');
  });

  it('refuses a patient whose proof is of another request', async () => {
    const { centre } = await create();
    await centre.admit(secret, { role: 'patient', institution: '' });
    const { request } = patientRequest();
    const altered = request.slice();
    altered[altered.length - 5] = (altered[altered.length - 5] ?? 0) ^ 1;
    expect(problem(await centre.register({ request: altered, secret, cosignature: null }))).toBe(
      'requestInvalid',
    );
    expect(toHex(altered)).not.toBe(toHex(request));
  });
});
