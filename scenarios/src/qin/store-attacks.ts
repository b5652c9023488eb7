/**
 * Attacks on ciphertexts (QJ-10), with the hands of somebody who owns the disks of both stores: files of
 * running nodes are altered, swapped, cut and deleted. Each must be noticed before anybody asks a node
 * for a share: the grant's access count stays as it was.
 */
import { copyFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SearchHit } from '@yilian/client/granted-search';
import { deriveObjectKey } from '@yilian/client/record-location';
import { toHex } from '@yilian/crypto/bytes';
import { bindChain } from '@yilian/crypto/context';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { sha256 } from '@yilian/crypto/hash';
import { toRecordId, type GrantId } from '@yilian/crypto/ids';
import { equalBytes } from '@yilian/crypto/bytes';
import { isFaithful } from './keeping.ts';
import { writtenBy } from './referral.ts';
import type { Story } from './story.ts';

/** Bytes that the store writes before header and ciphertext. */
const HEAD_BYTES = 72;

/** The files that keep a record, one per store, on the disks of the running nodes. */
async function filesOf(story: Story, hit: SearchHit): Promise<readonly string[]> {
  const { network, reader } = story.doctorB;
  const { context } = network;
  const objectKey = deriveObjectKey(context, hit.locationSecret, hit.recordId);
  const name = toHex(sha256(bindChain(DOMAIN_TAGS.storePath, context, objectKey)));
  const record = await reader.record(toRecordId(hit.recordId));
  if (record === undefined) throw new Error('the record is not on chain');
  return network.nodes
    .filter(({ store }) => store !== null && record.stores.some((id) => equalBytes(id, store)))
    .map((node) =>
      join(story.consortium.home, 'nodes', node.name, 'data', 'objects', name.slice(0, 2), name),
    );
}

type Damage = (path: string, other: string) => Promise<void>;

function flipAt(position: (length: number) => number): Damage {
  return async (path) => {
    const bytes = await readFile(path);
    const at = position(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    await writeFile(path, bytes);
  };
}

const DAMAGES: readonly (readonly [string, Damage])[] = [
  ['one bit of the ciphertext altered at both stores', flipAt((length) => length - 40)],
  ['one bit of the record’s header altered at both stores', flipAt(() => HEAD_BYTES + 200)],
  [
    'the ciphertext swapped for that of another record at both stores',
    (path, other) => copyFile(other, path),
  ],
  [
    'the ciphertext swapped under the old file head at both stores',
    async (path, other) => {
      const [own, foreign] = [await readFile(path), await readFile(other)];
      await writeFile(
        path,
        Buffer.concat([own.subarray(0, HEAD_BYTES), foreign.subarray(HEAD_BYTES)]),
      );
    },
  ],
  [
    'the ciphertext cut short at both stores',
    async (path) => {
      const bytes = await readFile(path);
      await writeFile(path, bytes.subarray(0, bytes.length - 100));
    },
  ],
  [
    'bytes added to the ciphertext at both stores',
    async (path) => {
      await writeFile(path, Buffer.concat([await readFile(path), Buffer.alloc(64)]));
    },
  ],
  ['the ciphertext deleted at both stores', (path) => rm(path)],
];

export async function runStoreAttacks(story: Story, grantId: GrantId): Promise<void> {
  const { report, doctorB, main } = story;
  report.act('Dark side: the disks of the stores');
  const [hit, other] = main.referral?.hits ?? [];
  if (hit === undefined || other === undefined) throw new Error('two records are needed');
  const [files, others] = [await filesOf(story, hit), await filesOf(story, other)];
  const [foreign] = others;
  if (foreign === undefined || files.length < 2) throw new Error('both stores keep a file');
  const originals = await Promise.all(files.map((path) => readFile(path)));
  const restore = async (): Promise<void> => {
    for (const [i, path] of files.entries()) await writeFile(path, originals[i] ?? Buffer.alloc(0));
  };
  const accesses = async (): Promise<number> =>
    (await doctorB.reader.grant(grantId, { fresh: true }))?.accesses ?? -1;
  const before = await accesses();
  const open = (): ReturnType<typeof doctorB.doctor.openRecord> =>
    doctorB.doctor.openRecord({ grantId, hit, purpose: 'treatment' });

  for (const [attack, damage] of DAMAGES) {
    for (const path of files) await damage(path, foreign);
    await report.refused(
      attack,
      [
        'digest',
        'ciphertextUnknown',
        'ciphertextLost',
        'ciphertextDamaged',
        'unreachable',
        'malformed',
      ],
      open,
    );
    await restore();
  }
  report.check(
    'all of it was noticed before any share was asked for',
    (await accesses()) === before,
    `${before} accesses before and after`,
  );

  const [first] = files;
  if (first !== undefined) await flipAt((length) => length - 40)(first, foreign);
  const opened = await open();
  const faithful = await isFaithful(opened, writtenBy(main, hit).record);
  await opened.stored.dispose();
  await restore();
  report.check(
    'altered at one store only: the record opens from the other',
    faithful,
    `from ${opened.stored.node.name}`,
  );

  await report.refused('a guessed object key', ['ciphertextUnknown', 'notFound'], async () => {
    const [node] = doctorB.network.nodes;
    if (node === undefined) throw new Error('no node');
    const answer = await fetch(
      `${node.url}/v1/ciphertexts/${toHex(story.platform.randomBytes(32))}`,
    );
    if (answer.ok) return;
    const problem: unknown = await answer.json();
    throw Object.assign(new Error('refused'), problem);
  });
}
