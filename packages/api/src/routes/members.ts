/** How members come in and are known. */
import type { Bytes } from '@yilian/crypto/bytes';
import {
  type RegistrationAnswer,
  type RegistrationPost,
  registrationAnswer,
  registrationPost,
} from '../messages-institution.ts';
import { memberIdParameter } from '../parameter.ts';
import type { NoValues, Route } from '../route.ts';
import { LIMITS } from '../sizes.ts';

export const registerMember: Route<NoValues, NoValues, RegistrationPost, RegistrationAnswer> = {
  name: 'registerMember',
  method: 'POST',
  path: '/v1/registrations',
  summary: 'Have a certificate made and the member enrolled.',
  params: {},
  query: {},
  auth: { kind: 'enrolmentSecret' },
  request: { kind: 'cbor', codec: registrationPost, bytesMax: LIMITS.bodyBytesMax },
  answer: { kind: 'cbor', codec: registrationAnswer, bytesMax: LIMITS.answerBytesMax },
  status: 200,
  proof: "regulator's signature; its hash in state",
  problems: ['enrolmentRefused', 'requestInvalid', 'badSignature', 'refused'],
  cost: 20,
  service: 'registration',
};

export const getCertificate: Route<{ readonly id: Bytes }, NoValues, null, Bytes> = {
  name: 'getCertificate',
  method: 'GET',
  path: '/v1/members/{id}/certificate',
  summary: 'The certificate of a member that is not a patient.',
  params: { id: memberIdParameter },
  query: {},
  auth: { kind: 'none' },
  request: { kind: 'none' },
  answer: { kind: 'bytes', mediaType: 'application/octet-stream', bytesMax: LIMITS.blobBytesMax },
  status: 200,
  proof: "regulator's signature; its hash in state",
  problems: ['notFound'],
  cost: 1,
  service: null,
};
