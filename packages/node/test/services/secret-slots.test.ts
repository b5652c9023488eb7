import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSecretSlots } from '../../src/services/secret-slots.ts';
import { createShelf } from '../../src/services/service-store.ts';
import { createShareVault } from '../../src/services/share-vault.ts';
import { createMemoryStore } from '../../src/storage/memory-store.ts';
import { contains, randomBytes, temporaryDirectory } from './support.ts';

let place: ReturnType<typeof temporaryDirectory>;
let path: string;

beforeEach(() => {
  place = temporaryDirectory();
  path = join(place.path, 'secrets');
});
afterEach(() => place.clean());

describe('secret slots', () => {
  it('keep a secret over a restart', async () => {
    const [id, secret] = [randomBytes(16), randomBytes(32)];
    const first = await openSecretSlots(path);
    await first.put(id, secret);
    await first.close();
    const second = await openSecretSlots(path);
    expect(second.get(id)).toEqual(secret);
    expect(second.ids()).toHaveLength(1);
    await second.close();
  });

  it('F15 leave no byte of an erased secret in the file', async () => {
    const slots = await openSecretSlots(path);
    const secrets = [randomBytes(32), randomBytes(32), randomBytes(32)];
    const ids = secrets.map(() => randomBytes(16));
    for (const [i, secret] of secrets.entries()) await slots.put(ids[i] ?? id0, secret);
    await slots.erase(ids[1] ?? id0);
    const file = new Uint8Array(readFileSync(path));
    expect(contains(file, secrets[1] ?? id0)).toBe(false);
    expect(contains(file, ids[1] ?? id0)).toBe(false);
    expect(contains(file, secrets[0] ?? id0)).toBe(true);
    expect(slots.get(ids[1] ?? id0)).toBeUndefined();
    expect(slots.get(ids[2] ?? id0)).toEqual(secrets[2]);
    await slots.close();
  });

  it('use a freed slot again instead of growing', async () => {
    const slots = await openSecretSlots(path);
    await slots.put(randomBytes(16), randomBytes(32));
    const id = randomBytes(16);
    await slots.put(id, randomBytes(32));
    await slots.erase(id);
    const before = readFileSync(path).length;
    await slots.put(randomBytes(16), randomBytes(32));
    expect(readFileSync(path)).toHaveLength(before);
    await slots.close();
  });

  it('refuse a second secret under one id', async () => {
    const slots = await openSecretSlots(path);
    const id = randomBytes(16);
    await slots.put(id, randomBytes(32));
    await expect(slots.put(id, randomBytes(32))).rejects.toThrow();
    await slots.close();
  });

  it.each([
    ['a torn slot', 79],
    ['a flipped byte', 40],
  ])('take %s for lost, and zero it', async (_why, at) => {
    const slots = await openSecretSlots(path);
    const id = randomBytes(16);
    await slots.put(id, randomBytes(32));
    await slots.close();
    const file = readFileSync(path);
    if (at === 79) writeFileSync(path, file.subarray(0, at));
    else {
      file[at] = (file[at] ?? 0) ^ 1;
      writeFileSync(path, file);
    }
    const again = await openSecretSlots(path);
    expect(again.get(id)).toBeUndefined();
    expect(readFileSync(path).every((byte) => byte === 0)).toBe(true);
    await again.close();
  });

  it('keep writers apart who come at once', async () => {
    const slots = await openSecretSlots(path);
    const ids = Array.from({ length: 20 }, () => randomBytes(16));
    await Promise.all(ids.map((id) => slots.put(id, id.length === 16 ? randomBytes(32) : id)));
    expect(slots.ids()).toHaveLength(20);
    await slots.close();
    const again = await openSecretSlots(path);
    expect(again.ids()).toHaveLength(20);
    await again.close();
  });
});

const id0 = new Uint8Array(16);

describe('the share vault', () => {
  const open = async (): Promise<{
    vault: ReturnType<typeof createShareVault>;
    store: ReturnType<typeof createMemoryStore>;
    slots: Awaited<ReturnType<typeof openSecretSlots>>;
  }> => {
    const slots = await openSecretSlots(path);
    const store = createMemoryStore();
    const vault = createShareVault({ slots, shelf: createShelf(store, 'shares'), randomBytes });
    return { vault, store, slots };
  };
  const dump = (store: ReturnType<typeof createMemoryStore>): Uint8Array =>
    Buffer.concat(
      store
        .range({ from: new Uint8Array(0), to: new Uint8Array(64).fill(0xff) })
        .flatMap(({ key, value }) => [Buffer.from(key), Buffer.from(value)]),
    );

  it('F15 shows no share byte to who reads the database', async () => {
    const { vault, store, slots } = await open();
    const [grantId, share] = [randomBytes(16), randomBytes(200)];
    await vault.put(grantId, 'share', share);
    expect(vault.get(grantId, 'share')).toEqual({ kind: 'kept', value: share });
    expect(contains(dump(store), share.subarray(0, 16))).toBe(false);
    await slots.close();
  });

  it('F15 a copy of the database taken before opens nothing after the erasure', async () => {
    const { vault, store, slots } = await open();
    const grantId = randomBytes(16);
    await vault.put(grantId, 'share', randomBytes(200));
    const copy = store.range({ from: new Uint8Array(0), to: new Uint8Array(64).fill(0xff) });
    await vault.erase(grantId);
    expect(vault.get(grantId, 'share')).toEqual({ kind: 'missing' });
    await store.write({ puts: copy, deletes: [] });
    expect(vault.get(grantId, 'share')).toEqual({ kind: 'lost' });
    await slots.close();
  });

  it('R9 erasing one grant leaves the others usable', async () => {
    const { vault, slots } = await open();
    const [first, second, share] = [randomBytes(16), randomBytes(16), randomBytes(64)];
    await vault.put(first, 'share', share);
    await vault.put(second, 'share', share);
    await vault.erase(first);
    expect(vault.get(second, 'share')).toEqual({ kind: 'kept', value: share });
    expect(vault.grants()).toEqual([second]);
    await slots.close();
  });

  it('does not take an entry moved to another name or grant', async () => {
    const { vault, store, slots } = await open();
    const grantId = randomBytes(16);
    await vault.put(grantId, 'share', randomBytes(64));
    await vault.put(grantId, 'answer-1', randomBytes(64));
    const [first, second] = store.range({
      from: new Uint8Array(0),
      to: new Uint8Array(64).fill(0xff),
    });
    if (first === undefined || second === undefined) throw new Error('two entries expected');
    await store.write({ puts: [{ key: first.key, value: second.value }], deletes: [] });
    const kinds = [vault.get(grantId, 'share').kind, vault.get(grantId, 'answer-1').kind];
    expect(kinds).toContain('lost');
    await slots.close();
  });
});
