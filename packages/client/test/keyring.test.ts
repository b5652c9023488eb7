import { randomBytes as nodeRandomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createNobleCurve } from '@yilian/crypto/curve-noble';
import { toHex, utf8 } from '@yilian/crypto/bytes';
import {
  createMemberKeyring,
  createPatientKeyring,
  decodeKeyring,
  deriveHandle,
  encodeKeyring,
  exportRecoveryKit,
  importRecoveryKit,
  patientSigner,
} from '../src/keyring.ts';
import { openKeyringFile, sealKeyringFile } from '../src/keyring-file.ts';
import { encodeTrustAnchor, parseTrustAnchor } from '../src/trust-anchor.ts';
import { parseHandle } from '../src/access-request.ts';
import { parseKeyword } from '../src/patient.ts';

const curve = createNobleCurve();
const randomBytes = (length: number): Uint8Array => new Uint8Array(nodeRandomBytes(length));
const COST = { memoryKiB: 64, passes: 1, lanes: 1 };

function patientKeyring(): ReturnType<typeof createPatientKeyring> {
  return {
    ...createPatientKeyring({ chainId: 'chain-1', curve, randomBytes }),
    identity: '110101',
    visits: [{ hospital: 'community-1', counter: 3, month: '2026-11' }],
    handles: 2,
  };
}

describe('keyrings as bytes', () => {
  test('a patient’s and a member’s come back as they were', () => {
    const member = createMemberKeyring({
      chainId: 'chain-1',
      role: 'doctor',
      institution: 'tertiary-1',
      operator: 'tertiary-1',
      name: 'Dr 王',
      randomBytes,
    });
    for (const keyring of [patientKeyring(), member])
      expect(decodeKeyring(encodeKeyring(keyring))).toEqual(keyring);
  });

  test('every shortened or foreign encoding is refused', () => {
    const bytes = encodeKeyring(patientKeyring());
    const refused = expect.objectContaining({ code: 'badKeyring' }) as Error;
    for (let length = 0; length < bytes.length; length += 7)
      expect(() => decodeKeyring(bytes.subarray(0, length))).toThrow(refused);
    expect(() => decodeKeyring(utf8('{}'))).toThrow(refused);
    expect(() => importRecoveryKit(bytes)).toThrow(refused);
  });

  test('R3 the recovery kit gives the same secrets, signing key and handles', async () => {
    const keyring = patientKeyring();
    const recovered = importRecoveryKit(exportRecoveryKit(keyring));
    expect(recovered.patientSecret).toEqual(keyring.patientSecret);
    expect(recovered.scalar).toEqual(keyring.scalar);
    expect(recovered.visits).toEqual([]);
    expect(patientSigner(recovered).key).toEqual(patientSigner(keyring).key);
    const before = await deriveHandle(keyring, keyring.patientSecret, 1);
    const after = await deriveHandle(recovered, recovered.patientSecret, 1);
    expect(after.signer.key).toEqual(before.signer.key);
    expect(after.hpkePublicKey).toEqual(before.hpkePublicKey);
  });

  test('two handles of one patient, and one handle on two chains, have nothing in common', async () => {
    const { patientSecret } = patientKeyring();
    const handles = await Promise.all([
      deriveHandle({ chainId: 'chain-1' }, patientSecret, 0),
      deriveHandle({ chainId: 'chain-1' }, patientSecret, 1),
      deriveHandle({ chainId: 'chain-2' }, patientSecret, 0),
    ]);
    const keys = handles.flatMap((each) => [each.signer.key, each.hpkePublicKey]).map(toHex);
    expect(new Set(keys).size).toBe(keys.length);
  });
});

describe('keyrings at rest', () => {
  test('the passphrase opens, in any Unicode form; another does not', async () => {
    const content = encodeKeyring(patientKeyring());
    const file = await sealKeyringFile({
      content,
      passphrase: 'caf\u00e9',
      randomBytes,
      cost: COST,
    });
    expect(await openKeyringFile(file, 'cafe\u0301')).toEqual(content);
    await expect(openKeyringFile(file, 'cafe')).rejects.toMatchObject({ code: 'wrongPassphrase' });
  });

  test('the file shows nothing of the secrets and is new at each writing', async () => {
    const keyring = patientKeyring();
    const content = encodeKeyring(keyring);
    const seal = (): Promise<Uint8Array> =>
      sealKeyringFile({ content, passphrase: 'p', randomBytes, cost: COST });
    const [first, second] = [await seal(), await seal()];
    expect(toHex(first)).not.toBe(toHex(second));
    for (const secret of [keyring.patientSecret, keyring.scalar])
      expect(toHex(first)).not.toContain(toHex(secret));
  });

  test('no changed byte goes unnoticed', async () => {
    const content = utf8('secret');
    const file = await sealKeyringFile({ content, passphrase: 'p', randomBytes, cost: COST });
    for (let at = 0; at < file.length; at++) {
      const changed = file.slice();
      changed[at] = (changed[at] ?? 0) ^ 0x80;
      await expect(openKeyringFile(changed, 'p'), String(at)).rejects.toMatchObject({
        code: expect.stringMatching(/^(badKeyring|wrongPassphrase)$/) as string,
      });
    }
  });

  test('a file that asks for absurd work is refused before the work', async () => {
    const content = utf8('secret');
    const file = await sealKeyringFile({ content, passphrase: 'p', randomBytes, cost: COST });
    const { decode, encode } = await import('@yilian/crypto/cbor');
    const value = decode(file) as [
      string,
      number,
      [number, number, number, Uint8Array],
      Uint8Array,
    ];
    const [magic, version, [, passes, lanes, salt], sealed] = value;
    const greedy = encode([magic, version, [2 ** 31, passes, lanes, salt], sealed]);
    await expect(openKeyringFile(greedy, 'p')).rejects.toMatchObject({ code: 'badKeyring' });
  });
});

describe('texts that people carry', () => {
  test('a trust anchor comes back; anything else is refused', () => {
    const anchor = {
      chainId: 'chain-1',
      genesisId: randomBytes(32),
      regulatorKey: randomBytes(32),
    };
    expect(parseTrustAnchor(encodeTrustAnchor(anchor))).toEqual(anchor);
    for (const text of ['', 'x', encodeTrustAnchor(anchor).slice(0, -4), 'yilian'])
      expect(() => parseTrustAnchor(text)).toThrow(
        expect.objectContaining({ code: 'badAnchor' }) as Error,
      );
  });

  test.each(['', 'yilian-handle:', 'yilian-handle:AAAA', 'http://x'])('%j is no handle', (text) => {
    expect(() => parseHandle(text)).toThrow(
      expect.objectContaining({ code: 'badHandle' }) as Error,
    );
  });

  test.each(['stroke', 'code|', 'colour|red', '|x'])('%j is no keyword', (text) => {
    expect(() => parseKeyword(text)).toThrow(
      expect.objectContaining({ code: 'badKeyword' }) as Error,
    );
  });

  test('a keyword keeps the bars inside it', () => {
    expect(parseKeyword('text|a|b')).toEqual({ type: 'text', text: 'a|b' });
  });
});
