/**
 * A haystack of bytes in which any value of 16 bytes or more is found wherever it begins: every window
 * of 16 bytes, once. A value is found by its first 16 bytes, so truncations down to that are found too.
 */
const WINDOW_BYTES = 16;

export class ByteWindows {
  readonly #windows: Set<string> = new Set();

  add(bytes: Uint8Array): void {
    const text = Buffer.from(bytes).toString('latin1');
    for (let i = 0; i + WINDOW_BYTES <= text.length; i++)
      this.#windows.add(text.slice(i, i + WINDOW_BYTES));
  }

  get size(): number {
    return this.#windows.size;
  }

  /** @throws RangeError for values under 16 bytes: they would be found by chance */
  has(value: Uint8Array): boolean {
    if (value.length < WINDOW_BYTES)
      throw new RangeError('a value of under 16 bytes proves nothing');
    return this.#windows.has(Buffer.from(value.subarray(0, WINDOW_BYTES)).toString('latin1'));
  }
}
