/** Which stores of other operators a node asks for copies. */
import { randomBytes } from 'node:crypto';
import type { Bytes } from '@yilian/crypto/bytes';
import type { LedgerRecord } from '@yilian/ledger/contracts/records/record';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  type CopyPlace,
  type CopySources,
  createCopySources,
} from '../../src/stores/copy-source.ts';

const [first, second, third] = [1, 2, 3].map(() => new Uint8Array(randomBytes(32))) as [
  Bytes,
  Bytes,
  Bytes,
];
const at = (store: Bytes, host: string): CopyPlace => ({
  store,
  node: store,
  url: `https://${host}`,
});
const recordOf = (...stores: readonly Bytes[]): LedgerRecord =>
  ({ stores }) as unknown as LedgerRecord;

let places: readonly CopyPlace[];
let opened: string[];
let closed: string[];
let sources: CopySources;

beforeEach(() => {
  places = [at(first, 'first'), at(second, 'second')];
  opened = [];
  closed = [];
  sources = createCopySources({
    places: () => places,
    open: ({ store, url }) => {
      opened.push(url);
      return {
        store,
        fetch: () => Promise.resolve(null),
        probe: () => Promise.reject(new Error('not asked')),
        close: () => void closed.push(url),
      };
    },
  });
});

describe('sources of copies', () => {
  it('are the stores that the record names, and no others', () => {
    expect(sources.of(recordOf(second, third)).map(({ store }) => store)).toEqual([second]);
    expect(sources.of(recordOf(third))).toEqual([]);
    expect(sources.of(recordOf())).toEqual([]);
    expect(opened).toEqual(['https://second']);
  });

  it('are opened once, however often they are asked for', () => {
    const [before] = sources.of(recordOf(first));
    const [again] = sources.of(recordOf(first, second));
    expect(again).toBe(before);
    expect(opened).toEqual(['https://first', 'https://second']);
    expect(closed).toEqual([]);
  });

  it('include a store that came while the node runs', () => {
    expect(sources.of(recordOf(third))).toEqual([]);
    places = [...places, at(third, 'third')];
    expect(sources.of(recordOf(third)).map(({ store }) => store)).toEqual([third]);
  });

  it('keep to the first place of a store that is named twice, so that a configuration counts most', () => {
    places = [...places, at(first, 'elsewhere')];
    expect(sources.of(recordOf(first))).toHaveLength(1);
    expect(opened).toEqual(['https://first']);
  });

  it('follow a store that moved, and let its old place go', () => {
    sources.of(recordOf(first));
    places = [at(first, 'moved')];
    expect(sources.of(recordOf(first))).toHaveLength(1);
    expect(opened).toEqual(['https://first', 'https://moved']);
    expect(closed).toEqual(['https://first']);
  });

  it('are all closed at the end, those that are no longer named, too', () => {
    sources.of(recordOf(first, second));
    places = [];
    sources.close();
    expect(closed.toSorted()).toEqual(['https://first', 'https://second']);
  });
});
