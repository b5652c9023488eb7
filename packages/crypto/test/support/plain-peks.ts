/**
 * Plain PEKS as published (Boneh–Di Crescenzo–Ostrovsky–Persiano 2004, §3.1), with nothing of ours:
 * keywords are hashed as they are, so everybody who has P can try a dictionary. Only the guessing attack
 * in searchable-encryption.test.ts uses it.
 */
import { type Bytes, equalBytes, type RandomBytes, utf8 } from '../../src/bytes.ts';
import { type Curve, type G1, type G2, randomScalar, type Scalar } from '../../src/curve.ts';
import { sha256 } from '../../src/hash.ts';

const DST = 'PLAIN-PEKS-TEST-BLS12381G2_XMD:SHA-256_SSWU_RO_';

export interface PlainCiphertext {
  readonly point: G1;
  readonly tag: Bytes;
}

export function plainPeks(
  curve: Curve,
  patientKey: G1,
  keyword: string,
  randomBytes: RandomBytes,
): PlainCiphertext {
  const r = randomScalar(curve, randomBytes);
  const g2 = curve.hashToG2(DST, utf8(keyword));
  const tag = sha256(curve.pairingBytes([{ g1: curve.multiplyG1(patientKey, r), g2 }]));
  return { point: curve.multiplyG1(curve.g1, r), tag };
}

export function plainTrapdoor(curve: Curve, patientScalar: Scalar, keyword: string): G2 {
  return curve.multiplyG2(curve.hashToG2(DST, utf8(keyword)), patientScalar);
}

export function plainTest(curve: Curve, ciphertext: PlainCiphertext, trapdoor: G2): boolean {
  const tag = sha256(curve.pairingBytes([{ g1: ciphertext.point, g2: trapdoor }]));
  return equalBytes(tag, ciphertext.tag);
}

/** Keyword guessing: e(P, H(w′)) = e(g1, T) for a trapdoor, from public values. */
export function guessKeyword(
  curve: Curve,
  patientKey: G1,
  trapdoor: G2,
  dictionary: readonly string[],
): string | undefined {
  return dictionary.find((word) =>
    curve.pairingsEqual(
      [{ g1: patientKey, g2: curve.hashToG2(DST, utf8(word)) }],
      [{ g1: curve.g1, g2: trapdoor }],
    ),
  );
}
