/** An in-memory ordered map of binary keys: what the stores without a disk are made of. */
import { type Bytes, toHex } from '@yilian/crypto/bytes';
import type { Batch, Entry, RangeOptions } from './key-value-store.ts';

function copyOf(bytes: Bytes): Bytes {
  return new Uint8Array(bytes);
}

export class SortedEntries {
  readonly #entries: Map<string, Entry>;

  constructor(entries: Map<string, Entry> = new Map()) {
    this.#entries = entries;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: Bytes): Bytes | undefined {
    const entry = this.#entries.get(toHex(key));
    return entry === undefined ? undefined : copyOf(entry.value);
  }

  range({
    from,
    to,
    reverse = false,
    limit = Number.POSITIVE_INFINITY,
  }: RangeOptions): readonly Entry[] {
    // Equal-length digits per byte: the order of the hexadecimal text is the order of the bytes.
    const [low, high] = [toHex(from), toHex(to)];
    const keys = [...this.#entries.keys()].filter((key) => key >= low && key < high).sort();
    if (reverse) keys.reverse();
    return keys.slice(0, limit).flatMap((key) => {
      const entry = this.#entries.get(key);
      return entry === undefined ? [] : [{ key: copyOf(entry.key), value: copyOf(entry.value) }];
    });
  }

  apply({ puts, deletes }: Batch): void {
    for (const { key, value } of puts)
      this.#entries.set(toHex(key), { key: copyOf(key), value: copyOf(value) });
    for (const key of deletes) this.#entries.delete(toHex(key));
  }

  clone(): SortedEntries {
    return new SortedEntries(new Map(this.#entries));
  }
}
