/**
 * A keyring at rest: sealed under a passphrase. Argon2id (RFC 9106) turns the passphrase into a key;
 * its parameters stand in the file, bounded when read, so that they can grow with machines.
 *
 * Layout (canonical CBOR): `['yilian-keyring', 1, [memoryKiB, passes, lanes, salt], sealed]`;
 * `sealed` = AES-256-GCM under HKDF(Argon2id(passphrase, salt), [tag]), nonce 0 (the salt, and with it
 * the key, is fresh at each writing), the first three items as associated data.
 */
import { argon2idAsync } from '@noble/hashes/argon2.js';
import { open, seal, ZERO_NONCE } from '@yilian/crypto/aead';
import { type Bytes, type RandomBytes, utf8 } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';
import { DOMAIN_TAGS } from '@yilian/crypto/domain-tags';
import { hkdf } from '@yilian/crypto/hash';
import { ClientError } from './failure.ts';

const MAGIC = 'yilian-keyring';
const VERSION = 1;
const SALT_BYTES = 16;
const FILE_BYTES_MAX = 16 * 1024 * 1024;

/** Cost of one guess at the passphrase. */
export interface PassphraseCost {
  readonly memoryKiB: number;
  readonly passes: number;
  readonly lanes: number;
}

/** The first of OWASP's equivalent settings for Argon2id that a phone can bear. */
export const DEFAULT_PASSPHRASE_COST: PassphraseCost = { memoryKiB: 19_456, passes: 2, lanes: 1 };

const COST_MAX: PassphraseCost = { memoryKiB: 1_048_576, passes: 16, lanes: 16 };

async function deriveFileKey(
  passphrase: string,
  salt: Bytes,
  cost: PassphraseCost,
): Promise<Bytes> {
  const secret = await argon2idAsync(utf8(passphrase.normalize('NFKC')), salt, {
    m: cost.memoryKiB,
    t: cost.passes,
    p: cost.lanes,
    dkLen: 32,
  });
  const key = hkdf({ ikm: secret, info: encode([DOMAIN_TAGS.keyringKey]), length: 32 });
  secret.fill(0);
  return key;
}

function headOf(cost: PassphraseCost, salt: Bytes): readonly Cbor[] {
  return [MAGIC, VERSION, [cost.memoryKiB, cost.passes, cost.lanes, salt]];
}

/** Seals `content` for the disk. */
export async function sealKeyringFile(input: {
  readonly content: Bytes;
  readonly passphrase: string;
  readonly randomBytes: RandomBytes;
  readonly cost?: PassphraseCost;
}): Promise<Bytes> {
  const cost = input.cost ?? DEFAULT_PASSPHRASE_COST;
  const salt = input.randomBytes(SALT_BYTES);
  const head = headOf(cost, salt);
  const key = await deriveFileKey(input.passphrase, salt, cost);
  const sealed = seal({
    key,
    nonce: ZERO_NONCE,
    associatedData: encode(head),
    plaintext: input.content,
  });
  key.fill(0);
  return encode([...head, sealed]);
}

/**
 * Inverse of `sealKeyringFile`.
 * @throws ClientError `badKeyring` when the bytes are not such a file, `wrongPassphrase`
 */
export async function openKeyringFile(file: Bytes, passphrase: string): Promise<Bytes> {
  const { cost, salt, sealed } = parseFile(file);
  const key = await deriveFileKey(passphrase, salt, cost);
  const content = open({
    key,
    nonce: ZERO_NONCE,
    associatedData: encode(headOf(cost, salt)),
    sealed,
  });
  key.fill(0);
  if (content === null)
    throw new ClientError('wrongPassphrase', 'the passphrase is wrong, or the keyring was altered');
  return content;
}

function bad(): never {
  throw new ClientError('badKeyring', 'this is not a keyring file');
}

function parseFile(file: Bytes): {
  readonly cost: PassphraseCost;
  readonly salt: Bytes;
  readonly sealed: Bytes;
} {
  let value: Cbor;
  try {
    value = decode(file, { bytesMax: FILE_BYTES_MAX, depthMax: 3 });
  } catch {
    return bad();
  }
  if (!Array.isArray(value) || value.length !== 4) return bad();
  const [magic, version, parameters, sealed]: readonly Cbor[] = value;
  if (magic !== MAGIC || version !== VERSION || !(sealed instanceof Uint8Array)) return bad();
  if (!Array.isArray(parameters) || parameters.length !== 4) return bad();
  const [memoryKiB, passes, lanes, salt]: readonly Cbor[] = parameters;
  if (!(salt instanceof Uint8Array) || salt.length !== SALT_BYTES) return bad();
  const cost = {
    memoryKiB: boundedCost(memoryKiB, COST_MAX.memoryKiB),
    passes: boundedCost(passes, COST_MAX.passes),
    lanes: boundedCost(lanes, COST_MAX.lanes),
  };
  if (cost.memoryKiB < 8 * cost.lanes) return bad();
  return { cost, salt, sealed };
}

function boundedCost(value: Cbor | undefined, max: number): number {
  if (typeof value !== 'number' || value < 1 || value > max) return bad();
  return value;
}
