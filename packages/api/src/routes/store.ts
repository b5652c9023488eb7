/** Sealed records as a store keeps them. */
import type { Bytes } from '@yilian/crypto/bytes';
import { type StorageAttestation, storageAttestation } from '../messages-institution.ts';
import { objectKeyParameter, recordIdParameter } from '../parameter.ts';
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
  problems: [
    'digestMismatch',
    'alreadyStored',
    'storeUnavailable',
    'storeTimedOut',
    'storeRefused',
    'ciphertextDamaged',
  ],
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
  problems: [
    'ciphertextUnknown',
    'rangeNotSatisfiable',
    'ciphertextLost',
    'ciphertextDamaged',
    'storeUnavailable',
    'storeTimedOut',
    'storeRefused',
  ],
  cost: 5,
  service: 'store',
};

export const repairCiphertext: Route<
  { readonly objectKey: Bytes; readonly recordId: Bytes },
  NoValues,
  Bytes,
  StorageAttestation
> = {
  name: 'repairCiphertext',
  method: 'PUT',
  path: '/v1/ciphertexts/{objectKey}/repairs/{recordId}',
  summary: 'Give a store that lost a record its bytes again; whoever has them may, unnamed.',
  params: { objectKey: objectKeyParameter, recordId: recordIdParameter },
  query: {},
  auth: { kind: 'capability' },
  request: { kind: 'stream', bytesMax: LIMITS.ciphertextBytesMax },
  answer: { kind: 'cbor', codec: storageAttestation, bytesMax: LIMITS.answerBytesMax },
  status: 200,
  proof: "the store's signature over header hash, digest and length",
  problems: [
    'recordUnknown',
    'digestMismatch',
    'alreadyStored',
    'storeUnavailable',
    'storeTimedOut',
    'storeRefused',
    'ciphertextDamaged',
  ],
  cost: 20,
  service: 'store',
};

export const getStoredCopy: Route<{ readonly recordId: Bytes }, NoValues, null, Bytes> = {
  name: 'getStoredCopy',
  method: 'GET',
  path: '/v1/copies/{recordId}',
  summary:
    "A record's bytes for another operator whose store the record names, to audit and repair it; takes one byte range.",
  params: { recordId: recordIdParameter },
  query: {},
  auth: { kind: 'signed', carrier: 'header', signer: 'member' },
  request: { kind: 'none' },
  answer: { kind: 'stream', bytesMax: LIMITS.ciphertextBytesMax },
  status: 200,
  proof: 'digest on chain',
  problems: [
    'recordUnknown',
    'notPermitted',
    'ciphertextUnknown',
    'rangeNotSatisfiable',
    'ciphertextLost',
    'ciphertextDamaged',
    'storeUnavailable',
    'storeTimedOut',
    'storeRefused',
  ],
  cost: 20,
  service: 'store',
};
