/** Sealed records as a store keeps them. */
import type { Bytes } from '@yilian/crypto/bytes';
import { type StorageAttestation, storageAttestation } from '../messages-institution.ts';
import { objectKeyParameter } from '../parameter.ts';
import type { NoValues, Route } from '../route.ts';
import { LIMITS } from '../sizes.ts';

export const putCiphertext: Route<
  { readonly objectKey: Bytes },
  NoValues,
  Bytes,
  StorageAttestation
> = {
  name: 'putCiphertext',
  method: 'PUT',
  path: '/v1/ciphertexts/{objectKey}',
  summary: 'Store a sealed record (header and ciphertext); the signed header announces its digest.',
  params: { objectKey: objectKeyParameter },
  query: {},
  auth: { kind: 'signed', carrier: 'header', signer: 'doctor' },
  request: { kind: 'stream', bytesMax: LIMITS.ciphertextBytesMax },
  answer: { kind: 'cbor', codec: storageAttestation, bytesMax: LIMITS.answerBytesMax },
  status: 201,
  proof: "the store's signature over header hash, digest and length",
  problems: ['digestMismatch', 'alreadyStored'],
  cost: 20,
  service: 'store',
};

export const getCiphertext: Route<{ readonly objectKey: Bytes }, NoValues, null, Bytes> = {
  name: 'getCiphertext',
  method: 'GET',
  path: '/v1/ciphertexts/{objectKey}',
  summary: 'The stored bytes; takes one byte range.',
  params: { objectKey: objectKeyParameter },
  query: {},
  auth: { kind: 'capability' },
  request: { kind: 'none' },
  answer: { kind: 'stream', bytesMax: LIMITS.ciphertextBytesMax },
  status: 200,
  proof: 'digest on chain',
  problems: ['ciphertextUnknown', 'rangeNotSatisfiable'],
  cost: 5,
  service: 'store',
};
