/** From a section key to everything needed to read the section, with every commitment checked. */
import { equalBytes } from '../bytes.ts';
import { EnvelopeError } from './envelope-error.ts';
import type { RecordHeader, SectionFacts } from './header.ts';
import { deriveSectionSecrets, type SectionKey, type SectionSecrets } from './keys.ts';
import {
  MANIFEST_PATH,
  type Manifest,
  openDescriptor,
  openManifest,
  type SectionDescriptor,
  sectionLeaf,
} from './section.ts';

export interface UnlockedSection {
  readonly index: number;
  readonly facts: SectionFacts;
  readonly descriptor: SectionDescriptor;
  readonly secrets: SectionSecrets;
}

function factsOf(header: RecordHeader, index: number): SectionFacts {
  const facts = header.sections[index];
  if (facts === undefined)
    throw new EnvelopeError('noSuchSection', `the record has no section ${index}`);
  return facts;
}

function assertLeaf(
  header: RecordHeader,
  facts: SectionFacts,
  path: string,
  secrets: SectionSecrets,
): void {
  const leaf = sectionLeaf(header, { path, ciphertextRoot: facts.ciphertextRoot, secrets });
  if (!equalBytes(leaf, facts.leaf))
    throw new EnvelopeError(
      'sectionCommitment',
      'the section tree commits to another key, path or ciphertext',
    );
}

/**
 * The leaf that the doctor signed is recomputed from key, path and ciphertext root: a second key that
 * also decrypts the ciphertext fails here (F9).
 * @throws EnvelopeError `noSuchSection`, `descriptor`, `sectionCommitment`
 */
export function unlockSection(
  header: RecordHeader,
  index: number,
  key: SectionKey,
): UnlockedSection {
  const facts = factsOf(header, index);
  if (index === 0)
    throw new EnvelopeError('noSuchSection', 'section 0 is the manifest and has no content');
  const secrets = deriveSectionSecrets(header, key);
  const descriptor = openDescriptor(header, secrets, facts.descriptor);
  assertLeaf(header, facts, descriptor.path, secrets);
  const capacity = facts.chunkCount * header.chunkBytes;
  if (descriptor.path === MANIFEST_PATH || descriptor.length > capacity)
    throw new EnvelopeError('descriptor', 'a section claims the manifest’s path or too many bytes');
  return { index, facts, descriptor, secrets };
}

/** As `unlockSection`, for the table of contents. */
export function unlockManifest(header: RecordHeader, key: SectionKey): Manifest {
  const facts = factsOf(header, 0);
  const secrets = deriveSectionSecrets(header, key);
  assertLeaf(header, facts, MANIFEST_PATH, secrets);
  const manifest = openManifest(header, secrets, facts.descriptor);
  const paths = new Set(manifest.sections.map((section) => section.path));
  if (
    manifest.sections.length !== header.sections.length - 1 ||
    paths.size !== manifest.sections.length ||
    paths.has(MANIFEST_PATH)
  )
    throw new EnvelopeError('descriptor', 'manifest and header list different sections');
  return manifest;
}
