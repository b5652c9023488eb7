/**
 * Keywords and their blinding: w̃ = HMAC(κ, [type, norm(w)]), κ = HKDF(K_patient, [hospitalId, month]).
 *
 * Promises: without κ nobody can try a dictionary against a tag or trapdoor (the idea of PAEKS,
 * Huang–Li 2017, with a secret that comes from the patient instead of a Diffie–Hellman value: theft of a
 * hospital's key opens nothing); κ of one hospital or month says nothing about another.
 * Does not promise: hiding a keyword from the hospital that wrote it.
 */
import { type Brand } from './brand.ts';
import { type Bytes, CodecError } from './bytes.ts';
import { bindChain, type ChainContext } from './context.ts';
import { DOMAIN_TAGS } from './domain-tags.ts';
import { hkdf, hmacSha256 } from './hash.ts';
import type { Month } from './period.ts';

/** `code`: ICD-10, SNOMED, LOINC. `text`: free words in any language. `class`: FHIR type. `pid`: pseudonym. */
export type KeywordType = 'code' | 'text' | 'class' | 'pid';

export interface Keyword {
  readonly type: KeywordType;
  readonly text: string;
}

/** w̃: 32 bytes. */
export type BlindedKeyword = Brand<Bytes, 'BlindedKeyword'>;

const KEYWORD_LENGTH_MAX = 256;

/**
 * One spelling per keyword: NFKC (full-width forms, compatibility characters), lower case, single spaces.
 * Codes keep their system prefix as part of the text (`icd10:I63.9`).
 * @throws CodecError `malformed` for empty or overlong text
 */
export function normaliseKeyword(keyword: Keyword): Keyword {
  const spaced = keyword.text.normalize('NFKC').toLowerCase().normalize('NFKC');
  const text = spaced.replace(/\s+/gu, ' ').trim();
  if (text.length === 0 || text.length > KEYWORD_LENGTH_MAX)
    throw new CodecError('malformed', `a keyword has 1 to ${KEYWORD_LENGTH_MAX} characters`);
  return { type: keyword.type, text };
}

/** κ, from K_patient. 32 bytes. */
export function deriveKeywordSecret(input: {
  readonly context: ChainContext;
  readonly patientSecret: Bytes;
  readonly hospitalId: Bytes;
  readonly month: Month;
}): Bytes {
  const { context, patientSecret, hospitalId, month } = input;
  const info = bindChain(DOMAIN_TAGS.keywordSecret, context, hospitalId, month);
  return hkdf({ ikm: patientSecret, info, length: 32 });
}

/** w̃ = HMAC(κ, [type, norm(w)]). @throws CodecError */
export function blindKeyword(
  context: ChainContext,
  keywordSecret: Bytes,
  keyword: Keyword,
): BlindedKeyword {
  const { type, text } = normaliseKeyword(keyword);
  const message = bindChain(DOMAIN_TAGS.blindedKeyword, context, type, text);
  return hmacSha256(keywordSecret, message) as BlindedKeyword;
}
