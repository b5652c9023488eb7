/**
 * What an offered snapshot says of itself: the ledger's manifest, and where the engine's chain stood (who votes
 * next is no part of the ledger's own manifest), with the ledger's proof of who votes and leads.
 * `[manifest, tip, state answer of the validators]` in canonical CBOR; `hash` is its SHA-256.
 */
import {
  decodeEngineTip,
  encodeEngineTip,
  type EngineTip,
} from '@yilian/consensus/abci/engine-tip';
import type { Genesis } from '@yilian/consensus/application';
import type { Snapshot } from '@yilian/consensus/abci/common-messages';
import { type ValidatorSet, ValidatorSetError } from '@yilian/consensus/validator-set';
import { type Bytes, CodecError, equalBytes, toHex } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import { Fields } from '@yilian/crypto/fields';
import {
  chunkCount,
  encodeManifest,
  SNAPSHOT_FORMAT,
  type SnapshotManifest,
} from '@yilian/ledger/snapshot-format';
import { parseStateAnswer, verifyStateAnswer } from '@yilian/ledger/answers';
import {
  parseGovernedValidators,
  type ValidatorEntry,
} from '@yilian/ledger/contracts/governance/validators';
import { stateKeys } from '@yilian/ledger/state';
import { type SnapshotRefusal, verifyManifest } from '@yilian/ledger/snapshot-verify';
import { sha256 } from '../verification/sha256.ts';

/** CometBFT takes 4 MB with everything around it. */
const METADATA_BYTES_MAX = 3_900_000;

/**
 * `wrongFormat`: made by a later version. `wrongHash`: hash or number of chunks are not those of the metadata.
 * `wrongTip`: height, time or app hash of the engine's tip differ from the manifest's. `validatorsUnknown`:
 * it names validators that the state does not have in force; a change of the last two heights shows so, too.
 */
export type OfferRefusal =
  | SnapshotRefusal
  | 'wrongFormat'
  | 'wrongHash'
  | 'wrongTip'
  | 'validatorsUnknown';

export interface OfferedSnapshot {
  readonly manifest: SnapshotManifest;
  readonly tip: EngineTip;
  /** `StateAnswer` of the validators, encoded. */
  readonly validators: Bytes;
}

export function describeSnapshot({ manifest, tip, validators }: OfferedSnapshot): Snapshot {
  const metadata = encode([encodeManifest(manifest), encodeEngineTip(tip), validators]);
  return {
    height: BigInt(manifest.height),
    format: SNAPSHOT_FORMAT,
    chunks: chunkCount(manifest),
    hash: sha256(metadata),
    metadata,
  };
}

function parseMetadata(
  metadata: Bytes,
): { readonly manifest: Bytes; readonly tip: EngineTip; readonly validators: Bytes } | undefined {
  try {
    const fields = Fields.of(decode(metadata, { bytesMax: METADATA_BYTES_MAX, depthMax: 2 }), 3);
    return {
      manifest: fields.bytes(),
      tip: decodeEngineTip(fields.bytes()),
      validators: fields.bytes(),
    };
  } catch (error) {
    if (error instanceof CodecError || error instanceof ValidatorSetError) return undefined;
    throw error;
  }
}

/** What the state has in force, proven under the app hash. */
function provenValidators(answer: Bytes, appHash: Bytes): readonly ValidatorEntry[] | undefined {
  try {
    const parsed = parseStateAnswer(answer);
    const { value } = parsed;
    if (value === null || !verifyStateAnswer(appHash, stateKeys.validators(), parsed))
      return undefined;
    return parseGovernedValidators(value).validators;
  } catch (error) {
    if (error instanceof CodecError) return undefined;
    throw error;
  }
}

/** Whether the set has the members in force, with the same power and the same right to lead. */
function isSetOf(chainId: string, inForce: readonly ValidatorEntry[], set: ValidatorSet): boolean {
  const named = new Map(inForce.map((each) => [toHex(each.key), each]));
  return (
    set.chainId === chainId &&
    set.validators.length === named.size &&
    set.validators.every(({ key, power, leads }) => {
      const known = named.get(toHex(key));
      return known !== undefined && BigInt(known.power) === power && known.leads === leads;
    })
  );
}

/**
 * `appHash`: of the snapshot's height, from a header that the engine's light client verified. The engine
 * verifies keys and powers of the sets itself before it uses them; who may lead it does not know, so the
 * sets must be those of the state. (After a change that is two heights old at most they are not; the
 * newcomer takes another snapshot.)
 */
export function verifyOffer(
  snapshot: Snapshot,
  trusted: { readonly genesis: Genesis; readonly appHash: Bytes },
):
  | { readonly ok: true; readonly value: OfferedSnapshot }
  | { readonly ok: false; readonly code: OfferRefusal } {
  const { genesis, appHash } = trusted;
  if (snapshot.format !== SNAPSHOT_FORMAT) return { ok: false, code: 'wrongFormat' };
  if (!equalBytes(sha256(snapshot.metadata), snapshot.hash))
    return { ok: false, code: 'wrongHash' };
  const parsed = parseMetadata(snapshot.metadata);
  if (parsed === undefined) return { ok: false, code: 'malformed' };
  const { tip } = parsed;
  const height = Number(snapshot.height);
  const manifest = verifyManifest(parsed.manifest, { chainId: genesis.chainId, height, appHash });
  if (!manifest.ok) return manifest;
  if (chunkCount(manifest.value) !== snapshot.chunks) return { ok: false, code: 'wrongHash' };
  if (
    tip.height !== snapshot.height ||
    !equalBytes(tip.appHash, appHash) ||
    Number(tip.timeNs / 1_000_000_000n) !== manifest.value.time
  )
    return { ok: false, code: 'wrongTip' };
  const { validators } = parsed;
  const inForce = provenValidators(validators, appHash);
  if (inForce === undefined) return { ok: false, code: 'validatorsUnknown' };
  for (const set of [tip.lastValidators, tip.validators, tip.nextValidators])
    if (!isSetOf(genesis.chainId, inForce, set)) return { ok: false, code: 'validatorsUnknown' };
  return { ok: true, value: { manifest: manifest.value, tip, validators } };
}
