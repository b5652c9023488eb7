/** Why a hospital could not be prepared, enrolled or joined. `place`: the file or folder that it is about. */
export type EnrolmentErrorCode =
  /** The home exists; keys are made once. */
  | 'homeExists'
  /** No home that `network prepare` made. */
  | 'notPrepared'
  /** A prepared home without its answer. */
  | 'answerMissing'
  /** consortium.json names no genesis document, or not the one that its id says. */
  | 'badConsortium'
  | 'requestUnreadable'
  /** A key did not sign what the request says. */
  | 'requestAltered'
  | 'requestOtherChain'
  /** The fingerprint that was told is another one. */
  | 'fingerprintDiffers'
  /** The home has not the key of this chain's regulator. */
  | 'notRegulator'
  /** Another institution has the name. */
  | 'nameTaken'
  /** A key of the request is somebody's already. */
  | 'keyUsed'
  | 'answerUnreadable'
  /** Not signed by this chain's regulator. */
  | 'answerForged'
  | 'answerOtherChain'
  /** It answers another request. */
  | 'answerForAnother'
  /** The home is complete, and this answer is of another moment. */
  | 'answerExpired';

export class EnrolmentError extends Error {
  readonly code: EnrolmentErrorCode;
  readonly place: string;

  constructor(
    code: EnrolmentErrorCode,
    place: string,
    message: string,
    options?: { readonly cause: unknown },
  ) {
    super(`${place}: ${message}`, options);
    this.name = 'EnrolmentError';
    this.code = code;
    this.place = place;
  }
}
