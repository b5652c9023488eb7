/** A disk that keeps what was flushed and forgets the rest when it crashes. */
import { type Bytes, toHex } from '@yilian/crypto/bytes';
import type { StateReader, WriteBatch } from '../src/state-reader.ts';

export class MemoryDisk implements StateReader {
  #durable = new Map<string, Bytes>();
  #visible = new Map<string, Bytes>();

  get(key: Bytes): Bytes | undefined {
    return this.#visible.get(toHex(key));
  }

  /** One atomic step; visible at once, durable after `flush`. */
  write(batch: WriteBatch): void {
    for (const { key, value } of batch.puts) this.#visible.set(toHex(key), Uint8Array.from(value));
    for (const key of batch.deletes) this.#visible.delete(toHex(key));
  }

  flush(): void {
    this.#durable = new Map(this.#visible);
  }

  crash(): void {
    this.#visible = new Map(this.#durable);
  }

  get size(): number {
    return this.#visible.size;
  }

  entries(): IterableIterator<[string, Bytes]> {
    return this.#visible.entries();
  }
}
