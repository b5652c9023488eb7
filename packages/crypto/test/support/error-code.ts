/** The `code` of the error that `act` throws, or what it did instead. */
export function codeOf(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    if (error instanceof Error && 'code' in error) return error.code;
    return error instanceof Error ? error.message : error;
  }
  return 'no error';
}

/** For values that the test knows to be there. */
export function present<Value>(value: Value | undefined | null): Value {
  if (value === undefined || value === null) throw new Error('the value is missing');
  return value;
}
