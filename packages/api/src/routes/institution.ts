/** What a hospital does for its own doctors. */
import type { Bytes } from '@yilian/crypto/bytes';
import { type Submitted, submitted } from '../messages-chain.ts';
import {
  type EpochKeyAnswer,
  type EpochKeyPost,
  type InstitutionRecordPost,
  type SealedLocation,
  epochKeyAnswer,
  epochKeyPost,
  institutionRecordPost,
  sealedLocation,
} from '../messages-institution.ts';
import { recordIdParameter } from '../parameter.ts';
import type { NoValues, Route } from '../route.ts';
import { LIMITS } from '../sizes.ts';

export const postEpochKey: Route<NoValues, NoValues, EpochKeyPost, EpochKeyAnswer> = {
  name: 'postEpochKey',
  method: 'POST',
  path: '/v1/institution/epoch-keys',
  summary: "The index key of the day and the patient's index point.",
  params: {},
  query: {},
  auth: { kind: 'signed', carrier: 'body', signer: 'doctor' },
  request: { kind: 'cbor', codec: epochKeyPost, bytesMax: LIMITS.bodyBytesMax },
  answer: { kind: 'cbor', codec: epochKeyAnswer, bytesMax: LIMITS.answerBytesMax },
  status: 200,
  proof: 'epoch proof',
  problems: ['possessionInvalid', 'epochClosed'],
  cost: 10,
  service: 'institution',
};

export const postInstitutionRecord: Route<NoValues, NoValues, InstitutionRecordPost, Submitted> = {
  name: 'postInstitutionRecord',
  method: 'POST',
  path: '/v1/institution/records',
  summary: 'Have the institution sign and submit a record.',
  params: {},
  query: {},
  auth: { kind: 'signed', carrier: 'body', signer: 'doctor' },
  request: { kind: 'cbor', codec: institutionRecordPost, bytesMax: LIMITS.bodyBytesMax },
  answer: { kind: 'cbor', codec: submitted, bytesMax: LIMITS.answerBytesMax },
  status: 202,
  proof: 'receipt',
  problems: ['recordInvalid', 'refused', 'duplicate', 'poolFull'],
  cost: 20,
  service: 'institution',
};

export const getLocation: Route<{ readonly recordId: Bytes }, NoValues, null, SealedLocation> = {
  name: 'getLocation',
  method: 'GET',
  path: '/v1/institution/records/{recordId}/location',
  summary: "Where a record's ciphertext lies, sealed to its author.",
  params: { recordId: recordIdParameter },
  query: {},
  auth: { kind: 'signed', carrier: 'header', signer: 'doctor' },
  request: { kind: 'none' },
  answer: { kind: 'cbor', codec: sealedLocation, bytesMax: LIMITS.answerBytesMax },
  status: 200,
  proof: "the ciphertext's digest on chain",
  problems: ['recordUnknown'],
  cost: 2,
  service: 'institution',
};
