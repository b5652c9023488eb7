/** Why a clinical document from outside was not taken. The message is for people and names no content. */
export class ContentError extends Error {
  readonly code:
    | 'tooLarge'
    | 'tooDeep'
    | 'malformed'
    | 'duplicateKey'
    | 'notABundle'
    | 'unsupportedBundle'
    | 'noPatient'
    | 'severalPatients'
    | 'noTime';

  constructor(code: ContentError['code'], message: string) {
    super(message);
    this.name = 'ContentError';
    this.code = code;
  }
}
