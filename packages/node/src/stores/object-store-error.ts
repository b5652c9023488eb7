/** Why a store could not do what it was asked. Messages hold no key, no path and no credential. */
export type ObjectStoreCode =
  /** It does not answer, or says that it cannot now. Trying again later may help. */
  | 'unavailable'
  /** It answers too slowly. */
  | 'timeout'
  /** It does not accept the credentials, or they may not do this. */
  | 'accessDenied'
  /** What it gave back is not what was put. */
  | 'corrupted'
  /** What was put is not there any more. */
  | 'missing';

export class ObjectStoreError extends Error {
  readonly code: ObjectStoreCode;

  constructor(code: ObjectStoreCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'ObjectStoreError';
    this.code = code;
  }
}

/** Whether the object itself is lost or damaged, and not merely out of reach. */
export function isLoss(error: unknown): error is ObjectStoreError {
  return error instanceof ObjectStoreError && ['corrupted', 'missing'].includes(error.code);
}
